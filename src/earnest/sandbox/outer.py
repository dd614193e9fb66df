"""The outer jail: sandboxes that are on trial, and hostile programs, run in it and nowhere else.

It shows this package, the interpreter with its packages, and the folders that its caller names, all
read-only; folders in memory for all else. It has process, network, IPC and host-name namespaces of
its own and an empty environment. A sandbox that leaks leaks into it: there is no home, no checkout
and no network, and it ends with all that runs in it when its caller does.

Started by root, it keeps the few capabilities that a sandbox needs which drops root by itself.
Then a program that got out of the inner jail *and* kept uid 0 would have those: attacks therefore
do nothing that harms where it succeeds (`attacks/kit.py`).

Not covered: faults of the kernel; the kernel's settings, which are one for all.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from earnest.core.errors import EarnestError, LackError, SandboxError
from earnest.core.protocols import Progress

PACKAGE: Final = "/source/earnest"
_CAPABILITIES: Final = ("SYS_ADMIN", "SETUID", "SETGID", "DAC_OVERRIDE", "KILL", "CHOWN")


def _system(words: list[str]) -> None:
    for name in ("/bin", "/lib", "/lib64", "/sbin"):
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]


def _shown(folders: Sequence[Path], binds: Mapping[str, Path]) -> list[str]:
    prefixes = list(
        dict.fromkeys([Path("/usr"), Path(sys.base_prefix), Path(sys.prefix), *folders])
    )
    targets = [*prefixes, *map(Path, binds), Path("/etc/x"), Path(PACKAGE)]
    parents = {above for path in targets for above in path.parents}
    words: list[str] = []
    for folder in sorted(parents - {Path("/"), Path("/tmp")}):  # noqa: S108
        words += ["--perms", "0755", "--dir", str(folder)]
    for path in prefixes:
        words += ["--ro-bind", str(path), str(path)]
    for inner, path in binds.items():
        words += ["--ro-bind", str(path), inner]
    package = Path(__file__).resolve().parents[1]
    words += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    return [*words, "--ro-bind", str(package), PACKAGE]


def outer_command(
    command: Sequence[str],
    *,
    folders: Sequence[Path] = (),
    binds: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the command line that runs `command` in an outer jail.

    `folders` are shown at their own paths, `binds` (inner path → path) elsewhere. The command
    finds this package on its PYTHONPATH. Raises `LackError` where bubblewrap is not installed.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise LackError(
            "hostile programs run in an outer jail only, and bubblewrap is not installed",
            mend="apt-get install bubblewrap",
        )
    words = [bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    words += ["--die-with-parent", "--new-session"]
    words += ["--dev", "/dev", "--dir", "/mnt", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
    _system(words)
    words += _shown(folders, binds or {})
    if os.geteuid() == 0:
        words += ["--dir", "/proc"]
        for name in _CAPABILITIES:
            words += ["--cap-add", f"CAP_{name}"]
    else:
        words += ["--unshare-user", "--proc", "/proc"]
    given = {
        "PYTHONPATH": str(Path(PACKAGE).parent),
        "PATH": "/usr/bin:/bin",
        **(environment or {}),
    }
    words += ["--clearenv"]
    for name, value in given.items():
        words += ["--setenv", name, value]
    return [*words, "--", *command]


def _told(
    lines: IO[str], progress: Progress, last: Callable[[], str], kept: list[dict[str, Any]]
) -> dict[str, Any]:
    ready = False
    for line in lines:
        answer = json.loads(line)
        ready = ready or "ready" in answer
        if "so_far" in answer:
            kept[:] = [answer["so_far"]]
        if "says" in answer:
            progress(answer["says"])
        if "lacks" in answer:
            raise LackError(answer["lacks"], mend=answer["mend"])
        if "report" in answer:
            report: dict[str, Any] = answer["report"]
            return report
    if ready:
        raise SandboxError(f"the trial was ended from within: {last()}", mend="run it again, alone")
    raise LackError(
        f"the outer jail, without which nothing hostile is run, can't be had here: {last()}",
        mend="earnest doctor",
    )


def try_outside(command: Sequence[str], progress: Progress, *, longest_s: float) -> dict[str, Any]:
    """Run an outer jail's driver to its report; nothing of it is left afterwards.

    A driver writes lines of JSON: `ready` once it runs, `says` for a person who waits, `lacks` with
    a `mend`, or the `report`. On Ctrl-C the last report that it had `so_far` is returned, if it had
    any. Raises `LackError` where it lacks something or there is no outer jail, `SandboxError` where
    it ended without a report.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
    ) as process:
        assert process.stdout  # noqa: S101 - it was started with pipes
        assert process.stderr  # noqa: S101
        errors = process.stderr
        said: list[str] = []
        kept: list[dict[str, Any]] = []

        def listen() -> None:
            said.extend(line.strip()[-300:] for line in errors)

        def last() -> str:
            process.kill()
            listener.join(5.0)
            return said[-1] if said else ""

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        timer = threading.Timer(longest_s, process.kill)
        timer.daemon = True
        timer.start()
        try:
            return _told(process.stdout, progress, last, kept)
        except KeyboardInterrupt:
            if not kept:
                raise
            return kept[-1]
        finally:
            timer.cancel()
            process.kill()


@contextlib.contextmanager
def answering() -> Iterator[Callable[..., None]]:
    """In an outer jail's driver: yield how to say a line of JSON; errors become `lacks`.

    Standard output is for these lines alone: what else is written there goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    try:
        yield answer
    except EarnestError as error:
        answer(lacks=str(error), mend=error.mend)
