"""Process 1 of a warm jail: has the packages imported, and forks a jail of its own for each job.

It runs inside bubblewrap, gets its code and its plan (`wire.zygote_plan`) from `worker.py`, and
imports nothing of ours. It is kept small, since each fork copies its page tables. It never holds a
job: a child is made ahead of time, in fresh process and mount namespaces, and only that child
reads the job, mounts a workspace of the job's size, gives up every capability, and becomes the
program. The child is process 1 of its namespace: when it ends, the kernel ends all that it started
before we are told.

JOBS (a stream socket; the child has it until the program starts): the job comes in as a head
(`wire.HEAD`), and the contents of files. Out go `H` with a descriptor of the workspace, or `!`, a
length (4) and a reason, both by the child; then from us `E`, cause (1 byte: 0 by itself, 1 as
asked, 2 memory, 3 time), exit code (4, negative: minus the signal), CPU milliseconds (8). CONTROL,
9 bytes each: a word, the job's number (4), a count (4): `K` kill, `I` interrupt, `W` kill when all
processes have more memory than so many MiB, `T` kill after so many milliseconds; a word about
another job came too late and is dropped. End of file: the supervisor is gone, so we go, and all
below us with it.
"""

# ruff: noqa: PTH123, PTH208, S606, S102
# (pathlib and contextlib would double the time that this takes)

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found] # `signal` makes hundreds of objects
import ctypes
import gc
import os
import sys
import time
import types
from typing import Any, NoReturn

_WATCH_MS, _FOR_EVER, _TOLD, _UNREAD = 40, -1, 9, 0x541B  # the last: FIONREAD

_program, _calls, _cycle = (  # those modules, from their code
    types.ModuleType(name) for name in ("program", "calls", "cycle")
)
_libc = ctypes.PyDLL(None, use_errno=True)


def _child(cycle: Any) -> NoReturn:
    try:
        job = cycle.job()
    except OSError as error:
        reason = str(error).encode()[:500]
        os.write(cycle.line, b"!" + len(reason).to_bytes(4, "big") + reason)
        os._exit(_cycle.NO_FILE)
    _run(job[0], job[1], cycle.plan)


def _modules(files: list[tuple[str, int]]) -> set[str]:
    """Return the names by which files may be imported, in whatever folder they lie."""
    found = set()
    for name, _ in files:
        folder, _, file = name.rpartition("/")
        stem, _, kind = file.partition(".")
        if kind.endswith(("py", "pyc", "so")):
            found.add(folder.rpartition("/")[2] if stem == "__init__" else stem)
    return found


def _run(entry: list[str], files: list[tuple[str, int]], plan: dict[str, Any]) -> NoReturn:
    """Run the program, as `python FILE`, `-c TEXT` or `-m MODULE`, else by execve(2).

    So, too, where one of its files has the name of a module that is imported already: a fresh
    interpreter would take the file.
    """
    known = len(entry) > 2 and entry[1] in ("-c", "-m")
    named = len(entry) > 1 and not entry[1].startswith("-")
    warm = entry[0] == plan["python"] and (known or named)
    if not warm or plan["imported"].intersection(_modules(files)):
        _exec(entry)
    code = 1
    try:
        code = _program.run_python(entry[1:])
    finally:
        try:
            for stream in (sys.stdout, sys.stderr):
                if not stream.closed:
                    stream.flush()
        except (OSError, ValueError, AttributeError):
            code = code or 120
        os._exit(code & 0xFF)


def _exec(entry: list[str]) -> NoReturn:
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores both
            signal.signal(number, signal.SIG_DFL)
        os.execve(entry[0], entry, os.environ)
    except OSError as error:
        os.write(2, f"{entry[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _anonymous(name: str) -> int:
    """Return the bytes of a process's own memory; 0: it is gone."""
    try:
        with open(f"/proc/{name}/status", "rb") as file:
            return next((int(x.split()[1]) << 10 for x in file if x.startswith(b"RssAnon:")), 0)
    except OSError:
        return 0


def _memory(own: int) -> int:
    """Return the bytes that processes below us hold; what they share with us is not their own."""
    below = (name for name in os.listdir("/proc") if name.isdigit() and name != "1")
    return sum(max(0, _anonymous(name) - own) for name in below)


def _over(end: float, most: int, own: int) -> int:
    """Return why a child must end now: 2 memory, 3 time, or 0. A limit of 0 is none."""
    if end and time.monotonic() >= end:
        return 3
    return 2 if most and _memory(own) > most else 0


def _obey(control: int, pidfd: int, number: int) -> tuple[bytes, int]:
    """Take in a word and do it, if it is about this job; return it with its count."""
    told = _cycle.take(control, _TOLD)
    word, count = told[:1], int.from_bytes(told[5:], "big")
    if int.from_bytes(told[1:5], "big") != number:
        return b"", 0
    if word in (b"K", b"I"):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL if word == b"K" else signal.SIGINT)
    return word, count


def _watch(polled: Any, own: int, number: int) -> int:
    """Do as we are told until a child has ended; return the cause."""
    cause, most, end, wait = 0, 0, 0.0, _FOR_EVER
    child, control = polled
    while not child.found:
        if control.found:
            word, count = _obey(control.fd, child.fd, number)
            if word == b"K":
                cause = 1
            elif word == b"W":
                most, wait = count << 20, _WATCH_MS
            elif word == b"T":
                end, wait = time.monotonic() + count / 1000, _WATCH_MS
        if not cause and (reason := _over(end, most, own)):
            cause = reason
            signal.pidfd_send_signal(child.fd, signal.SIGKILL)
        _libc.poll(polled, 2, wait)
    return cause


def _serve(line: int, control: int, plan: dict[str, Any]) -> NoReturn:
    own, number, cycle = _anonymous("self"), 0, _cycle.Cycle(_calls, line, control, plan)
    unread, status = ctypes.c_int(), (ctypes.c_int * 1)()
    used = (ctypes.c_long * 18)()  # struct rusage: two times in seconds and microseconds, then more
    while True:
        number += 1
        child = cycle.run()
        if child == 0:
            _child(cycle)
        cause = _watch(cycle.polled, own, number)
        _cycle.check(_libc.wait4(child, status, 0, used) - child, "wait4")
        os.close(cycle.polled[0].fd)
        code = os.waitstatus_to_exitcode(status[0])
        spent = 1000 * (used[0] + used[2]) + (used[1] + used[3]) // 1000
        told = bytes([cause]) + code.to_bytes(4, "big", signed=True) + spent.to_bytes(8, "big")
        _libc.ioctl(line, _UNREAD, ctypes.byref(unread))
        os.write(line, b"E" + told)
        if unread.value:  # the next child would take it for its job
            os._exit(_cycle.NO_FILE)


def _warm_up(modules: list[str]) -> None:
    """Import what programs will, and use what each of them uses first."""
    for name in modules:
        __import__(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a module started a thread: it can't be forked")
    import _sitebuiltins
    import builtins

    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    code = compile("class A: pass\ntry: A().a\nexcept AttributeError: pass", "", "exec")
    exec(code, {})
    if inspect := sys.modules.get("inspect"):
        inspect.getmodule(code)  # looks every module's file up, once
    sys.stdout.flush()  # else each job would print what an import has
    gc.collect()
    gc.freeze()
    _libc.malloc_trim(0)


def start(line: int, control: int, plan: dict[str, Any]) -> NoReturn:
    """Get ready, say so, and serve jobs for good. `line`, `control`: JOBS and CONTROL."""
    for module in (_program, _calls, _cycle):
        exec(plan.pop(module.__name__), module.__dict__)
    for held in (line, control):
        os.set_inheritable(held, False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("PWD", "LD_BIND_NOW"):  # bubblewrap's, and ours
        os.environ.pop(name, None)
    _warm_up(plan["modules"])
    plan["imported"] = {name.partition(".")[0] for name in sys.modules} - {"__main__"}
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    _cycle.install(_cycle.Filter.of(plan["standing"]))
    os.write(line, b"R" + size.to_bytes(8, "big"))
    _serve(line, control, plan)
