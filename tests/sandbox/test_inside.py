"""Process 1 of a cold jail, alone: what it says, and when it says it. Nothing here is hostile."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from earnest.core.jobs import Job, Limits
from earnest.sandbox import inside, wire
from earnest.sandbox.bubble import Bubble

SOURCE = inside.__file__


def start(tmp_path, image, payload, *more):
    """Start it as process 1 of a plain bubblewrap, the workspace in memory."""
    bubble = Bubble(image)
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    os.write(writer, b"\x06\0\0\0\0\0\xff\x7f")  # a filter that allows everything
    os.close(writer)
    with open(SOURCE) as file:  # noqa: PTH123
        text = file.read()
    python = bubble.system.python
    words = [python, "-I", "-S", "-c", text, str(theirs.fileno()), *more]
    process = subprocess.Popen(
        bubble.cold({}, 4, reader, words),
        pass_fds=(theirs.fileno(), reader),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
    )
    theirs.close()
    os.close(reader)
    ours.sendall(payload)
    return process, ours


def say(process, ours):
    """Return all that it says, and what the program printed."""
    ours.shutdown(socket.SHUT_WR)
    said = b""
    while part := ours.recv(4096):
        said += part
    ours.close()
    out, err = process.communicate(timeout=120)
    return said, out, err


@pytest.fixture
def play(tmp_path, image):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")

    def run(job, cut=None):
        python = Bubble(image).system.python
        payload = wire.cold_plan(job, python, "/earnest-jail/image", count_processes=False)
        return say(*start(tmp_path, image, payload[:cut]))

    return run


def job(source, **limits):
    limits = Limits(**{"wall_s": 10.0, "workspace_mib": 4, **limits})
    return Job(("python", "main.py"), files={"main.py": source.encode()}, limits=limits)


def test_it_says_that_it_stands_and_how_the_program_ended(play):
    said, out, err = play(job("print(1); raise SystemExit(9)"))
    assert (said[:1], out, err) == (b"H", b"1\n", b"")
    report = wire.read_report(said)
    assert (report.code, report.late, report.reason) == (9, False, "")
    assert 0 < report.cpu_s < 5


def test_it_keeps_the_time(play):
    report = wire.read_report(play(job("import time; time.sleep(60)", wall_s=0.5))[0])
    assert (report.code, report.late) == (-9, True)


def test_a_plan_cut_short_runs_nothing(play):
    said, out, _ = play(job("print('ran')"), cut=-3)
    assert (wire.read_report(said), out) == (None, b"")


def test_files_that_do_not_fit_are_a_complaint(play):
    many = Job(("python", "a"), files={"a": b"", "a/b": b""}, limits=Limits(workspace_mib=4))
    said, out, _ = play(many)
    report = wire.read_report(said)
    assert (report.code, out) == (125, b"")
    assert report.reason
    assert report.reason != "unknown"


@pytest.mark.parametrize("cause", [0, 3])
@pytest.mark.parametrize("code", [-64, -1, 0, 255])
def test_its_words_are_those_that_are_read(cause, code):
    report = wire.read_report(b"H" + inside.told(cause, code))
    assert (report.code, report.late) == (code, cause == 3)
    said = b"H" + inside.complaint(OSError(28, "No space left")) + inside.told(0, 125)
    assert wire.read_report(said).reason == "No space left"


def test_it_needs_nothing_of_ours():
    program = f"import runpy, sys; runpy.run_path({SOURCE!r}); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True
    )
    assert "earnest" not in done.stdout
    assert "socket'" not in done.stdout.replace("_socket'", "")
