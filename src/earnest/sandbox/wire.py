"""What the supervisor and process 1 of a jail say to each other (`inside.py` has the other end).

What comes back is written by a process that a hostile program may have taken over. It is parsed
as data, within bounds that are fixed beforehand; at worst it names odd files with odd contents.
"""

from __future__ import annotations

import marshal
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.jobs import DATA, WORK, Job, Limits

MOST_FILES: Final = 4096
TEMPORARY: Final = ".tmp"
_LONGEST: Final = 1024
_MIB: Final = 1 << 20
_ENDED_BYTES: Final = 7  # `H`, then `E` with its two numbers


class GarbledError(Exception):
    """Bytes that `inside.py` would not have sent."""


@dataclass(frozen=True)
class Report:
    """What process 1 said. `code` is None where it did not say how the program ended.

    `late`: it ran out of time. `too_much`: there was more than may come back; `reason` says what.
    """

    code: int | None = None
    late: bool = False
    too_much: bool = False
    reason: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


def most_bytes(limits: Limits) -> int:
    """Return how many bytes a report may have."""
    return limits.workspace_mib * _MIB + MOST_FILES * (_LONGEST + 13) + 256


def relative(name: str) -> str:
    """Return a file's name in the workspace as it is. Raises `UsageError` for any other."""
    path = PurePosixPath(name)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or path.parts[0] == TEMPORARY
        or str(path) != name
        or "\0" in name
        or len(name.encode(errors="replace")) > _LONGEST
    ):
        raise UsageError(f"{name!r} can't be a file in a jail's workspace")
    return name


def mounts(job: Job) -> dict[str, str]:
    """Return a job's read-only folders, inner path to outer path, checked. Raises `UsageError`."""
    found: dict[str, str] = {}
    for inner, outer in job.ro_mounts.items():
        path = PurePosixPath(inner)
        if str(path) != inner or ".." in path.parts or not path.is_relative_to(DATA):
            raise UsageError(f"a job's folders are mounted at {DATA} or below, not at {inner!r}")
        if any(path.is_relative_to(p) or PurePosixPath(p).is_relative_to(path) for p in found):
            raise UsageError(f"{inner!r} lies within another of the job's folders")
        if not outer.is_dir():
            raise UsageError(f"there is no folder {outer} to mount at {inner}")
        found[inner] = str(outer.resolve())
    return found


def resource_limits(limits: Limits, *, count_processes: bool) -> list[tuple[int, int, int]]:
    """Return (which, soft, hard) for setrlimit(2)."""
    most = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_mib * _MIB),
        (resource.RLIMIT_FSIZE, limits.workspace_mib * _MIB),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_MEMLOCK, 0),
    ]
    if count_processes:
        most.append((resource.RLIMIT_NPROC, limits.processes + 1))  # process 1 counts as well
    return [
        *((which, limit, limit) for which, limit in most),
        (resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1),
    ]


def environment(python_path: str, home: str) -> dict[str, str]:
    """Return a program's whole environment."""
    return {
        "HOME": home,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": python_path,
        "TMPDIR": home,
        "TZ": "UTC",
    }


def command(job: Job, python: str) -> list[str]:
    """Return a job's command line. Raises `UsageError`."""
    if not job.entry or (job.entry[0] != "python" and not job.entry[0].startswith("/")):
        raise UsageError(f"a job starts `python` or an absolute path, not {job.entry[:1]}")
    return [python if job.entry[0] == "python" else job.entry[0], *job.entry[1:]]


def plan(job: Job, python: str, python_path: str, *, count_processes: bool) -> bytes:
    """Return what `inside.py` reads: length (8, big-endian), marshalled plan, files' contents.

    Raises `UsageError` for a job whose files don't fit or are not relative.
    """
    names = [relative(name) for name in job.files]
    size = sum(map(len, job.files.values()))
    if size > job.limits.workspace_mib * _MIB or len(names) > MOST_FILES:
        raise UsageError(f"{len(names)} files of {size} bytes don't fit into the workspace")
    content: dict[str, Any] = {
        "entry": command(job, python),
        "environment": environment(python_path, f"{WORK}/{TEMPORARY}"),
        "files": [(name, len(data)) for name, data in job.files.items()],
        "temporary": TEMPORARY,
        "limits": resource_limits(job.limits, count_processes=count_processes),
        "wall": job.limits.wall_s,
        "collect": job.collect,
        "most": (job.limits.workspace_mib * _MIB, MOST_FILES),
    }
    head = marshal.dumps(content)  # the jail's interpreter is ours; json takes it 8 ms to import
    return b"".join((len(head).to_bytes(8, "big"), head, *job.files.values()))


def ended(data: bytes | bytearray) -> bool:
    """Say whether a report's beginning already tells that the program has ended."""
    return len(data) >= _ENDED_BYTES and data[:2] == b"HE"


def _files(data: bytes, at: int) -> tuple[dict[str, bytes], bytes]:
    """Read the files from a place on; return them and what follows."""
    found: dict[str, bytes] = {}
    while data[at : at + 1] == b"F":
        name_size = int.from_bytes(data[at + 1 : at + 5], "big")
        size = int.from_bytes(data[at + 5 : at + 13], "big")
        at += 13
        name, content = data[at : at + name_size], data[at + name_size : at + name_size + size]
        at += name_size + size
        if at > len(data) or len(found) >= MOST_FILES:
            raise GarbledError("a file's length is not what it was said to be")
        try:
            found[relative(name.decode())] = content
        except UnicodeDecodeError:
            continue  # not text: no one can ask for it by name
        except UsageError as error:
            raise GarbledError(str(error)) from error
    return found, data[at:]


def read_report(data: bytes) -> Report:
    """Read what process 1 sent, from its `H` on. Raises `GarbledError`."""
    if data[:1] != b"H":
        raise GarbledError("it did not begin")
    if data[1:2] == b"!":
        return Report(too_much=True, reason=data[2:200].decode(errors="replace"))
    if not ended(data):
        if len(data) > 1:
            raise GarbledError("the program's end is missing")
        return Report()
    late, code = data[2] != 0, int.from_bytes(data[3:7], "big", signed=True)
    if not -64 <= code <= 255:
        raise GarbledError(f"no program ends with {code}")
    files, rest = _files(data, _ENDED_BYTES)
    if rest == b".":
        return Report(code, late, files=files)
    if rest == b"!":
        return Report(code, late, too_much=True, reason="more files or bytes than may come back")
    raise GarbledError("the end is missing")
