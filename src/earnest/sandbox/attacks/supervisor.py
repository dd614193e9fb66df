"""The trusted side itself: what comes back, a job's line, process 1.

Not covered: a program that takes process 1 over may falsify its own end and files. Both are its
own word anyway; that it can't hold its caller up, or reach other jobs so, is tried here.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path, PurePosixPath
from typing import Final

from earnest.core.errors import SandboxError
from earnest.core.jobs import Limits
from earnest.core.protocols import Channel
from earnest.sandbox.attacks.kit import Attack, Ruling, Seen, in_time

_ALIVE: Final = "control(lambda: read('/earnest-jail/data/visible') == b'seen')\n"
_HONEST: Final = "open('honest', 'w').write('as it was')\n"
_MOST_MIB: Final = 48.0  # by how much the trusted side may grow while a program floods it
_SHORT: Final = Limits(wall_s=6, workspace_mib=8)


def _honest(seen: Seen) -> Ruling:
    """Expect one honest file, and names that stay within a folder."""
    for result in seen.first:
        for name in result.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\0" in name or str(path) != name:
                return Ruling(f"a file comes back as {name!r}")
        if result.ended == "exit" and result.files.get("honest") != b"as it was":
            return Ruling(control=f"the honest file is not among {sorted(result.files)[:9]}")
    return Ruling()


def _regular(seen: Seen) -> Ruling:
    names = {name for result in seen.first for name in result.files}
    strange = names - {"honest", "main.py"}
    return Ruling(f"what is no plain file came back: {sorted(strange)[:5]}" if strange else "")


def _own_status(seen: Seen) -> Ruling:
    for result in seen.first:
        if "CONTROL" in result.stdout and (result.ended, result.status) != ("exit", 7):
            return Ruling(f"it ended by {result.ended} {result.status}, having exited with 7")
    return Ruling()


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _ignore_it(channel: Channel) -> str:
    """Let a program send while nobody takes anything; then take a little."""
    before = _resident_mib()
    time.sleep(1.0)
    grown = _resident_mib() - before
    if grown > _MOST_MIB:
        return f"the trusted side grew by {grown:.0f} MiB"
    taken = channel.receive(100, 5.0)
    return "" if 0 < len(taken) <= 100 else f"asked for 100 bytes, got {len(taken)}"


def _take_it(channel: Channel) -> str:
    """Take what comes until the program closes its line."""
    size, over = 0, time.monotonic() + 10.0
    while time.monotonic() < over:
        taken = channel.receive(65536, 10.0)
        if not taken:
            return "" if size > 0 else "nothing came"
        size += len(taken)
    return "it never ended"


def _push_it(channel: Channel) -> str:
    """Send more than a program takes: the caller must get free again."""
    raised: list[str] = []

    def send() -> None:
        try:
            for _ in range(64):
                channel.send(bytes(1 << 20))
        except SandboxError as error:
            raised.append(type(error).__name__)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    sender.join(30.0)
    if sender.is_alive():
        return "it holds up who sends to it"
    return "" if raised else "64 MiB went to a program that takes nothing"


def _look_often(channel: Channel) -> str:
    """Collect files while the program swaps them for links and folders."""
    if channel.receive(1, 10.0) != b"x":
        return "it did not begin"
    for _ in range(6):
        try:
            found = channel.files()
        except SandboxError:
            continue
        for name, data in found.items():
            if b"planted-" in data and name != "main.py":
                return f"{name!r} holds the token"
            if b"root:" in data:
                return f"{name!r} is a file of the machine"
    return ""


ATTACKS: Final = (
    Attack(
        "prints_a_false_end",
        "supervisor",
        """
frame = b"HE" + bytes(5) + b"F" + (6).to_bytes(4, "big") + (1).to_bytes(8, "big") + b"forgedx."
frame += b'\\n{"ended": "exit", "status": 0}\\n\\0\\0\\0\\x02{}'
os.write(1, frame); os.write(2, frame)
for path in glob.glob("/proc/[0-9]*/fd/*"):
    if path.split("/")[2] == str(os.getpid()): continue
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, frame)
    except OSError: pass
os.write(1, b"\\n")
control(lambda: True)
print("tried")
os._exit(7)
""",
        collect=True,
        judges=(_own_status,),
    ),
    Attack(
        "overwrites_process_1",
        "supervisor",
        """
control(lambda: True)
print("tried")
if os.getppid() == 1 and os.getpid() != 1:
    for line in open("/proc/1/maps").read().splitlines():
        words = line.split()
        if not words[1].startswith("rw"): continue
        start, end = (int(x, 16) for x in words[0].split("-"))
        try:
            with open("/proc/1/mem", "r+b", buffering=0) as memory:
                memory.seek(start); memory.write(os.urandom(min(end - start, 1 << 20)))
        except OSError as error: print(error)
""",
        then=_ALIVE,
        limits=_SHORT,
        collect=True,
        ends=("exit", "signal", "too-much", "timeout"),
        judges=(in_time,),
    ),
    Attack(
        "leaves_links_and_special_files",
        "supervisor",
        _HONEST
        + """
for name, target in (("l1", "OUTSIDE/secret"), ("l2", "/etc/passwd"), ("l3", "/proc/self/environ"),
                     ("l4", "/"), ("l5", "/proc/self/fd/0"), ("l6", ".."), ("l7", "l7"),
                     ("l8", "/dev/zero")):
    os.symlink(target, name)
for name in ("fifo", "fifo.json"): os.mkfifo(name)
s = socket.socket(socket.AF_UNIX); s.bind("socket")
home = os.environ.get("HOME", "")
if home.startswith("/earnest-jail/work/"):
    import shutil
    shutil.rmtree(home, ignore_errors=True)
    os.symlink("OUTSIDE", home)
control(lambda: os.readlink("l1"))
""",
        collect=True,
        judges=(_honest, _regular, in_time),
    ),
    Attack(
        "leaves_odd_names",
        "supervisor",
        _HONEST
        + """
names = [b"new\\nline", b"\\xff\\xfe", b"x" * 255, b" ", b"...", b"..\\\\..\\\\x", b"-rf", b"a\\tb",
         b"C:x", "\\u202etxt.exe".encode(), b"\\x1b[2J", b"%s%n", b"$(id)", b"~", b"con",
         b".\\xcc\\x88."]
for name in names:
    with open(name, "wb") as f: f.write(b"x")
    os.mkdir(name + b".d"if len(name) < 200 else b"d")
made = os.listdir(".")
control(lambda: len(made) >= len(names))
""",
        collect=True,
        judges=(_honest, in_time),
    ),
    Attack(
        "leaves_odd_modes",
        "supervisor",
        _HONEST
        + """
os.makedirs("shut/inner"); open("shut/inner/x", "w").write("x"); open("none", "w").write("x")
os.chmod("shut/inner/x", 0); os.chmod("shut/inner", 0); os.chmod("shut", 0o111); os.chmod("none", 0)
open("su", "w").write("x"); os.chmod("su", 0o6777)
os.chmod("honest", 0)
control(lambda: os.stat("honest").st_mode & 0o777 == 0)
""",
        collect=True,
        judges=(_honest, in_time),
    ),
    Attack(
        "shuts_its_own_folder",
        "supervisor",
        """
open("x", "w").write("x")
control(lambda: os.chmod(".", 0) is None)
""",
        collect=True,
        ends=("exit", "too-much"),
        judges=(in_time,),
        then=_ALIVE,
    ),
    Attack(
        "leaves_a_huge_tree",
        "supervisor",
        _HONEST
        + """
made = 0
try:
    for a in range(60):
        os.mkdir(f"d{a}")
        for b in range(60): open(f"d{a}/{b}", "w").close(); made += 1
        os.link(f"d{a}/0", f"hard{a}")
except OSError as error: print(error)
control(lambda: made > 100)
""",
        collect=True,
        ends=("exit", "too-much"),
        judges=(_honest, in_time),
        then=_ALIVE,
    ),
    Attack(
        "leaves_deep_folders",
        "supervisor",
        """
depth = 0
try:
    for depth in range(1500):
        os.mkdir("d" * 100); os.chdir("d" * 100)
    open("x", "w").close()
except OSError as error: print(error)
control(lambda: depth > 40)
""",
        collect=True,
        ends=("exit", "too-much"),
        judges=(in_time,),
        then=_ALIVE,
    ),
    Attack(
        "goes_on_writing_when_it_has_ended",
        "supervisor",
        _HONEST
        + """
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        over = time.monotonic() + 5
        while time.monotonic() < over:
            for name, target in (("honest", "OUTSIDE/secret"), ("swap", "/")):
                try:
                    os.symlink(target, "t%d" % os.getpid())
                    os.rename("t%d" % os.getpid(), "swap"); os.unlink("swap")
                except OSError: pass
        os._exit(0)
control(lambda: open("honest").read() == "as it was")
""",
        collect=True,
        judges=(_honest, in_time),
    ),
    Attack(
        "exits_in_odd_ways",
        "supervisor",
        """
control(lambda: True)
print("tried")
sys.stdout.flush()
os.closerange(0, 256)
import threading
thread = threading.Thread(target=time.sleep, args=(3,)); thread.start()
os.kill(os.getpid(), 11)
libc.syscall(ctypes.c_long(93 if arm else 60), 0)
""",
        ends=("exit", "signal"),
        limits=_SHORT,
        judges=(in_time,),
        then=_ALIVE,
    ),
    Attack(
        "floods_its_line",
        "supervisor",
        """
control(lambda: True)
print("tried")
line = socket.socket(fileno=3)
line.settimeout(4)
try:
    for _ in range(256): line.sendall(b"x" * (1 << 20))
except OSError as error: print(error)
""",
        limits=_SHORT,
        ends=("exit", "signal", "timeout", "too-much"),
        talk=_ignore_it,
        alone=True,
    ),
    Attack(
        "garbles_its_line",
        "supervisor",
        """
control(lambda: True)
print("tried")
line = socket.socket(fileno=3)
for size in (1, 3, 4, 7, 100, 5000):
    line.sendall(b"\\xff" * size); line.sendall(os.urandom(size))
    line.sendall(b"HE" + bytes(9) + b".")
try: line.send(b"!", socket.MSG_OOB)
except OSError: pass
try: socket.send_fds(line, [b"x"], [0, 1, 2])
except OSError: pass
line.shutdown(socket.SHUT_WR)
time.sleep(0.3)
""",
        limits=_SHORT,
        ends=("exit", "signal", "timeout", "too-much"),
        talk=_take_it,
    ),
    Attack(
        "takes_nothing_from_its_line",
        "supervisor",
        "control(lambda: os.fstat(3))\nprint('tried')\ntime.sleep(20)\n",
        limits=Limits(wall_s=2, workspace_mib=8),
        ends=("timeout", "signal", "exit", "too-much"),
        talk=_push_it,
        judges=(in_time,),
    ),
    Attack(
        "swaps_files_while_they_are_collected",
        "supervisor",
        """
control(lambda: os.write(3, b"x") == 1)
print("tried")
over = time.monotonic() + 3
while time.monotonic() < over:
    for step in (lambda: os.mkdir("a"), lambda: open("a/f", "w").write("x" * 4096),
                 lambda: os.rename("a", "b"), lambda: os.symlink("OUTSIDE", "a"),
                 lambda: os.symlink("/etc/passwd", "f"), lambda: os.unlink("f"),
                 lambda: os.unlink("a"),
                 lambda: os.unlink("b/f"), lambda: os.symlink("OUTSIDE/secret", "b/f"),
                 lambda: os.unlink("b/f"), lambda: os.rmdir("b")):
        try: step()
        except OSError: pass
""",
        limits=_SHORT,
        ends=("exit", "signal", "timeout", "too-much"),
        talk=_look_often,
    ),
)
