import subprocess
from dataclasses import replace

import pytest

from earnest.sandbox.machine import Asked, Facts
from earnest.sandbox.mends import PROFILE, install, mends, old_bwrap

WELL = Facts(
    asked=Asked("Linux", "6.8.0", False, namespaces=2, landlock=4, bwrap="0.12.0"),
    distribution="ubuntu debian",
    container="",
    wsl=0,
    most_namespaces=63432,
    clone_allowed=True,
    apparmor_restricts=False,
    bwrap_profile="",
    seccomp=True,
    cgroups="v2",
    hard_limits=True,
)


def asked(**changes):
    return {"asked": replace(WELL.asked, **changes)}


def test_a_machine_that_lacks_nothing():
    assert mends(WELL) == []


@pytest.mark.parametrize(
    ("changes", "command", "stops"),
    [
        (
            {"apparmor_restricts": True, **asked(namespaces=0)},
            "apparmor_parser -r /etc/apparmor.d/bwrap",
            ("warm", "bwrap"),
        ),
        (
            {"apparmor_restricts": True, "bwrap_profile": "bound", **asked(namespaces=1)},
            "rm /etc/apparmor.d/bwrap-userns-restrict",
            ("warm",),
        ),
        (
            {"clone_allowed": False, **asked(namespaces=0)},
            "sysctl -w kernel.unprivileged_userns_clone=1",
            ("warm", "bwrap"),
        ),
        (
            {"most_namespaces": 0, **asked(namespaces=0)},
            "sysctl -w user.max_user_namespaces=15000",
            ("warm", "bwrap"),
        ),
        (
            {"container": "docker", **asked(namespaces=0)},
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined",
            ("warm", "bwrap"),
        ),
        ({"container": "podman", **asked(namespaces=0)}, "unmask=ALL", ("warm", "bwrap")),
        ({"container": "kubernetes", **asked(namespaces=0)}, "procMount", ("warm", "bwrap")),
        (asked(bwrap=""), "apt-get install bubblewrap", ("warm", "bwrap")),
        (asked(bwrap="0.9.0"), "0.12", ()),
        ({"hard_limits": False}, "systemd-run --user --scope -p Delegate=yes", ()),
        (asked(landlock=0), "lsm=landlock", ("sandlock",)),
        ({"seccomp": False}, "CONFIG_SECCOMP_FILTER", ("warm", "bwrap")),
        ({"wsl": 1}, "wsl --set-version", ("warm", "bwrap", "sandlock")),
        (asked(system="Darwin"), "podman machine init", ("container",)),
    ],
)
def test_each_lack_has_its_mend(changes, command, stops):
    found = mends(replace(WELL, **changes))
    assert len(found) == 1
    assert command in found[0].mend
    assert found[0].stops == stops


def test_the_last_resort_is_named_last():
    (found,) = mends(replace(WELL, container="docker", **asked(namespaces=0)))
    words = found.mend
    assert words.index("seccomp=") < words.index("SYS_ADMIN") < words.index("--privileged")


def test_apparmors_profile_comes_before_turning_the_rule_off():
    (found,) = mends(replace(WELL, apparmor_restricts=True, **asked(namespaces=0)))
    assert PROFILE in found.mend
    assert found.mend.index("userns,") < found.mend.index("sysctl -w")


def test_the_profiles_command_writes_the_profile(tmp_path):
    (found,) = mends(replace(WELL, apparmor_restricts=True, **asked(namespaces=0)))
    command = found.mend.partition("\napparmor_parser")[0]
    command = command.replace("/etc/apparmor.d/bwrap", str(tmp_path / "bwrap"))
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    assert (tmp_path / "bwrap").read_text() == PROFILE


@pytest.mark.parametrize(
    ("distribution", "command"),
    [
        ("fedora", "dnf install x"),
        ("arch", "pacman -S x"),
        ("opensuse-leap suse opensuse", "zypper install x"),
        ("alpine", "apk add x"),
        ("haiku", "install the package x"),
    ],
)
def test_packages_are_installed_as_the_distribution_does(distribution, command):
    assert install(replace(WELL, distribution=distribution), "x") == command


def test_versions():
    assert [old_bwrap(v) for v in ("0.8.0", "0.11.1", "0.12.0", "1.0", "", "new")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_jails_need_no_namespaces_within_bubblewraps():
    assert mends(replace(WELL, **asked(namespaces=1))) == []
