"""Which sandbox this machine can have: tried in order, each proven before it is handed out.

The proof is a program that must succeed at what jobs need, and must be refused what jails are for.
A sandbox that does not do both is not used; where none is left, nothing runs.

Not covered: the proof is short. The hostile suite asks far more of a sandbox, and takes longer.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from earnest.core.errors import EarnestError, LackError, SandboxError, UsageError
from earnest.core.jobs import DATA, Job, Limits
from earnest.core.protocols import Progress, Sandbox
from earnest.sandbox.image import build_image
from earnest.sandbox.machine import Facts, ask
from earnest.sandbox.mends import mends

UNSAFE: Final = "unsafe-local"
_MARK: Final = "EARNEST_SELFTEST"
_LIMITS: Final = Limits(wall_s=60.0, cpu_s=30, memory_mib=1024, workspace_mib=8)

_PROGRAM: Final = """
import os, socket, sys

def attempt(name, action):
    try:
        action()
    except OSError:
        print(name, "refused")
    else:
        print(name, "allowed")

def connect():
    with socket.socket() as s:
        s.settimeout(5)
        s.connect(("127.0.0.1", int(sys.argv[2])))

print("data", open(sys.argv[3] + "/visible").read())
open("kept", "w").write(open("given").read())
print("environment", "leaks" if sys.argv[4] in os.environ else "clean")
print("root", os.geteuid() == 0)
attempt("host", lambda: open(sys.argv[1]).read())
attempt("network", connect)
for place in (sys.argv[3], "/", "/tmp", "/usr/bin", os.path.dirname(sys.argv[1])):
    attempt("write:" + place, lambda: open(os.path.join(place, "written"), "w"))
if sys.argv[5] == "numpy":
    import numpy
print("done")
"""


def _warm(image: Path) -> Sandbox:
    from earnest.sandbox.warm import WarmSandbox

    return WarmSandbox(image)


def _bwrap(image: Path) -> Sandbox:
    from earnest.sandbox.bwrap import BwrapSandbox

    return BwrapSandbox(image)


def _sandlock(image: Path) -> Sandbox:
    from earnest.sandbox.sandlock import SandlockSandbox

    return SandlockSandbox(image)


def _container(image: Path) -> Sandbox:
    from earnest.sandbox.container import ContainerSandbox

    return ContainerSandbox(image)


def _unsafe(image: Path) -> Sandbox:
    from earnest.sandbox.unsafe import UnsafeLocal

    return UnsafeLocal(image)


# tried in this order: the fastest that holds first, the one that needs least of the kernel last
BACKENDS: Final[Mapping[str, Callable[[Path], Sandbox]]] = {
    "warm": _warm,
    "bwrap": _bwrap,
    "sandlock": _sandlock,
    "container": _container,
}


@dataclass(frozen=True)
class State:
    """What a backend is worth here. `says`: `ok`, or what it lacks; `mend`: what would help."""

    ok: bool
    says: str
    mend: str = ""


def _expect(sandbox: Sandbox, folder: Path, image: Path) -> None:
    visible, host = folder / "visible", folder / "host"
    visible.mkdir()
    host.mkdir()
    token = secrets.token_hex(16)
    (visible / "visible").write_text(token)
    (host / "secret").write_text(secrets.token_hex(16))
    numpy = "numpy" if (image / "numpy").is_dir() else "none"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        words = [str(host / "secret"), str(server.getsockname()[1]), DATA, _MARK]
        job = Job(
            ("python", "-c", _PROGRAM, *words, numpy),
            files={"given": token.encode()},
            ro_mounts={DATA: visible},
            limits=_LIMITS,
        )
        result = sandbox.run(job)
        if _reached(server):
            raise SandboxError(f"{sandbox.name}: a jail reached this machine's network")
    lines = result.stdout.splitlines()
    if not result.ok or lines[-1:] != ["done"] or lines[0] != f"data {token}":
        raise SandboxError(f"{sandbox.name}: a plain program fails: {result.stderr.strip()[-500:]}")
    if result.files.get("kept") != token.encode():
        raise SandboxError(f"{sandbox.name}: a jail's files don't come back")
    wrong = [line for line in lines if line.split()[-1] in ("allowed", "leaks")]
    if wrong or "environment clean" not in lines or "root False" not in lines:
        raise SandboxError(f"{sandbox.name} lets through what it must refuse: {', '.join(wrong)}")
    if any(path.name == "written" for path in folder.rglob("*")):
        raise SandboxError(f"{sandbox.name}: a jail wrote to this machine")


def _reached(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _expect_end(sandbox: Sandbox) -> None:
    program = "import time; time.sleep(60)"
    result = sandbox.run(Job(("python", "-c", program), limits=Limits(wall_s=0.3)))
    if result.ended != "timeout":
        raise SandboxError(f"{sandbox.name} does not end a program in time: {result.ended}")


def prove(sandbox: Sandbox, image: Path) -> None:
    """Hold a sandbox to its word. Raises `SandboxError`, which says what it fails at."""
    marked = os.environ.get(_MARK)
    os.environ[_MARK] = "1"
    try:
        with tempfile.TemporaryDirectory(prefix="earnest-selftest-") as folder:
            Path(folder).chmod(0o755)  # the file modes must not be what refuses
            _expect(sandbox, Path(folder), image)
        _expect_end(sandbox)
    finally:
        if marked is None:
            del os.environ[_MARK]


def require_isolation(sandbox: Sandbox, purpose: str) -> None:
    """Refuse a sandbox that isolates nothing. Raises `UsageError`, which names the purpose."""
    if getattr(sandbox, "isolates", False) is not True:
        raise UsageError(
            f"{sandbox.name} isolates nothing, and {purpose} must not rest on it",
            mend="leave --sandbox away (earnest doctor names what this machine can have)",
        )


def mend_for(errors: Mapping[str, EarnestError], facts: Facts) -> str:
    """Return what would get one of the backends that failed, given why and on which machine."""
    ways = [error.mend for error in errors.values() if error.mend]
    ways += [mend.mend for mend in mends(facts) if set(mend.stops) & set(errors)]
    found = "; or ".join(dict.fromkeys(ways))
    return found or "run it where user namespaces or Landlock are allowed"


def open_sandbox(images_dir: Path, *, prefer: str = "auto") -> Sandbox:
    """Return the first sandbox that proves itself; `prefer` names the only one to try.

    `images_dir` is where the image is kept. `unsafe-local` is had by its name only, unproven: its
    `gives_up` says what a person must know. Raises `LackError`, with the command that mends it,
    where no sandbox can be had: nothing runs unconfined instead.
    """
    known = ("auto", *BACKENDS, UNSAFE)
    if prefer not in known:
        raise LackError(
            f"there is no sandbox {prefer!r}",
            mend=f"choose {', '.join(known[:-1])} or {known[-1]}",
        )
    image = build_image(images_dir)
    if prefer == UNSAFE:
        return _unsafe(image)
    errors: dict[str, EarnestError] = {}
    for name in BACKENDS if prefer == "auto" else (prefer,):
        sandbox, error = _tried(name, image)
        if sandbox is not None:
            return sandbox
        errors[name] = error
    reasons = "; ".join(f"{name}: {error}" for name, error in errors.items())
    raise LackError(
        f"no sandbox can be had here ({reasons})", mend=mend_for(errors, Facts.read(ask()))
    )


def _tried(name: str, image: Path) -> tuple[Sandbox | None, EarnestError]:
    """Return a backend that has proven itself, or none and the reason."""
    if sys.platform != "linux" and name != "container":
        return None, LackError(f"{name} needs Linux", mend="use container")
    sandbox = None
    try:
        sandbox = BACKENDS[name](image)
        prove(sandbox, image)
    except EarnestError as error:
        if sandbox is not None:
            sandbox.close()
        return None, error
    return sandbox, EarnestError("")


def examine(image: Path, say: Progress | None = None) -> Iterator[tuple[str, State]]:
    """Yield each backend's name and what it is worth here; `say` is told which is being tried."""
    for name in BACKENDS:
        if say:
            say(f"trying {name} ...")
        sandbox, error = _tried(name, image)
        if sandbox is None:
            yield name, State(False, str(error), error.mend)
        else:
            soft = getattr(sandbox, "soft", ())
            sandbox.close()
            yield name, State(True, f"ok ({', '.join(soft)}: soft)" if soft else "ok")


def probe(images_dir: Path | None = None) -> dict[str, str]:
    """Return what each sandbox says of itself: `ok`, or what is lacking and how to mend it.

    Without `images_dir` the proof runs with an empty image.
    """
    with tempfile.TemporaryDirectory(prefix="earnest-probe-") as empty:
        Path(empty).chmod(0o755)
        image = build_image(images_dir) if images_dir else Path(empty)
        return {
            name: "ok" if state.ok else f"{state.says} ({state.mend})" if state.mend else state.says
            for name, state in examine(image)
        }
