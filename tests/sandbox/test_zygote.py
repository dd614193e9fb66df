"""Process 1 of a warm jail: the parts that can be looked at from outside (the rest: test_warm)."""

import subprocess
import sys

import pytest

from earnest.sandbox import calls, cycle, program, zygote


@pytest.mark.parametrize("module", [zygote, cycle, calls, program])
def test_it_needs_nothing_of_ours(module):
    source = f"import runpy, sys; runpy.run_path({module.__file__!r}); print(sorted(sys.modules))"
    words = [sys.executable, "-I", "-S", "-c", source]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "'sys'" in done.stdout, done.stderr
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


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.py", "a"),
        ("x/y/a.py", "a"),
        ("a/__init__.py", "a"),
        ("x/a/__init__.pyc", "a"),
        ("a.cpython-311-x86_64-linux-gnu.so", "a"),
        ("a.txt", None),
        ("a", None),
        ("a/b.txt", None),
        ("a.pyi", None),
    ],
)
def test_names_by_which_a_file_may_be_imported(file, name):
    assert zygote._modules([(file, 1)]) == ({name} if name else set())
