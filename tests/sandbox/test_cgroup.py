"""A hard limit on the memory of several processes together, where the machine offers one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from earnest.sandbox import cgroup
from earnest.sandbox.cgroup import Group, sweep

TAKE = """
import os, sys
sys.stdin.readline()
for _ in range(3):
    if os.fork() == 0:
        x = bytearray(b"x") * (int(sys.argv[1]) << 20); os._exit(0)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(3)))
"""


def started(mib):
    words = [sys.executable, "-I", "-S", "-c", TAKE, str(mib)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def group():
    """A group around a process that waits: (process, group) for an amount of memory."""
    made = []

    def make(mib):
        process = started(mib)
        found = Group.around(process.pid)
        if found is None:
            process.communicate("")
            pytest.skip("no control group can be made here")
        made.append(found)
        return process, found

    yield make
    for found in made:
        found.remove()


@pytest.mark.parametrize(("mib", "fits"), [(10, True), (150, False)])
def test_processes_together_have_so_much_memory(group, mib, fits):
    process, found = group(mib)
    found.limit(100)
    out, _ = process.communicate("go\n")
    assert (out == "[0, 0, 0]\n") is fits
    assert fits or out.startswith("[-9") or process.returncode == -9


def test_children_belong_to_it_and_it_can_be_removed(group):
    process, found = group(10)
    assert str(process.pid) in (found.folder / "cgroup.procs").read_text().split()
    process.communicate("go\n")
    found.remove()
    assert not found.folder.exists()
    found.remove()


def test_a_limit_may_be_raised_again(group):
    process, found = group(60)
    found.limit(20)
    found.limit(400)
    assert process.communicate("go\n")[0] == "[0, 0, 0]\n"


def test_without_a_controller_there_is_none(monkeypatch):
    monkeypatch.setattr(cgroup, "_candidates", list)
    assert Group.around(os.getpid()) is None


def test_a_group_that_can_not_be_made_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(cgroup, "_candidates", lambda: [(tmp_path / "missing", True)])
    assert Group.around(os.getpid()) is None
    assert not list(tmp_path.iterdir())


def test_a_sweep_takes_only_what_supervisors_that_are_gone_left(tmp_path):
    own, since = os.getpid(), cgroup._started(os.getpid())
    kept = [
        f"earnest-{own}-{since}-0123abcd",  # ours: we live
        "earnest-ours-0-0123abcd",
        "other-999999999-1-0123abcd",
        f"earnest-{own}-{since}",
    ]
    gone = [f"earnest-999999999-{since}-0123abcd", f"earnest-{own}-1-0123abcd"]
    full = tmp_path / "earnest-999999998-1-0123abcd"
    for name in (*kept, *gone, full.name):
        (tmp_path / name).mkdir()
    (full / "inner").mkdir()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, full.name}


def test_a_process_has_a_start():
    assert int(cgroup._started(os.getpid())) > 0
    assert cgroup._started(2**30) == ""
    assert cgroup._family(os.getpid())[0] == os.getpid()
    assert Path("/proc/self").exists()
