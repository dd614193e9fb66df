"""The system calls that a jail refuses, as a classic BPF program for seccomp(2).

A jail has no capability and sees only its own namespaces; the filter takes away what would let a
program widen that (new namespaces, mounts), reach past it (kernel keys, other processes' memory,
descriptors by handle) or poke at the kernel's larger and younger interfaces. Calls that are not
in `_REFUSED` and not newer than `_NEWEST` are allowed: this is a deny-list.

Refused calls fail with EPERM. `clone3` fails with ENOSYS, because its flags lie in memory that a
filter can't read and libraries then fall back to `clone`; so does every call that is younger than
this table. A call of another architecture (32-bit, x32) kills the process.

The kernel compiles a filter each time it is installed, at a cost that grows with its length. So a
zygote installs all but what it needs to make jails (`standing`), which its children inherit, and
each child only the rest (`closing`); the kernel runs both and takes the stricter answer.

Source: seccomp(2), Linux 6.1 `unistd_64.h` and `asm-generic/unistd.h`.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from earnest.core.errors import LackError

_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_KILL_PROCESS: Final = 0x80000000
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_ABOVE: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENT_0, _AT_ARGUMENT_1 = 0, 4, 16, 24

_NEWEST: Final = 450
_AF_UNIX, _AF_INET = 1, 2
_NEW_NAMESPACE: Final = 0x7E020000  # every CLONE_NEW* that clone(2) takes
_TTY_INJECTION: Final = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_SPECIAL: Final = {
    "x86_64": {"clone": 56, "clone3": 435, "socket": 41, "socketpair": 53, "ioctl": 16},
    "aarch64": {"clone": 220, "clone3": 435, "socket": 198, "socketpair": 199, "ioctl": 29},
}
_SHARED: Final = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "set_mempolicy_home_node": 450,
}
# name: (x86_64, aarch64); None where an architecture does not have the call
_OWN: Final[Mapping[str, tuple[int, int | None]]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "finit_module": (313, 273),
    "get_kernel_syms": (177, None),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "memfd_create": (319, 279),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "move_pages": (279, 239),
    "mq_getsetattr": (245, 185),
    "mq_notify": (244, 184),
    "mq_open": (240, 180),
    "mq_timedreceive": (243, 183),
    "mq_timedsend": (242, 182),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "set_mempolicy": (238, 237),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def refused(architecture: str) -> dict[str, int]:
    """Return the calls that always fail with EPERM, by name, with their numbers."""
    column = list(_AUDIT).index(architecture)
    own = {name: numbers[column] for name, numbers in _OWN.items()}
    return {**{name: n for name, n in own.items() if n is not None}, **_SHARED}


def _unless(test: int, operand: int, then: Sequence[_Instruction]) -> list[_Instruction]:
    """Skip `then` where the test holds."""
    return [(test, len(then), 0, operand), *then]


def _when(test: int, operand: int, then: Sequence[_Instruction]) -> list[_Instruction]:
    """Run `then` where the test holds, else skip it."""
    return [(test, 0, len(then), operand), *then]


def _give(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)


def _load(offset: int) -> _Instruction:
    return (_LOAD, 0, 0, offset)


def _no_namespace(refuse: _Instruction) -> list[_Instruction]:
    return [
        _load(_AT_ARGUMENT_0),
        *_when(_ANY_BIT, _NEW_NAMESPACE, [refuse]),
        _give(_ALLOW),
    ]


def _packed(code: Sequence[_Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _filter(architecture: str, families: Sequence[int], *, makes_jails: bool) -> bytes:
    if architecture not in _AUDIT:
        raise LackError(
            f"there is no system call filter for {architecture}",
            mend="use a machine with an x86_64 or aarch64 processor",
        )
    special = _SPECIAL[architecture]
    refuse, unknown = _give(_ERRNO | errno.EPERM), _give(_ERRNO | errno.ENOSYS)
    allow = _give(_ALLOW)
    local = [_load(_AT_ARGUMENT_0)]
    for family in families:
        local += _when(_EQUAL, family, [allow])
    local += [refuse]
    no_injection = [_load(_AT_ARGUMENT_1)]
    for request in _TTY_INJECTION:
        no_injection += _when(_EQUAL, request, [refuse])
    code = [
        _load(_AT_ARCHITECTURE),
        *_unless(_EQUAL, _AUDIT[architecture], [_give(_KILL_PROCESS)]),
        _load(_AT_NUMBER),
    ]
    if architecture == "x86_64":
        code += _when(_ANY_BIT, 0x40000000, [_give(_KILL_PROCESS)])
    code += _when(_ABOVE, _NEWEST, [unknown])
    code += _when(_EQUAL, special["clone3"], [unknown])
    if not makes_jails:
        code += _when(_EQUAL, special["clone"], _no_namespace(refuse))
    code += _when(_EQUAL, special["socket"], local)
    code += _when(_EQUAL, special["socketpair"], local)
    code += _when(_EQUAL, special["ioctl"], [*no_injection, allow])
    needed = {refused(architecture)["mount"]} if makes_jails else set()
    for number in sorted(set(refused(architecture).values()) - needed):
        code += _when(_EQUAL, number, [refuse])
    return _packed([*code, allow])


def program(architecture: str, *, inet: bool = False) -> bytes:
    """Return the filter as an array of `struct sock_filter`, for `x86_64` or `aarch64`.

    `inet`: sockets of IPv4 are allowed as well, for a jail whose network is a loopback of its own.
    Raises `LackError` for any other architecture.
    """
    families = (_AF_UNIX, _AF_INET) if inet else (_AF_UNIX,)
    return _filter(architecture, families, makes_jails=False)


def standing(architecture: str) -> bytes:
    """Return `program` without what a zygote needs: namespaces by clone(2), and mount(2).

    Raises `LackError` as `program` does.
    """
    return _filter(architecture, (_AF_UNIX,), makes_jails=True)


def closing(architecture: str) -> bytes:
    """Return what `standing` leaves out of `program`, for processes that have that one already."""
    refuse = _give(_ERRNO | errno.EPERM)
    code = [
        _load(_AT_NUMBER),
        *_when(_EQUAL, refused(architecture)["mount"], [refuse]),
        *_when(_EQUAL, _SPECIAL[architecture]["clone"], _no_namespace(refuse)),
        _give(_ALLOW),
    ]
    return _packed(code)
