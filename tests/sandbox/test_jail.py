"""The supervisor against a process 1 that lies: each is a small program of the test's own."""

import sys
import time

import pytest

from earnest.core.errors import SandboxError
from earnest.core.jobs import Limits
from earnest.sandbox import supervise
from earnest.sandbox.jail import run_jail

LIMITS = Limits(wall_s=1.0, workspace_mib=1, output_bytes=100)
END = "b'HE' + bytes(5)"


def play(source, limits=LIMITS, payload=b"plan"):
    program = f"import os, sys, time\nfd = int(sys.argv[1])\n{source}"
    return run_jail(lambda fd: [sys.executable, "-c", program, str(fd)], payload, limits)


def frame(name, data):
    return f"b'F' + len({name!r}).to_bytes(4, 'big') + len({data!r}).to_bytes(8, 'big') + {name!r} + {data!r}"  # noqa: E501


def test_an_honest_one():
    result = play(f"os.write(fd, {END} + {frame(b'a', b'1')} + b'.'); print('out')")
    assert (result.ended, result.status, result.stdout) == ("exit", 0, "out\n")
    assert result.files == {"a": b"1"}


def test_one_that_never_begins():
    with pytest.raises(SandboxError, match=r"did not start.*the reason"):
        play("sys.exit('the reason')")
    with pytest.raises(SandboxError, match="can't start"):
        run_jail(lambda _: ["/nothing"], b"", LIMITS)


@pytest.mark.parametrize(
    "said",
    [
        "b'H'",
        "b'x'",
        "b'H' + os.urandom(50)",
        END,
        f"{END} + {frame(b'../x', b'1')} + b'.'",
        f"{END} + {frame(b'/x', b'1')} + b'.'",
        f"{END} + b'F' + b'\\xff' * 12 + b'.'",
        f"{END} + b'!'",
        "b'H!No space left on device'",
    ],
)
def test_one_that_says_half_or_nonsense(said):
    result = play(f"os.write(fd, {said})")
    assert (result.ended, result.status, dict(result.files)) == ("too-much", -1, {})
    assert "[sandbox:" in result.stderr


def test_one_that_floods():
    start = time.monotonic()
    source = f"os.write(fd, {END})\nwhile True: os.write(fd, b'F' * 65536)"
    assert play(source, Limits(wall_s=30, workspace_mib=1)).ended == "too-much"
    assert time.monotonic() - start < 10


def test_one_that_never_ends(monkeypatch):
    monkeypatch.setattr(supervise, "_START_S", 0.2)
    monkeypatch.setattr(supervise, "_COLLECT_S", 0.5)
    assert play("os.write(fd, b'H'); time.sleep(60)").ended == "timeout"
    result = play(f"os.write(fd, {END}); time.sleep(60)")
    assert (result.ended, dict(result.files)) == ("too-much", {})


def test_one_that_does_not_listen():
    result = play(f"os.write(fd, {END} + b'.')", payload=bytes(8 << 20))
    assert result.ok


def test_output_is_drained_and_cut():
    result = play(f"os.write(fd, {END} + b'.'); print('x' * 1000000)")
    assert (result.stdout, result.truncated) == ("x" * 100, True)
