import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import LackError
from earnest.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", r"#define __NR_(\w+) (\d+)"),
    "aarch64": ("/usr/include/asm-generic/unistd.h", r"#define __NR(?:3264)?_(\w+) (\d+)"),
}
HARMLESS = {
    "x86_64": {"read": 0, "openat": 257, "execve": 59, "fork": 57, "mmap": 9, "futex": 202},
    "aarch64": {"read": 63, "openat": 56, "execve": 221, "mmap": 222, "futex": 98},
}


def decide(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel would: an independent reading of seccomp(2)'s classic BPF."""
    six = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, audit, 0, *six)
    code = list(struct.iter_unpack("=HBBI", program))
    register, at = 0, 0
    while True:
        operation, true, false, operand = code[at]
        at += 1
        if operation == 0x20:
            register = struct.unpack_from("=I", data, operand)[0]
        elif operation == 0x06:
            return operand
        else:
            held = {
                0x15: register == operand,
                0x25: register > operand,
                0x45: bool(register & operand),
            }[operation]
            at += true if held else false


@pytest.fixture(params=ARCHITECTURES)
def arch(request):
    return request.param


def ask(arch, number, *arguments):
    return decide(seccomp.program(arch), ARCHITECTURES[arch], number, *arguments)


def test_it_is_small_enough_and_always_ends(arch):
    program = seccomp.program(arch)
    assert len(program) % 8 == 0
    assert len(program) // 8 <= 4096
    code = list(struct.iter_unpack("=HBBI", program))
    assert code[-1][0] == 0x06
    assert all(at + 1 + max(one[1:3]) < len(code) for at, one in enumerate(code) if one[0] & 5 == 5)


def test_refused_and_harmless_calls(arch):
    refused = seccomp.refused(arch)
    assert {"mount", "ptrace", "bpf", "keyctl", "unshare", "setns", "io_uring_setup"} <= set(
        refused
    )
    assert {ask(arch, number) for number in refused.values()} == {EPERM}
    assert {ask(arch, number) for number in HARMLESS[arch].values()} == {ALLOW}


def test_numbers_agree_with_this_machines_headers(arch):
    path, pattern = HEADERS[arch]
    if not Path(path).exists():
        pytest.skip("no kernel headers here")
    numbers = {name: int(n) for name, n in re.findall(pattern, Path(path).read_text())}
    for name, number in seccomp.refused(arch).items():
        if name in numbers:
            assert numbers[name] == number, name
    assert len(set(seccomp.refused(arch)) & set(numbers)) > 60


def test_sockets_are_local_only(arch):
    special = seccomp._SPECIAL[arch]
    for call in ("socket", "socketpair"):
        assert ask(arch, special[call], 1) == ALLOW
        for family in (0, 2, 10, 16, 17, 38, 40):
            assert ask(arch, special[call], family) == EPERM


@given(st.integers(0, 2**32 - 1))
def test_no_clone_makes_a_namespace(flags):
    makes = any(
        flags & flag
        for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
    )
    for arch in ARCHITECTURES:
        assert ask(arch, seccomp._SPECIAL[arch]["clone"], flags) == (EPERM if makes else ALLOW)


@given(st.integers(0, 2**31 - 1))
def test_terminals_take_no_injected_input(request_number):
    for arch in ARCHITECTURES:
        ioctl = seccomp._SPECIAL[arch]["ioctl"]
        assert ask(arch, ioctl, 0, 0x5412) == EPERM
        assert ask(arch, ioctl, 0, 0xFF00000000 | 0x541C) == EPERM
        refused = request_number in (0x5412, 0x541C)
        assert ask(arch, ioctl, 0, request_number) == (EPERM if refused else ALLOW)


@given(st.integers(451, 2**30 - 1))
def test_calls_younger_than_the_table_do_not_exist(number):
    for arch in ARCHITECTURES:
        assert ask(arch, number) == ENOSYS
        assert ask(arch, 435) == ENOSYS  # clone3


def test_other_architectures_are_killed(arch):
    program = seccomp.program(arch)
    assert decide(program, 0x40000003, 1) == KILL  # i386
    if arch == "x86_64":
        assert ask(arch, 0x40000000) == KILL  # x32


def calls(arch):
    """Every call that any part of a filter names, and some that none does, with arguments."""
    numbers = [*seccomp.refused(arch).values(), *seccomp._SPECIAL[arch].values()]
    arguments = st.one_of(st.sampled_from((0, 1, 2, 0x5412, 0x541C)), st.integers(0, 2**64 - 1))
    anything = st.one_of(st.sampled_from(numbers), st.integers(0, 2**32 - 1))
    audit = st.sampled_from((ARCHITECTURES[arch], ARCHITECTURES[arch], 0x40000003))
    return st.tuples(audit, anything, arguments, arguments)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@given(data=st.data())
def test_the_standing_and_the_closing_part_refuse_together_what_the_whole_refuses(arch, data):
    call = data.draw(calls(arch))
    whole = decide(seccomp.program(arch), *call)
    parts = {decide(part(arch), *call) for part in (seccomp.standing, seccomp.closing)}
    # The kernel takes the strictest; of two errors the one of the filter installed last.
    assert whole == min(parts, key=[KILL, EPERM, ENOSYS, ALLOW].index)


def test_only_a_zygote_may_make_a_jail(arch):
    mount, clone = seccomp.refused(arch)["mount"], seccomp._SPECIAL[arch]["clone"]
    for number, argument in ((mount, 0), (clone, 0x20000000)):
        ask = (ARCHITECTURES[arch], number, argument)
        assert decide(seccomp.standing(arch), *ask) == ALLOW
        assert decide(seccomp.closing(arch), *ask) == EPERM


def test_the_closing_part_is_short(arch):
    assert len(seccomp.closing(arch)) // 8 <= 10  # a job pays for each of its instructions


def test_a_machine_without_a_table():
    with pytest.raises(LackError, match="riscv64"):
        seccomp.program("riscv64")
