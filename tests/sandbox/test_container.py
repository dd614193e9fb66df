"""In real containers, where an engine starts them.

Nothing hostile is run here: an engine can't be had in the outer jail.
"""

import functools
import marshal
import os
import subprocess
import time

import pytest

from earnest.core.errors import ChannelClosedError, EarnestError, UsageError
from earnest.core.jobs import DATA, WORK, Job, Limits
from earnest.sandbox import choose
from earnest.sandbox.container import ContainerSandbox, make_plan

QUICK = Limits(wall_s=20.0, cpu_s=15, memory_mib=512)
ECHO = """
import socket
line = socket.socket(fileno=3)
while data := line.recv(65536):
    line.sendall(data[::-1])
print("over")
"""


@functools.cache
def opened(image):
    try:
        return ContainerSandbox(image)
    except EarnestError as error:
        return str(error)


@pytest.fixture
def box(image):
    found = opened(image)
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    left = subprocess.run(
        found.engine.command("ps", "--all", "--quiet", "--filter", "name=earnest-"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert left.stdout == ""


def python(box, source, **job):
    job.setdefault("limits", QUICK)
    files = {"main.py": source.encode(), **job.pop("files", {})}
    return box.run(Job(("python", "main.py"), files=files, **job))


def test_it_proves_itself(box, image):
    choose.prove(box, image)


def test_a_program_runs_and_its_files_come_back(box, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/t").write_text("table")
    result = python(
        box,
        f"import os, helper; print(os.getcwd(), helper.x, open('{DATA}/t').read())\n"
        "import numpy, pandas; open('o/out', 'w').write(numpy.__file__)",
        files={"helper.py": b"x = 5", "o/in": b""},
        ro_mounts={DATA: tmp_path / "data"},
    )
    assert result.ok, result
    assert result.stdout == f"{WORK} 5 table\n"
    assert result.files["o/out"] == b"/earnest-jail/image/numpy/__init__.py"
    assert set(result.files) == {"main.py", "helper.py", "o/in", "o/out"}


@pytest.mark.slow
def test_folders_that_only_their_owner_reads_or_that_have_odd_names(box, tmp_path):
    folder = tmp_path / 'odd, "name"'
    folder.mkdir(mode=0o700)
    (folder / "t").write_text("table")
    (folder / "t").chmod(0o600)
    result = python(
        box,
        f"print(open('{DATA}/in/t').read())\ntry: open('{DATA}/in/t', 'w')\n"
        "except OSError as error: print(error.errno)",
        ro_mounts={f"{DATA}/in": folder},
    )
    assert result.stdout in ("table\n30\n", "table\n13\n"), result
    assert (folder / "t").read_text() == "table"


def test_ends(box):
    assert python(box, "raise SystemExit(7)").status == 7
    result = python(box, "import os; os.abort()")
    assert (result.ended, result.status) == ("signal", 6)
    missing = box.run(Job(("/no/such",), limits=QUICK))
    assert (missing.status, missing.stderr) == (127, "/no/such: No such file or directory\n")


@pytest.mark.slow
def test_out_of_time_also_for_daemons(box):
    source = "import os, time\nfor _ in range(3):\n    if os.fork() == 0: os.setsid()\n"
    source += "print('up', flush=True); open('kept', 'w').write('x'); time.sleep(60)"
    start = time.monotonic()
    result = python(box, source, limits=Limits(wall_s=1))
    assert (result.ended, result.files["kept"]) == ("timeout", b"x")
    assert time.monotonic() - start < 30
    assert "up" in result.stdout


@pytest.mark.slow
def test_leftovers_end_with_the_program(box):
    source = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\nprint('over')"
    start = time.monotonic()
    assert python(box, source).stdout == "over\n"
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_limits_of_each_process(box):
    big = python(box, "bytearray(900 << 20); print(1)")
    assert (big.ok, big.stdout) == (False, "")
    assert python(box, "bytearray(100 << 20); print(1)").ok
    spin = python(box, "while True: pass", limits=Limits(cpu_s=1, wall_s=15))
    assert spin.ended == "timeout"
    result = python(box, "print('x' * 99999)", limits=Limits(output_bytes=10))
    assert (result.stdout, result.truncated) == ("x" * 10, True)


@pytest.mark.slow
def test_processes_are_limited(box):
    source = (
        "import os, time\nmade = 0\n"
        "try:\n    while made < 40:\n        if os.fork() == 0: time.sleep(30)\n        made += 1\n"
        "except OSError: pass\nprint(made)"
    )
    assert int(python(box, source, limits=Limits(processes=8, wall_s=15)).stdout) < 8
    assert python(box, source, limits=Limits(processes=64, wall_s=15)).stdout == "40\n"


@pytest.mark.slow
def test_all_of_a_jobs_memory_is_limited_together(box):
    if "memory" in box.soft:
        pytest.skip("this engine can't limit memory")
    source = (
        "import os\nfor _ in range(6):\n    if os.fork() == 0:\n"
        "        held = bytearray(100 << 20); os._exit(0 if sum(held[::4096]) == 0 else 1)\n"
        "        os._exit(0)\nprint(sorted({os.wait()[1] for _ in range(6)}))"
    )
    held = source.replace("os._exit(0 if", "__import__('time').sleep(1); os._exit(0 if")
    tight = Limits(memory_mib=256, workspace_mib=8, wall_s=20)
    loose = Limits(memory_mib=1024, workspace_mib=8, wall_s=20)
    assert python(box, held, limits=loose).stdout == "[0]\n"
    result = python(box, held, limits=tight)
    assert result.stdout != "[0]\n", result


@pytest.mark.slow
def test_the_workspace_is_limited(box):
    limits = Limits(workspace_mib=4, wall_s=20)
    source = "for i in range(9): open(f'f{i}', 'wb').write(bytes(1 << 20))\nprint('wrote')"
    assert "wrote" not in python(box, source, limits=limits).stdout
    assert "wrote" in python(box, source, limits=Limits(workspace_mib=16, wall_s=20)).stdout
    many = "for i in range(50): open(f'f{i}', 'w')\n"
    result = python(box, many, limits=Limits(workspace_files=20, wall_s=20))
    assert result.ended == "too-much" or result.status == 1
    assert python(box, many, limits=Limits(workspace_files=60, wall_s=20)).ok


def test_what_a_program_finds(box):
    source = """
import os
status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines() if ":" in l)
print(*(status[k].strip() for k in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")))
print(int(status["Seccomp_filters"]) >= 1, os.getuid() != 0, sorted(os.listdir("/dev/shm"))
      if os.path.isdir("/dev/shm") else "none")
for name in ("mem", "environ", "fd"):
    try:
        os.listdir("/proc/1/fd") if name == "fd" else open(f"/proc/1/{name}", "rb").read(1)
        print(name, "open")
    except OSError:
        print(name, "shut")
try:
    os.kill(1, 9)
except OSError:
    pass
try:
    os.memfd_create("x"); print("memfd")
except OSError as error:
    print(error.errno)
print(len(os.listdir("/proc/self/fd")))
"""
    lines = python(box, source).stdout.splitlines()
    assert lines[0] == "0000000000000000 0000000000000000 1 2"
    assert lines[1] == "True True none"
    assert lines[2:5] == ["mem shut", "environ shut", "fd shut"]
    assert lines[5:] == ["1", "4"]


def test_a_line(box):
    channel = box.open(Job(("python", "-c", ECHO), limits=QUICK))
    channel.send(b"hello")
    assert channel.receive(100, 10) == b"olleh"
    with pytest.raises(TimeoutError):
        channel.receive(1, 0.1)
    big = os.urandom(3 << 20)
    channel.send(big)
    got = bytearray()
    while len(got) < len(big):
        part = channel.receive(1 << 20, 10)
        assert part
        got += part
    assert sorted(got) == sorted(big)
    result = channel.close()
    assert (result.ended, result.status) == ("signal", 9)
    assert channel.close() == result
    with pytest.raises(ChannelClosedError):
        channel.send(b"x")


def test_a_line_that_its_program_closes(box):
    source = "import os; os.write(3, b'ab'); os.close(3); import sys; print('out'); sys.exit(4)"
    channel = box.open(Job(("python", "-c", source), limits=QUICK))
    assert channel.receive(100, 10) == b"ab"
    assert channel.receive(100, 10) == b""
    deadline = time.monotonic() + 60
    while not (said := channel.printed()[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert said == "out\n"
    assert channel.finish().status == 4
    assert channel.close().status == 4


def test_an_interrupt_and_files_in_between(box):
    source = """
import os, time
open("half", "w").write("done")
try:
    os.write(3, b"ready")
    time.sleep(30)
except KeyboardInterrupt:
    os.write(3, b"interrupted")
"""
    channel = box.open(Job(("python", "-c", source), limits=QUICK))
    assert channel.receive(100, 10) == b"ready"
    assert channel.files() == {"half": b"done"}
    channel.interrupt()
    assert channel.receive(100, 10) == b"interrupted"
    assert channel.close().ended in ("exit", "signal")


def test_a_job_that_can_not_be(box):
    for job in (
        Job(("python",), net=("example.org",)),
        Job(("python",), files={"../x": b""}),
        Job(("sh",)),
        Job(("python",), files={"x": bytes(2 << 20)}, limits=Limits(workspace_mib=1)),
    ):
        with pytest.raises(UsageError):
            box.run(job)


@pytest.mark.slow
def test_closing_ends_what_runs(box, image):
    own = ContainerSandbox(image)
    channel = own.open(Job(("python", "-c", "import time; time.sleep(60)"), limits=QUICK))
    own.close()
    assert channel.close().ended == "signal"


def test_a_plan_has_linuxs_numbers():
    data = make_plan(Job(("python", "-c", "pass")), "/py", line=True)
    plan = marshal.loads(data)  # noqa: S302 - our own
    numbers = {which: soft for which, soft, _ in plan["limits"]}
    assert numbers[9] == 2048 << 20
    assert numbers[6] == 65
    assert numbers[7] == 256
    assert (plan["entry"], plan["line"]) == (["/py", "-c", "pass"], True)
