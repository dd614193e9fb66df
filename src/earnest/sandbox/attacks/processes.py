"""Other processes: seen, signalled, read, traced, outlived; and inherited descriptors.

Not covered: side channels (timing, caches) between processes of one machine.
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.attacks.kit import Attack

DAEMON: Final = """
def daemon(then):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2): os.dup2(null, fd)
        then()
        os.write(writer, b"x"); os.close(writer)
        os.execv(sys.executable, ["MARK", "-c", "import time; time.sleep(20)", "MARK"])
    os.close(writer)
    return os.read(reader, 1)
"""

ATTACKS: Final = (
    Attack(
        "signals_others",
        "processes",
        """
signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
def alive(pid):
    try: os.kill(pid, 0)
    except ProcessLookupError: return False
    return True
own = {os.getpid(), os.getppid(), 1}  # its own jail's
for pid in range(1, 600):
    if pid not in own: attempt(f"kill {pid}", lambda: alive(pid))
child = os.fork()
if child == 0: time.sleep(20); os._exit(0)
control(lambda: os.kill(child, 9) is None and os.waitpid(child, 0)[1] == 9)
""",
        works=True,
    ),
    Attack(
        "signals_by_descriptor",
        "processes",
        """
for pid in range(2, 300):
    if pid in (os.getpid(), os.getppid()): continue
    def send():
        fd = os.pidfd_open(pid)
        try: signal.pidfd_send_signal(fd, 0)
        finally: os.close(fd)
        return True
    try: send()
    except ProcessLookupError: continue
    except OSError as error: print("refused", pid, error.errno); continue
    print("BREACH", pid)
fd = os.pidfd_open(os.getpid())
control(lambda: signal.pidfd_send_signal(fd, 0) is None)
""",
        works=True,
    ),
    Attack(
        "kills_process_1",
        "processes",
        """
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2): signal.signal(number, signal.SIG_IGN)
if os.getppid() == 1 or os.getpid() == 1:
    for number in (0, 19, 15, 2, 12, 9): os.kill(1, number)
print("survived")
control(lambda: True)
""",
        then="control(lambda: 'main.py' in os.listdir('.'))",
        ends=("exit", "signal", "too-much"),
    ),
    Attack(
        "reads_others_memory",
        "processes",
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
for pid in others(): attempt(f"memory of {pid}", lambda: search(pid))
mark = b"my own" + b" mark"
control(lambda: ctypes.string_at(id(mark) + bytes.__basicsize__ - 1, len(mark)) == mark)
""",
        works=True,
    ),
    Attack(
        "traces_and_reaches_into_processes",
        "processes",
        """
child = os.fork()
if child == 0: time.sleep(20); os._exit(0)
for pid in {1, os.getppid(), child} - {os.getpid()}:
    # seizing does not stop a process: where nothing refuses it, the one attacked is the caller
    call("seize", 101, 117, 0x4206, pid, 0, 0)
    if pid == child: call("attach", 101, 117, 16, pid, 0, 0)
    buffer = ctypes.create_string_buffer(8)
    vector = struct.pack("=QQ", ctypes.addressof(buffer), 8)
    call("process_vm_readv", 310, 270, pid, vector, 1, vector, 1, 0)
    call("process_vm_writev", 311, 271, pid, vector, 1, vector, 1, 0)
    call("kcmp", 312, 272, os.getpid(), pid, 2, 0, 0)
    def take():
        got = libc.syscall(ctypes.c_long(438), os.pidfd_open(pid), 2, 0)
        return got >= 0
    attempt("pidfd_getfd", take)
os.kill(child, 9)
control(lambda: os.pidfd_open(os.getpid()))
""",
        works=True,
    ),
    Attack(
        "traces_its_child_past_the_filter",
        "processes",
        """
# before Linux 4.8 a tracer could change a call after the filter had passed it
child = os.fork()
if child == 0:
    got = libc.ptrace(0, 0, 0, 0)
    os._exit(7 if got == 0 else 3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print("BREACH" if status == 7 else "refused", status)
control(lambda: status in (3, 7))
""",
        works=True,
    ),
    Attack(
        "slows_others_down",
        "processes",
        """
outside = [pid for pid in others() if pid not in (1, os.getppid())]
outside = outside or list(range(2, 64))
for pid in outside:
    if pid == os.getpid(): continue
    def nice():
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
        return True
    attempt(f"nice {pid}", nice)
    attempt(f"affinity {pid}",
            lambda: os.sched_setaffinity(pid, os.sched_getaffinity(pid)) or True)
control(lambda: os.setpriority(os.PRIO_PROCESS, 0, 5) is None)
""",
        works=True,
    ),
    Attack(
        "takes_precedence",
        "processes",
        """
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -10) or True)
attempt("fifo", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) or True)
attempt("deadline", lambda: libc.syscall(314 if not arm else 274, 0, struct.pack(
    "=IIQiIQQQ", 48, 6, 0, 0, 0, 10**6, 10**7, 10**7), 0) == 0)
call("ioprio realtime", 251, 30, 1, 0, 1 << 13)
control(lambda: os.sched_yield() is None)
""",
    ),
    Attack(
        "outlives_its_job_as_a_daemon",
        "processes",
        DAEMON + "control(lambda: daemon(lambda: None) == b'x')\n",
        works=True,
    ),
    Attack(
        "outlives_its_job_deaf_to_signals",
        "processes",
        DAEMON
        + """
def deaf():
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    libc.prctl(1, 0, 0, 0, 0)
control(lambda: daemon(deaf) == b"x")
""",
        works=True,
    ),
    Attack(
        "outlives_its_job_many_times_over",
        "processes",
        DAEMON
        + """
# each hands on to the next, so that one is always about to be born while others die
def relay():
    for _ in range(40):
        if os.fork(): os._exit(0)
        time.sleep(0.005)
started = 0
for _ in range(6):
    if os.fork() == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2): os.dup2(null, fd)
        relay()
        os.execv(sys.executable, ["MARK", "-c", "import time; time.sleep(20)", "MARK"])
    started += 1
time.sleep(0.1)
control(lambda: started == 6)
""",
        works=True,
    ),
    Attack(
        "looks_for_inherited_descriptors",
        "descriptors",
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
    Attack(
        "opens_others_descriptors",
        "descriptors",
        """
jail = {os.getpid(), os.getppid(), 1}
for path in glob.glob("/proc/[0-9]*/fd/*") + glob.glob("/proc/[0-9]*/map_files/*"):
    try: where = os.readlink(path)
    except OSError: continue
    pid = int(path.split("/")[2])
    plain = where.startswith(("pipe:", "/usr/", "anon_inode", "socket:")) and pid in jail
    if pid == os.getpid() or plain or where == "/dev/null" or "/fd/" not in path: continue
    attempt(path + " " + where, lambda: open(path, "rb", buffering=0))
with open("own", "w") as f: control(lambda: os.dup(f.fileno()))
""",
        works=True,
    ),
    Attack(
        "opens_its_streams_anew",
        "descriptors",
        """
# /proc/self/fd/N opened again is a descriptor with modes of its own
for fd in (0, 1, 2):
    info = os.fstat(fd)
    if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        print("BREACH", fd, oct(info.st_mode))
    attempt(f"terminal {fd}", lambda: os.isatty(fd))
    attempt(f"path of {fd}", lambda: os.readlink(f"/proc/self/fd/{fd}").startswith(("/t", "/h")))
try: sys.stdin.read(1)
except OSError: pass
control(lambda: os.write(1, b"\\n") == 1)
""",
    ),
    Attack(
        "sends_to_every_descriptor",
        "descriptors",
        """
# whatever was inherited beside the three streams gets something to choke on
sent = 0
for fd in range(3, 256):
    try: sent += os.write(fd, b"E\\0\\0\\0\\0\\0.F" * 50)
    except OSError: pass
print("BREACH" if sent else "nothing", sent)
a, b = socket.socketpair()
control(lambda: os.write(a.fileno(), b"x") == 1)
""",
    ),
    Attack(
        "connects_to_a_socket_file",
        "descriptors",
        """
def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect(path)
    return True
for path in ("OUTSIDE/socket", "/run/docker.sock", "/var/run/docker.sock",
             "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/podman/podman.sock",
             "/run/containerd/containerd.sock",
             "/var/run/nscd/socket", "/tmp/.X11-unix/X0", "/run/systemd/journal/socket"):
    attempt(path, lambda: connect(path))
s = socket.socket(socket.AF_UNIX); s.bind("own"); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect("own")
control(lambda: s.accept())
""",
        works=True,
    ),
)
