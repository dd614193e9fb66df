"""System calls that a filter is there to refuse, and ways around such a filter.

Not covered: bugs in the calls that programs need; calls that are younger than the running kernel.
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.attacks.kit import Attack

_SELF: Final = "control(lambda: libc.syscall(ctypes.c_long(172 if arm else 39)) == os.getpid())\n"

ATTACKS: Final = (
    Attack(
        "loads_kernel_programs",
        "system calls",
        """
call("bpf map", 321, 280, 0, struct.pack("=IIIII", 2, 4, 4, 1, 0) + bytes(108), 128)
code = struct.pack("=BBhiBBhi", 0xb7, 0, 0, 0, 0x95, 0, 0, 0)
area = ctypes.create_string_buffer(code)
name = ctypes.create_string_buffer(b"GPL")
attribute = struct.pack("=IIQQ", 1, 2, ctypes.addressof(area), ctypes.addressof(name)) + bytes(104)
call("bpf program", 321, 280, 5, attribute, 128)
"""
        + _SELF,
    ),
    Attack(
        "goes_round_by_io_uring",
        "system calls",
        'call("io_uring_setup", 425, 425, 4, bytes(120))\n'
        'call("io_uring_enter", 426, 426, 0, 0, 0, 0, None, 0)\n' + _SELF,
        works=True,
    ),
    Attack(
        "handles_page_faults_itself",
        "system calls",
        """
for flags in (1, 0o2000001, 0o4001): call(f"userfaultfd {flags}", 323, 282, flags)
attempt("device", lambda: open("/dev/userfaultfd", "rb"))
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "watches_performance_counters",
        "system calls",
        """
for kind, number in ((1, 1), (0, 0), (2, 1), (4, 0)):
    words = struct.pack("=IIQ", kind, 120, number) + bytes(24) + struct.pack("=Q", 0x61) + bytes(72)
    call(f"perf_event_open {kind}", 298, 241, words, 0, -1, -1, 0)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "runs_code_from_memory",
        "system calls",
        """
def run():
    fd = os.memfd_create("x", 0)
    os.write(fd, read("/usr/bin/env", 1 << 24))
    return subprocess.run([f"/proc/self/fd/{fd}", "true"], pass_fds=[fd]).returncode == 0
attempt("exec from memory", run)
call("memfd_secret", 447, 447, 0)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "watches_file_systems",
        "system calls",
        """
call("fanotify_init", 300, 262, 0, 0)
call("fanotify unprivileged", 300, 262, 0x200, 0)
call("quotactl", 179, 60, 0x800001, b"/dev/vda", 0, bytes(100))
call("lookup_dcookie", 212, 18, 1, bytes(100), 100)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "keeps_keys_in_the_kernel",
        "system calls",
        """
call("keyctl", 250, 219, 0, -3, 1)
call("add_key", 248, 217, b"user", b"x", b"y", 1, -3)
call("request_key", 249, 218, b"user", b"x", None, -3)
call("join a session", 250, 219, 1, b"x")
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "keeps_queues_in_the_kernel",
        "system calls",
        """
call("shmget", 29, 194, 0, 4096, 0o1600)
call("msgget", 68, 186, 0, 0o1600)
call("semget", 64, 190, 0, 1, 0o1600)
call("mq_open", 240, 180, b"x", 0o102, 0o600, None)
control(lambda: mmap.mmap(-1, 4096))
""",
        works=True,
    ),
    Attack(
        "changes_the_machine",
        "system calls",
        """
now = struct.pack("=qq", int(time.time()), 0)
call("sethostname", 170, 161, os.uname().nodename.encode(), len(os.uname().nodename))
call("setdomainname", 171, 162, b"x", 1)
call("settimeofday", 164, 170, now, None)
call("clock_settime", 227, 112, 0, now)
call("syslog", 103, 116, 3, bytes(100), 100)
call("swapon", 167, 224, b"main.py", 0)
call("acct", 163, 89, b"main.py")
call("vhangup", 153, 58)
call("init_module", 175, 105, b"x", 1, b"")
call("finit_module", 313, 273, 0, b"", 0)
call("kexec_load", 246, 104, 0, 0, None, 0)
call("reboot magic only", 169, 142, 0, 0, 0, None)
control(lambda: time.clock_gettime(0))
""",
    ),
    Attack(
        "changes_its_personality",
        "system calls",
        """
call("no random addresses", 135, 92, 0x0040000)
call("read implies execute", 135, 92, 0x0400000)
call("32 bit", 135, 92, 8)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "moves_memory_between_nodes",
        "system calls",
        """
mask = struct.pack("=Q", 1)
call("set_mempolicy", 238, 237, 3, mask, 64)
call("move_pages", 279, 239, 0, 0, None, None, None, 0)
call("migrate_pages", 256, 238, 0, 64, mask, mask)
call("process_madvise", 440, 440, 0, None, 0, 4, 0)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "reaches_for_ports_and_segments",
        "system calls",
        """
call("iopl", 172, None, 3)
call("ioperm", 173, None, 0, 8, 1)
call("modify_ldt", 154, None, 0, bytes(16), 16)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "calls_as_another_architecture",
        "system calls",
        """
def machine_code(code):
    area = mmap.mmap(-1, 4096, prot=7)
    area.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()
if arm:
    print("CONTROL")
else:
    control(lambda: machine_code(bytes.fromhex("b8270000000f05c3")) == os.getpid())
    # getpid by int 0x80 and as x32; socketcall(1, ...) by int 0x80, which no argument filter sees
    for name, code in (("int 0x80", "b814000000cd80c3"), ("x32", "b8270000400f05c3"),
                       ("socketcall", "53b866000000bb0100000031c9cd805bc3")):
        child = os.fork()
        if child == 0:
            got = machine_code(bytes.fromhex(code))
            got = ctypes.c_int32(got).value
            os._exit(42 if got > 0 or got == -14 else 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print("BREACH" if status == 42 else "refused", name, status)
""",
        works=True,
    ),
    Attack(
        "calls_by_number_beyond_the_table",
        "system calls",
        """
# high bits of the number, and calls that are younger than the filter
call("unshare high", None if arm else 272 | 1 << 32, 97 | 1 << 32, 0x10000000)
for number in range(451, 480):
    def action():
        ctypes.set_errno(0)
        got = libc.syscall(ctypes.c_long(number), -1, 0, 0, 0, 0, 0)
        code = ctypes.get_errno()
        return got != -1 or code not in (errno.ENOSYS, errno.EPERM, errno.EACCES)
    attempt(f"call {number}", action)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "runs_without_a_filter",
        "system calls",
        """
state = dict(l.split(":\\t") for l in open("/proc/self/status").read().splitlines() if ":\\t" in l)
print("BREACH" if state.get("Seccomp") != "2" else "filtered", state.get("Seccomp"))
print("BREACH" if libc.prctl(39, 0, 0, 0, 0) != 1 else "no new privileges")
attempt("take it back", lambda: libc.prctl(38, 0, 0, 0, 0) == 0)
child = os.fork()
if child == 0:
    libc.prctl(22, 0, 0, 0, 0)
    got = libc.syscall(ctypes.c_long(97 if arm else 272), 0x10000000)
    os._exit(7 if got == 0 else 3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print("BREACH" if status == 7 else "refused", status)
"""
        + _SELF,
        works=True,
    ),
    Attack(
        "injects_into_a_terminal",
        "system calls",
        """
import fcntl, pty, termios
for fd in (0, 1, 2):
    attempt(f"TIOCSTI {fd}", lambda: fcntl.ioctl(fd, termios.TIOCSTI, b"x") or True)
    attempt(f"TIOCLINUX {fd}", lambda: fcntl.ioctl(fd, 0x541C, b"\\x02") or True)
attempt("tty", lambda: open("/dev/tty", "w"))
def own(request):
    a, b = pty.openpty()
    try: return libc.ioctl(b, ctypes.c_ulong(request), b"x") == 0
    finally: os.close(a); os.close(b)
attempt("TIOCSTI on its own", lambda: own(0x5412))
attempt("TIOCSTI high bits", lambda: own(1 << 32 | 0x5412))
control(lambda: fcntl.fcntl(1, fcntl.F_GETFD) == 0)
""",
    ),
)
