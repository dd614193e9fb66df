"""The process of a cold jail: started with what it is to have, ended with all below it."""

import os
import signal
import sys
from pathlib import Path

import pytest

from earnest.core.errors import SandboxError
from earnest.core.jobs import Job, Limits
from earnest.sandbox import jail
from earnest.sandbox.jail import outputs, spawn, start_jail

JOB = Job(("python",), limits=Limits(wall_s=5.0))
END = "os.write(fd, b'E' + bytes(13))"


def words(source):
    program = f"import os, sys, time\nfd = int(sys.argv[1])\n{source}"
    return lambda ends: [sys.executable, "-I", "-S", "-c", program, *map(str, ends)]


def test_what_a_jail_inherits():
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # close_fds must hold all the same
    source = "found = sorted(map(int, os.listdir('/proc/self/fd')))\n"
    source += f"print(found, dict(os.environ), os.getcwd(), sys.stdin.read() == '')\n{END}"
    try:
        result = start_jail(words(source), b"", JOB, line=True, environment={"A": "b"}).finish()
    finally:
        os.close(reader)
        os.close(writer)
    held, rest = result.stdout.split("] ")
    assert len(held.split(",")) == 6  # in, out, error, process 1's, the line's, the listing's
    assert rest.startswith("{'A': 'b'")
    assert rest.endswith("/ True\n")


def test_one_that_can_not_be_started_leaves_nothing_open():
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for line in (False, True):
        with pytest.raises(SandboxError, match="can't start"):
            start_jail(lambda _: ["/nothing"], b"", JOB, line=line)
    with pytest.raises(ZeroDivisionError):
        start_jail(lambda _: [str(1 // 0)], b"", JOB, line=True)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_outputs_do_not_block():
    process = spawn([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"], (), {})
    try:
        for fd in outputs(process):
            with pytest.raises(BlockingIOError):
                os.read(fd, 1)
    finally:
        process.kill()
        with process:
            pass


def test_a_kill_of_ones_own_comes_first():
    told = []

    def kill(process):
        told.append(Path(f"/proc/{process}").exists())

    job = Job(("python",), limits=Limits(wall_s=0.1))
    running = start_jail(words(f"time.sleep(60)\n{END}"), b"", job, kill=kill)
    result = running.close()
    assert (result.ended, told) == ("signal", [True])


def test_an_interrupt_goes_to_process_1_below(monkeypatch):
    source = f"""
line = __import__('socket').socket(fileno=int(sys.argv[2]))
child = os.fork()
if child == 0:
    try:
        line.send(b'r')
        time.sleep(60)
    except KeyboardInterrupt: os._exit(7)
os.set_inheritable(fd, False)
_, status = os.wait()
print(os.waitstatus_to_exitcode(status), flush=True)
{END}
"""
    running = start_jail(words(source), b"", JOB, line=True)
    assert running.receive(1, 60) == b"r"
    running.interrupt()
    assert running.finish().stdout == "7\n"


def test_a_jail_that_stays_is_ended(monkeypatch):
    monkeypatch.setattr(jail, "_DIE_S", 0.2)
    source = f"print(os.getpid(), flush=True)\n{END}\n"
    source += f"import signal\nsignal.signal({int(signal.SIGTERM)}, signal.SIG_IGN)\ntime.sleep(60)"
    result = start_jail(words(source), b"", JOB).finish()
    assert result.ok
    assert not Path(f"/proc/{int(result.stdout)}").exists()
