"""A pseudo-terminal with a program in it, and what a terminal that wraps anew would show of it.

What the program sends is read strictly: each control sequence must be one that our screens use.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable

KNOWN = re.compile(r"\x1b\[(?:(\d+)A|J|([\d;]*)m)|\r|\n")
CUT = re.compile(r"\x1b(\[[\d;]{0,8})?\Z")


def cells(text: str) -> int:
    """The cells of a text, by the tables of Unicode."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.category(char) in ("Mn", "Me") for char in text)


class Screen:
    """Lines as they stand; `wrongs` are the bytes that no screen of ours may send."""

    def __init__(self, columns: int) -> None:
        self.columns, self.lines, self.row, self.at = columns, [""], 0, 0
        self.wrongs: list[str] = []
        self.rest = ""
        self.styles: set[str] = set()

    def _rows(self, line: str) -> int:
        return max(1, -(-cells(line) // self.columns))

    def feed(self, text: str, *, last: bool = False) -> None:
        """Take in what came; a sequence that is cut off waits for what comes next, if any does."""
        text = self.rest + text
        cut = None if last else CUT.search(text)
        text, self.rest = (text[: cut.start()], text[cut.start() :]) if cut else (text, "")
        while text:
            found = KNOWN.match(text)
            if found:
                self._control(found)
                text = text[found.end() :]
                continue
            char, text = text[0], text[1:]
            if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp"):
                self.wrongs.append(char + text[:12])
                continue
            line = self.lines[self.row]
            self.lines[self.row] = line[: self.at] + char + line[self.at + 1 :]
            self.at += 1

    def _control(self, found: re.Match[str]) -> None:
        if found[0] == "\r":
            before = cells(self.lines[self.row][: self.at])
            full = (before - 1) // self.columns if before else 0
            self.at = full * self.columns  # cells are characters in what is wrapped here
        elif found[0] == "\n":
            self.row, self.at = self.row + 1, 0
            self.lines[self.row :] = self.lines[self.row :] or [""]
        elif found[0].endswith("J"):
            self.lines[self.row :] = [self.lines[self.row][: self.at]]
        elif found[0].endswith("A"):
            for _ in range(int(found[1])):
                if self.at >= self.columns:
                    self.at -= self.columns
                else:
                    self.row -= 1
                    assert self.row >= 0, "above the first line"
                    self.at = (self._rows(self.lines[self.row]) - 1) * self.columns
        else:
            self.styles.add(found[2])

    def text(self) -> str:
        return "\n".join(self.lines)


class Terminal:
    """A program that has a terminal of its own."""

    def __init__(self, code: str, *arguments: str, columns: int = 80, rows: int = 24, **extra: str):
        self.main, side = pty.openpty()
        self.screen, self.raw = Screen(columns), ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.most = 0
        self.seen: list[str] = []
        self._size(columns, rows)
        self.before = termios.tcgetattr(side)
        self._side = os.dup(side)

        def own() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it

        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.child = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=side, stdout=side, stderr=side, start_new_session=True, preexec_fn=own,
            env={**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **extra},
        )  # fmt: skip
        os.close(side)

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int = 24) -> None:
        """Become of another size just after a frame has come: the next one is drawn for it."""
        end, before = time.monotonic() + 60, len(self.seen)
        while len(self.seen) == before and time.monotonic() < end and self.read(0.02):
            pass
        while select.select([self.main], [], [], 0.02)[0] and self.read(0.02):
            pass
        self.screen.columns = columns
        self._size(columns, rows)

    def type(self, text: str) -> None:
        os.write(self.main, text.encode())

    def read(self, seconds: float) -> bool:
        """Take in what comes in this time; False: the program has closed its end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.main], [], [], left)[0]:
                break
            try:
                data = os.read(self.main, 65_536)
            except OSError:
                return False
            if not data:
                return False
            text = self._decoder.decode(data)
            self.raw += text
            self.screen.feed(text)
            self.seen.append(self.screen.text())
        return self.child.poll() is None

    def until(self, there: str | Callable[[Screen], bool], seconds: float = 60) -> None:
        """Wait until a text stands on the screen."""
        end = time.monotonic() + seconds
        holds = there if callable(there) else lambda screen: there in screen.text()
        while not holds(self.screen):
            assert time.monotonic() < end, f"it did not come: {there}\n{self.screen.text()}"
            going = self.read(0.05)
            assert going or holds(self.screen), f"it ended before: {there}\n{self.screen.text()}"

    def finish(self, seconds: float = 60) -> int:
        """Wait until the program has ended; return its status."""
        end = time.monotonic() + seconds
        while self.child.poll() is None:
            assert time.monotonic() < end, self.screen.text()
            self.read(0.1)
        self.read(0.2)
        self.screen.feed("", last=True)
        return int(self.child.returncode)

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.main)
        os.close(self._side)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
