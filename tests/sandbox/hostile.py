"""Programs that try to get out of a jail, or to reach what it must not hold.

Each prints `BREACH` for what it got, or the token that it found, and `tried` when it is through.
`works`: run beside the driver, without a jail, it does get it (so that it is a real attempt).
`control`: what it does in the jail by the same means must still succeed, and prints `CONTROL`.
"""

# ruff: noqa: E501

from dataclasses import dataclass

PRELUDE = """
import ctypes, errno, glob, mmap, os, signal, socket, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"

def attempt(name, action):
    try:
        got = action()
    except (OSError, ValueError) as error:
        code = getattr(error, "errno", None)
        print("refused", name, errno.errorcode.get(code, error))
        return
    print("BREACH" if got else "nothing", name, repr(got)[:200] if got else "")

def call(name, x86, arm_number, *arguments):
    number = arm_number if arm else x86
    if number is None:
        return
    def action():
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *arguments)
        if result == -1:
            raise OSError(ctypes.get_errno(), name)
        return True
    attempt(name, action)

def control(action):
    print("CONTROL" if action() else "control failed")

def read(path, most=1 << 16):
    with open(path, "rb") as file:
        return file.read(most)
"""


@dataclass(frozen=True)
class Hostile:
    name: str
    source: str
    works: bool = False


HOSTILE = (
    Hostile(
        "reads_a_file_of_the_host",
        """
attempt("secret", lambda: read("OUTSIDE/secret"))
attempt("by link", lambda: (os.symlink("OUTSIDE/secret", "l"), read("l"))[1])
attempt("by dots", lambda: read("../../../../../../../..OUTSIDE/secret"))
control(lambda: read("/earnest-jail/data/visible"))
""",
        works=True,
    ),
    Hostile(
        "reads_environments",
        """
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/task/*/environ"):
    try: print(b"EARNEST_PLANTED" in read(path) and read(path) or "nothing", path)
    except OSError: pass
print(os.environ.get("EARNEST_PLANTED"))
control(lambda: read("/proc/self/environ"))
""",
        works=True,
    ),
    Hostile(
        "follows_proc_links",
        """
for kind in ("root", "cwd"):
    for path in glob.glob(f"/proc/[0-9]*/{kind}") + glob.glob(f"/proc/[0-9]*/task/*/{kind}"):
        attempt(path, lambda: read(path + "OUTSIDE/secret"))
control(lambda: os.listdir("/proc/self/root") and os.listdir("/proc/1/root"))
""",
        works=True,
    ),
    Hostile(
        "opens_others_descriptors",
        """
for path in glob.glob("/proc/[0-9]*/fd/*") + glob.glob("/proc/[0-9]*/map_files/*"):
    try: where = os.readlink(path)
    except OSError: continue
    if path.split("/")[2] == str(os.getpid()) or where.startswith(("pipe:", "/dev/null", "/usr/")):
        continue
    if not where.endswith((".so", "python3")): attempt(path + " " + where, lambda: open(path, "r+b"))
with open("own", "w") as f: control(lambda: open(f"/proc/self/fd/{f.fileno()}"))
""",
    ),
    Hostile(
        "reads_others_memory",
        """
def search(pid):
    for line in open(f"/proc/{pid}/maps"):
        words = line.split()
        if not words[1].startswith("rw"): continue
        start, end = (int(x, 16) for x in words[0].split("-"))
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(start)
            try: data = memory.read(min(end - start, 1 << 24))
            except OSError: continue
        at = data.find(b"EARNEST_" + b"PLANTED=")
        if at >= 0: return data[at:at + 60]
for pid in [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]:
    attempt("memory of " + pid, lambda: search(pid))
mark = b"my own" + b" mark"
def own():
    address = id(mark) + bytes.__basicsize__ - 1
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(len(mark)) == mark
control(own)
""",
        works=True,
    ),
    Hostile(
        "reaches_the_network",
        """
def tcp(address, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(2)
        s.connect(address)
        return True
attempt("loopback", lambda: tcp(("127.0.0.1", 45678)))
attempt("loopback 6", lambda: tcp(("::1", 45678), socket.AF_INET6))
attempt("outside", lambda: tcp(("198.51.100.1", 80)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)))
attempt("server", lambda: socket.create_server(("127.0.0.1", 0)))
a, b = socket.socketpair()
a.send(b"x")
control(lambda: b.recv(1))
""",
        works=True,
    ),
    Hostile(
        "opens_strange_sockets",
        """
for family in (2, 10, 15, 16, 17, 29, 38, 40, 44):
    for kind in (1, 2, 3):
        attempt(f"family {family} {kind}", lambda: socket.socket(family, kind, 0))
control(lambda: socket.socket(socket.AF_UNIX))
""",
        works=True,
    ),
    Hostile(
        "connects_to_an_abstract_socket",
        """
def planted():
    s = socket.socket(socket.AF_UNIX)
    s.connect("\\\\0earnest-planted".encode().decode("unicode_escape"))
    return True
attempt("planted", planted)
s = socket.socket(socket.AF_UNIX); s.bind("\\\\0mine".encode().decode("unicode_escape")); s.listen()
c = socket.socket(socket.AF_UNIX)
c.connect("\\\\0mine".encode().decode("unicode_escape"))
control(s.accept)
""",
        works=True,
    ),
    Hostile(
        "makes_namespaces",
        """
for name, flag in dict(user=0x10000000, mount=0x20000, pid=0x20000000, net=0x40000000,
                       ipc=0x8000000, uts=0x4000000, cgroup=0x2000000, time=0x80).items():
    call("unshare " + name, 272, 97, flag)
    if name != "time":
        call("clone " + name, 56, 220, flag | 17, None, None, None, None)
        call("clone3 " + name, 435, 435, struct.pack("=11Q", flag, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)
for path in glob.glob("/proc/1/ns/*"):
    try: fd = os.open(path, os.O_RDONLY)
    except OSError: continue
    call("setns " + path, 308, 268, fd, 0)
control(lambda: os.waitpid(os.fork() or os._exit(3), 0)[1] == 3 << 8)
""",
    ),
    Hostile(
        "mounts",
        """
call("tmpfs", 165, 40, b"none", b"/earnest-jail/work", b"tmpfs", 0, None)
call("remount", 165, 40, None, b"/", None, 0x20, None)
call("remount image", 165, 40, None, b"/earnest-jail/image", None, 0x1020, None)
call("bind", 165, 40, b"/", b"/earnest-jail/work", None, 0x1000, None)
call("umount", 166, 39, b"/earnest-jail/work", 2)
call("umount proc", 166, 39, b"/proc", 2)
call("pivot_root", 155, 41, b".", b".")
call("open_tree", 428, 428, -100, b"/", 1)
call("fsopen", 430, 430, b"tmpfs", 0)
call("fspick", 433, 433, -100, b"/", 0)
call("move_mount", 429, 429, -100, b"/", -100, b"/earnest-jail/work", 0)
call("mount_setattr", 442, 442, -100, b"/", 0, bytes(32), 32)
call("chroot", 161, 51, b".")
control(lambda: os.statvfs(".").f_blocks)
""",
    ),
    Hostile(
        "traces_and_reaches_into_processes",
        """
for pid in (1, os.getppid()):
    call("attach", 101, 117, 16, pid, 0, 0)
    call("seize", 101, 117, 0x4206, pid, 0, 0)
    buffer = ctypes.create_string_buffer(8)
    call("process_vm_readv", 310, 270, pid, buffer, 1, buffer, 1, 0)
    call("kcmp", 312, 272, os.getpid(), pid, 0, 0, 0)
    call("pidfd_getfd", 438, 438, os.pidfd_open(pid), 3, 0)
call("traceme", 101, 117, 0, 0, 0, 0)
control(lambda: os.pidfd_open(os.getpid()))
""",
    ),
    Hostile(
        "uses_the_kernels_younger_interfaces",
        """
call("bpf", 321, 280, 0, bytes(128), 128)
call("io_uring_setup", 425, 425, 4, bytes(120))
call("userfaultfd", 323, 282, 1)
call("perf_event_open", 298, 241, bytes(128), 0, -1, -1, 0)
call("memfd_create", 319, 279, b"x", 0)
call("memfd_secret", 447, 447, 0)
call("fanotify_init", 300, 262, 0, 0)
call("statmount", 457, 457, 0, 0, 0, 0)
call("map_shadow_stack", 453, 453, 0, 4096, 0)
control(lambda: libc.syscall(ctypes.c_long(172 if arm else 39)) == os.getpid())
""",
        works=True,
    ),
    Hostile(
        "uses_kernel_keys_and_queues",
        """
call("keyctl", 250, 219, 0, -3, 1)
call("add_key", 248, 217, b"user", b"x", b"y", 1, -3)
call("request_key", 249, 218, b"user", b"x", None, -3)
call("shmget", 29, 194, 0, 4096, 0o1600)
call("msgget", 68, 186, 0, 0o1600)
call("semget", 64, 190, 0, 1, 0o1600)
call("mq_open", 240, 180, b"x", 0o102, 0o600, None)
control(lambda: mmap.mmap(-1, 4096))
""",
        works=True,
    ),
    Hostile(
        "changes_the_machine",
        """
call("sethostname", 170, 161, b"x", 1)
call("settimeofday", 164, 170, struct.pack("=qq", 1, 1), None)
call("clock_settime", 227, 112, 0, struct.pack("=qq", 1, 1))
call("syslog", 103, 116, 3, bytes(100), 100)
call("swapon", 167, 224, b"main.py", 0)
call("init_module", 175, 105, b"x", 1, b"")
call("personality", 135, 92, 0x0040000)
call("reboot magic only", 169, 142, 0, 0, 0, None)
control(lambda: time.clock_gettime(0))
""",
    ),
    Hostile(
        "calls_as_another_architecture",
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
    for name, code in (("int 0x80", "b814000000cd80c3"), ("x32", "b8270000400f05c3")):
        child = os.fork()
        if child == 0:
            os._exit(42 if machine_code(bytes.fromhex(code)) > 0 else 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print("BREACH" if status == 42 else "refused", name, status)
""",
    ),
    Hostile(
        "writes_everywhere",
        """
tried = 0
for place, folders, files in os.walk("/"):
    if place.startswith(("/earnest-jail/work", "/proc/")): folders.clear(); continue
    tried += 1
    def write():
        with open(place + "/hostile", "w") as f: return f.write("x")
    try:
        write()
        print("BREACH", place)
    except OSError: pass
    for name in files[:2]:
        try: print("BREACH", os.open(os.path.join(place, name), os.O_WRONLY), place, name) \
            if not place.startswith("/dev") else None
        except OSError: pass
print("places", tried)
control(lambda: tried > 100 and open("mine", "w").write("x"))
""",
    ),
    Hostile(
        "alters_what_is_mounted",
        """
for path in ("/earnest-jail/data/visible", "/earnest-jail/image/numpy/__init__.py", "/usr/bin/env"):
    attempt("chmod " + path, lambda: os.chmod(path, 0o777) or True)
    attempt("rename " + path, lambda: os.rename(path, path + "x") or True)
    attempt("unlink " + path, lambda: os.unlink(path) or True)
    attempt("utime " + path, lambda: os.utime(path) or True)
    attempt("truncate " + path, lambda: os.truncate(path, 0) or True)
    attempt("xattr " + path, lambda: os.setxattr(path, "user.x", b"y") or True)
    attempt("link " + path, lambda: os.link(path, "linked") or True)
open("mine", "w").write("x")
control(lambda: os.chmod("mine", 0o600) or True)
""",
    ),
    Hostile(
        "makes_and_opens_devices",
        """
attempt("null", lambda: os.mknod("n", 0o20600, os.makedev(1, 3)) or True)
attempt("disk", lambda: os.mknod("d", 0o60600, os.makedev(254, 0)) or True)
good = {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "console", "fd",
        "stdin", "stdout", "stderr", "core"}
print("BREACH" if set(os.listdir("/dev")) - good else "only", sorted(os.listdir("/dev")))
for name in ("mem", "kmem", "kmsg", "port", "fuse", "kvm", "vda", "sda", "net/tun", "loop0"):
    attempt(name, lambda: open("/dev/" + name, "rb"))
attempt("shm", lambda: open("/dev/shm/x", "w"))
control(lambda: open("/dev/urandom", "rb").read(1))
""",
    ),
    Hostile(
        "gains_privileges",
        """
setuid = [p for p in glob.glob("/usr/bin/*") if os.path.isfile(p) and os.stat(p).st_mode & 0o4000]
for path in setuid:
    child = os.fork()
    if child == 0:
        null = os.open("/dev/null", 2)
        for fd in (0, 1, 2): os.dup2(null, fd)
        os.execv(path, [path, "-c", "touch /earnest-jail/got"])
    time.sleep(0.05)
    try: print("BREACH" if os.stat(f"/proc/{child}").st_uid == 0 else "nothing", path)
    except OSError: pass
    os.kill(child, 9); os.waitpid(child, 0)
attempt("setuid", lambda: os.setuid(0) or True)
attempt("setresuid", lambda: os.setresuid(0, 0, 0) or True)
attempt("setgroups", lambda: os.setgroups([0]) or True)
attempt("chown", lambda: os.chown("main.py", 0, 0) or True)
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -10) or True)
def capabilities():
    return any(int(line.split()[1], 16) for line in open("/proc/self/status") if line[:3] == "Cap")
attempt("capabilities", capabilities)
open("su", "wb").write(read("/usr/bin/env")); os.chmod("su", 0o6755)
control(lambda: subprocess.run(["/usr/bin/id", "-u"], capture_output=True).stdout == b"1000\\n")
""",
    ),
    Hostile(
        "signals_others",
        """
print("processes", sorted(int(p) for p in os.listdir("/proc") if p.isdigit()))
for pid in range(2, 400):
    if pid not in (os.getpid(),) :
        try: os.kill(pid, signal.SIGUSR1)
        except ProcessLookupError: continue
        except PermissionError: continue
        print("BREACH", pid)
os.kill(1, 9); os.kill(1, 19); os.kill(1, 15); os.kill(1, 2)
os.killpg(0, 0)
control(lambda: True)
""",
    ),
    Hostile(
        "raises_its_limits",
        """
import resource
for name in ("AS", "NPROC", "FSIZE", "NOFILE", "CPU", "CORE", "MEMLOCK"):
    which = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(which)[1]
    if hard == resource.RLIM_INFINITY: print("BREACH unlimited", name); continue
    attempt(name, lambda: resource.setrlimit(which, (hard + 1, hard + 1)) or True)
    attempt(name, lambda: resource.prlimit(os.getppid(), which, (hard + 1, hard + 1)))
control(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)) or True)
""",
    ),
    Hostile(
        "writes_kernel_settings",
        """
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/modprobe",
             "/proc/sys/vm/panic_on_oom", "/proc/sys/user/max_user_namespaces", "/proc/1/oom_score_adj",
             "/proc/1/uid_map", "/proc/1/attr/current", "/sys/fs/cgroup/cgroup.procs",
             "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/hostname"):
    if path.endswith("oom_score_adj"): continue
    attempt(path, lambda: os.write(os.open(path, os.O_WRONLY), b"x"))
for path in ("/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys", "/sys/kernel"):
    try: data = read(path, 4096)
    except OSError: continue
    rows = [l for l in data.split(b"\\n") if l[:16].strip(b"0") not in (b"",) and b" " in l[:17]]
    print("BREACH" if path in ("/proc/kcore", "/proc/kmsg") or (rows and "kallsyms" in path) else "",
          path, rows[:1])
with open("/proc/self/comm", "w") as f: control(lambda: f.write("x"))
""",
    ),
    Hostile(
        "opens_by_handle",
        """
handle = struct.pack("=Ii", 8, 1) + struct.pack("=Q", 2)
mount = os.open("/usr/bin/env", os.O_RDONLY)
call("open_by_handle_at", 304, 265, mount, handle, 0)
out = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0) + bytes(128))
call("name_to_handle_at", 303, 264, -100, b"/", out, ctypes.byref(ctypes.c_int()), 0)
control(lambda: os.open("/usr/bin/env", os.O_RDONLY))
""",
    ),
    Hostile(
        "injects_into_a_terminal",
        """
import fcntl, termios
for fd in (0, 1, 2):
    attempt(f"TIOCSTI {fd}", lambda: fcntl.ioctl(fd, termios.TIOCSTI, b"x") or True)
attempt("tty", lambda: open("/dev/tty", "w"))
control(lambda: fcntl.fcntl(1, fcntl.F_GETFD) == 0)
""",
    ),
    Hostile(
        "looks_for_inherited_descriptors",
        """
script, found = os.stat("main.py"), {}
for fd in range(256):
    try: info = os.fstat(fd)
    except OSError: continue
    if not os.path.samestat(info, script): found[fd] = oct(info.st_mode)
print("BREACH" if set(found) - {0, 1, 2} else "only", found)
control(lambda: {0, 1, 2} <= set(found))
""",
    ),
    Hostile(
        "loads_the_bundled_tables",
        """
import importlib
def load(module, name):
    try: return len(getattr(importlib.import_module(module), name)().data)
    except (OSError, ImportError, AttributeError): return 0
for name in ("fair", "anes96", "co2", "sunspots", "longley", "macrodata"):
    attempt(name, lambda: load("statsmodels.datasets." + name, "load_pandas"))
for name in ("load_diabetes", "load_wine", "load_iris", "load_breast_cancer", "load_linnerud"):
    attempt(name, lambda: load("sklearn.datasets", name))
import numpy, statsmodels.api, sklearn.linear_model
x = numpy.arange(10.0)
fit = statsmodels.api.OLS(2 * x + 1, statsmodels.api.add_constant(x)).fit()
model = sklearn.linear_model.LinearRegression().fit(x[:, None], 2 * x)
control(lambda: abs(fit.params[1] - 2) < 1e-9 and abs(model.coef_[0] - 2) < 1e-9)
""",
    ),
)
