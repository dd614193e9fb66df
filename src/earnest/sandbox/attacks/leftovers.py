"""What one job leaves for the next: files, kernel objects, processes, a poisoned interpreter.

The first program runs a few times, then the second does, so that a pool of several workers is
covered as well. Not covered: what a kernel keeps without a name (caches).
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.attacks.kit import Attack
from earnest.sandbox.attacks.processes import DAEMON

_SEARCH: Final = """
import re
def search(pattern):
    found = set()
    for line in open("/proc/self/maps"):
        words = line.split()
        if words[1][0] != "r" or words[-1].startswith(("[vvar", "[vsyscall")): continue
        start, end = (int(x, 16) for x in words[0].split("-"))
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(start)
            while start < end:
                try: data = memory.read(min(end - start, 1 << 22))
                except OSError: break
                if not data: break
                start += len(data)
                found.update(pattern.findall(data))
    return found
"""
_OWN: Final = """
own = ["mine-" + os.urandom(16).hex() for _ in range(4)]
control(lambda: search(re.compile(rb"mine-[0-9a-f]{32}")))
"""

ATTACKS: Final = (
    Attack(
        "leaves_files",
        "leftovers",
        """
for place in (".", os.environ.get("HOME", "."), os.environ.get("TMPDIR", "."), "/tmp",
              "/dev/shm", "/var/tmp", "/run", "/", "/earnest-jail", "/earnest-jail/data", "/mnt",
              "/dev/mqueue"):
    try:
        with open(place + "/left-MARK", "w") as f: f.write("x")
        print("left in", place)
    except OSError as error: print("refused", place, error.errno)
""",
        then="""
for place, folders, files in os.walk("/"):
    if place.startswith(("/proc", "/usr", "/earnest-jail/image", "/sys/")):
        folders.clear()
        continue
    if "left-MARK" in files: print("BREACH", place)
control(lambda: os.listdir(".") and open("left-MARK", "w").write("x"))
""",
        works=True,
    ),
    Attack(
        "leaves_shared_memory",
        "leftovers",
        """
key = int("MARK"[:7], 16)
call_number, at = (194, 196) if arm else (29, 30)
print(libc.syscall(ctypes.c_long(call_number), key, 4096, 0o1666))
print(libc.syscall(ctypes.c_long(190 if arm else 64), key, 1, 0o1666))
print(libc.syscall(ctypes.c_long(186 if arm else 68), key, 0o1666))
""",
        then="""
key = int("MARK"[:7], 16)
call("shmget", 29, 194, key, 4096, 0)
call("semget", 64, 190, key, 1, 0)
call("msgget", 68, 186, key, 0)
control(lambda: mmap.mmap(-1, 4096))
""",
        works=True,
    ),
    Attack(
        "leaves_messages_and_keys",
        "leftovers",
        """
print(libc.syscall(ctypes.c_long(180 if arm else 240), b"MARK", 0o102, 0o666, None))
for ring in (-3, -4, -5):
    print(libc.syscall(ctypes.c_long(217 if arm else 248), b"user", b"MARK", b"y", 1, ring))
""",
        then="""
call("mq_open", 240, 180, b"MARK", 2, 0, None)
call("request_key", 249, 218, b"user", b"MARK", None, 0)
for ring in (-3, -4, -5): call(f"search {ring}", 250, 219, 10, ring, b"user", b"MARK", 0)
control(lambda: os.getpid())
""",
        works=True,
    ),
    Attack(
        "leaves_a_listener",
        "leftovers",
        DAEMON
        + """
s = socket.socket(socket.AF_UNIX)
def listen():
    global s
    s.bind(chr(0) + "left-MARK"); s.listen(); s.set_inheritable(True)
print(daemon(listen))
""",
        then="""
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(chr(0) + "left-MARK")
    return True
attempt("abstract", connect)
for line in open("/proc/net/unix").read().splitlines() if os.path.exists("/proc/net/unix") else ():
    if "left-MARK" in line: print("BREACH", line)
control(lambda: socket.socket(socket.AF_UNIX))
""",
        works=True,
    ),
    Attack(
        "leaves_a_process",
        "leftovers",
        DAEMON + "print(daemon(lambda: None))\n",
        then="""
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try: words = read(path)
    except OSError: continue
    if b"MARK" in words and str(os.getpid()) not in path: print("BREACH", path, words)
control(lambda: os.getpid())
""",
        works=True,
    ),
    Attack(
        "leaves_a_poisoned_interpreter",
        "leftovers",
        """
import builtins, decimal, json, math, random, warnings
builtins.POISON = builtins.sorted = len
json.dumps = math.sqrt = os.listdir = lambda *a, **k: "POISON"
sys.modules["poison"] = os; sys.path.insert(0, "/poison"); sys.argv[:] = ["poison"]
random.seed(12345); decimal.getcontext().prec = 2; warnings.simplefilter("error")
sys.setrecursionlimit(200); sys.set_int_max_str_digits(640)
sys.meta_path.append(None); os.environ["POISON"] = "1"
""",
        then="""
import builtins, decimal, json, math, random
wrong = [
    hasattr(builtins, "POISON"), sorted([2, 1]) != [1, 2], json.dumps(1) != "1", math.sqrt(4) != 2,
    not isinstance(os.listdir("."), list), "poison" in sys.modules, "/poison" in sys.path,
    sys.argv[0] == "poison", decimal.getcontext().prec == 2, sys.getrecursionlimit() == 200,
    sys.get_int_max_str_digits() == 640, None in sys.meta_path, "POISON" in os.environ,
]
first = random.random()
random.seed(12345)
wrong.append(first == random.random())
print("BREACH" if any(wrong) else "clean", wrong)
control(lambda: len(wrong) == 14)
""",
    ),
    Attack(
        "leaves_a_poisoned_numpy",
        "leftovers",
        """
import numpy, numpy.linalg
numpy.mean = numpy.linalg.norm = lambda *a, **k: 42.0
numpy.random.seed(12345); numpy.set_printoptions(precision=1); numpy.seterr(all="ignore")
numpy.pi = 3.0
""",
        then="""
import numpy, numpy.linalg
state = numpy.random.get_state()[1].copy()
numpy.random.seed(12345)
wrong = [numpy.mean([1, 3]) != 2, numpy.linalg.norm([3, 4]) != 5, numpy.pi == 3.0,
         numpy.get_printoptions()["precision"] == 1, numpy.geterr()["divide"] == "ignore",
         bool((state == numpy.random.get_state()[1]).all())]
print("BREACH" if any(wrong) else "clean", wrong)
control(lambda: numpy.arange(4).sum() == 6)
""",
        needs=("numpy",),
    ),
    Attack(
        "leaves_changed_settings",
        "leftovers",
        """
import resource
os.umask(0o777); os.chdir("/"); os.setpriority(os.PRIO_PROCESS, 0, 7)
signal.signal(signal.SIGUSR1, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [10, 12])
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); signal.setitimer(signal.ITIMER_REAL, 20)
signal.signal(signal.SIGALRM, signal.SIG_IGN); libc.prctl(15, b"poison", 0, 0, 0)
os.environ["POISON"] = "1"; libc.setenv(b"POISON", b"1", 1)
""",
        then="""
import resource
mask = os.umask(0o22)
wrong = [mask == 0o777, os.getcwd() == "/", os.getpriority(os.PRIO_PROCESS, 0) == 7,
         bool(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "POISON" in os.environ,
         signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
         b"POISON" in read("/proc/self/environ"),
         resource.getrlimit(resource.RLIMIT_NOFILE)[1] == 40,
         signal.getitimer(signal.ITIMER_REAL)[0] > 0, read("/proc/self/comm") == b"poison\\n"]
print("BREACH" if any(wrong) else "clean", wrong)
control(lambda: open("new", "w").write("x"))
""",
    ),
    Attack(
        "leaves_modules_to_be_imported",
        "leftovers",
        """
import sysconfig
text = "import builtins; builtins.POISON = 1"
places = [".", os.environ.get("HOME", "."), *sys.path, "/earnest-jail/image/__pycache__",
          os.path.expanduser(f"~/.local/lib/python3.{sys.version_info[1]}/site-packages")]
for place in places:
    for name in ("sitecustomize.py", "usercustomize.py", "json.py", "poison.pth", "numpy.py"):
        try:
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, name), "w") as f: f.write(text)
        except OSError: pass
""",
        then="""
import builtins, json
print("BREACH" if hasattr(builtins, "POISON") else "clean", json.__file__)
for place in (".", os.environ.get("HOME", "."), *sys.path):
    if os.path.exists(os.path.join(place, "poison.pth")): print("BREACH", place)
control(lambda: json.loads("[1]") == [1])
""",
    ),
    Attack(
        "leaves_its_memory",
        "leftovers",
        """
data = read("payload")
held = [bytes(bytearray(data)) * 1000 for _ in range(500)]
mapped = mmap.mmap(-1, 1 << 20); mapped[:len(data)] = data
""",
        files={"payload": b"kept-in-" + b"0f" * 16},
        then=_SEARCH
        + 'for hit in search(re.compile(rb"kept-in-[0-9a-f]{32}")): print("BREACH", hit)\n'
        + _OWN,
    ),
    Attack(
        "leaves_sealed_rows_to_an_agent",
        "sealed",
        """
data = read("/earnest-jail/data/sealed")
held = [bytes(bytearray(data)) * 1000 for _ in range(200)]
for place in (".", os.environ.get("HOME", "."), "/tmp", "/dev/shm", "/var/tmp", "/run"):
    try:
        with open(place + "/rows-MARK", "wb") as f: f.write(data)
    except OSError: pass
""",
        then=_SEARCH
        + """
for hit in search(re.compile(rb"planted-[0-9a-f]{32}")): print("BREACH", hit)
attempt("mount", lambda: read("/earnest-jail/data/sealed"))
for place in (".", os.environ.get("HOME", "."), "/tmp", "/dev/shm", "/var/tmp", "/run"):
    attempt(place, lambda: read(place + "/rows-MARK"))
"""
        + _OWN,
        sealed=True,
        works=True,
    ),
    Attack(
        "leaves_descriptors",
        "leftovers",
        """
held = [os.open("main.py", os.O_RDONLY) for _ in range(20)] + [*os.pipe()]
for fd in held: os.set_inheritable(fd, True)
a, b = socket.socketpair(); a.set_inheritable(True)
""",
        then="""
script, found = os.stat("main.py"), {}
for fd in range(256):
    try: info = os.fstat(fd)
    except OSError: continue
    if not os.path.samestat(info, script): found[fd] = oct(info.st_mode)
print("BREACH" if set(found) - {0, 1, 2} else "only", found)
control(lambda: {0, 1, 2} <= set(found))
""",
    ),
)
