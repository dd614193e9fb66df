"""The supervisor's side against streams that a container would not, or should not, give."""

import sys
import time
import zlib

import pytest

from earnest.core.errors import SandboxError
from earnest.core.jobs import Job, Limits
from earnest.sandbox.relay import Relay

LIMITS = Limits(wall_s=1.0, workspace_mib=1, workspace_files=2, output_bytes=8)
END = b"E" + (13).to_bytes(4, "big") + b"\0" + bytes(4) + bytes(8)


def frame(kind, data=b""):
    return kind + len(data).to_bytes(4, "big") + data


def file(name, data=b""):
    return frame(b"N", len(name).to_bytes(4, "big") + name + data)


def relayed(said, *, after="", line=False):
    """A process that reads its plan, says this, and does what comes `after`."""
    code = (
        "import os, sys, time, zlib\nhead = os.read(0, 5)\n"
        "os.read(0, int.from_bytes(head[1:], 'big'))\n"
        f"sys.stdout.buffer.write(zlib.decompress({zlib.compress(said)!r}))\n"
        f"sys.stdout.flush()\n{after}"
    )
    told = []
    relay = Relay(
        [sys.executable, "-I", "-S", "-c", code],
        b"plan",
        Job(("python",), limits=LIMITS),
        line=line,
        remove=lambda: told.append("removed"),
        release=lambda: told.append("released"),
    )
    return relay, told


def test_a_whole_run():
    said = frame(b"H") + frame(b"O", b"out") + frame(b"R", b"err") + END
    relay, told = relayed(said + file(b"a/b", b"x") + frame(b"."))
    result = relay.finish()
    assert (result.ok, result.stdout, result.stderr) == (True, "out", "err")
    assert result.files == {"a/b": b"x"}
    assert told == ["released"]
    assert relay.finish() is result


def test_output_beyond_its_limit_is_dropped():
    result = relayed(frame(b"H") + frame(b"O", b"0123456789") + END + frame(b"."))[0].finish()
    assert (result.stdout, result.truncated) == ("01234567", True)


@pytest.mark.parametrize(
    ("body", "ended", "status"),
    [
        (b"\0" + (7).to_bytes(4, "big") + bytes(8), "exit", 7),
        (b"\0" + (-6).to_bytes(4, "big", signed=True) + bytes(8), "signal", 6),
        (b"\3" + (-9).to_bytes(4, "big", signed=True) + bytes(8), "timeout", -1),
        (b"\0" + (-24).to_bytes(4, "big", signed=True) + bytes(8), "timeout", -1),
        (
            b"\0" + (-9).to_bytes(4, "big", signed=True) + (60000).to_bytes(8, "big"),
            "timeout",
            -1,
        ),
        (b"\0" + (-9).to_bytes(4, "big", signed=True) + bytes(8), "signal", 9),
        (b"\1" + (-9).to_bytes(4, "big", signed=True) + bytes(8), "signal", 9),
    ],
)
def test_ends(body, ended, status):
    result = relayed(frame(b"H") + frame(b"E", body) + frame(b"."))[0].finish()
    assert (result.ended, result.status) == (ended, status)


@pytest.mark.parametrize(
    "said",
    [
        frame(b"Z"),
        b"O" + (1 << 30).to_bytes(4, "big"),
        frame(b"E", b"\0"),
        file(b"../x"),
        file(b"/x"),
        file(b"\xff"),
        file(b"a") + file(b"b") + file(b"c"),
        file(b"a", bytes(1 << 20)) + file(b"b", bytes(1 << 20)),
        frame(b"!", b"no room"),
        b"",
        END + frame(b".", b"too many files"),
    ],
)
def test_what_is_garbled_or_cut_short_is_no_success(said):
    relay, told = relayed(frame(b"H") + said)
    result = relay.finish()
    assert (result.ended, result.ok) == ("too-much", False)
    assert "[sandbox: " in result.stderr
    assert told[-1] == "released"


def test_a_container_that_never_began():
    relay, told = relayed(b"", after="sys.stderr.write('no such image'); sys.exit(125)")
    with pytest.raises(SandboxError, match=r"did not start \(125\): no such image"):
        relay.finish()
    assert told == ["removed", "released"]


def test_no_engine_at_all():
    told = []
    with pytest.raises(SandboxError, match="can't start"):
        Relay(
            ["/no/such/engine"],
            b"",
            Job(("python",)),
            line=False,
            remove=lambda: None,
            release=lambda: told.append("released"),
        )
    assert told == ["released"]


def test_one_that_does_not_end_is_removed(monkeypatch):
    monkeypatch.setattr("earnest.sandbox.relay._DIE_S", 5.0)
    relay, told = relayed(frame(b"H"), after="time.sleep(60)", line=True)
    start = time.monotonic()
    relay._finish(5.0)
    assert time.monotonic() - start < 30
    assert told == ["removed", "released"]
