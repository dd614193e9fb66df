"""Docker or podman: which one answers here, what it can limit, and its command lines.

Not covered: an engine on another machine (`DOCKER_HOST`, a socket that was mounted into a
container): the folders to show would be that machine's, and the self-test fails. Where SELinux
confines containers, a folder that is labelled for its owner only stays unreadable.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

from earnest.core.canon import digest
from earnest.core.errors import LackError, SandboxError
from earnest.core.jobs import DATA, WORK, Limits
from earnest.sandbox.system import IMAGE, System

ENGINES: Final = ("podman", "docker")
_ASK_S: Final = 4.0
_START_S: Final = 60.0
_MIB: Final = 1 << 20
_OWN_MIB: Final = 64  # what process 1 of a container needs itself
_SPARE_FILES: Final = 64


@dataclass(frozen=True)
class Engine:
    """A container engine that answers. `words` go before its verb.

    `limits`: what it can limit here, of `memory`, `swap`, `cpu`, `pids`. `rootless`: a container's
    uids are a range of the user's own.
    """

    name: str
    path: str
    version: str
    rootless: bool
    limits: frozenset[str]
    words: tuple[str, ...] = ()

    def command(self, *words: str) -> list[str]:
        """Return a command line."""
        return [self.path, *self.words, *words]


def _podman(told: Mapping[str, Any]) -> tuple[str, bool, frozenset[str]]:
    host = told["host"]
    limits = {"memory", "cpu", "pids"} & set(host.get("cgroupControllers") or ())
    limits |= {"swap"} if "memory" in limits else set()
    return told["version"]["Version"], bool(host["security"]["rootless"]), frozenset(limits)


def _docker(told: Mapping[str, Any]) -> tuple[str, bool, frozenset[str]]:
    if not told.get("ServerVersion"):
        raise KeyError("ServerVersion")
    keys = {
        "memory": "MemoryLimit",
        "swap": "SwapLimit",
        "cpu": "CpuCfsQuota",
        "pids": "PidsLimit",
    }
    options = told.get("SecurityOptions") or ()
    rootless = any(word in option for option in options for word in ("rootless", "userns"))
    limits = frozenset(name for name, key in keys.items() if told.get(key))
    return told["ServerVersion"], rootless, limits


def read_info(name: str, path: str, text: str) -> Engine:
    """Read what `podman info` or `docker info` says as JSON. Raises `LackError`."""
    try:
        version, rootless, limits = (_podman if name == "podman" else _docker)(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LackError(f"{name} is installed but does not answer", mend=_wake(name)) from error
    return Engine(name, path, version, rootless, limits)


def _wake(name: str) -> str:
    if sys.platform == "darwin":
        return "podman machine start" if name == "podman" else "open -a Docker"
    return "podman info" if name == "podman" else "systemctl start docker"


def install_command() -> str:
    """Return the command that would get an engine here."""
    if sys.platform == "darwin":
        return "brew install podman && podman machine init && podman machine start"
    return "apt-get install podman"


def find_engine() -> Engine:
    """Return the first engine that answers. Raises `LackError`."""
    lack = LackError("neither podman nor docker is installed", mend=install_command())
    for name in ENGINES:
        path = shutil.which(name)
        if path is None:
            continue
        try:
            done = subprocess.run(
                [path, "info", "--format", "{{json .}}"],
                capture_output=True,
                text=True,
                timeout=_ASK_S,
                check=False,
            )
            return read_info(name, path, done.stdout)
        except subprocess.TimeoutExpired:
            lack = LackError(f"{name} does not answer", mend=_wake(name))
        except (OSError, LackError) as error:
            lack = error if isinstance(error, LackError) else LackError(f"{name}: {error}")
    raise lack


def base_tar(system: System) -> bytes:
    """Return an image that holds nothing but links and empty folders; the same for the same."""
    folders = {"earnest-jail", *(name.strip("/") for name in (WORK, DATA, IMAGE)), "proc", "dev"}
    for shown in system.folders:
        folders |= {str(above)[1:] for above in PurePosixPath(shown).parents}
    folders.discard("")
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            # runc gives the workspace the mode of the folder that it covers
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if f"/{name}" == WORK else 0o755
            tar.addfile(entry)
        for path, target in sorted(system.links):
            entry = tarfile.TarInfo(path.strip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return held.getvalue()


def base_tag(tar: bytes) -> str:
    """Return what such an image is called."""
    return f"localhost/earnest-base:{digest(tar).removeprefix('sha256:')[:16]}"


def _ask(engine: Engine, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            engine.command(*words), input=given, capture_output=True, timeout=_START_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"{engine.name} {words[0]}: {error}") from error


def has_image(engine: Engine, tag: str) -> bool:
    """Say whether the engine has an image; nothing is fetched."""
    return _ask(engine, "image", "inspect", tag).returncode == 0


def import_base(engine: Engine, system: System) -> str:
    """Give the engine the empty image if it lacks it; return its tag. Raises `SandboxError`."""
    tar = base_tar(system)
    tag = base_tag(tar)
    if not has_image(engine, tag):
        done = _ask(engine, "import", "-", tag, given=tar)
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip()[-300:]
            raise SandboxError(f"{engine.name} takes no image: {why}")
    return tag


@dataclass(frozen=True)
class Box:
    """A container to start: its image, and what it sees (outer path, inner path), read-only."""

    tag: str
    name: str
    uid: int
    binds: tuple[tuple[str, str], ...]
    masks: tuple[str, ...]
    limits: Limits


def _limit_words(engine: Engine, limits: Limits) -> list[str]:
    memory = limits.memory_mib + 2 * limits.workspace_mib + _OWN_MIB
    words = ["--ulimit", f"nofile={limits.open_files + _SPARE_FILES}"]
    words += ["--ulimit", f"nproc={limits.processes + 2}", "--ulimit", "core=0"]
    if "memory" in engine.limits:
        words += ["--memory", f"{memory}m"]
    if {"memory", "swap"} <= engine.limits:
        words += ["--memory-swap", f"{memory}m"]
    if "pids" in engine.limits:
        words += ["--pids-limit", str(limits.processes + 2)]
    if "cpu" in engine.limits:
        words += ["--cpus", "1"]
    return words


def run_words(engine: Engine, box: Box, command: Sequence[str]) -> list[str]:
    """Return the command line that runs a container, which is removed when it ends."""
    words = ["run", "--rm", "--interactive", "--name", box.name, "--pull", "never"]
    words += ["--log-driver", "none", "--no-healthcheck", "--stop-timeout", "0"]
    words += ["--network", "none", "--ipc", "none", "--hostname", "jail"]
    words += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    words += ["--user", f"{box.uid}:{box.uid}", "--workdir", WORK]
    words += _limit_words(engine, box.limits)
    work = f"rw,exec,nosuid,nodev,mode=1777,size={box.limits.workspace_mib * _MIB}"
    mask = "ro,size=4096"
    if engine.name == "podman":  # it would fill a tmpfs with what lies beneath; it knows no inodes
        words += ["--read-only-tmpfs=false", "--http-proxy=false", "--passwd=false", "--no-hosts"]
        work, mask = f"{work},notmpcopyup", f"{mask},notmpcopyup"
    else:
        work = f"{work},nr_inodes={box.limits.workspace_files}"
    for outer, inner in box.binds:
        words += ["--mount", f"type=bind,src={outer},dst={inner},ro"]
    for folder in box.masks:
        words += ["--tmpfs", f"{folder}:{mask}"]
    return engine.command(*words, "--tmpfs", f"{WORK}:{work}", box.tag, *command)


def settle(engine: Engine, tag: str, python: str, binds: tuple[tuple[str, str], ...]) -> Engine:
    """Return the engine with a runtime that starts containers here. Raises `SandboxError`.

    Podman's usual runtime, crun, refuses machines that mix both versions of control groups.
    """
    tries = [engine]
    if engine.name == "podman":
        found = [name for name in ("runc", "crun") if shutil.which(name)]
        tries += [replace(engine, words=("--runtime", name)) for name in found]
    why = ""
    for one in tries:
        box = Box(tag, "", 1000, binds, (), Limits(workspace_mib=1))
        words = run_words(one, box, [python, "-I", "-S", "-c", "print('up')"])
        del words[words.index("--name") : words.index("--name") + 2]
        done = _ask(one, *words[1 + len(one.words) :])
        if done.stdout == b"up\n":
            return one
        why = why or done.stderr.decode(errors="replace").strip()[-300:]
    raise SandboxError(f"{engine.name} does not start a container: {why}", mend=_runtime_mend(why))


def _runtime_mend(why: str) -> str:
    return "apt-get install runc" if "hybrid" in why else ""
