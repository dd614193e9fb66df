"""A job's jail, from its making to the program: what a zygote's child does, as a list of calls.

A child is made in namespaces of its own and reads its job's head. It mounts its /proc and its
workspace, sets the limits, gives up every capability for good, installs the rest of the system
call filter. Where the head says so, by the number of the call at the gate, the list goes on to the
program by itself; else it stops there, files are written and folders shown, and then it goes on.

It runs in a jail, in a zygote (`zygote.py` loads it as code), and imports nothing of ours.
"""

# ruff: noqa: PTH103, PTH118, PTH120, PTH123
# (pathlib would double the time that this takes)

from __future__ import annotations

import ctypes
import marshal
import os
import struct
import sys
from typing import Any, NoReturn

_ARM = os.uname().machine == "aarch64"
_CLONE, _CLOSE, _MOUNT, _RECVMSG, _CHDIR, _MKDIRAT, _PPOLL = (
    (220, 57, 40, 212, 49, 34, 73) if _ARM else (56, 3, 165, 47, 80, 258, 271)
)
_PRLIMIT, _PRCTL, _CAPSET, _CLOSE_RANGE = (261, 167, 91, 436) if _ARM else (302, 157, 126, 436)
_NOTHING = 0x3FFFFFFF  # no call has this number: a list ends there
_NEW_PROCESSES, _NEW_MOUNTS, _TELL_END = 0x20000000, 0x00020000, 17  # SIGCHLD
_SET_TID, _CLEAR_TID, _PIDFD = 0x01000000, 0x00200000, 0x1000
_NOSUID, _NODEV, _NOEXEC, _READ_ONLY, _REMOUNT, _BIND = 2, 4, 8, 1, 32, 4096
_GET_TID_ADDRESS, _SECURE_BITS, _FILTER, _NO_NEW, _DROP_FOR_GOOD = 40, 28, 22, 38, 24
_SETPCAP, _SYS_ADMIN = 8, 21
_NO_ROOT_LOCKED = 0x03  # uid 0 means nothing, for good
_RIGHT, _RIGHTS = struct.Struct("=Qiii"), (1, 1)  # struct cmsghdr, SOL_SOCKET and SCM_RIGHTS
_READABLE, _WAIT_FOR_ALL, _HERE = 1, 0x100, -100  # POLLIN, MSG_WAITALL, AT_FDCWD
_CHUNK = 1 << 20
NO_FILE = 125

_libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL: the interpreter's lock stays ours over a fork
# Looked up once, here: each child would do it anew.
_before_fork, _in_child, _in_parent = (
    getattr(ctypes.pythonapi, f"PyOS_{name}")
    for name in ("BeforeFork", "AfterFork_Child", "AfterFork_Parent")
)
_Row = tuple[int, tuple[Any, ...], int]


def take(line: int, count: int) -> bytes:
    """Read so many bytes. Ends the process where there are no more."""
    parts = []
    while count:
        part = os.read(line, min(count, _CHUNK))
        if not part:
            os._exit(NO_FILE)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def check(result: int, what: str) -> None:
    """Raise `OSError` where a call of the C library did not return 0."""
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(kind: bytes, target: str, flags: int, options: str = "") -> None:
    words = (kind, target.encode(), kind, ctypes.c_ulong(flags), options.encode())
    check(_libc.mount(*words), f"mount {target}")


def _tid_address() -> int:
    """Return where the C library keeps this thread's id, or 0: a raw clone leaves it stale."""
    found = ctypes.c_void_p()
    if _libc.prctl(_GET_TID_ADDRESS, ctypes.byref(found), 0, 0, 0) != 0:
        return 0
    return found.value or 0


class _Polled(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("asked", ctypes.c_short), ("found", ctypes.c_short)]


class _Part(ctypes.Structure):
    _fields_ = [("place", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class _Heard(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("rights", ctypes.c_void_p),
        ("rights_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class Filter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    @classmethod
    def of(cls, code: bytes) -> Filter:
        """Return a filter as `seccomp.py` gives it, for the kernel."""
        return cls(len(code) // 8, code)


_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


class Cycle:
    """The list, with what it reads and writes: from a child's making to its end, again and again.

    `polled`: the present child's descriptor and CONTROL, as poll(2) left them.
    """

    def __init__(self, calls: Any, line: int, control: int, plan: dict[str, Any]) -> None:
        """`calls`: the module of that name. `plan`: from `wire.zygote_plan`."""
        self.plan, self.line = plan, line
        self._head = ctypes.create_string_buffer(plan["head"])
        *_, size_at, job_at = plan["places"]
        self._size, self._told = (
            memoryview(self._head)[start:end] for start, end in ((size_at, job_at), (job_at, None))
        )
        self._rights = ctypes.create_string_buffer(24)  # struct cmsghdr with one descriptor
        self._parts = (_Part * 2)()
        self._heard = _Heard(
            parts=ctypes.addressof(self._parts),
            part_count=2,
            rights=ctypes.addressof(self._rights),
            rights_size=24,
        )
        self.polled = (_Polled * 2)(_Polled(-1, _READABLE), _Polled(control, _READABLE))
        own_proc = (_MOUNT, (b"proc", b"/proc", b"proc", _NOSUID | _NODEV | _NOEXEC, 0), 0)
        rows: list[_Row] = [own_proc, (_CLOSE, (control,), 0)]
        self._reading = len(rows) + 1
        rows += [(_RECVMSG, (line, self._heard, _WAIT_FOR_ALL), 0)]
        rows += self._laying_out(plan["places"][0])
        self._gate = len(rows) + 1
        rows += [(_NOTHING, (), 0), *self._closing(plan["places"][1])]
        self._through = len(rows) + 1
        making = (*self._making(), len(rows) + 1)
        waiting = (_PPOLL, (self.polled, 2, 0, 0, 0), 0)
        self._list = calls.Calls([making, *rows, (_NOTHING, (), 0), waiting], calls.native())
        self._parts[0] = _Part(self._list.place(self._gate), 8)
        self._parts[1] = _Part(ctypes.addressof(self._head) + 8, plan["head"] - 8)

    def _making(self) -> tuple[int, tuple[Any, ...]]:
        """Clone. os.fork takes no flags, and unshare(2) would need a second fork."""
        tid = _tid_address()
        flags = _NEW_PROCESSES | _NEW_MOUNTS | _PIDFD | _TELL_END
        flags |= _SET_TID | _CLEAR_TID if tid else 0
        ids = (0, tid) if _ARM else (tid, 0)  # the order differs
        return _CLONE, (flags, 0, self.polled, *ids)

    def _laying_out(self, options_at: int) -> list[_Row]:
        work, options = self.plan["work"].encode(), ctypes.addressof(self._head) + options_at
        return [
            (_MOUNT, (b"tmpfs", work, b"tmpfs", _NOSUID | _NODEV, options), 0),
            (_CHDIR, (work,), 0),
            (_MKDIRAT, (_HERE, self.plan["temporary"].encode(), 0o700), 0),
        ]

    def _closing(self, limits_at: int) -> list[_Row]:
        """Set the limits, give up every capability for good, close what is ours."""
        place = ctypes.addressof(self._head) + limits_at
        rows: list[_Row] = [
            (_PRLIMIT, (0, which, place + 16 * number, 0), 0)
            for number, which in enumerate(self.plan["limits"])
        ]
        for capability in (_SYS_ADMIN, _SETPCAP):
            rows += [(_PRCTL, (_DROP_FOR_GOOD, capability, 0, 0, 0), 0)]
        rows += [(_PRCTL, (_SECURE_BITS, _NO_ROOT_LOCKED, 0, 0, 0), 0)]
        rows += [(_CAPSET, (_HEADER, _NO_CAPABILITIES), 0)]
        rows += [(_CLOSE_RANGE, (3, 0xFFFFFFFF, 0), 0)]
        return [*rows, (_PRCTL, (_FILTER, 2, Filter.of(self.plan["closing"]), 0, 0), 0)]

    def run(self) -> int:
        """Make a child and wait for its end or for a word; return its number.

        In the child, 0: `job` may be asked for. Raises `OSError`.
        """
        _before_fork()
        self._at = self._list.run()
        child: int = self._list.result(0)
        if child == 0:
            _in_child()
        else:
            _in_parent()
            if self._at < self._through + 2:
                raise OSError(-self._list.result(self._at), "clone or poll")
        return child

    def job(self) -> tuple[Any, ...]:
        """In the child: return its job, ready to run it. Raises `OSError`."""
        if self._at > self._reading and self._list.result(self._reading) <= 0:
            os._exit(0)  # the supervisor is gone
        plain = self._at == self._through
        if not plain and self._at != self._gate:
            self._fail()
        if plain:
            return marshal.loads(self._told)  # type: ignore[no-any-return] # noqa: S302
        size = int.from_bytes(self._size, sys.byteorder)
        rest = take(self.line, max(0, size - len(self._told)))
        job: tuple[Any, ...] = marshal.loads(bytes(self._told) + rest)  # noqa: S302
        self._open_up(job)
        return job

    def _fail(self) -> NoReturn:
        number = -self._list.result(self._at)
        raise OSError(number, f"{os.strerror(number)} (step {self._at})")

    def _open_up(self, job: tuple[Any, ...]) -> None:
        """Write files, show what is asked for, hand the line on; then close the jail."""
        _, files, folders, data, show = job
        _fill(self.line, ".", files)  # what is left unread after an error ends this zygote
        if folders:
            _show(self.line, self.plan["data"], folders, data)
        if show:
            self._hand_out(os.open(".", os.O_RDONLY | os.O_DIRECTORY))
        if self._heard.rights_size:
            ours = int.from_bytes(self._rights.raw[16:20], sys.byteorder)
            os.dup2(ours, 3)
            place = self._list.place(self._through - 2, 1)  # what is closed before the filter
            ctypes.c_long.from_address(place).value = 4
        self._at = self._list.run(self._gate + 1)
        if self._at != self._through:
            self._fail()

    def _hand_out(self, descriptor: int) -> None:
        word = ctypes.create_string_buffer(b"H", 1)
        right = ctypes.create_string_buffer(_RIGHT.pack(_RIGHT.size, *_RIGHTS, descriptor), 24)
        part = _Part(ctypes.addressof(word), 1)
        said = _Heard(
            parts=ctypes.addressof(part),
            part_count=1,
            rights=ctypes.addressof(right),
            rights_size=24,
        )
        if _libc.sendmsg(self.line, ctypes.byref(said), 0) != 1:
            raise OSError(ctypes.get_errno(), "sendmsg")


def _fill(line: int, folder: str, files: list[tuple[str, int]]) -> None:
    """Write files. Raises `OSError`, with the file's name."""
    for name, size in files:
        data = take(line, size)
        try:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        except OSError as error:
            raise OSError(f"{name}: {error.strerror}") from error


def _show(line: int, root: str, folders: list[str], data: list[tuple[str, int]]) -> None:
    _mount(b"tmpfs", root, _NOSUID | _NODEV, "mode=755")
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    _fill(line, "/", data)
    _mount(b"tmpfs", root, _REMOUNT | _BIND | _READ_ONLY | _NOSUID | _NODEV)


def install(filter_: Filter) -> None:
    """Install a filter, for this process and all that it starts. Raises `OSError`."""
    check(_libc.prctl(_NO_NEW, 1, 0, 0, 0), "prctl")
    check(_libc.prctl(_FILTER, 2, ctypes.byref(filter_), 0, 0), "seccomp")
