"""More than was given: processes, memory, files, output.

Each takes a bounded amount, so that it also ends where nothing limits it.

Not covered: bandwidth of disk and memory; what the kernel itself holds for sockets.
"""

from __future__ import annotations

from typing import Final

from earnest.core.jobs import Limits
from earnest.sandbox.attacks.kit import Attack, Ruling, Seen, Soft, at_most, in_time, printed

_ANY: Final = ("exit", "signal", "too-much", "timeout")
_FEW: Final = Limits(wall_s=15, cpu_s=10, memory_mib=512, processes=16, workspace_mib=8)


def _memory(seen: Seen) -> Ruling:
    limit, peak = seen.attack.limits.memory_mib, seen.peak
    return Ruling(
        soft=(
            Soft("memory of all processes together", limit, round(peak.memory_mib, 1), "MiB"),
            Soft("time over that limit", 0, round(peak.over_s, 2), "s"),
        )
    )


def _with_process_1(limits: Limits) -> float:
    """Return the most processes: a jail's own process 1 comes on top, where it has one."""
    return limits.processes + 1


def _inodes(seen: Seen) -> Ruling:
    made, limit = printed(seen, "inodes") or 0, seen.attack.limits.workspace_files
    return Ruling(soft=(Soft("files of any kind in a workspace", limit, made, "inodes"),))


def _pipes(seen: Seen) -> Ruling:
    held = printed(seen, "held") or 0
    limit = seen.attack.limits.memory_mib
    return Ruling(soft=(Soft("memory held in pipes by one process", limit, held, "MiB"),))


def _cut(seen: Seen) -> Ruling:
    most = seen.attack.limits.output_bytes
    for result in seen.first:
        if max(len(result.stdout.encode()), len(result.stderr.encode())) > most * 3 + 1024:
            return Ruling(f"output of {len(result.stdout)} characters came back")
        if not result.truncated:
            return Ruling(control="output was cut without a word")
    return Ruling()


def _collected(seen: Seen) -> Ruling:
    most = seen.attack.limits.workspace_mib << 20
    size = sum(len(data) for result in seen.first for data in result.files.values())
    return Ruling(f"{size} bytes of files came back, limit {most}" if size > most else "")


ATTACKS: Final = (
    Attack(
        "forks_without_end",
        "resources",
        """
count = mmap.mmap(-1, 4096)
stop, hold = os.pipe(); bell, ring = os.pipe()
def breed(depth):
    for _ in range(30):
        if count[0] > 200: return
        try: child = os.fork()
        except OSError: return
        if child == 0:
            os.close(hold); count[0] = min(count[0] + 1, 250); os.write(ring, b"x")
            if depth < 4: breed(depth + 1)
            os.read(stop, 1); os._exit(0)
breed(0)
time.sleep(0.5)
print("processes", len(os.read(bell, 4096)) + 1)
os.close(hold)
control(lambda: count[0] >= 3)
""",
        limits=_FEW,
        judges=(at_most("processes", _with_process_1),),
        works=True,
        alone=True,
        then="control(lambda: os.waitpid(os.fork() or os._exit(0), 0))",
    ),
    Attack(
        "starts_threads_without_end",
        "resources",
        """
import threading
threading.stack_size(65536)
over, started = threading.Event(), 0
for _ in range(200):
    try: threading.Thread(target=over.wait, daemon=True).start()
    except (RuntimeError, MemoryError): break
    started += 1
print("threads", started + 1)
over.set()
control(lambda: started >= 3)
""",
        limits=_FEW,
        judges=(at_most("threads", _with_process_1),),
        works=True,
        alone=True,
    ),
    Attack(
        "leaves_zombies_without_end",
        "resources",
        """
made = 0
for _ in range(200):
    try: child = os.fork()
    except OSError: break
    if child == 0: os._exit(0)
    made += 1
print("zombies", made + 1)
control(lambda: os.waitpid(-1, 0)[0] > 0)
""",
        limits=_FEW,
        judges=(at_most("zombies", _with_process_1),),
        works=True,
        alone=True,
    ),
    Attack(
        "takes_memory_in_one_process",
        "resources",
        """
held = [bytearray(64 << 20)]
control(lambda: True)
print("tried")
try:
    for _ in range(36):
        held.append(bytearray(b"x") * (16 << 20))
        print("memory", 64 + 16 * (len(held) - 1))
except MemoryError: pass
""",
        limits=Limits(wall_s=15, memory_mib=256, workspace_mib=8),
        ends=_ANY,
        judges=(at_most("memory", lambda limits: limits.memory_mib),),
        works=True,
    ),
    Attack(
        "takes_memory_in_many_ways",
        "resources",
        """
control(lambda: mmap.mmap(-1, 32 << 20))
held, size = [], 16 << 20
def shared(): held.append(mmap.mmap(-1, size)); held[-1][::4096] = b"x" * (size // 4096)
def private():
    held.append(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    held[-1][::4096] = b"x" * (size // 4096)
def memory_file():
    fd = os.memfd_create("x"); held.append(fd); os.truncate(fd, size)
    for _ in range(16): os.write(fd, b"x" * (1 << 20))
print("tried")
for way in (shared, private, memory_file):
    for number in range(30):
        try: way()
        except (OSError, MemoryError, ValueError): break
    print("memory", number * 16)
    held.clear()
""",
        limits=Limits(wall_s=15, memory_mib=256, workspace_mib=8),
        ends=_ANY,
        judges=(at_most("memory", lambda limits: limits.memory_mib),),
        works=True,
    ),
    Attack(
        "takes_memory_in_many_processes",
        "resources",
        """
control(lambda: True)
print("tried")
for _ in range(6):
    if os.fork() == 0:
        held = bytearray(b"x") * (96 << 20)
        time.sleep(1.5); os._exit(0)
try:
    while True: os.wait()
except ChildProcessError: pass
""",
        limits=Limits(wall_s=15, memory_mib=256, processes=16, workspace_mib=8),
        ends=_ANY,
        judges=(_memory,),
        alone=True,
        then="control(lambda: bytearray(32 << 20))",
    ),
    Attack(
        "holds_memory_in_pipes",
        "resources",
        """
import fcntl
held, pipes = 0, []
for _ in range(100):
    try:
        pipes.append(os.pipe())
        try: fcntl.fcntl(pipes[-1][1], 1031, 1 << 20)
        except OSError: pass
        os.set_blocking(pipes[-1][1], False)
        held += os.write(pipes[-1][1], b"x" * (1 << 20))
    except OSError: break
print("held", held / (1 << 20))
control(lambda: held)
""",
        limits=Limits(wall_s=15, memory_mib=256, workspace_mib=8),
        judges=(_pipes,),
    ),
    Attack(
        "fills_the_workspace",
        "resources",
        """
written = 0
try:
    for number in range(48):
        with open(f"f{number}", "wb") as f: written += f.write(b"x" * (1 << 20))
except OSError as error: print(error)
print("written", written / (1 << 20))
for number in range(48):
    try: os.unlink(f"f{number}")
    except OSError: pass
control(lambda: open("small", "wb").write(b"x"))
""",
        limits=_FEW,
        judges=(at_most("written", lambda limits: limits.workspace_mib),),
        works=True,
    ),
    Attack(
        "fills_other_places",
        "resources",
        """
written = 0
for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/run/lock", "/dev/mqueue", "/mnt", "/",
              "/sys", "/earnest-jail", "/earnest-jail/image", "/home", "/etc", "/dev"):
    try:
        with open(place + "/MARK", "wb") as f: written += f.write(b"x" * (1 << 20))
        print("BREACH", place); os.unlink(place + "/MARK")
    except OSError: pass
control(lambda: open("small", "wb").write(b"x"))
""",
        works=True,
    ),
    Attack(
        "makes_files_without_end",
        "resources",
        """
made = 0
try:
    for number in range(1500):
        kind = number % 4
        name = f"n{number}"
        if kind == 0: open(name, "w").close()
        elif kind == 1: os.mkdir(name)
        elif kind == 2: os.symlink("x" * 200, name)
        else: os.mkfifo(name)
        made += 1
except OSError as error: print(error)
print("inodes", made)
control(lambda: made > 50)
""",
        limits=Limits(wall_s=20, workspace_mib=8, workspace_files=400),
        judges=(_inodes,),
    ),
    Attack(
        "makes_sparse_files",
        "resources",
        """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def huge(size):
    with open("huge", "wb") as f: f.truncate(size)
    return True
for power in (30, 40, 50): attempt(f"2^{power}", lambda: huge(1 << power))
if os.path.exists("huge"): os.unlink("huge")
for number in range(20):
    with open(f"s{number}", "wb") as f: f.truncate(6 << 20)
control(lambda: os.stat("s0").st_size == 6 << 20)
""",
        limits=_FEW,
        ends=("exit", "too-much"),
        judges=(_collected, in_time),
        collect=True,
        works=True,
    ),
    Attack(
        "opens_files_without_end",
        "resources",
        """
opened = 0
try:
    for _ in range(1500): os.dup(1); opened += 1
except OSError: pass
os.write(1, f"descriptors {opened + 3}\\n".encode())
control(lambda: opened > 20)
""",
        limits=Limits(wall_s=15, open_files=64, workspace_mib=8),
        judges=(at_most("descriptors", lambda limits: limits.open_files),),
        works=True,
    ),
    Attack(
        "prints_without_end",
        "resources",
        """
control(lambda: True)
print("tried")
block = b"x" * (1 << 20)
for _ in range(24):
    os.write(1, block); os.write(2, block)
""",
        judges=(_cut, in_time),
    ),
)
