"""The program of a session's jail: runs cells one after another, in one namespace.

It runs as `python -c SOURCE` and so imports nothing of ours. What it says is its own word: a cell
can take it over, and gains no more than a false account of itself.

On the line, integers big-endian. In comes a cell: its length (8 bytes), then that many bytes: the
length of the head (4), the head (JSON: `id`, `code`, `interrupts` sent so far, `files` as names
and sizes, `removed` names), the files' contents. A `+` goes out for each `_CHUNK` of it and for
what is left, so that neither side ever waits for a full buffer. Then, once the cell has ended, a
report: its length (4) and JSON: `id`, `how` (done, error, interrupted, exit, unready), `status`.

Where jails wait warm, the packages that are named here are imported: numpy, pandas.

Not covered: `await` outside of functions; a cell's `from __future__` holds for that cell only.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import linecache
import os
import shutil
import signal
import socket
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any

_LINE = 3
_CHUNK = 1 << 16
_IN_FLIGHT_S = 1.0
_DRAFT = ".draft-cell"
_FIGURES = 8


class _Interrupts:
    """How many interrupts came, and whether the next one is a cell's."""

    seen = 0
    running = False

    @classmethod
    def take(cls, *_: object) -> None:
        cls.seen += 1
        if cls.running:
            raise KeyboardInterrupt

    @classmethod
    def await_(cls, sent: int) -> None:
        """Wait for interrupts that were meant for the cell before."""
        end = time.monotonic() + _IN_FLIGHT_S
        while cls.seen < sent and time.monotonic() < end:
            time.sleep(0.01)


def _exactly(line: socket.socket, count: int) -> bytes:
    """Read so many bytes. Raises `EOFError`."""
    parts = []
    while count:
        part = line.recv(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _receive(line: socket.socket) -> tuple[dict[str, Any], memoryview]:
    """Return the next cell's head, and its files' contents."""
    left, parts = int.from_bytes(_exactly(line, 8), "big"), []
    while left:
        parts.append(_exactly(line, min(left, _CHUNK)))
        left -= len(parts[-1])
        line.sendall(b"+")
    data = b"".join(parts)
    end = 4 + int.from_bytes(data[:4], "big")
    head: dict[str, Any] = json.loads(data[4:end])
    return head, memoryview(data)[end:]


def _lay_out(root: Path, head: dict[str, Any], contents: memoryview) -> None:
    """Bring the workspace to what the supervisor has. Raises `OSError`."""
    for name in head["removed"]:
        with contextlib.suppress(OSError):
            (root / name).unlink()
    start = 0
    for name, size in head["files"]:
        target = root / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / _DRAFT).write_bytes(contents[start : start + size])
        (root / _DRAFT).replace(target)
        start += size
    if head["files"] or head["removed"]:
        importlib.invalidate_caches()


def _run(code: str, name: str, space: dict[str, Any]) -> None:
    """Run a cell; print the value of a last expression that has one."""
    tree: Any = compile(code, name, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec", dont_inherit=True), space)  # noqa: S102
    if isinstance(last, ast.Expr):
        shown = ast.Expression(last.value)
        value = eval(compile(shown, name, "eval", dont_inherit=True), space)  # noqa: S307
        if value is not None:
            print(repr(value))  # noqa: T201
    _save_figures()


def _save_figures() -> None:
    """Save the figures that are open, under names that are free, and close them."""
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    free = (name for n in range(1, 10_000) if not Path(name := f"figure-{n}.png").exists())
    for number in pyplot.get_fignums()[:_FIGURES] if pyplot else ():
        pyplot.figure(number).savefig(next(free), dpi=100)
    if pyplot:
        pyplot.close("all")


def _of_cells(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback without the frames of this program."""
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    at = trace
    while at is not None and at.tb_next is not None:
        if at.tb_next.tb_frame.f_globals is globals():
            at.tb_next = None
        at = at.tb_next
    return trace


def _tell(error: BaseException) -> None:
    """Print an exception as Python does."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at.__traceback__ = _of_cells(at.__traceback__)
        at = at.__cause__ or at.__context__
    try:
        sys.stderr.write("".join(traceback.format_exception(error)))
    except Exception:  # noqa: BLE001 - a cell can have broken all that this needs
        os.write(2, f"{type(error).__name__}\n".encode())


def _code(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return (leaving.code or 0) & 0xFF
    sys.stderr.write(f"{leaving.code}\n")
    return 1


def _attempt(code: str, name: str, space: dict[str, Any]) -> tuple[str, int]:
    """Run a cell; return how it ended, and its exit status."""
    try:
        _run(code, name, space)
    except SystemExit as leaving:
        return "exit", _code(leaving)
    except BaseException as error:  # noqa: BLE001 - whatever a cell raises is told
        _tell(error)
        return ("interrupted" if isinstance(error, KeyboardInterrupt) else "error"), 1
    return "done", 0


def _interruptible(code: str, name: str, space: dict[str, Any]) -> tuple[str, int]:
    try:
        _Interrupts.running = True
        ended = _attempt(code, name, space)
        _Interrupts.running = False
    except KeyboardInterrupt:  # it came as the cell had ended
        _Interrupts.running = False
        return "interrupted", 1
    return ended


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]


def _cell(root: Path, head: dict[str, Any], contents: memoryview, space: dict[str, Any]) -> bytes:
    """Do what a cell asks for; return the report."""
    _Interrupts.await_(head["interrupts"])
    name, code = f"<cell {head['id']}>", head["code"]
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    try:
        _lay_out(root, head, contents)
    except OSError as error:
        os.write(2, f"the workspace's files can't be laid out: {error.strerror}\n".encode())
        how, status = "unready", 1
    else:
        how, status = _interruptible(code, name, space)
    _flush()
    body = json.dumps({"id": head["id"], "how": how, "status": status}).encode()
    return len(body).to_bytes(4, "big") + body


def _main() -> None:
    own, root = os.getpid(), Path.cwd()
    os.set_inheritable(_LINE, False)
    line = socket.socket(fileno=_LINE)
    held, module = sys.modules["__main__"], types.ModuleType("__main__")
    sys.modules["__main__"] = module  # so that what cells define can be pickled
    sys.argv, sys.path[0] = [""], str(root)
    signal.signal(signal.SIGINT, _Interrupts.take)
    while held:  # this module, which nothing else keeps
        try:
            head, contents = _receive(line)
        except (EOFError, OSError):
            return
        report = _cell(root, head, contents, module.__dict__)
        if os.getpid() != own:  # a cell forked, and this is the child
            os._exit(0)
        line.sendall(report)


if __name__ == "__main__":
    _main()
