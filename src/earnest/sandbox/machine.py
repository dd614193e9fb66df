"""What this machine offers to sandboxes, and the commands that would mend what it lacks.

`Facts.read` reads files below a root, so that any machine can be described by a tree of them;
what only the running kernel can say is asked beforehand (`ask`). `mends` is pure.

Not covered: whether a sandbox really works; that is for its self-test (`choose.prove`). SELinux,
gVisor and the like are not looked for; nor is how much of a cgroup's limits is left.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NOBODY: Final = 65534
_ASK_S: Final = 5.0
_LANDLOCK_CREATE: Final = 444  # landlock_create_ruleset(2), the same number everywhere
_LANDLOCK_VERSION: Final = 1


@dataclass(frozen=True)
class Asked:
    """What the running kernel says. `namespaces`: how many user namespaces nest (0 to 2).

    `landlock`: the version of its interface, 0 for none. `bwrap`: bubblewrap's version, or
    nothing.
    """

    system: str
    release: str
    root: bool
    namespaces: int = 0
    landlock: int = 0
    bwrap: str = ""


def _nested(bwrap: str) -> int:
    """Return how many user namespaces nest for an ordinary user, bubblewrap making the first."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return 0
    inner = [unshare, "-U", "true"]
    first = (
        [bwrap, "--unshare-user", "--ro-bind", "/", "/", "--"] if bwrap else [unshare, "-U", "-r"]
    )
    someone = {"user": _NOBODY, "group": _NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}
    for depth, command in ((2, [*first, *inner]), (1, [*first, "true"])):
        try:
            done = subprocess.run(  # type: ignore[call-overload]
                command, capture_output=True, timeout=_ASK_S, check=False, cwd="/", **someone
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return depth
    return 0


def _landlock() -> int:
    if sys.platform != "linux":
        return 0
    size, flags = ctypes.c_size_t(0), ctypes.c_uint32(_LANDLOCK_VERSION)
    return max(0, int(ctypes.CDLL(None).syscall(_LANDLOCK_CREATE, None, size, flags)))


def _bwrap_version(path: str) -> str:
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().rpartition(" ")[2]


def ask() -> Asked:
    """Ask the kernel that runs here; takes some tens of milliseconds."""
    bwrap = shutil.which("bwrap") or ""
    return Asked(
        platform.system(),
        platform.release(),
        os.geteuid() == 0,
        _nested(bwrap) if sys.platform == "linux" else 0,
        _landlock(),
        _bwrap_version(bwrap) if bwrap else "",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _container(root: Path) -> str:
    """Return what kind of container this is, or nothing."""
    if _text(root / "run/.containerenv") or (root / "run/.containerenv").exists():
        return "podman"
    if (root / "var/run/secrets/kubernetes.io").exists():
        return "kubernetes"
    if (root / ".dockerenv").exists():
        return "docker"
    told = _text(root / "proc/1/cgroup") + _text(root / "run/systemd/container")
    for word, name in (("kubepods", "kubernetes"), ("docker", "docker"), ("lxc", "lxc")):
        if word in told:
            return name
    return ""


def _distribution(root: Path) -> str:
    found = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', _text(root / "etc/os-release"), re.M))
    return f"{found.get('ID', '')} {found.get('ID_LIKE', '')}".strip()


def _wsl(release: str) -> int:
    if "microsoft" not in release.lower():
        return 0
    return 2 if "WSL2" in release or "microsoft-standard" in release else 1


def _cgroups(root: Path) -> tuple[str, bool]:
    """Return which control groups are mounted, and whether memory and processes can be limited."""
    mounts = [line.split() for line in _text(root / "proc/mounts").splitlines()]
    groups = [m for m in mounts if len(m) > 3 and m[2] in ("cgroup", "cgroup2")]
    old = {name: m for m in groups if m[2] == "cgroup" for name in m[3].split(",")}
    new = [m for m in groups if m[2] == "cgroup2"]
    version = "v1" if old else "v2" if new else "none"
    if "memory" in old and "pids" in old:
        own: dict[str, str] = {}
        for line in _text(root / "proc/self/cgroup").splitlines():
            _, names, path = [*line.split(":", 2), "", ""][:3]
            own.update(dict.fromkeys(names.split(","), path))
        places = [(old[name], own.get(name, "/")) for name in ("memory", "pids")]
    elif new:
        single = re.search(r"^0::(.*)$", _text(root / "proc/self/cgroup"), re.M)
        path = single[1] if single else "/"
        offered = _text(root / new[0][1].strip("/") / path.strip("/") / "cgroup.controllers")
        if not {"memory", "pids"} <= set(offered.split()):
            return version, False
        places = [(new[0], path)]
    else:
        return version, False
    return version, all(_writable(root, mount, path) for mount, path in places)


def _writable(root: Path, mount: list[str], path: str) -> bool:
    folder = root / mount[1].strip("/") / path.strip("/")
    folder = folder if folder.is_dir() else root / mount[1].strip("/")
    return "rw" in mount[3].split(",") and os.access(folder, os.W_OK)


def _profile(root: Path) -> str:
    """Return what AppArmor's rules say of bubblewrap: `free`, `bound`, or nothing."""
    folder = root / "etc/apparmor.d"
    rules = [_text(path) for path in sorted(folder.glob("*")) if path.is_file()]
    own = [rule for rule in rules if re.search(r"^\s*profile bwrap\b", rule, re.M)]
    if not own:
        return ""
    return "bound" if any("unpriv_bwrap" in rule for rule in own) else "free"


@dataclass(frozen=True)
class Facts:
    """A machine, as far as sandboxes care.

    `most_namespaces`: how many user namespaces there may be, None where unsaid. `clone_allowed`:
    whether users may make them (older Debian's setting). `apparmor_restricts`: Ubuntu's rule;
    `bwrap_profile`: what AppArmor's rules say of bubblewrap (`free`, `bound` or nothing).
    `hard_limits`: whether control groups can be written. `wsl`: 0, 1 or 2.
    """

    asked: Asked
    distribution: str
    container: str
    wsl: int
    most_namespaces: int | None
    clone_allowed: bool
    apparmor_restricts: bool
    bwrap_profile: str
    seccomp: bool
    cgroups: str
    hard_limits: bool

    @classmethod
    def read(cls, asked: Asked, root: Path = Path("/")) -> Facts:
        """Read the files below a root."""
        kernel = root / "proc/sys/kernel"
        most = _text(root / "proc/sys/user/max_user_namespaces")
        cgroups, hard = _cgroups(root)
        return cls(
            asked,
            _distribution(root),
            _container(root),
            _wsl(asked.release),
            int(most) if most.isdigit() else None,
            _text(kernel / "unprivileged_userns_clone") != "0",
            _text(kernel / "apparmor_restrict_unprivileged_userns") == "1",
            _profile(root),
            "Seccomp:" in _text(root / "proc/self/status"),
            cgroups,
            hard,
        )

    def document(self) -> dict[str, object]:
        """Return what the JSON document says of the machine."""
        asked = self.asked
        return {
            "system": asked.system,
            "release": asked.release,
            "distribution": self.distribution,
            "root": asked.root,
            "container": self.container,
            "wsl": self.wsl,
            "user_namespaces": {
                "nested": asked.namespaces,
                "most": self.most_namespaces,
                "clone_allowed": self.clone_allowed,
                "apparmor_restricts": self.apparmor_restricts,
                "bwrap_profile": self.bwrap_profile,
            },
            "bwrap": asked.bwrap,
            "landlock": asked.landlock,
            "seccomp": self.seccomp,
            "cgroups": self.cgroups,
            "limits": "hard" if self.hard_limits else "soft",
        }
