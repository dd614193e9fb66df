"""Lists of system calls: as machine code and as a loop they do the same."""

import ctypes
import errno
import os
import platform
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.sandbox import calls

ARM = platform.machine() == "aarch64"
WRITE, CLOSE, GETPID, GETPPID = (64, 57, 172, 173) if ARM else (1, 3, 39, 110)
NO_CALL = 0x3FFFFFFF
WAYS = [way for way in (calls.native(), None) if way or way is None]

ASSEMBLY = """
    push %rbx
    push %r12
    mov %rdi, %rbx
    mov %rsi, %r12
1:  cmp %r12, %rbx
    jae 3f
    mov (%rbx), %rax
    mov 8(%rbx), %rdi
    mov 16(%rbx), %rsi
    mov 24(%rbx), %rdx
    mov 32(%rbx), %r10
    mov 40(%rbx), %r8
    mov 48(%rbx), %r9
    syscall
    mov %rax, 56(%rbx)
    test %rax, %rax
    js 3f
    jz 2f
    add 64(%rbx), %rbx
2:  add $72, %rbx
    jmp 1b
3:  mov %rbx, %rax
    pop %r12
    pop %rbx
    ret
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the code is for x86-64")
def test_the_machine_code_is_what_the_assembly_says(tmp_path):
    if not shutil.which("as") or not shutil.which("objcopy"):
        pytest.skip("no assembler here")
    source, held, raw = (tmp_path / name for name in ("code.s", "code.o", "code.bin"))
    source.write_text(ASSEMBLY)
    subprocess.run(["as", "-o", held, source], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", held, raw], check=True)
    assert raw.read_bytes() == calls._CODE


def test_there_is_machine_code_for_one_processor_only():
    assert calls.native("riscv64") is None
    assert (calls.native() is not None) == (platform.machine() == "x86_64")


@pytest.mark.parametrize("way", WAYS)
def test_calls_run_in_turn_up_to_the_first_that_fails(way):
    ours, theirs = os.pipe()
    rows = [(WRITE, (theirs, b"one.", 4), 0), (GETPID, (), 0), (WRITE, (theirs, b"two.", 4), 0)]
    made = calls.Calls([*rows, (CLOSE, (999_999,), 0), (WRITE, (theirs, b"three", 5), 0)], way)
    assert made.run() == 3
    assert [made.result(row) for row in range(4)] == [4, os.getpid(), 4, -errno.EBADF]
    assert os.read(ours, 100) == b"one.two."
    assert made.run(4) == 5
    assert os.read(ours, 100) == b"three"
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("way", WAYS)
def test_a_number_that_nothing_has_ends_it(way):
    made = calls.Calls([(NO_CALL, (), 0), (GETPID, (), 0)], way)
    assert made.run() == 0
    assert made.result(0) == -errno.ENOSYS
    ctypes.c_long.from_address(made.place(0)).value = GETPPID
    assert made.run() == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_fork_goes_both_ways(way):
    """As a zygote's list does: the child goes on, the parent passes over what is the child's."""
    fork, leave = ((220, (17, 0, 0, 0, 0)), 93) if ARM else ((56, (17, 0, 0, 0, 0)), 60)
    made = calls.Calls([(*fork, 2), (leave, (7,), 0), (leave, (8,), 0), (GETPID, (), 0)], way)
    assert made.run() == 4
    child = made.result(0)
    assert made.result(3) == os.getpid()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


plans = st.lists(
    st.tuples(st.sampled_from(["zero", "above", "below"]), st.integers(0, 3)),
    min_size=1,
    max_size=8,
)


@given(plans)
def test_both_ways_do_the_same(plan):
    kinds = {"zero": (CLOSE, 0), "above": (GETPID, ()), "below": (CLOSE, (999_999,))}
    ends = []
    for way in WAYS:
        rows = []
        for number, (kind, skip) in enumerate(plan):
            number_of, arguments = kinds[kind]
            if kind == "zero":
                arguments = (os.dup(2),)
            rows.append((number_of, arguments, min(skip, len(plan) - number - 1)))
        made = calls.Calls(rows, way)
        ends.append((made.run(), [made.result(row) for row in range(len(rows))]))
        for number_of, arguments, _ in rows:
            if number_of == CLOSE and arguments[0] != 999_999:
                try:
                    os.close(arguments[0])
                except OSError:
                    continue
    assert ends[0] == ends[-1]
