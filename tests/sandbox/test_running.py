"""The supervisor against a process 1 that lies: each is a small program of the test's own.

Beside it, the channel of a cold jail and of a warm one.
"""

import os
import socket
import sys
import threading
import time

import pytest

from earnest.core.errors import ChannelClosedError, SandboxError
from earnest.core.jobs import Job, Limits
from earnest.sandbox import jail, running
from earnest.sandbox.jail import start_jail

LIMITS = Limits(wall_s=1.0, workspace_mib=1, output_bytes=100, workspace_files=10)
LIAR = """
import os, socket, sys, time
fd = int(sys.argv[1])
line = socket.socket(fileno=fd)
def end(code=0, cause=0, cpu=0):
    os.write(fd, b"E" + bytes([cause]) + code.to_bytes(4, "big", signed=True) + cpu.to_bytes(8, "big"))
def hand(*descriptors, word=b"H"):
    socket.send_fds(line, [word], descriptors)
def folder():
    return os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
"""  # noqa: E501


@pytest.fixture
def play(tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "a").write_text("1")
    threads, before = threading.active_count(), descriptors()

    def run(source, limits=LIMITS, payload=b"plan", **job):
        program = LIAR.replace("FOLDER", repr(str(workspace))) + source
        words = [sys.executable, "-I", "-S", "-c", program]
        started = start_jail(
            lambda ends: [*words, *map(str, ends)],
            payload,
            Job(("python",), limits=limits, **job),
        )
        return started.finish(), started

    yield run
    assert descriptors() == before
    assert threading.active_count() == threads


def descriptors():
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_an_honest_one(play):
    result, started = play("hand(folder()); print('out'); end(7)")
    assert (result.ended, result.status, result.stdout) == ("exit", 7, "out\n")
    assert result.files == {"a": b"1"}
    assert not result.stderr
    assert started.clean


@pytest.mark.parametrize(
    ("said", "ended", "status"),
    [
        ("end(-11)", "signal", 11),
        ("end(-9, 1)", "timeout", -1),
        ("end(0, 3)", "timeout", -1),
        ("end(0, 2)", "too-much", -1),
        ("end(-24)", "timeout", -1),
        ("end(-9, 0, 60000)", "timeout", -1),
        ("end(-9, 0, 10)", "signal", 9),
    ],
)
def test_what_it_says_of_the_end(play, said, ended, status):
    result, _ = play(said)
    assert (result.ended, result.status) == (ended, status)


def test_one_that_never_begins(play):
    with pytest.raises(SandboxError, match=r"did not start.*the reason"):
        play("sys.exit('the reason')")
    with pytest.raises(SandboxError, match="can't start"):
        start_jail(lambda _: ["/nothing"], b"", Job(("python",)))


@pytest.mark.parametrize(
    "said",
    [
        "os.write(fd, b'H')",
        "os.write(fd, b'x')",
        "os.write(fd, b'H' + os.urandom(50))",
        "os.write(fd, b'HE\\0\\0')",
        "end(256)",
        "end(0, 9)",
        "end(); end()",
        "os.write(fd, b'E' + bytes(13) + b'more')",
        "os.write(fd, b'!' + b'\\xff' * 4)",
        "os.write(fd, b'!\\0\\0\\0\\x05No sp'); end()",
    ],
)
def test_one_that_says_half_or_nonsense(play, said):
    result, started = play(said)
    if said == "end(); end()" and result.ok:  # the second came too late to be heard
        return
    assert (result.ended, result.status, dict(result.files)) == ("too-much", -1, {})
    assert "[sandbox:" in result.stderr
    assert not started.clean or "No sp" in said


def test_one_that_floods(play):
    start = time.monotonic()
    source = "while True: os.write(fd, b'H' * 65536)"
    assert play(source, Limits(wall_s=30, workspace_mib=1))[0].ended == "too-much"
    source = "hand(folder())\nwhile True: os.write(fd, b'!\\0\\0\\3\\0' + b'a' * 65536)"
    assert play(source, Limits(wall_s=30, workspace_mib=1))[0].ended == "too-much"
    assert time.monotonic() - start < 30


def test_one_that_never_ends(play, monkeypatch):
    monkeypatch.setattr(jail, "START_S", 5.0)
    monkeypatch.setattr(jail, "_DIE_S", 0.3)
    monkeypatch.setattr(running, "_DIE_S", 0.3)
    start = time.monotonic()
    result, started = play("hand(folder()); time.sleep(60)")
    assert (result.ended, result.files, started.clean) == ("timeout", {"a": b"1"}, False)
    assert play("end(); time.sleep(60)")[0].ok
    assert play("time.sleep(60)")[0].ended == "timeout"
    assert time.monotonic() - start < 30


def test_one_that_does_not_listen(play):
    result, started = play("end()", payload=bytes(8 << 20))
    assert (result.ok, started.clean) == (True, False)


def test_one_that_shuts_its_ears(play):
    result, _ = play(
        "line.shutdown(socket.SHUT_RD); time.sleep(0.1); end()", payload=bytes(8 << 20)
    )
    assert result.ended in ("exit", "too-much")


def test_output_is_drained_and_cut(play):
    result, _ = play("print('x' * 1000000, flush=True); end()")
    assert (result.stdout, result.truncated) == ("x" * 100, True)
    result, _ = play("os.close(1); os.close(2); end(3)")
    assert (result.status, result.truncated) == (3, False)


HANDED = {
    "a file": "hand(os.open(sys.executable, os.O_RDONLY))",
    "a pipe": "hand(*os.pipe())",
    "too many": "hand(*[os.open('/dev/null', 0) for _ in range(200)])",
    "itself": "hand(fd)",
    "a listener": "s = socket.create_server(('127.0.0.1', 0)); hand(s.fileno(), word=b'N')",
}


@pytest.mark.parametrize("what", HANDED)
def test_odd_descriptors_are_closed(play, what):
    result, _ = play(f"{HANDED[what]}\nend()")
    assert (result.ok, dict(result.files)) == (True, {})


def test_of_two_folders_the_first_counts(play, tmp_path):
    (tmp_path / "b").mkdir()
    other = f"os.open({str(tmp_path)!r}, os.O_RDONLY)"
    assert play(f"hand(folder(), {other}); end()")[0].files == {"a": b"1"}
    assert "b" not in play(f"hand({other}); end()", collect=False)[0].files


def test_a_folder_that_can_not_be_read(play):
    source = "hand(os.open('/proc', os.O_PATH | os.O_DIRECTORY)); end()"
    result, _ = play(source)
    assert (result.ended, dict(result.files)) == ("too-much", {})
    assert "can't be read" in result.stderr


class Way:
    """A way to a network that counts what it is given."""

    certificate = b""

    def __init__(self):
        self.given = []

    def serve(self, listener):
        self.given.append(listener.getsockname())
        listener.close()

    def close(self):
        pass


LISTEN = "s = socket.create_server(('127.0.0.1', 0)); hand(s.fileno(), word=b'N')\n"


def test_a_listener_is_served_once_and_only_a_listener(play):
    way = Way()
    assert play(f"os.write(fd, b'H')\n{LISTEN}{LISTEN}time.sleep(.1)", net=way)[0].ended
    assert [host for host, _ in way.given] == ["127.0.0.1"]
    for other in (
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); hand(s.fileno(), word=b'N')",
        "s = socket.socket(socket.AF_UNIX); s.bind(''); s.listen(); hand(s.fileno(), word=b'N')",
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); hand(s.fileno(), word=b'N')",
        "a, b = socket.socketpair(); hand(a.fileno(), word=b'N')",
    ):
        way = Way()
        assert play(f"os.write(fd, b'H')\n{other}\nend()", net=way)[0].ok
        assert way.given == [], other


# the channel


@pytest.fixture(scope="module", params=["bwrap", "warm"])
def box(request, image):
    from earnest.sandbox.choose import BACKENDS

    sandbox = BACKENDS[request.param](image)
    yield sandbox
    sandbox.close()


@pytest.fixture
def talk(box):
    opened = []

    def start(source, **limits):
        job = Job(
            ("python", "main.py"),
            files={"main.py": (SIDE + source).encode()},
            limits=Limits(**{"wall_s": 20.0, "cpu_s": 15, "workspace_mib": 8, **limits}),
        )
        opened.append(box.open(job))
        return opened[-1]

    yield start
    for channel in opened:
        channel.close()


SIDE = """
import os, signal, socket, sys, time
line = socket.socket(fileno=3)
def take(count):
    parts = b""
    while len(parts) < count:
        part = line.recv(min(1 << 20, count - len(parts)))
        if not part: break
        parts += part
    return parts
"""


def take(channel, count, timeout_s=20):
    parts = b""
    while len(parts) < count:
        part = channel.receive(count - len(parts), timeout_s)
        if not part:
            break
        parts += part
    return parts


def test_a_line_carries_bytes_both_ways(talk):
    channel = talk("while data := line.recv(100): line.sendall(data.upper())")
    for word in (b"a", b"hello", b"\0\xff"):
        channel.send(word)
        assert take(channel, len(word)) == word.upper()
    result = channel.close()
    assert (result.ended, result.status) == ("signal", 9)
    assert channel.close() is result


def test_the_line_is_descriptor_3_and_there_is_no_other(talk, box):
    source = """
held = sorted(int(name) for name in os.listdir("/proc/self/fd"))
line.sendall(repr([fd for fd in held if os.path.exists(f"/proc/self/fd/{fd}")]).encode())
"""
    assert take(talk(source), 100) in (b"[0, 1, 2, 3]", b"[0, 1, 2, 3, 4]")
    without = box.run(Job(("python", "-c", "import os; os.fstat(3)")))
    assert "Bad file descriptor" in without.stderr


def test_much_goes_both_ways_while_the_program_floods(talk):
    size = 6 << 20
    channel = talk(
        f"""
import threading
def flood():
    while True: os.write(1, b"x" * 65536); os.write(2, b"y" * 65536)
threading.Thread(target=flood, daemon=True).start()
data = take({size})
line.sendall(data[::-1])
take(1)
os._exit(4)
""",
        output_bytes=1000,
    )
    data = os.urandom(size)
    channel.send(data)
    assert take(channel, size) == data[::-1]
    channel.send(b".")
    assert channel.receive(1, 20) == b""
    result = channel.close()
    assert (result.ended, result.status, result.truncated) == ("exit", 4, True)
    assert result.stdout == "x" * 1000


def test_nothing_said_is_a_time_out_and_it_may_be_asked_again(talk):
    channel = talk("take(1); line.sendall(b'late')")
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        channel.receive(10, 0.3)
    assert 0.25 < time.monotonic() - start < 20
    channel.send(b".")
    assert take(channel, 4) == b"late"


def test_what_was_printed_is_given_once(talk):
    channel = talk(
        "for word in ('one', 'two'):\n"
        "  take(1); print(word, flush=True); print(word, 'err', file=sys.stderr, flush=True)\n"
        "  line.sendall(b'.')\n"
        "time.sleep(60)"
    )
    for word in ("one", "two"):
        channel.send(b".")
        assert take(channel, 1) == b"."
        assert channel.printed() == (f"{word}\n", f"{word} err\n")
    assert channel.printed() == ("", "")


def test_an_interrupt_reaches_the_program(talk):
    channel = talk(
        "try:\n  line.sendall(b'r')\n  while True: time.sleep(0.01)\n"
        "except KeyboardInterrupt: line.sendall(b'i')\n"
        "time.sleep(60)"
    )
    assert take(channel, 1) == b"r"
    with pytest.raises(TimeoutError):
        channel.receive(1, 0.2)
    channel.interrupt()
    assert take(channel, 1) == b"i"


def test_an_interrupt_that_is_not_caught_ends_it(talk, box):
    channel = talk("line.sendall(b'r')\nwhile True: time.sleep(0.01)")
    assert take(channel, 1) == b"r"
    channel.interrupt()
    assert channel.receive(1, 10) == b""
    result = channel.close()
    assert result.ended in ("signal", "exit")
    assert result.status in (2, 130)
    assert "KeyboardInterrupt" in result.stderr


def test_files_while_it_runs_and_at_the_end(talk):
    channel = talk(
        "open('a', 'w').write('1'); line.sendall(b'.'); take(1)\n"
        "open('b', 'w').write('2'); line.sendall(b'.'); take(1)"
    )
    assert take(channel, 1) == b"."
    assert channel.files()["a"] == b"1"
    channel.send(b".")
    assert take(channel, 1) == b"."
    assert set(channel.files()) == {"main.py", "a", "b"}
    channel.send(b".")
    assert channel.receive(1, 10) == b""
    result = channel.close()
    assert result.ok
    assert result.files["b"] == b"2"


def test_a_program_that_closes_the_line_runs_on(talk):
    channel = talk("line.sendall(b'bye'); line.close(); time.sleep(1); print('on'); sys.exit(5)")
    assert take(channel, 10) == b"bye"
    assert channel.receive(10, 5) == b""
    with pytest.raises(ChannelClosedError):
        channel.send(bytes(1 << 20))
    while channel.printed() != ("on\n", ""):
        time.sleep(0.05)


def test_a_program_that_takes_nothing_in_ends_with_its_time(talk):
    channel = talk("line.sendall(b'x' * 100000)\nwhile True: time.sleep(1)", wall_s=1.5)
    used = time.process_time()
    with pytest.raises(ChannelClosedError):
        channel.send(bytes(16 << 20))
    assert time.process_time() - used < 0.8  # it waited; it did not spin
    assert channel.close().ended == "timeout"


def test_its_time_ends_also_if_nobody_looks(talk):
    channel = talk(
        "line.sendall(b'.')\nn = 0\n"
        "while True:\n  n += 1\n  open('n', 'w').write(str(n)); time.sleep(0.05)",
        wall_s=1.0,
    )
    assert take(channel, 1) == b"."
    time.sleep(2.5)
    result = channel.close()
    assert result.ended == "timeout"
    assert 0 < int(result.files["n"] or b"1") < 30


def test_after_the_end_there_is_nothing_to_say(talk):
    channel = talk("line.sendall(b'z')")
    assert take(channel, 1) == b"z"
    assert channel.receive(1, 10) == b""
    result = channel.close()
    assert result.ok
    for action in (lambda: channel.send(b"x"), lambda: channel.receive(1, 0.1)):
        with pytest.raises(ChannelClosedError):
            action()
    channel.interrupt()
    assert channel.close() is result


def test_a_job_without_a_line_has_none(box):
    _, theirs = socket.socketpair()
    with theirs:
        result = box.run(Job(("python", "-c", "print(1)"), limits=LIMITS))
    assert result.stdout == "1\n"
