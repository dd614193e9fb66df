import platform

import pytest

from earnest.sandbox import machine
from earnest.sandbox.machine import Asked, Facts

V1 = """\
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/memory cgroup {how},relatime,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup {how},relatime,pids 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 {how},nosuid,nodev,noexec,relatime,nsdelegate 0 0\n"
OWN = "user.slice/user-1000.slice/app.slice"


def plant(root, **files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def tree(tmp_path):
    def make(files):
        plant(tmp_path, **files)
        return Facts.read(Asked("Linux", "6.8.0-45-generic", False), tmp_path)

    return make


UBUNTU = {
    "etc/os-release": 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n',
    "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
    "proc/sys/user/max_user_namespaces": "63432\n",
    "proc/self/status": "Name:\tcat\nSeccomp:\t0\n",
    "proc/mounts": V2.format(how="rw"),
    "proc/self/cgroup": f"0::/{OWN}\n",
    f"sys/fs/cgroup/{OWN}/cgroup.controllers": "cpu memory pids\n",
}


def test_ubuntu(tree):
    facts = tree(UBUNTU)
    assert facts.distribution == "ubuntu debian"
    assert (facts.apparmor_restricts, facts.bwrap_profile) == (True, "")
    assert (facts.most_namespaces, facts.clone_allowed, facts.seccomp) == (63432, True, True)
    assert (facts.cgroups, facts.hard_limits) == ("v2", True)
    assert (facts.container, facts.wsl) == ("", 0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("profile bwrap /usr/bin/bwrap flags=(unconfined) {\n  userns,\n}\n", "free"),
        ("profile bwrap /usr/bin/bwrap {\n  px -> bwrap//&unpriv_bwrap,\n}\n", "bound"),
        ("profile lsb_release {\n}\n", ""),
    ],
)
def test_apparmors_rules_for_bubblewrap(tree, text, kind):
    assert tree({"etc/apparmor.d/some": text}).bwrap_profile == kind


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"proc/1/cgroup": "12:pids:/docker/0ab3\n"}, "docker"),
        ({"proc/1/cgroup": "0::/kubepods/besteffort/pod1\n"}, "kubernetes"),
        ({"var/run/secrets/kubernetes.io/token": "x", ".dockerenv": ""}, "kubernetes"),
        ({"run/systemd/container": "lxc\n"}, "lxc"),
        ({"proc/1/cgroup": "0::/init.scope\n"}, ""),
    ],
)
def test_containers(tree, files, kind):
    assert tree(files).container == kind


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("4.4.0-19041-Microsoft", 1),
        ("5.15.153.1-microsoft-standard-WSL2", 2),
        ("6.8.0-45-generic", 0),
    ],
)
def test_wsl(tmp_path, release, version):
    assert Facts.read(Asked("Linux", release, False), tmp_path).wsl == version


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"proc/mounts": V1.format(how="rw"), "sys/fs/cgroup/memory/tasks": ""}, ("v1", False)),
        (
            {
                "proc/mounts": V1.format(how="rw"),
                "sys/fs/cgroup/memory/tasks": "",
                "sys/fs/cgroup/pids/tasks": "",
            },
            ("v1", True),
        ),
        (
            {
                "proc/mounts": V1.format(how="ro"),
                "sys/fs/cgroup/memory/tasks": "",
                "sys/fs/cgroup/pids/tasks": "",
            },
            ("v1", False),
        ),
        ({**UBUNTU, "proc/mounts": V2.format(how="ro")}, ("v2", False)),
        ({**UBUNTU, f"sys/fs/cgroup/{OWN}/cgroup.controllers": "cpu\n"}, ("v2", False)),
        ({"proc/mounts": "proc /proc proc rw 0 0\n"}, ("none", False)),
    ],
)
def test_control_groups(tree, files, told):
    facts = tree(files)
    assert (facts.cgroups, facts.hard_limits) == told


def test_settings_against_namespaces(tree):
    facts = tree(
        {
            "proc/sys/kernel/unprivileged_userns_clone": "0\n",
            "proc/sys/user/max_user_namespaces": "0\n",
        }
    )
    assert (facts.clone_allowed, facts.most_namespaces) == (False, 0)


def test_an_empty_tree_is_a_machine_of_which_nothing_is_known(tree):
    facts = tree({})
    assert (facts.distribution, facts.container, facts.cgroups) == ("", "", "none")
    assert (facts.seccomp, facts.hard_limits, facts.apparmor_restricts) == (False, False, False)
    assert facts.most_namespaces is None


def test_this_machine():
    asked = machine.ask()
    assert asked.system == platform.system()
    assert asked.namespaces in (0, 1, 2)
    document = Facts.read(asked).document()
    assert document["release"] == platform.release()
    assert document["limits"] in ("hard", "soft")


@pytest.fixture
def reachable(tmp_path):
    """The test's folder, for the ordinary user too that namespaces are tried as."""
    shut = [f for f in (tmp_path, *tmp_path.parents) if f.stat().st_mode & 0o001 == 0]
    modes = [(folder, folder.stat().st_mode) for folder in shut]
    for folder, mode in modes:
        folder.chmod(mode | 0o011)
    yield tmp_path
    for folder, mode in modes:
        folder.chmod(mode)


@pytest.mark.parametrize(
    ("script", "depth"),
    [
        ("while [ $1 != -- ]; do shift; done\nshift\nexec unshare -U -r $@\n", 2),
        ('case "$*" in *unshare\\ -U*) exit 1;; esac\n', 1),
        ("exit 1\n", 0),
    ],
)
def test_namespaces_are_counted_by_making_them(reachable, script, depth):
    if machine.ask().namespaces < 2:
        pytest.skip("user namespaces don't nest here")
    bwrap = reachable / "bwrap"
    bwrap.write_text(f"#!/bin/sh\n{script}")
    bwrap.chmod(0o755)
    assert machine._nested(str(bwrap)) == depth
