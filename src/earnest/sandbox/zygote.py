"""Process 1 of a warm jail: has the packages imported, and forks a jail of its own for each job.

It runs inside bubblewrap, as `python -P -s -S -c SOURCE JOBS CONTROL MODULES FILTER PROGRAM`, and
so imports nothing of ours. It never holds a job: a child is made ahead of time, in fresh user,
process and mount namespaces, and only that child reads the job, mounts a workspace of the job's
size, gives up every capability, and becomes the program. The child is process 1 of its namespace:
when it ends, the kernel ends all that it started before we are told.

JOBS (a stream socket; the child has it until the program starts): the job comes in as a length (8
bytes, big-endian), a marshalled plan and the files' contents. Out go `H` with a descriptor of the
workspace, or `!`, a length (4) and a reason, both by the child; then from us `E`, cause (1 byte: 0
by itself, 1 as asked, 2 memory, 3 time), exit code (4, negative: minus the signal), CPU
milliseconds (8). CONTROL, 9 bytes each: a word, the job's number (4), a count (4): `K` kill, `I`
interrupt, `W` kill when all processes have more memory than so many MiB, `T` kill after so many
milliseconds; a word about another job came too late and is dropped. End of file: the supervisor is
gone, so we go, and all below us with it.
"""

# ruff: noqa: PTH102, PTH103, PTH118, PTH119, PTH120, PTH123, PTH208, S606, S102
# (pathlib and contextlib would double the time that this takes)

from __future__ import annotations

import ctypes
import gc
import marshal
import os
import resource
import select
import signal
import socket
import sys
import time
import types
from typing import Any, NoReturn

_ARM = os.uname().machine == "aarch64"
_CLONE, _CLOSE_RANGE = (220, 436) if _ARM else (56, 436)
_NEW_USER, _NEW_PROCESSES, _NEW_MOUNTS = 0x10000000, 0x20000000, 0x00020000
_SET_TID, _CLEAR_TID = 0x01000000, 0x00200000
_NOSUID, _NODEV, _NOEXEC, _READ_ONLY, _REMOUNT, _BIND = 2, 4, 8, 1, 32, 4096
_GET_TID_ADDRESS, _SECURE_BITS, _FILTER, _NO_NEW = 40, 28, 22, 38
_NO_ROOT_LOCKED = 0x03  # uid 0 means nothing, for good
_WATCH_MS = 40
_CHUNK, _NO_FILE, _TOLD = 1 << 20, 125, 9

_program: Any = types.ModuleType("program")  # program.py, from its text
_libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL: the interpreter's lock stays ours over a fork
_python = ctypes.pythonapi


def _take(line: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = line.recv(min(count, _CHUNK))
        if not part:
            os._exit(_NO_FILE)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(kind: bytes, target: str, flags: int, options: str = "") -> None:
    words = (kind, target.encode(), kind, ctypes.c_ulong(flags), options.encode())
    _check(_libc.mount(*words), f"mount {target}")


def _write(path: str, text: str) -> None:
    held = os.open(path, os.O_WRONLY)
    os.write(held, text.encode())
    os.close(held)


def _tid_address() -> int:
    """Return where the C library keeps this thread's id, or 0: a raw clone leaves it stale."""
    found = ctypes.c_void_p()
    if _libc.prctl(_GET_TID_ADDRESS, ctypes.byref(found), 0, 0, 0) != 0:
        return 0
    return found.value or 0


def _clone(flags: int, tid: int) -> int:
    """Fork into new namespaces. os.fork takes no flags; unshare(2) would need a second fork."""
    flags |= signal.SIGCHLD | (_SET_TID | _CLEAR_TID if tid else 0)
    place = ctypes.c_void_p(tid)
    ids = (None, None, place) if _ARM else (None, place, None)  # the order differs
    _python.PyOS_BeforeFork()
    child: int = _libc.syscall(ctypes.c_long(_CLONE), ctypes.c_ulong(flags), None, *ids)
    if child == 0:
        _python.PyOS_AfterFork_Child()
    else:
        _python.PyOS_AfterFork_Parent()
    if child < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return child


def _settle(user: int) -> None:
    """In the child, before its job is known: its own name, its own /proc."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{user} {user} 1")
    _mount(b"proc", "/proc", _NOSUID | _NODEV | _NOEXEC)


def _fill(line: socket.socket, folder: str, files: list[tuple[str, int]]) -> str:
    """Write files; return what went wrong. All are read in any case."""
    wrong = ""
    for name, size in files:
        data = _take(line, size)
        if wrong:
            continue
        try:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        except OSError as error:
            wrong = f"{name}: {error.strerror}"
    return wrong


def _lay_out(line: socket.socket, plan: dict[str, Any]) -> str:
    """Mount and fill the workspace, and the folders of data if there are any."""
    options = f"size={plan['bytes']},nr_inodes={plan['inodes']},mode=700"
    _mount(b"tmpfs", plan["work"], _NOSUID | _NODEV, options)
    os.chdir(plan["work"])
    os.mkdir(plan["temporary"])
    wrong = _fill(line, ".", plan["files"])
    if plan["folders"]:
        _mount(b"tmpfs", plan["data_root"], _NOSUID | _NODEV, "mode=755")
        for folder in plan["folders"]:
            os.makedirs(folder, exist_ok=True)
        wrong = _fill(line, "/", plan["data"]) or wrong
        flags = _REMOUNT | _BIND | _READ_ONLY | _NOSUID | _NODEV
        _mount(b"tmpfs", plan["data_root"], flags)
    return wrong


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


def _give_up(plan: dict[str, Any], filter_: _Filter) -> None:
    """Set the limits, give up every capability for good, install the system call filter."""
    for limit, soft, hard in plan["limits"]:
        resource.setrlimit(limit, (soft, hard))
    _check(_libc.prctl(_SECURE_BITS, _NO_ROOT_LOCKED, 0, 0, 0), "prctl")
    _check(_libc.capset(_HEADER, _NO_CAPABILITIES), "capset")
    _check(_libc.prctl(_NO_NEW, 1, 0, 0, 0), "prctl")
    _check(_libc.prctl(_FILTER, 2, ctypes.byref(filter_), 0, 0), "seccomp")


def _become(line: socket.socket, plan: dict[str, Any], ours: int, filter_: _Filter) -> None:
    """Turn the child into the one that runs the program: from here on nothing of ours is open."""
    if plan["show"]:
        socket.send_fds(line, [b"H"], [os.open(".", os.O_RDONLY | os.O_DIRECTORY)])
    if ours >= 0:
        os.dup2(ours, 3)
    first = 4 if ours >= 0 else 3
    _libc.syscall(ctypes.c_long(_CLOSE_RANGE), first, ctypes.c_uint(0xFFFFFFFF), 0)
    line.detach()
    _give_up(plan, filter_)


def _child(line: socket.socket, user: int, filter_: _Filter) -> NoReturn:
    try:
        _settle(user)
        head, rights, _, _ = line.recvmsg(8, 32)
        head += _take(line, 8 - len(head)) if 0 < len(head) < 8 else b""
        if not head:
            os._exit(0)
        plan = marshal.loads(_take(line, int.from_bytes(head, "big")))  # noqa: S302
        wrong = _lay_out(line, plan)
        if not wrong:
            _become(
                line,
                plan,
                int.from_bytes(rights[0][2][:4], sys.byteorder) if rights else -1,
                filter_,
            )
    except OSError as error:
        wrong = str(error)
    if wrong:
        reason = wrong.encode()[:500]
        line.sendall(b"!" + len(reason).to_bytes(4, "big") + reason)
        os._exit(_NO_FILE)
    _run(plan)


def _run(plan: dict[str, Any]) -> NoReturn:
    """Run the program, as `python FILE`, `-c TEXT` or `-m MODULE`, else by execve(2)."""
    entry = plan["entry"]
    known = len(entry) > 2 and entry[1] in ("-c", "-m")
    named = len(entry) > 1 and not entry[1].startswith("-")
    if entry[0] != plan["python"] or not (known or named):
        _exec(entry, plan["environment"])
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


def _exec(entry: list[str], environment: dict[str, str]) -> NoReturn:
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores both
            signal.signal(number, signal.SIG_DFL)
        os.execve(entry[0], entry, environment)
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


def _obey(control: socket.socket, pidfd: int, number: int) -> tuple[bytes, int]:
    """Take in a word and do it, if it is about this job; return it with its count."""
    told = _take(control, _TOLD)
    word, count = told[:1], int.from_bytes(told[5:], "big")
    if int.from_bytes(told[1:5], "big") != number:
        return b"", 0
    if word in (b"K", b"I"):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL if word == b"K" else signal.SIGINT)
    return word, count


def _watch(
    child: int, pidfd: int, control: socket.socket, own: int, number: int
) -> tuple[int, int, int]:
    """Wait for a child's end and do as we are told; return cause, exit code, CPU milliseconds."""
    cause, most, end, wait = 0, 0, 0.0, None
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(control, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll(wait)]
        if pidfd in ready:
            break
        if ready:
            word, count = _obey(control, pidfd, number)
            if word == b"K":
                cause = 1
            elif word == b"W":
                most, wait = count << 20, _WATCH_MS
            elif word == b"T":
                end, wait = time.monotonic() + count / 1000, _WATCH_MS
        if not cause and (reason := _over(end, most, own)):
            cause = reason
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    return cause, os.waitstatus_to_exitcode(status), int((used.ru_utime + used.ru_stime) * 1000)


def _serve(line: socket.socket, control: socket.socket, filter_: _Filter) -> NoReturn:
    tid, user, own = _tid_address(), os.getuid(), _anonymous("self")
    flags, number = _NEW_USER | _NEW_PROCESSES | _NEW_MOUNTS, 0
    while True:
        number += 1
        child = _clone(flags, tid)
        if child == 0:
            control.close()
            _child(line, user, filter_)
        pidfd = os.pidfd_open(child)
        cause, code, used = _watch(child, pidfd, control, own, number)
        os.close(pidfd)
        told = bytes([cause]) + code.to_bytes(4, "big", signed=True) + used.to_bytes(8, "big")
        line.sendall(b"E" + told)


def _share_file_pages() -> None:
    """Let children start with our page tables of the interpreter's code: they would fault for it.

    The kernel copies them at a fork only where a mapping has a page of its own (Linux,
    mm/memory.c, vma_needs_copy), so each gets one: a byte is written back as it is.
    """
    bits = {"r": 1, "w": 2, "x": 4}
    with open("/proc/self/maps") as file:
        lines = [line.split() for line in file]
    for place, rights, *rest in lines:
        name = os.path.basename(rest[-1]) if rest else ""
        if not rights.startswith("r-") or not name.startswith(("python", "libpython", "libc.")):
            continue
        start, end = (int(word, 16) for word in place.split("-"))
        before = sum(bits.get(letter, 0) for letter in rights)
        where = ctypes.c_void_p(start), ctypes.c_size_t(end - start)
        if _libc.mprotect(*where, before | bits["w"]) == 0:
            byte = ctypes.cast(start, ctypes.POINTER(ctypes.c_ubyte))
            byte[0] = byte[0]
            _libc.mprotect(*where, before)


def _warm_up(modules: str) -> None:
    """Import what programs will, and use what each of them uses first."""
    for name in modules.split(","):
        if name:
            __import__(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a module started a thread: it can't be forked")
    import _sitebuiltins
    import builtins

    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    exec(compile("class A: pass\ntry: A().a\nexcept AttributeError: pass", "", "exec"), {})
    sys.stdout.flush()  # else each job would print what an import has
    gc.collect()
    gc.freeze()
    _share_file_pages()


def _main() -> None:
    line, control = (socket.socket(fileno=int(word)) for word in sys.argv[1:3])
    filter_ = bytes.fromhex(sys.argv[4])
    exec(compile(sys.argv[5], "program.py", "exec"), _program.__dict__)
    for held in (line, control):
        os.set_inheritable(held.fileno(), False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PWD", None)  # bubblewrap's
    _warm_up(sys.argv[3])
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    line.sendall(b"R" + size.to_bytes(8, "big"))
    _serve(line, control, _Filter(len(filter_) // 8, filter_))


if __name__ == "__main__":
    _main()
