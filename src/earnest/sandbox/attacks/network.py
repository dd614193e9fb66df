"""Ways out by sockets: internet, abstract names, netlink, virtual machines, what /proc tells.

Not covered: the allow-list of hosts and its proxy, which have tests of their own.
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.attacks.kit import Attack

ATTACKS: Final = (
    Attack(
        "reaches_the_network",
        "network",
        """
def tcp(address, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(2)
        s.connect(address)
        return True
attempt("loopback", lambda: tcp(("127.0.0.1", 45678)))
attempt("loopback 6", lambda: tcp(("::1", 45678), socket.AF_INET6))
attempt("mapped", lambda: tcp(("::ffff:127.0.0.1", 45678), socket.AF_INET6))
attempt("outside", lambda: tcp(("198.51.100.1", 80)))
attempt("metadata", lambda: tcp(("169.254.169.254", 80)))
a, b = socket.socketpair()
a.send(b"x")
control(lambda: b.recv(1))
""",
        works=True,
    ),
    Attack(
        "sends_datagrams",
        "network",
        """
def send(address, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return s.sendto(b"x", address)
for address in (("127.0.0.1", 53), ("198.51.100.1", 53), ("255.255.255.255", 9)):
    attempt(address[0], lambda: send(address))
attempt("name", lambda: socket.getaddrinfo("localhost", 45678) and send(("localhost", 53)))
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
control(lambda: a.send(b"x"))
""",
        works=True,
    ),
    Attack(
        "listens_for_others",
        "network",
        """
attempt("tcp", lambda: socket.create_server(("127.0.0.1", 0)))
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 0))
    return s.getsockname()
attempt("udp", udp)
s = socket.socket(socket.AF_UNIX)
s.bind("own")
control(lambda: s.listen() is None)
""",
        works=True,
    ),
    Attack(
        "opens_strange_sockets",
        "network",
        """
families = (3, 4, 5, 9, 11, 15, 16, 17, 21, 26, 29, 30, 31, 35, 37, 38, 39, 40, 41, 43, 44, 45)
for family in families:
    for kind in (1, 2, 3, 5):
        attempt(f"family {family} {kind}", lambda: socket.socket(family, kind, 0))
control(lambda: socket.socket(socket.AF_UNIX))
""",
        works=True,
    ),
    Attack(
        "asks_netlink",
        "network",
        """
def dump():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    s.bind((0, 0))
    s.send(struct.pack("=IHHIIBxHiII", 32, 18, 0x301, 1, 0, 0, 0, 0, 0, 0))
    return s.recv(4096)
attempt("interfaces", dump)
for number in (4, 9, 15, 16):
    attempt(f"protocol {number}", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, number))
control(lambda: socket.socketpair())
""",
        works=True,
    ),
    Attack(
        "speaks_to_the_hypervisor",
        "network",
        """
def vsock(cid):
    s = socket.socket(40, socket.SOCK_STREAM)
    s.settimeout(2)
    s.connect((cid, 1024))
    return True
for cid in (0, 1, 2): attempt(f"vsock {cid}", lambda: vsock(cid))
attempt("socket", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("device", lambda: open("/dev/vsock", "rb"))
control(lambda: socket.socket(socket.AF_UNIX))
""",
    ),
    Attack(
        "connects_to_an_abstract_socket",
        "network",
        """
def connect(name):
    s = socket.socket(socket.AF_UNIX)
    s.connect(chr(0) + name)
    return True
attempt("planted", lambda: connect("earnest-planted"))
attempt("display", lambda: connect("/tmp/.X11-unix/X0"))
s = socket.socket(socket.AF_UNIX); s.bind(chr(0) + "mine"); s.listen()
c = socket.socket(socket.AF_UNIX)
c.connect(chr(0) + "mine")
control(s.accept)
""",
        works=True,
    ),
    Attack(
        "makes_a_pair_of_another_family",
        "network",
        """
def pair(family, kind):
    fds = (ctypes.c_int * 2)()
    got = libc.syscall(199 if arm else 53, family, kind, 0, fds)
    if got: raise OSError(ctypes.get_errno(), "socketpair")
    return True
for family in (2, 10, 16, 30, 40):
    for kind in (1, 2, 5): attempt(f"{family} {kind}", lambda: pair(family, kind))
control(lambda: socket.socketpair(socket.AF_UNIX))
""",
    ),
    Attack(
        "hides_the_family_in_high_bits",
        "network",
        """
# a filter looks at 64 bits, the kernel at the lower 32: the two must not differ
for high in (1, 0xffffffff, 0x80000000):
    for family in (2, 16):
        call(f"socket {high:x} {family}", 41, 198, ctypes.c_ulong(high << 32 | family), 1, 0)
call("socket unix", 41, 198, 2, 2 | 0o2000000 | 0o4000, 0)
fd = libc.syscall(ctypes.c_long(198 if arm else 41), 1, 1, 0)
control(lambda: fd > 2)
""",
        works=True,
    ),
    Attack(
        "sees_others_connections",
        "network",
        """
for path in ("tcp", "tcp6", "udp", "unix", "route", "arp"):
    try: lines = open("/proc/net/" + path).read().splitlines()[1:]
    except OSError: continue
    hits = [l for l in lines if ":B26E" in l or "earnest-planted" in l]
    print("BREACH" if hits else "nothing", path, hits[:1])
control(lambda: os.listdir("."))
""",
        works=True,
    ),
    Attack(
        "calls_a_tool_that_is_there",
        "network",
        """
names = ("curl", "wget", "nc", "ssh", "ping", "openssl", "git", "perl", "bash")
words = {
    "curl": ["-sm2", "http://127.0.0.1:45678/"], "wget": ["-qT2", "-t1", "http://127.0.0.1:45678/"],
    "nc": ["-w2", "127.0.0.1", "45678"], "ping": ["-c1", "-W1", "127.0.0.1"],
    "ssh": ["-V"], "openssl": ["s_client", "-connect", "127.0.0.1:45678"],
    "git": ["ls-remote", "git://127.0.0.1:45678/x"],
    "perl": ["-MSocket", "-e", "socket(S,2,1,6)&&connect(S,sockaddr_in(45678,inet_aton("
             "'127.0.0.1')))&&print 'BREACH perl'"],
    "bash": ["-c", "exec 3<>/dev/tcp/127.0.0.1/45678 && echo BREACH bash"],
}
for name in names:
    if not os.path.exists("/usr/bin/" + name): continue
    try: done = subprocess.run(["/usr/bin/" + name, *words[name]], capture_output=True, timeout=5,
                               stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error: print(name, error); continue
    print(done.stdout.decode(errors="replace")[:80])
control(lambda: subprocess.run(["/usr/bin/env", "true"]).returncode == 0)
""",
        works=True,
    ),
)
