"""What root does before a jail: stage what is needed, become somebody else.

Each run makes a mount namespace of its own first, and so leaves nothing on this machine.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from earnest.sandbox import launch

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs it")
UID = 0x40000123


def launched(command, **plan):
    plan = {"over": "/mnt", "bind": [], "data": [], "uid": UID, "command": command, **plan}
    words = [sys.executable, "-I", "-S", launch.__file__, json.dumps(plan)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, env={"SECRET": "x"})


def test_it_is_nobody_afterwards_with_an_empty_environment():
    done = launched(["/bin/sh", "-c", "id -u; id -g; id -G; pwd; env"])
    words = done.stdout.split()
    assert words[:4] == [str(UID), str(UID), str(UID), "/"], done
    assert "SECRET" not in done.stdout


def test_what_is_bound_can_be_read_wherever_it_lies(tmp_path):
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    (closed / "open/file").write_text("read")
    closed.chmod(0o700)
    tmp_path.chmod(0o700)
    done = launched(["/bin/cat", "/mnt/0/file"], bind=[(str(closed / "open"), "0")])
    assert done.stdout == "read", done
    assert launched(["/bin/cat", str(closed / "open/file")]).returncode != 0
    assert not Path("/mnt/0").exists()


def test_private_data_is_copied_and_links_are_not_followed(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/private").write_text("mine")
    (tmp_path / "deep/private").chmod(0o600)
    (tmp_path / "link").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "fifo")
    show = ["/bin/sh", "-c", "cat /mnt/0/deep/private; ls /mnt/0; echo x > /mnt/0/deep/private"]
    done = launched(show, data=[(str(tmp_path), "0")])
    assert done.stdout == "minedeep\n", done
    assert (tmp_path / "deep/private").read_text() == "mine"


def test_data_that_all_may_read_is_bound(tmp_path):
    (tmp_path / "t").write_text("1")
    tmp_path.chmod(0o755)
    assert launch._open_to_others(str(tmp_path))
    done = launched(["/bin/cat", "/proc/self/mountinfo"], data=[(str(tmp_path), "0")])
    assert "/mnt/0" in done.stdout
    (tmp_path / "t").chmod(0o640)
    assert not launch._open_to_others(str(tmp_path))
    done = launched(["/bin/cat", "/proc/self/mountinfo"], data=[(str(tmp_path), "0")])
    assert "/mnt/0" not in done.stdout


def test_what_fails_is_said_and_nothing_is_started(tmp_path):
    done = launched(["/bin/echo", "started"], bind=[(str(tmp_path / "missing"), "0")])
    assert (done.returncode, done.stdout) == (125, "")
    assert "launch:" in done.stderr
    assert launched(["/bin/nothing"]).returncode == 125
