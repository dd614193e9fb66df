"""Namespaces, mounts, changed roots: the walls of a jail moved from within.

Not covered: mounts that a jail's own kernel would do by itself (automounts).
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.attacks.kit import Attack

ATTACKS: Final = (
    Attack(
        "makes_namespaces",
        "namespaces",
        """
flags = dict(user=0x10000000, mount=0x20000, pid=0x20000000, net=0x40000000, ipc=0x8000000,
             uts=0x4000000, cgroup=0x2000000, time=0x80)
for name, flag in flags.items():
    def unshare():
        child = os.fork()
        if child == 0:
            os._exit(7 if libc.syscall(ctypes.c_long(97 if arm else 272), flag) == 0 else 3)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    attempt("unshare " + name, unshare)
control(lambda: os.waitpid(os.fork() or os._exit(3), 0)[1] == 3 << 8)
""",
        works=True,
    ),
    Attack(
        "clones_into_namespaces",
        "namespaces",
        """
def clone(flags, new=False):
    # raw calls: the child comes back here as well
    if new:
        words = struct.pack("=11Q", flags, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
        got = libc.syscall(ctypes.c_long(435), words, 88)
    else:
        got = libc.syscall(ctypes.c_long(220 if arm else 56), flags | 17, 0, 0, 0, 0)
    if got == 0: os._exit(0)
    if got < 0: raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(got, 0)
    return True
for flag in (0x10000000, 0x10020000, 0x30000000, 0x50000000, 0x18000000, 0x14000000, 0x12000000):
    attempt(f"clone {flag:x}", lambda: clone(flag))
    attempt(f"clone3 {flag:x}", lambda: clone(flag, new=True))
    attempt(f"clone high {flag:x}", lambda: clone(1 << 40 | flag))
control(lambda: clone(0))
""",
        works=True,
    ),
    Attack(
        "joins_namespaces",
        "namespaces",
        """
def join(fd, kind):
    if libc.syscall(ctypes.c_long(268 if arm else 308), fd, kind):
        raise OSError(ctypes.get_errno(), "setns")
    return True
for path in glob.glob("/proc/[0-9]*/ns/*"):
    try: fd = os.open(path, os.O_RDONLY)
    except OSError: continue
    attempt("setns " + path, lambda: join(fd, 0)); os.close(fd)
for pid in {1, os.getppid(), *others()[:20]} - {0}:
    def whole():
        return join(os.pidfd_open(pid), 0x7c020000)
    attempt(f"all of {pid}", whole)
control(lambda: os.listdir("."))
""",
    ),
    Attack(
        "mounts",
        "namespaces",
        """
call("tmpfs", 165, 40, b"none", b".", b"tmpfs", 0, None)
call("proc", 165, 40, b"none", b".", b"proc", 0, None)
call("remount", 165, 40, None, b"/", None, 0x20, None)
call("remount image", 165, 40, None, b"/earnest-jail/image", None, 0x1020, None)
call("remount data", 165, 40, None, b"/earnest-jail/data", None, 0x1020, None)
call("bind", 165, 40, b"/", b".", None, 0x1000, None)
call("shared", 165, 40, None, b"/", None, 0x104000, None)
call("umount", 166, 39, b"/earnest-jail/work", 2)
call("umount proc", 166, 39, b"/proc", 2)
call("umount a mask", 166, 39, b"/usr/lib/python3/dist-packages", 2)
call("pivot_root", 155, 41, b".", b".")
control(lambda: os.statvfs(".").f_blocks)
""",
    ),
    Attack(
        "mounts_the_new_way",
        "namespaces",
        """
call("open_tree", 428, 428, -100, b"/", 1)
call("fsopen", 430, 430, b"tmpfs", 0)
call("fsopen overlay", 430, 430, b"overlay", 0)
call("fspick", 433, 433, -100, b"/", 0)
call("move_mount", 429, 429, -100, b"/", -100, b"/earnest-jail/work", 0)
call("mount_setattr", 442, 442, -100, b"/", 0, bytes(32), 32)
call("statmount", 457, 457, struct.pack("=IIQQ", 24, 0, 1, 1), bytes(512), 512, 0)
control(lambda: os.stat("/").st_mode)
""",
    ),
    Attack(
        "climbs_out_of_a_changed_root",
        "namespaces",
        """
fd = os.open("/", os.O_RDONLY)
os.mkdir("inner")
def out():
    os.chroot("inner")
    os.fchdir(fd)
    for _ in range(40): os.chdir("..")
    os.chroot(".")
    return True
attempt("chroot twice", out)
os.chdir(fd)
attempt("dots", lambda: os.path.exists("../../../../../../OUTSIDE/secret"))
control(lambda: os.path.isdir("/earnest-jail"))
""",
    ),
    Attack(
        "maps_other_users",
        "namespaces",
        """
inside = os.fork()
if inside == 0:
    time.sleep(5); os._exit(0)
for pid in ("self", str(inside), "1"):
    for name, text in (("uid_map", "0 0 1"), ("gid_map", "0 0 1"), ("setgroups", "allow"),
                       ("projid_map", "0 0 1")):
        def write():
            with open(f"/proc/{pid}/{name}", "w") as f: f.write(text)
            return True
        attempt(f"{pid} {name}", write)
os.kill(inside, 9)
control(lambda: os.getuid() != 0)
""",
    ),
    Attack(
        "uses_the_tools_of_the_machine",
        "namespaces",
        """
tools = (["unshare", "-Ur", "id", "-u"], ["unshare", "-Urm", "mount", "-t", "tmpfs", "x", "/mnt"],
         ["nsenter", "-t", "1", "-a", "true"], ["bwrap", "--bind", "/", "/", "true"],
         ["chroot", "/", "true"], ["mount", "-t", "tmpfs", "x", "."], ["sudo", "-n", "true"],
         ["pkexec", "true"], ["newuidmap", str(os.getpid()), "0", "0", "1"],
         ["runuser", "-u", "root", "true"],
         ["systemd-run", "--user", "true"], ["docker", "ps"], ["podman", "ps"], ["at", "now"])
for words in tools:
    path = "/usr/bin/" + words[0]
    if not os.path.exists(path): path = "/usr/sbin/" + words[0]
    if not os.path.exists(path): continue
    try: done = subprocess.run([path, *words[1:]], capture_output=True, timeout=5,
                               stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error: print(words, error); continue
    print("BREACH" if done.returncode == 0 else "refused", words, done.stderr[-60:])
control(lambda: subprocess.run(["/usr/bin/env", "true"]).returncode == 0)
""",
        works=True,
    ),
)
