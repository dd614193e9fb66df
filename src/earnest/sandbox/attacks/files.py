"""Files of the machine, links, environments: read or written from within a jail.

Not covered: names of outer folders in /proc/self/mountinfo are no content, and given as a figure.
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.attacks.kit import Attack, Ruling, Seen, Soft, printed


def _names(seen: Seen) -> Ruling:
    count = printed(seen, "names")
    return Ruling(soft=(Soft("outer paths named in mountinfo", 0, count or 0, "paths"),))


ATTACKS: Final = (
    Attack(
        "reads_a_file_of_the_host",
        "files",
        """
attempt("secret", lambda: read("OUTSIDE/secret"))
attempt("by link", lambda: (os.symlink("OUTSIDE/secret", "l"), read("l"))[1])
attempt("by dots", lambda: read("../../../../../../../..OUTSIDE/secret"))
control(lambda: read("/earnest-jail/data/visible"))
""",
        works=True,
    ),
    Attack(
        "reads_by_a_folder_held_open",
        "files",
        """
# openat(2) from each folder that can be had, upwards and back down again
for start in ("/", ".", "/earnest-jail/data", "/earnest-jail/image", "/usr/bin", "/proc/self"):
    try: fd = os.open(start, os.O_RDONLY | os.O_DIRECTORY)
    except OSError: continue
    for up in range(1, 12):
        path = "../" * up + "OUTSIDE/secret"[1:]
        attempt(start, lambda: os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 99))
fd = os.open("/earnest-jail/data", os.O_RDONLY)
control(lambda: os.read(os.open("visible", os.O_RDONLY, dir_fd=fd), 99))
""",
        works=True,
    ),
    Attack(
        "swaps_a_path_while_it_is_checked",
        "files",
        """
import threading
# a supervisor that reads the path from memory, and lets the call go on, reads another than it does
good, bad = b"/earnest-jail/data/visible", b"OUTSIDE/secret"
path = ctypes.create_string_buffer(256)
over = time.monotonic() + 1.0
def swap():
    while time.monotonic() < over:
        ctypes.memmove(path, bad + b"\\0", len(bad) + 1)
        ctypes.memmove(path, good + b"\\0", len(good) + 1)
thread = threading.Thread(target=swap); thread.start()
opened = 0
while time.monotonic() < over:
    fd = libc.open(path, os.O_RDONLY)
    if fd < 0: continue
    opened += 1
    data = os.read(fd, 99); os.close(fd)
    if data != b"seen": print("BREACH", data); break
over = 0; thread.join()
control(lambda: libc.open(good, os.O_RDONLY) >= 0)
""",
        works=True,
    ),
    Attack(
        "swaps_a_link_while_it_is_followed",
        "files",
        """
import threading
os.symlink("/earnest-jail/data/visible", "a"); os.symlink("OUTSIDE/secret", "b")
over = time.monotonic() + 1.0
def swap():
    while time.monotonic() < over:
        libc.renameat2(-100, b"a", -100, b"b", 2)
thread = threading.Thread(target=swap); thread.start()
while time.monotonic() < over:
    try: data = read("a")
    except OSError: continue
    if data != b"seen": print("BREACH", data); break
over = 0; thread.join()
os.symlink("/earnest-jail/data/visible", "c")
control(lambda: read("c"))
""",
        works=True,
    ),
    Attack(
        "reads_environments",
        "files",
        """
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/task/*/environ"):
    try: print(b"EARNEST_PLANTED" in read(path) and read(path) or "nothing", path)
    except OSError: pass
print(os.environ.get("EARNEST_PLANTED"))
control(lambda: os.environ.get("PATH"))
""",
        works=True,
    ),
    Attack(
        "reads_command_lines",
        "files",
        """
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/comm"):
    try: print(read(path))
    except OSError: pass
control(lambda: len(sys.argv) and sys.argv[0].endswith("main.py"))
""",
        works=True,
    ),
    Attack(
        "follows_proc_links",
        "files",
        """
for kind in ("root", "cwd"):
    for path in glob.glob(f"/proc/[0-9]*/{kind}") + glob.glob(f"/proc/[0-9]*/task/*/{kind}"):
        attempt(path, lambda: read(path + "OUTSIDE/secret"))
control(lambda: os.listdir("."))
""",
        works=True,
    ),
    Attack(
        "writes_everywhere",
        "files",
        """
tried = 0
for place, folders, files in os.walk("/"):
    if place.startswith(("/earnest-jail/work", "/proc/", "/sys/")): folders.clear(); continue
    tried += 1
    def write():
        with open(place + "/hostile", "w") as f: return f.write("x")
    try:
        write()
        print("BREACH", place)
        os.unlink(place + "/hostile")
    except OSError: pass
    for name in files[:2]:
        if place.startswith("/dev"): continue
        try: print("BREACH", os.open(os.path.join(place, name), os.O_WRONLY), place, name)
        except OSError: pass
print("places", tried)
control(lambda: tried > 100 and open("mine", "w").write("x"))
""",
    ),
    Attack(
        "alters_what_is_mounted",
        "files",
        """
for path in ("/earnest-jail/data/visible", "/earnest-jail/data/module.py", "/usr/bin/env"):
    attempt("chmod " + path, lambda: os.chmod(path, os.stat(path).st_mode & 0o777) or True)
    attempt("rename " + path,
            lambda: os.rename(path, path + "x") or os.rename(path + "x", path) or True)
    attempt("beside " + path, lambda: os.mkdir(path + ".d") or os.rmdir(path + ".d") or True)
    attempt("utime " + path, lambda: os.utime(path) or True)
    attempt("truncate " + path, lambda: os.truncate(path, os.path.getsize(path)) or True)
    attempt("xattr " + path, lambda: os.setxattr(path, "user.x", b"y") or True)
    attempt("link " + path, lambda: os.link(path, "linked") or True)
    attempt("map " + path, lambda: mmap.mmap(os.open(path, os.O_RDWR), 4096))
open("mine", "w").write("x")
control(lambda: os.chmod("mine", 0o600) is None and os.utime("mine") is None)
""",
        works=True,
    ),
    Attack(
        "makes_and_opens_devices",
        "files",
        """
attempt("null", lambda: os.mknod("n", 0o20600, os.makedev(1, 3)) or True)
attempt("disk", lambda: os.mknod("d", 0o60600, os.makedev(254, 0)) or True)
good = {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "console", "fd",
        "stdin", "stdout", "stderr", "core"}
try: found = set(os.listdir("/dev"))
except OSError: found = set()
print("BREACH" if found - good else "only", sorted(found - good))
for name in ("mem", "kmem", "kmsg", "port", "fuse", "kvm", "vda", "sda", "nvme0", "net/tun",
             "loop0", "userfaultfd", "vhost-vsock", "dri/card0", "uinput", "input/event0"):
    attempt(name, lambda: open("/dev/" + name, "rb"))
attempt("shm", lambda: open("/dev/shm/x", "w"))
control(lambda: open("/dev/urandom", "rb").read(1))
""",
    ),
    Attack(
        "opens_by_handle",
        "files",
        """
mount = os.open("/usr/bin/env", os.O_RDONLY)
for number in (2, 64, 128, 256):
    handle = struct.pack("=Ii", 8, 1) + struct.pack("=Q", number)
    call("open_by_handle_at", 304, 265, mount, handle, 0)
out = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0) + bytes(128))
call("name_to_handle_at", 303, 264, -100, b"/usr", out, ctypes.byref(ctypes.c_int()), 0)
control(lambda: os.open("/usr/bin/env", os.O_RDONLY))
""",
        works=True,
    ),
    Attack(
        "reads_what_the_kernel_keeps",
        "files",
        """
def addresses(path):
    for line in read(path, 4096).splitlines():
        word = line.split()[:1]
        if word and len(word[0]) == 16 and word[0].strip(b"0"): return line
for path in ("/proc/kcore", "/proc/kmsg", "/proc/kpageflags", "/proc/1/stack", "/proc/slabinfo",
             "/sys/kernel/debug/sched", "/sys/firmware/dmi/tables/DMI", "/proc/vmallocinfo"):
    attempt(path, lambda: read(path, 4096))
attempt("kallsyms", lambda: addresses("/proc/kallsyms"))
control(lambda: read("/earnest-jail/data/visible"))
""",
    ),
    Attack(
        "opens_kernel_settings_for_writing",
        "files",
        """
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/modprobe",
             "/proc/sys/vm/panic_on_oom", "/proc/sys/user/max_user_namespaces",
             "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/hostname",
             "/proc/sys/net/ipv4/ip_forward", "/sys/fs/cgroup/cgroup.procs", "/sys/power/state",
             "/sys/kernel/uevent_helper", "/proc/irq/default_smp_affinity", "/proc/mtrr"):
    attempt(path, lambda: os.open(path, os.O_WRONLY) + 1)
control(lambda: os.open("new", os.O_WRONLY | os.O_CREAT) + 1)
""",
    ),
    Attack(
        "looks_for_names_of_outer_folders",
        "files",
        """
count = 0
for path in ("/proc/self/mountinfo", "/proc/self/mounts"):
    try: lines = open(path).read().splitlines()
    except OSError: continue
    for line in lines:
        words = line.split()
        if path.endswith("info") and words[3] != "/" and words[3] != words[4]: count += 1
print("names", count)
control(lambda: os.listdir("/"))
""",
        judges=(_names,),
    ),
)
