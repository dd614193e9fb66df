"""More rights than were given: root, capabilities, set-user-id files, higher limits.

Not covered: set-user-id programs that only a jail's own distribution ships elsewhere than /usr.
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.attacks.kit import Attack

ATTACKS: Final = (
    Attack(
        "becomes_root",
        "privilege",
        """
print("BREACH" if 0 in (*os.getresuid(), *os.getresgid()) else "", os.getresuid(), os.getresgid())
attempt("setuid", lambda: os.setuid(0) or True)
attempt("setresuid", lambda: os.setresuid(0, 0, 0) or True)
attempt("setresgid", lambda: os.setresgid(0, 0, 0) or True)
attempt("setgroups", lambda: os.setgroups([0]) or True)
attempt("fsuid", lambda: (libc.setfsuid(0), libc.setfsuid(-1))[1] == 0)
attempt("chown", lambda: os.chown("main.py", 0, 0) or True)
control(lambda: os.setresuid(*os.getresuid()) is None)
""",
    ),
    Attack(
        "runs_setuid_programs",
        "privilege",
        """
folders = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec")
found = [p for d in folders for p in glob.glob(d + "/*")
         if os.path.isfile(p) and os.stat(p).st_mode & 0o6000]
for path in found:
    child = os.fork()
    if child == 0:
        null = os.open("/dev/null", 2)
        for fd in (0, 1, 2): os.dup2(null, fd)
        try: os.execv(path, [path, "-c", "sleep 1"])
        finally: os._exit(0)
    time.sleep(0.05)
    try: print("BREACH" if os.stat(f"/proc/{child}").st_uid == 0 else "nothing", path)
    except OSError: pass
    try: os.kill(child, 9)
    except PermissionError: print("BREACH not ours any more", path)
    os.waitpid(child, 0)
print("programs", len(found))
out = subprocess.run(["/usr/bin/id", "-u"], capture_output=True).stdout
control(lambda: out.strip().isdigit() and out != b"0\\n")
""",
    ),
    Attack(
        "makes_a_setuid_program",
        "privilege",
        """
open("su", "wb").write(read("/usr/bin/env", 1 << 24)); os.chmod("su", 0o6755)
attempt("to root", lambda: os.chown("su", 0, 0) or True)
attempt("capability", lambda: os.setxattr("su", "security.capability", struct.pack(
    "=IIIII", 0x02000001, 0xffffffff, 0, 0xffffffff, 0)) or True)
flags = os.statvfs(".").f_flag
print("BREACH" if not flags & os.ST_NOSUID else "", "nosuid", flags & os.ST_NOSUID)
print("BREACH" if not flags & os.ST_NODEV else "", "nodev", flags & os.ST_NODEV)
os.chmod("su", 0o755)
control(lambda: subprocess.run(["./su", "true"]).returncode == 0)
""",
    ),
    Attack(
        "has_capabilities",
        "privilege",
        """
def held():
    lines = [l.split() for l in open("/proc/self/status") if l[:3] == "Cap"]
    barred = libc.prctl(39, 0, 0, 0, 0) == 1  # then what is only bounded can't be gained
    return [l for l in lines if int(l[1], 16) and not (barred and l[0] == "CapBnd:")]
attempt("capabilities", held)
header = struct.pack("=Ii", 0x20080522, 0)
call("capset", 126, 91, header, struct.pack("=6I", *[0xffffffff] * 6))
for number in range(41): attempt(f"ambient {number}", lambda: libc.prctl(47, 2, number, 0, 0) == 0)
attempt("keep", lambda: libc.prctl(28, 0x10, 0, 0, 0) == 0)
out = ctypes.create_string_buffer(24)
control(lambda: libc.syscall(ctypes.c_long(90 if arm else 125), header, out) == 0)
""",
        works=True,
    ),
    Attack(
        "raises_its_limits",
        "privilege",
        """
import resource
for name in ("AS", "NPROC", "FSIZE", "NOFILE", "CPU", "CORE", "MEMLOCK"):
    which = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(which)[1]
    if hard == resource.RLIM_INFINITY: print("BREACH unlimited", name); continue
    attempt(name, lambda: resource.setrlimit(which, (hard + 1, hard + 1)) or True)
    if os.getppid():
        attempt(name, lambda: resource.prlimit(os.getppid(), which, (hard + 1, hard + 1)))
control(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30)) is None)
""",
        works=True,
    ),
    Attack(
        "spares_itself_from_the_killer",
        "privilege",
        """
def lower(pid):
    path = f"/proc/{pid}/oom_score_adj"
    value = int(read(path))
    with open(path, "w") as f: f.write(str(max(value - 500, -1000)))
    return int(read(path)) < value
for pid in ("self", 1, os.getppid() or 1): attempt(pid, lambda: lower(pid))
with open("/proc/self/oom_score_adj", "w") as f: control(lambda: f.write("1000"))
""",
    ),
    Attack(
        "pins_memory",
        "privilege",
        """
area = mmap.mmap(-1, 32 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
call("mlock", 149, 228, ctypes.c_ulong(address), ctypes.c_ulong(32 << 20))
call("mlockall", 151, 230, 3)
control(lambda: mmap.mmap(-1, 1 << 20))
""",
    ),
)
