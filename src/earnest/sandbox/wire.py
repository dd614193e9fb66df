"""What the supervisor says to process 1 of a jail (`inside.py`, `cycle.py`), and hears from it.

What comes back is written by a process that a hostile program may have taken over. It is parsed
as data, within bounds that are fixed beforehand.
"""

from __future__ import annotations

import marshal
import os
import platform
import resource
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from earnest.core.errors import UsageError
from earnest.core.jobs import DATA, WORK, Job, Limits
from earnest.sandbox import seccomp
from earnest.sandbox.collect import LONGEST, TEMPORARY

MOST_SAID: Final = 1024  # bytes of a report
MOST_DATA: Final = 64 << 20  # bytes of a job's folders that are copied; beyond, they are mounted
_MIB: Final = 1 << 20
PROXY_PORT: Final = 3128  # on the jail's own loopback, which it shares with nobody
CERTIFICATE: Final = f"{TEMPORARY}/proxy.pem"
HEAD: Final = 4096
"""Bytes of what a warm jail reads first, integers as the machine has them.

The number of the call at the gate (8): one that does nothing, or none, where the child is to do
more than run a program; the options of the workspace's mount, ended by a 0 (112); seven soft and
hard limits (8 each); the size of the job (8); the job, marshalled; zeros. What does not fit in
comes after it.
"""
_GATE, _OPTIONS_AT, _LIMITS_AT, _SIZE_AT, _JOB_AT = 8, 8, 120, 232, 240
_NUMBER: Final = struct.Struct("=Q")
_PASS: Final = 173 if platform.machine() == "aarch64" else 110  # getppid(2), which gives 0 there
_NO_CALL: Final = 0x3FFFFFFF
_END_BYTES: Final = 14
_BY_ITSELF, _ASKED, _MEMORY, _LATE = range(4)


class GarbledError(Exception):
    """Bytes that `inside.py` would not have sent."""


@dataclass(frozen=True)
class Report:
    """What process 1 said. `code` is None where it did not say how the program ended.

    `asked`: it was killed because the supervisor said so. `late`: it ran out of time. `memory`: it
    took too much. `reason`: what stood in the way of its start. `cpu_s`: what it used.
    """

    code: int | None = None
    asked: bool = False
    late: bool = False
    memory: bool = False
    reason: str = ""
    cpu_s: float = 0.0


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
        or len(name.encode(errors="replace")) > LONGEST
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


def resource_limits(
    limits: Limits, *, count_processes: bool, held: int = 0
) -> list[tuple[int, int, int]]:
    """Return (which, soft, hard) for setrlimit(2); `held`: bytes of memory that don't count."""
    most = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_mib * _MIB + held),
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
        "JE_ARROW_MALLOC_CONF": "background_thread:false",  # a thread would forbid warm jails
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


def _fits(job: Job) -> list[tuple[str, int]]:
    """Return names and sizes of a job's files. Raises `UsageError`."""
    sizes = [(relative(name), len(data)) for name, data in job.files.items()]
    size = sum(size for _, size in sizes)
    if size > job.limits.workspace_mib * _MIB or len(sizes) > job.limits.workspace_files:
        raise UsageError(f"{len(sizes)} files of {size} bytes don't fit into the workspace")
    return sizes


def cold_plan(job: Job, python: str, python_path: str, *, count_processes: bool) -> bytes:
    """Return what `inside.py` reads: length (8, big-endian), marshalled plan, files' contents.

    Raises `UsageError` for a job whose files don't fit or are not relative.
    """
    plan: dict[str, Any] = {
        "entry": command(job, python),
        "environment": environment(python_path, f"{WORK}/{TEMPORARY}"),
        "files": _fits(job),
        "temporary": TEMPORARY,
        "limits": resource_limits(job.limits, count_processes=count_processes),
        "wall": job.limits.wall_s,
        "port": 0,
    }
    contents = list(job.files.values())
    if job.net is not None:
        contents.append(job.net.certificate)
        plan["files"].append((CERTIFICATE, len(contents[-1])))
        plan["environment"] |= proxy_environment(PROXY_PORT, f"{WORK}/{CERTIFICATE}")
        plan["port"] = PROXY_PORT
    head = marshal.dumps(plan)  # the jail's interpreter is ours; json takes it 8 ms to import
    return b"".join((len(head).to_bytes(8, "big"), head, *contents))


def proxy_environment(port: int, certificate: str) -> dict[str, str]:
    """Return the variables by which programs find a proxy.

    `port`: of its listener on 127.0.0.1. `certificate`: the inner path of a file with its PEM.
    """
    proxy = f"http://127.0.0.1:{port}"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    files = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return {**dict.fromkeys(names, proxy), **dict.fromkeys(files, certificate)}


def folders(job: Job) -> tuple[list[str], list[tuple[str, bytes]]] | None:
    """Return the job's folders to make and their files, by inner path; None: too much to copy."""
    inner_folders: list[str] = []
    files: list[tuple[str, bytes]] = []
    room = MOST_DATA
    for inner, outer in mounts(job).items():
        for place, _, names in os.walk(outer):
            where = Path(inner, Path(place).relative_to(outer))
            inner_folders.append(str(where))
            for name in sorted(names):
                path = Path(place, name)
                if path.is_symlink() or not path.is_file():
                    continue
                room -= path.stat().st_size
                if room < 0:
                    return None
                files.append((str(where / name), path.read_bytes()))
    return inner_folders, files


def zygote_plan(python: str, modules: tuple[str, ...]) -> dict[str, Any]:
    """Return what `zygote.py` is told of all its jobs at its start. Raises `LackError`."""
    machine = platform.machine()
    return {
        "modules": modules,
        "standing": seccomp.standing(machine),
        "closing": seccomp.closing(machine),
        "head": HEAD,
        "places": (_OPTIONS_AT, _LIMITS_AT, _SIZE_AT, _JOB_AT),
        "limits": [which for which, _, _ in resource_limits(Limits(), count_processes=True)],
        "python": python,
        "work": WORK,
        "temporary": TEMPORARY,
        "data": DATA,
    }


@lru_cache(maxsize=64)
def _bounds(limits: Limits, held: int) -> bytes:
    """Return the part of a head that limits a job."""
    inodes = limits.workspace_files + 2  # its root and the temporary folder
    options = f"size={limits.workspace_mib * _MIB},nr_inodes={inodes},mode=700"
    most = resource_limits(limits, count_processes=True, held=held)
    numbers = (number for _, *pair in most for number in pair)
    return struct.pack(f"={_LIMITS_AT - _OPTIONS_AT}s14Q", options.encode(), *numbers)


def warm_plan(
    job: Job,
    python: str,
    held: int,
    shown: tuple[list[str], list[tuple[str, bytes]]],
    *,
    line: bool = False,
) -> bytes:
    """Return what a zygote's child reads (`cycle.py`): `HEAD` bytes, then the files' contents.

    `held`: bytes of address space that the zygote has before any program. `shown`: `folders(job)`.
    `line`: a descriptor comes with it. Raises `UsageError` as `cold_plan` does.
    """
    inner_folders, data = shown
    sizes = [(name, len(content)) for name, content in data]
    told = marshal.dumps((command(job, python), _fits(job), inner_folders, sizes, job.collect))
    plain = not (job.files or inner_folders or job.collect or line or len(told) > HEAD - _JOB_AT)
    gate, size = (_NUMBER.pack(number) for number in (_PASS if plain else _NO_CALL, len(told)))
    start = b"".join((gate, _bounds(job.limits, held), size, told)).ljust(HEAD, b"\0")
    return b"".join((start, *job.files.values(), *(content for _, content in data)))


def read_report(said: bytes | bytearray) -> Report | None:
    """Read what process 1 said so far; None: there is more to come. Raises `GarbledError`."""
    at, reason = 0, ""
    for word in (b"H", b"N"):
        at += said[at : at + 1] == word
    if said[at : at + 1] == b"!":
        size = int.from_bytes(said[at + 1 : at + 5], "big")
        if size > MOST_SAID:
            raise GarbledError("a reason is too long")
        reason = bytes(said[at + 5 : at + 5 + size]).decode(errors="replace") or "unknown"
        at += 5 + size
    end = bytes(said[at:])
    if not end:
        return None
    if end[:1] != b"E" or len(end) > _END_BYTES:
        raise GarbledError("it did not say how the program ended")
    if len(end) < _END_BYTES:
        return None
    cause, code = end[1], int.from_bytes(end[2:6], "big", signed=True)
    if not -64 <= code <= 255 or cause > _LATE:
        raise GarbledError(f"no program ends with {code} for {cause}")
    cpu_s = int.from_bytes(end[6:], "big") / 1000
    return Report(code, cause == _ASKED, cause == _LATE, cause == _MEMORY, reason, cpu_s)
