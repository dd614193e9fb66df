"""The program of a session's jail, spoken to by a second implementation of its protocol."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from earnest.tools import cells

CHUNK = 65536
OURS = Path(cells.__file__)


class Driver:
    """The program in a process of its own, with its line as descriptor 3."""

    def __init__(self, folder: Path) -> None:
        self.line, theirs = socket.socketpair()
        self.line.settimeout(60)
        place = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"
        command = [sys.executable, "-c", place, str(theirs.fileno())]
        self.process = subprocess.Popen(
            [*command, sys.executable, "-c", OURS.read_text()],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        assert self.process.stdout
        assert self.process.stderr
        self.pipes = [self.process.stdout.fileno(), self.process.stderr.fileno()]
        for pipe in self.pipes:
            os.set_blocking(pipe, False)
        self.number = 0

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.line.recv(count - len(data))
            assert part, "the line is closed"
            data += part
        return data

    def begin(
        self, code: str, files: dict[str, bytes] | None = None, *, removed: Any = (), sent: int = 0
    ) -> int:
        """Hand a cell in; return how many times it was acknowledged."""
        self.number += 1
        sizes = [[name, len(data)] for name, data in (files or {}).items()]
        head = {"id": self.number, "code": code, "interrupts": sent}
        text = json.dumps({**head, "files": sizes, "removed": list(removed)}).encode()
        body = len(text).to_bytes(4, "big") + text + b"".join((files or {}).values())
        self.line.sendall(len(body).to_bytes(8, "big"))
        count = 0
        for start in range(0, len(body), CHUNK):
            self.line.sendall(body[start : start + CHUNK])
            assert self.exactly(1) == b"+"
            count += 1
        return count

    def end(self) -> tuple[str, int, str, str]:
        size = int.from_bytes(self.exactly(4), "big")
        said = json.loads(self.exactly(size))
        assert set(said) == {"id", "how", "status"}
        assert said["id"] == self.number
        return said["how"], said["status"], self.read(0), self.read(1)

    def read(self, which: int) -> str:
        try:
            return os.read(self.pipes[which], 1 << 20).decode()
        except BlockingIOError:
            return ""

    def run(self, code: str, files: dict[str, bytes] | None = None, **more: Any) -> Any:
        self.begin(code, files, **more)
        return self.end()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    folder = tmp_path / "work"
    folder.mkdir()
    made = Driver(folder)
    yield made
    made.line.close()
    made.process.kill()
    made.process.communicate()


def test_variables_stay_and_a_last_value_is_shown(driver: Driver) -> None:
    assert driver.run("x = [1]") == ("done", 0, "", "")
    assert driver.run("x.append(2)\nx") == ("done", 0, "[1, 2]\n", "")
    assert driver.run("x; None") == ("done", 0, "", "")
    assert driver.run("'a'\n'b'") == ("done", 0, "'b'\n", "")
    assert driver.run("x == 1 and y") == ("done", 0, "False\n", "")
    assert driver.run("") == ("done", 0, "", "")


def test_a_cell_s_end_is_its_own(driver: Driver) -> None:
    assert driver.run("import sys\nsys.exit()")[:2] == ("exit", 0)
    assert driver.run("raise SystemExit(259)")[:2] == ("exit", 3)
    assert driver.run("sys.exit('why')") == ("exit", 1, "", "why\n")
    assert driver.run("x = 7\n1/0")[:2] == ("error", 1)
    assert driver.run("x")[:3] == ("done", 0, "7\n")


def test_a_traceback_shows_the_cell_s_lines_and_nothing_of_ours(driver: Driver) -> None:
    driver.run("def half(n):\n    return n // 0  # here")
    said = driver.run("a = 1\nhalf(a)")[3]
    assert said.splitlines()[0] == "Traceback (most recent call last):"
    assert 'File "<cell 2>", line 2, in <module>' in said
    assert 'File "<cell 1>", line 2, in half' in said
    assert "    return n // 0  # here" in said
    assert said.count("File ") == 2
    chained = driver.run(
        "try:\n    half(1)\nexcept ZeroDivisionError as e:\n    raise OSError from e"
    )[3]
    assert chained.count("File ") == 3
    assert "direct cause" in chained
    wrong = driver.run("a = 1\nb c")[3]
    assert wrong.startswith('  File "<cell 4>", line 2\n    b c\n')
    assert driver.run("\0")[0] == "error"
    assert driver.run("raise KeyError('\\ud800')")[0] == "error"


def test_a_broken_standard_error_loses_nothing_but_the_text(driver: Driver) -> None:
    assert driver.run("import sys\nsys.stderr = None\n1/0")[::3] == ("error", "ZeroDivisionError\n")
    assert driver.run("sys.stderr = sys.__stderr__\nsys.stdout = None")[0] == "done"
    assert driver.run("sys.stdout = sys.__stdout__\n'back'")[2] == "'back'\n"


def test_what_cells_define_is_main_s(driver: Driver) -> None:
    code = (
        "import dataclasses, pickle, sys\n"
        "@dataclasses.dataclass\nclass Pair:\n    a: int\n    b: 'int' = 2\n"
        "here = pickle.loads(pickle.dumps(Pair(1)))"
    )
    assert driver.run(code)[:2] == ("done", 0)
    assert driver.run("here, __name__, sys.argv")[2] == "(Pair(a=1, b=2), '__main__', [''])\n"
    names = "[n for n in globals() if 'receive' in n or 'cell' in n.lower()]"
    assert driver.run(names)[2] == "[]\n"


def test_files_come_before_the_cell(driver: Driver) -> None:
    big = os.urandom(5 * CHUNK)
    count = driver.begin("open('d/big', 'rb').read() == big", {"d/big": big, "m.py": b"one = 1"})
    assert count == 6
    driver.end()
    assert driver.run("import m\nm.one, len(open('d/big', 'rb').read())")[2] == f"(1, {len(big)})\n"
    assert driver.run("import os\nos.mkdir('t')\nsorted(os.listdir())")[2] == "['d', 'm.py', 't']\n"
    # a folder, a link and a fifo in the way of a file
    driver.run("os.symlink('/nowhere', 'l')\nos.mkfifo('p')")
    new = {"t": b"1", "l": b"2", "p": b"3"}
    assert driver.run("[open(n).read() for n in 'tlp']", new)[2] == "['1', '2', '3']\n"
    gone = ["m.py", "d/big", "not/there"]
    assert driver.run("sorted(os.listdir()), os.listdir('d')", removed=gone)[2] == (
        "(['d', 'l', 'p', 't'], [])\n"
    )


def test_a_module_that_comes_later_is_found(driver: Driver) -> None:
    driver.run("import importlib\ntry:\n    import late\nexcept ImportError:\n    pass")
    assert driver.run("import late\nlate.x", {"late.py": b"x = 3"})[2] == "3\n"
    # a folder's clock may be too coarse for the import system to see by itself that it changed
    driver.run("told = []\nimportlib.invalidate_caches = lambda: told.append(1)")
    assert driver.run("told")[2] == "[]\n"
    assert driver.run("told", {"later.py": b""})[2] == "[1]\n"


def test_files_that_do_not_fit_are_told(driver: Driver) -> None:
    driver.run("import os\nos.symlink('nowhere', 'd')")
    how, _, out, err = driver.run("print('ran')", {"d/x": b"1"})
    assert (how, out) == ("unready", "")
    assert "can't be laid out" in err


def test_an_interrupt_ends_the_cell_only(driver: Driver) -> None:
    driver.run("x = 5")
    driver.begin("import time\nprint('on', flush=True); time.sleep(20)")
    while driver.read(0) != "on\n":
        time.sleep(0.01)
    driver.process.send_signal(signal.SIGINT)
    how, status, _, err = driver.end()
    assert (how, status) == ("interrupted", 1)
    assert err.count("File ") == 1
    assert "time.sleep(20)" in err
    assert driver.run("x", sent=1)[2] == "5\n"


def test_a_late_interrupt_is_not_the_next_cell_s(driver: Driver) -> None:
    driver.run("x = 5")
    driver.process.send_signal(signal.SIGINT)
    assert driver.run("x", sent=1) == ("done", 0, "5\n", "")
    driver.begin("import time\ntime.sleep(0.6)\n'slept'", sent=2)  # it is still on its way
    time.sleep(0.05)
    driver.process.send_signal(signal.SIGINT)
    assert driver.end() == ("done", 0, "'slept'\n", "")


def test_a_forked_child_does_not_speak_for_its_parent(driver: Driver) -> None:
    how, _, out, _ = driver.run("import os\nn = os.fork()\nif n: os.waitpid(n, 0)\nbool(n)")
    assert (how, sorted(out.split())) == ("done", ["False", "True"])
    assert driver.run("n > 0")[2] == "True\n"


def test_a_closed_line_ends_it(driver: Driver) -> None:
    driver.run("x = 1")
    driver.line.close()
    assert driver.process.wait(10) == 0
