import importlib.util
import os
import time

import pytest

from earnest.core.errors import LackError
from earnest.core.jobs import DATA, WORK, Limits
from earnest.sandbox.sandlock import SandlockSandbox
from earnest.sandbox.selftest import selftest

from .conftest import Outer

# what sandlock.py says it lacks: a network of its own, metadata, counting of processes and of the
# workspace, descriptors that it leaves open, calls that it does not know
KNOWN = frozenset(
    (
        "asks_netlink",
        "calls_by_number_beyond_the_table",
        "fills_the_workspace",
        "leaves_descriptors",
        "leaves_zombies_without_end",
        "looks_for_inherited_descriptors",
        "moves_memory_between_nodes",
        "opens_strange_sockets",
        "reaches_for_ports_and_segments",
        "sends_to_every_descriptor",
        "starts_threads_without_end",
        "traces_and_reaches_into_processes",
        "watches_file_systems",
        "writes_to_its_data",
    )
)


@pytest.fixture(scope="module")
def fallback(image, outside):
    if importlib.util.find_spec("sandlock") is None:
        pytest.skip("sandlock is not installed")
    outer = Outer("user", "sandlock", image, [outside])
    yield outer
    outer.close()


@pytest.mark.slow
def test_nothing_gets_out_but_by_the_known_ways(image):
    if importlib.util.find_spec("sandlock") is None:
        pytest.skip("sandlock is not installed")
    report = selftest("sandlock", image.parent.parent)
    assert report["attacks"] >= 60
    assert set(report["escaped"]) <= KNOWN


def test_a_program_runs_and_its_files_come_back(fallback, outside):
    (outside / "fallback").mkdir()
    (outside / "fallback" / "t").write_text("table")
    result = fallback.python(
        f"import os, helper; print(os.getcwd(), helper.x, open('{DATA}/t').read())\n"
        "import numpy, pandas; open('o/out', 'w').write(numpy.__file__)",
        files={"helper.py": b"x = 5", "o/in": b""},
        ro_mounts={DATA: outside / "fallback"},
    )
    assert result.ok, result
    assert result.stdout == f"{WORK} 5 table\n"
    assert result.files["o/out"] == b"/earnest-jail/image/numpy/__init__.py"


def test_ends(fallback):
    assert fallback.python("raise SystemExit(7)").status == 7
    result = fallback.python("import os; os.abort()")
    assert (result.ended, result.status) == ("signal", 6)


def test_out_of_time_also_for_daemons(fallback):
    source = "import os, time\nfor _ in range(3):\n    if os.fork() == 0: os.setsid()\n"
    source += "print('up', flush=True); time.sleep(60)"
    start = time.monotonic()
    result = fallback.python(source, limits=Limits(wall_s=1))
    assert result.ended == "timeout"
    assert time.monotonic() - start < 30


def test_leftovers_end_with_the_program(fallback):
    source = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\nprint('over')"
    start = time.monotonic()
    assert fallback.python(source).stdout == "over\n"
    assert time.monotonic() - start < 30


def test_limits(fallback):
    big = fallback.python("bytearray(900 << 20); print(1)", limits=Limits(memory_mib=512))
    assert big.stdout == ""
    assert fallback.python("bytearray(100 << 20); print(1)", limits=Limits(memory_mib=512)).ok
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    result = fallback.python(bomb, limits=Limits(processes=16, wall_s=2))
    assert result.ended != "exit"
    result = fallback.python("print('x' * 99999)", limits=Limits(output_bytes=10))
    assert (result.stdout, result.truncated) == ("x" * 10, True)


def test_root_is_refused(image):
    if os.geteuid() != 0:
        pytest.skip("not root")
    with pytest.raises(LackError, match="root"):
        SandlockSandbox(image)
