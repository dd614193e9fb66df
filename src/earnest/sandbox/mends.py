"""From a machine's facts to what it lacks and the commands that would mend it; all of it pure.

Not covered: the commands are not run, nor known to work on a machine that is set up oddly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from earnest.sandbox.machine import Facts

PROFILE: Final = """\
abi <abi/4.0>,
include <tunables/global>
profile bwrap /usr/bin/bwrap flags=(unconfined) {
  userns,
  include if exists <local/bwrap>
}
"""
_INSTALLERS: Final = (
    (r"debian|ubuntu", "apt-get install"),
    (r"fedora|rhel|centos", "dnf install"),
    (r"arch", "pacman -S"),
    (r"suse", "zypper install"),
    (r"alpine", "apk add"),
)
_ALLOWANCES: Final = {
    "docker": (
        "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined … (if that is not enough, add --cap-add SYS_ADMIN; "
        "--privileged is the last resort)"
    ),
    "podman": (
        "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL … (if that is not "
        "enough, add --cap-add SYS_ADMIN; --privileged is the last resort)"
    ),
    "kubernetes": (
        "in the pod's securityContext: seccompProfile {type: Unconfined}, "
        "appArmorProfile {type: Unconfined}, procMount: Unmasked"
    ),
    "lxc": "lxc config set NAME security.nesting true",
}
_FIXED: Final = (0, 12)


@dataclass(frozen=True)
class Mend:
    """What is lacking, what that means, and the command that mends it (it may have lines).

    `stops`: the backends that can't run for it; none where it only makes them weaker or slower.
    """

    lacks: str
    mend: str
    stops: tuple[str, ...] = ()


def install(facts: Facts, package: str) -> str:
    """Return the command that installs a package on this kind of machine."""
    if facts.asked.system == "Darwin":
        return f"brew install {package}"
    for pattern, command in _INSTALLERS:
        if re.search(pattern, facts.distribution):
            return f"{command} {package}"
    return f"install the package {package}"


def _profile_command() -> str:
    return (
        f"tee /etc/apparmor.d/bwrap <<'END'\n{PROFILE}END\n"
        "apparmor_parser -r /etc/apparmor.d/bwrap\n"
        "(weaker, for every program: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)"
    )


def _apparmor(facts: Facts) -> list[Mend]:
    if not facts.apparmor_restricts or facts.asked.namespaces > 1:
        return []
    if facts.bwrap_profile == "bound":
        what = "AppArmor's rule for bubblewrap takes away what it needs within its jail"
        stops: tuple[str, ...] = ("warm",)
        how = "rm /etc/apparmor.d/bwrap-userns-restrict\n" + _profile_command()
    else:
        what = "AppArmor forbids bubblewrap to make user namespaces"
        stops, how = ("warm", "bwrap"), _profile_command()
    return [Mend(what, how, stops)]


def _namespaces(facts: Facts) -> list[Mend]:
    both = ("warm", "bwrap")
    if not facts.clone_allowed:
        return [
            Mend(
                "users may not make user namespaces",
                "sysctl -w kernel.unprivileged_userns_clone=1",
                both,
            )
        ]
    if facts.most_namespaces == 0:
        return [Mend("no user namespaces", "sysctl -w user.max_user_namespaces=15000", both)]
    if found := _apparmor(facts):
        return found
    if facts.asked.namespaces == 0 and facts.container:
        what = f"this {facts.container} container forbids user namespaces"
        return [Mend(what, _ALLOWANCES[facts.container], both)]
    if facts.asked.namespaces == 0:
        return [Mend("user namespaces can't be made", install(facts, "bubblewrap"), both)]
    return []


def old_bwrap(version: str) -> bool:
    """Say whether a version of bubblewrap has CVE-2026-87766 (mended in 0.12)."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) < _FIXED


def _weaknesses(facts: Facts) -> list[Mend]:
    found = []
    if old_bwrap(facts.asked.bwrap):
        what = (
            f"bubblewrap {facts.asked.bwrap} has CVE-2026-87766, about mount points beneath a "
            "workspace: these jails have none, so it is not reached"
        )
        found.append(Mend(what, "a bubblewrap of 0.12 or later, once your system has it"))
    if not facts.hard_limits:
        how = (
            "docker run --cgroupns=private with /sys/fs/cgroup writable"
            if facts.container
            else "systemd-run --user --scope -p Delegate=yes earnest …"
        )
        what = "control groups can't be written: the memory of all of a job's processes is watched"
        found.append(Mend(f"{what}, not limited by the kernel", how))
    if facts.asked.landlock == 0:
        what = "no Landlock, which sandlock needs"
        how = "a kernel of 5.13 or later that was started with lsm=landlock,…"
        found.append(Mend(what, how, ("sandlock",)))
    return found


def mends(facts: Facts) -> list[Mend]:
    """Return what a machine lacks, what stops a sandbox first."""
    if facts.asked.system == "Darwin":
        how = (
            "brew install podman && podman machine init && podman machine start, then "
            "python -m earnest.sandbox.base"
        )
        what = "macOS has no namespaces: jails are containers in a virtual machine here"
        return [Mend(what, how, ("container",))]
    if facts.asked.system != "Linux":
        what = f"no sandbox runs on {facts.asked.system}"
        return [Mend(what, "wsl --install", ("warm", "bwrap", "sandlock", "container"))]
    if facts.wsl == 1:
        what = "WSL 1 has no namespaces"
        return [Mend(what, "wsl --set-version <distribution> 2", ("warm", "bwrap", "sandlock"))]
    found = []
    if not facts.asked.bwrap:
        found.append(
            Mend(
                "bubblewrap is not installed",
                install(facts, "bubblewrap"),
                ("warm", "bwrap"),
            )
        )
    if not facts.seccomp:
        what = "the kernel has no system call filters"
        found.append(Mend(what, "a kernel with CONFIG_SECCOMP_FILTER", ("warm", "bwrap")))
    return [*found, *_namespaces(facts), *_weaknesses(facts)]
