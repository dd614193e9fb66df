import io
import itertools
import json
import shutil
import subprocess
import tarfile
from dataclasses import replace

import pytest

from earnest.core.errors import LackError
from earnest.core.jobs import WORK, Limits
from earnest.sandbox import engine as engines
from earnest.sandbox.engine import Box, Engine, base_tag, base_tar, read_info, run_words
from earnest.sandbox.system import System

PODMAN = {
    "host": {
        "cgroupVersion": "v2",
        "cgroupControllers": ["cpuset", "cpu", "memory", "pids"],
        "security": {"rootless": True},
    },
    "version": {"Version": "5.2.3"},
}
DOCKER = {
    "ServerVersion": "28.2.2",
    "MemoryLimit": True,
    "SwapLimit": False,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
}
ALL = frozenset(("memory", "swap", "cpu", "pids"))
SYSTEM = System("/opt/py/bin/python3", ("/opt/py/lib", "/usr/bin"), (("/bin", "usr/bin"),), ())
BOX = Box(
    "localhost/earnest-base:1",
    "earnest-1",
    1073741999,
    (("/usr/bin", "/usr/bin"), ("/srv/table", "/earnest-jail/data")),
    ("/usr/lib/python3/dist-packages",),
    Limits(memory_mib=512, workspace_mib=8, workspace_files=100, processes=16, open_files=64),
)


def test_what_podman_says():
    found = read_info("podman", "/usr/bin/podman", json.dumps(PODMAN))
    assert found == Engine("podman", "/usr/bin/podman", "5.2.3", True, ALL)
    host = {**PODMAN["host"], "cgroupControllers": None, "security": {"rootless": False}}
    found = read_info("podman", "p", json.dumps({**PODMAN, "host": host}))
    assert (found.rootless, found.limits) == (False, frozenset())


def test_what_docker_says():
    found = read_info("docker", "/usr/bin/docker", json.dumps(DOCKER))
    expected = Engine("docker", "/usr/bin/docker", "28.2.2", False, ALL - {"swap"})
    assert found == expected
    for option in ("name=rootless", "name=userns"):
        told = json.dumps({**DOCKER, "SecurityOptions": [option]})
        assert read_info("docker", "d", told).rootless


@pytest.mark.parametrize("text", ["", "{}", '{"ServerErrors": ["no daemon"]}', "[]", "not json"])
@pytest.mark.parametrize("name", ["docker", "podman"])
def test_one_that_does_not_answer(name, text):
    with pytest.raises(LackError, match="does not answer") as caught:
        read_info(name, name, text)
    assert caught.value.mend


def test_none_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LackError, match="neither podman nor docker") as caught:
        engines.find_engine()
    assert "podman" in caught.value.mend


def test_the_first_that_answers_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name, told, status in (("podman", "", 125), ("docker", json.dumps(DOCKER), 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{told}'\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    assert engines.find_engine().name == "docker"
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(LackError, match="docker is installed but does not answer") as caught:
        engines.find_engine()
    assert caught.value.mend


def test_the_base_holds_links_and_empty_folders_only():
    tar = base_tar(SYSTEM)
    assert tar == base_tar(SYSTEM)
    with tarfile.open(fileobj=io.BytesIO(tar)) as found:
        entries = {entry.name: entry for entry in found}
    assert entries["bin"].linkname == "usr/bin"
    assert {"opt/py", "usr", "earnest-jail/work", "earnest-jail/image"} <= set(entries)
    assert not any(entry.isfile() for entry in entries.values())
    assert entries["earnest-jail/work"].mode == 0o1777
    assert entries["usr"].mode == 0o755
    other = base_tar(replace(SYSTEM, links=()))
    assert base_tag(other) != base_tag(tar)


def options(words):
    """What stands after each option, repeated ones gathered."""
    found = {}
    for option, value in itertools.pairwise(words):
        if option.startswith("--"):
            found.setdefault(option, []).append(value)
    return found


def test_the_command_line_shuts_what_can_be_shut():
    for name in ("docker", "podman"):
        words = run_words(Engine(name, name, "1", False, ALL), BOX, ["python3", "-c", "pass"])
        found = options(words)
        assert found["--network"] == ["none"]
        assert found["--ipc"] == ["none"]
        assert found["--cap-drop"] == ["ALL"]
        assert found["--pull"] == ["never"]
        assert found["--log-driver"] == ["none"]
        assert found["--user"] == ["1073741999:1073741999"]
        assert found["--security-opt"] == ["no-new-privileges"]
        assert {"--rm", "--read-only", "--interactive"} <= set(words)
        assert not {"--privileged", "--cap-add", "--volume", "-v", "--device"} & set(words)
        assert all(mount.endswith(",ro") for mount in found["--mount"])
        assert len(found["--mount"]) == 2
        assert found["--memory"] == found["--memory-swap"] == ["592m"]
        assert found["--pids-limit"] == ["18"]
        assert "nofile=128" in found["--ulimit"]
        assert words[-4:] == [BOX.tag, "python3", "-c", "pass"]
        masks, work = found["--tmpfs"]
        assert masks.startswith("/usr/lib/python3/dist-packages:ro,")
        assert work.startswith(f"{WORK}:rw,")
        assert "size=8388608" in work
        assert ("nr_inodes=100" in work) == (name == "docker")
        assert ("notmpcopyup" in work and "notmpcopyup" in masks) == (name == "podman")


def test_what_an_engine_can_not_limit_it_is_not_asked_to():
    bare = options(run_words(Engine("podman", "podman", "4", True, frozenset()), BOX, ["x"]))
    assert not {"--memory", "--memory-swap", "--pids-limit", "--cpus"} & set(bare)
    assert "nproc=18" in bare["--ulimit"]


def client(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return Engine(name, shutil.which(name), "?", False, ALL)


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_the_engines_own_client_understands_the_command_line(name, monkeypatch):
    """It stops where it looks for the daemon, or for an image that no one has: behind the words."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    box = replace(BOX, tag="localhost/earnest-none:1")
    words = run_words(client(name), box, ["true"])
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert any(known in done.stderr for known in ("docker.sock", "not known", "no such")), done
    words.insert(words.index("--rm"), "--no-such-option")
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert "unknown flag" in done.stderr
