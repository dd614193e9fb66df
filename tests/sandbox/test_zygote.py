"""Process 1 of a warm jail: the parts that can be looked at from outside (the rest: test_warm)."""

import socket
import subprocess
import sys

import pytest

from earnest.sandbox import program, zygote


def test_it_needs_nothing_of_ours():
    source = f"import runpy, sys; runpy.run_path({zygote.__file__!r}); print(sorted(sys.modules))"
    words = [sys.executable, "-I", "-S", "-c", source]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "'ctypes'" in done.stdout, done.stderr
    assert "earnest" not in done.stdout


@pytest.mark.parametrize(
    ("leaving", "code"),
    [(None, 0), (0, 0), (7, 7), (-1, -1), (True, True), ("said", 1), ((1, 2), 1), (1.5, 1)],
)
def test_exit_codes(leaving, code, capsys):
    assert program._code(SystemExit(leaving)) == code
    told = "" if leaving is None or isinstance(leaving, int) else f"{leaving}\n"
    assert capsys.readouterr().err == told


def test_a_limit_that_is_reached_says_which(monkeypatch):
    monkeypatch.setattr(zygote, "_memory", lambda own: 100 - own)
    for end, most, cause in (
        (0.0, 0, 0),
        (1.0, 0, 3),
        (1e12, 0, 0),
        (0.0, 99, 2),
        (0.0, 100, 0),
        (1.0, 99, 3),
    ):
        assert zygote._over(end, most, 0) == cause
    assert zygote._over(0.0, 99, 50) == 0


def test_memory_of_a_process_is_its_own():
    size = 64 << 20
    before = zygote._anonymous("self")
    held = bytearray(b"x") * size
    assert zygote._anonymous("self") - before > size * 0.9
    del held
    assert zygote._anonymous("999999999") == 0


def test_files_are_written_until_one_can_not_be_and_all_are_read(tmp_path):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"abcdef.")
        files = [("a", 2), ("a/b", 1), ("c/d", 3)]
        wrong = zygote._fill(ours, str(tmp_path), files)
        assert ours.recv(10) == b"."
    assert wrong.startswith("a/b")
    assert (tmp_path / "a").read_bytes() == b"ab"
    assert not (tmp_path / "c").exists()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"xyz")
        assert zygote._fill(ours, str(tmp_path), [("c/d", 3)]) == ""
    assert (tmp_path / "c/d").read_bytes() == b"xyz"
