"""Lists of system calls that run one after another without the interpreter in between.

Whatever Python code does, it changes reference counts all over the heap, and each page that a fresh
fork changes is copied for it: most of what it costs to set a jail up in Python. A list is written
beforehand, and running it touches the list and the stack. Which calls run is all in the list; the
machine code only hands them to the kernel, and where it can't be had (another processor, memory
that may not be executed) a loop does the same, more slowly.

It runs in a jail, in a zygote (`zygote.py` loads it from its text), and imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from typing import Any

_ROW = 9  # words: number, six arguments, the result, bytes to skip where the result is above 0
_WORD = 8
_READ_WRITE, _READ_EXECUTE, _PRIVATE_ANONYMOUS = 3, 5, 0x22
_PAGE = os.sysconf("SC_PAGESIZE")
_ROW_BYTES = _ROW * _WORD

# for x86-64: from the first row (rdi) to before the end (rsi); rax: the row that failed, or the end
#     push rbx; push r12; mov rbx, rdi; mov r12, rsi
# 1:  cmp rbx, r12; jae 3f
#     mov rax, [rbx]; mov rdi, [rbx+8]; mov rsi, [rbx+16]; mov rdx, [rbx+24]
#     mov r10, [rbx+32]; mov r8, [rbx+40]; mov r9, [rbx+48]; syscall
#     mov [rbx+56], rax; test rax, rax; js 3f; jz 2f
#     add rbx, [rbx+64]
# 2:  add rbx, 72; jmp 1b
# 3:  mov rax, rbx; pop r12; pop rbx; ret
_CODE = bytes.fromhex(
    "5341544889fb4989f44c39e37332488b03488b7b08488b7310488b53184c8b53204c8b43284c8b4b300f05"
    "488943384885c0780c740448035b404883c348ebc94889d8415c5bc3"
)

Native = Callable[[int, int], int]


def native(machine: str = os.uname().machine) -> Native | None:
    """Return what runs a list as machine code; None where this machine has no such thing."""
    if machine != "x86_64":
        return None
    libc, size = ctypes.PyDLL(None), ctypes.c_size_t(_PAGE)
    libc.mmap.restype = ctypes.c_void_p
    place = libc.mmap(
        None, size, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, ctypes.c_long(0)
    )  # kept for good
    if place in (None, ctypes.c_void_p(-1).value):
        return None
    ctypes.memmove(place, _CODE, len(_CODE))
    if libc.mprotect(ctypes.c_void_p(place), size, _READ_EXECUTE) != 0:
        return None
    kind = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)
    found: Native = kind(place)
    return found


class Calls:
    """A list of system calls. A negative result ends it; one above 0 may skip some.

    Rows are `(number, arguments, skip)`. Arguments are integers, or what lies in memory and is
    kept there: bytes, which get a 0 at their end, and ctypes objects. `skip`: how many rows are
    passed over where the result is above 0.
    """

    def __init__(self, rows: Sequence[tuple[int, Sequence[Any], int]], run: Native | None) -> None:
        """`run`: from `native()`."""
        self._held: list[Any] = []
        words: list[int] = []
        for number, arguments, skip in rows:
            six = [self._word(argument) for argument in arguments]
            words += [number, *six, *[0] * (6 - len(six)), 0, skip * _ROW_BYTES]
        self._words = (ctypes.c_long * len(words))(*words)
        self._first = ctypes.addressof(self._words)
        self._end = self._first + len(words) * _WORD
        self._run = run or self._loop
        self._libc = ctypes.PyDLL(None, use_errno=True)

    def _word(self, argument: Any) -> int:
        if isinstance(argument, int):
            return argument
        if isinstance(argument, bytes):
            argument = ctypes.create_string_buffer(argument)
        self._held.append(argument)
        return ctypes.addressof(argument)

    def _loop(self, place: int, end: int) -> int:
        while place < end:
            row = (ctypes.c_long * _ROW).from_address(place)
            number, *six = (ctypes.c_long(word) for word in row[:7])
            ctypes.set_errno(0)
            result = self._libc.syscall(number, *six)
            row[7] = result if result >= 0 else -ctypes.get_errno()
            if row[7] < 0:
                break
            place += _ROW_BYTES + (row[8] if row[7] > 0 else 0)
        return place

    def run(self, first: int = 0) -> int:
        """Run them, from a row on; return where it ended: a row that failed, or the length."""
        return (self._run(self._first + first * _ROW_BYTES, self._end) - self._first) // _ROW_BYTES

    def result(self, row: int) -> int:
        """Return a call's last result: what the kernel gave, negative for an error."""
        return int(self._words[row * _ROW + 7])

    def place(self, row: int, word: int = 0) -> int:
        """Return where a row's number lies (word 0), or one of its arguments (from 1)."""
        return self._first + (row * _ROW + word) * _WORD
