"""A job's jail: the parts that can be looked at from outside (the rest: test_warm)."""

import os
import socket

import pytest

from earnest.sandbox import cycle


def pair():
    ours, theirs = socket.socketpair()
    return ours, theirs, ours.fileno()


def test_files_are_written_until_one_can_not_be(tmp_path):
    ours, theirs, line = pair()
    with ours, theirs:
        theirs.sendall(b"abcdef.")
        with pytest.raises(OSError, match=r"^a/b: "):
            cycle._fill(line, str(tmp_path), [("a", 2), ("a/b", 1), ("c/d", 3)])
        assert ours.recv(10) == b"def."  # the zygote sees that, and goes
    assert (tmp_path / "a").read_bytes() == b"ab"
    assert not (tmp_path / "c").exists()
    ours, theirs, line = pair()
    with ours, theirs:
        theirs.sendall(b"xyz")
        cycle._fill(line, str(tmp_path), [("c/d", 3)])
    assert (tmp_path / "c/d").read_bytes() == b"xyz"


def test_what_is_taken_comes_whole_or_the_process_ends():
    ours, theirs, line = pair()
    with ours:
        theirs.sendall(bytes(100_000))
        assert cycle.take(line, 90_000) == bytes(90_000)
        theirs.close()
        child = os.fork()
        if child == 0:
            cycle.take(line, 10_001)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == cycle.NO_FILE


def test_a_call_that_failed_says_what(monkeypatch):
    cycle.check(0, "something")
    monkeypatch.setattr(cycle.ctypes, "get_errno", lambda: 13)
    with pytest.raises(PermissionError, match="something: Permission denied"):
        cycle.check(-1, "something")
