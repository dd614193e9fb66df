"""Warm jails give what cold ones give, hold to the limits, and leave nothing behind.

What misbehaves here does so plainly: programs that attack run in the outer jail (test_hostile.py).
"""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from earnest.core.errors import EarnestError, SandboxError, UsageError
from earnest.core.jobs import DATA, WORK, Job, Limits
from earnest.sandbox import calls, worker
from earnest.sandbox import warm as warm_module
from earnest.sandbox.bwrap import BwrapSandbox
from earnest.sandbox.warm import SETS, WarmSandbox

from .conftest import Outer

PLAIN = Limits(wall_s=20.0, cpu_s=15, memory_mib=1024, workspace_mib=16)
BARE = {"bare": SETS["bare"], "numpy": SETS["numpy"]}


@pytest.fixture(scope="module")
def cold(image):
    return BwrapSandbox(image)


@pytest.fixture(scope="module")
def warm(image):
    sandbox = WarmSandbox(image, workers=2, sets=BARE)
    yield sandbox
    sandbox.close()


@pytest.fixture
def own(image):
    """One of the test's own, to break: a single zygote a pool."""
    sandbox = WarmSandbox(image, workers=1, sets={"bare": ("json",)})
    yield sandbox
    sandbox.close()


def job(source, **given):
    limits = given.pop("limits", PLAIN)
    files = {"main.py": source.encode(), **given.pop("files", {})}
    return Job(("python", "main.py"), files=files, limits=limits, **given)


def zygotes(sandbox):
    return [worker._process.pid for worker in sandbox._all]


SAME = {
    "nothing": "",
    "prints": "print('hello'); print('ü\\u4e16', end='')",
    "writes both": "import sys; print(1); print(2, file=sys.stderr)",
    "exit 0": "import sys; sys.exit()",
    "exit 7": "import sys; sys.exit(7)",
    "exit 256": "import sys; sys.exit(256)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit text": "import sys; sys.exit('a reason')",
    "exit tuple": "import sys; sys.exit((1, 2))",
    "exit false": "import sys; sys.exit(False)",
    "exit true": "import sys; sys.exit(True)",
    "exit none": "raise SystemExit(None)",
    "exit builtin": "exit(3)",
    "quit builtin": "quit()",
    "os._exit": "import os; print('lost', end=''); os._exit(4)",
    "in a function": "import sys\ndef f(): sys.exit(5)\nf()",
    "in a thread": "import sys, threading\nt = threading.Thread(target=sys.exit, args=(9,))\n"
    "t.start(); t.join()",
    "raises": "def f(x):\n    return 1 / x\n\nf(0)\n",
    "raises from": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('odd') from e\n",
    "raises a group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "raises its own": "class E(Exception):\n    def __str__(self): return 'mine'\nraise E",
    "raises BaseException": "raise BaseException('base')",
    "raises KeyboardInterrupt": "raise GeneratorExit('x')",
    "a note": "e = ValueError('x'); e.add_note('noted'); raise e",
    "does not compile": "x = = 1",
    "bad indentation": "if 1:\nprint(1)",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('hooked', a[0].__name__)\n1/0",
    "deep recursion": "def f(): f()\ntry:\n    f()\nexcept RecursionError as e:\n    print(e)",
    "standard input": "import sys; print(repr(sys.stdin.read()), sys.stdin.isatty())",
    "input()": "input()",
    "argv": "import sys; print(sys.argv, sys.orig_argv[1:] and 1)",
    "file and names": "print(__file__, __name__, __package__, __spec__, __doc__)",
    "names there": "print(sorted(n for n in globals() if n != '__cached__'))",
    "docstring": "'''A word.'''\nprint(__doc__)",
    "where": "import os, sys; print(os.getcwd(), sys.path[0], os.environ['HOME'])",
    "environment": "import os; print(sorted(os.environ.items()))",
    "flags": "import sys; print(sys.flags.hash_randomization, sys.dont_write_bytecode)",
    "hash seed": "print(hash('a word'), {'a', 'b', 'c', 'd'})",
    "modules beside": "import beside; print(beside.x, beside.__file__)",
    "a package beside": "from box.inner import y; print(y)",
    "main in modules": "import sys; print(sys.modules['__main__'].__dict__ is globals())",
    "pickles its own": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))",
    "subprocess": "import subprocess, sys\n"
    "print(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True).stdout)",
    "shell": "import os; print(os.system('exit 3'))",
    "fork": "import os\nif os.fork() == 0: os._exit(3)\n"
    "print(os.waitstatus_to_exitcode(os.wait()[1]))",
    "processes": "import multiprocessing as m\nif __name__ == '__main__':\n"
    "    q = m.get_context('fork').SimpleQueue()\n    p = m.get_context('fork').Process("
    "target=q.put, args=(5,)); p.start(); print(q.get()); p.join()",
    "threads that end late": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.3), print('late'))).start(); print('main')",
    "a daemon thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); print('over')",
    "atexit": "import atexit\natexit.register(print, 'bye'); atexit.register(print, 'first'); 1/0",
    "atexit on exit": "import atexit, sys\natexit.register(print, 'bye'); sys.exit(6)",
    "no newline": "import sys; sys.stdout.write('x' * 5000)",
    "closed output": "import os, sys; print(1, flush=True); os.close(1)",
    "bytes": "import os; os.write(1, b'\\xff\\x00a')",
    "asyncio": "import asyncio\nasync def f(): await asyncio.sleep(0); return 5\n"
    "print(asyncio.run(f()))",
    "warnings": "import warnings; warnings.warn('careful')",
    "a signal": "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('got'))\n"
    "signal.raise_signal(signal.SIGUSR1)",
    "signals": "import signal; print(signal.getsignal(2), signal.getsignal(13), "
    "signal.getsignal(15), signal.pthread_sigmask(0, []))",
    "files": "import os; os.makedirs('a/b'); open('a/b/c', 'w').write('x'); os.remove('beside.py')",
    "odd files": "import os\nos.symlink('/etc/passwd', 'l'); os.mkfifo('p')\n"
    "open('s', 'w').write('s'); os.chmod('s', 0); open(b'\\xff', 'w')",
    "temporary": "import tempfile; print(tempfile.gettempdir())\n"
    "open(tempfile.gettempdir() + '/x', 'w')",
    "umask": "import os; print(oct(os.umask(0)))",
    "who": "import os; print(os.getuid(), os.getgid(), os.getpid() > 0)",
    "closed": "import os\nfor fd in range(3, 64):\n    try: os.fstat(fd); print(fd)\n"
    "    except OSError: pass",
    "recursion limit": "import sys; print(sys.getrecursionlimit(), sys.getswitchinterval())",
    "time zone": "import time; print(time.tzname, time.localtime(0).tm_hour)",
    "locale": "import locale, sys; print(locale.getpreferredencoding(), sys.stdout.encoding)",
    "numpy": "import numpy as np; print(np.arange(5).mean(), np.geterr(), np.pi)",
    "no earnest": "import earnest",
    "gc": "import gc; print(gc.isenabled(), gc.get_threshold())",
    "garbage": "class A:\n    def __del__(self): print('gone')\na = A(); a.self = a; del a\n"
    "import gc; gc.collect()",
    "a generator left": "def g():\n    try: yield\n    finally: print('closed')\n"
    "x = g(); next(x); del x",
    "linecache": "import traceback\ntry:\n    1/0\nexcept ZeroDivisionError:\n"
    "    traceback.print_exc()",
    "inspect": "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P: x: int\nprint(P(1))",
    "utf-8 text": "# -*- coding: utf-8 -*-\nprint('žluť')",
    "latin text": "# -*- coding: latin-1 -*-\nprint(len('\u00e9'))",
}
BESIDE = {"beside.py": b"x = 5", "box/__init__.py": b"", "box/inner.py": b"y = 6", "t.txt": b"1\n"}


def told(result):
    return (result.ended, result.status, result.stdout, result.stderr, dict(result.files))


@pytest.mark.parametrize("name", SAME)
def test_a_program_has_the_result_of_a_cold_jail(warm, cold, name):
    asked = job(SAME[name], files=BESIDE)
    assert told(warm.run(asked)) == told(cold.run(asked))


ENTRIES = {
    "file with words": ("python", "main.py", "a", "-b", "ü"),
    "file in a folder": ("python", "box/run.py"),
    "file by its path": ("python", f"{WORK}/main.py"),
    "missing file": ("python", "nowhere.py"),
    "text": ("python", "-c", "import sys; print(sys.argv, sys.path[0] == '', __name__)", "x", "y"),
    "text that raises": ("python", "-c", "def f():\n    1/0\nf()"),
    "text that does not compile": ("python", "-c", "1 +"),
    "module": ("python", "-m", "box.run", "x"),
    "package": ("python", "-m", "box"),
    "module of the library": ("python", "-m", "json.tool", "t.txt"),
    "missing module": ("python", "-m", "nowhere"),
    "module that raises": ("python", "-m", "box.bad"),
    "version": ("python", "-V"),
    "other switches": ("python", "-I", "-c", "import sys; print(sys.flags.isolated)"),
    "unbuffered": ("python", "-u", "main.py"),
    "no words": ("python",),
    "a shell": ("/bin/sh", "-c", "echo $0 $1; echo e >&2; exit 3", "a", "b"),
    "a pipeline": ("/bin/sh", "-c", "trap '' PIPE; seq 100000 | head -1; pwd; ls -A"),
    "cat": ("/bin/cat", "t.txt"),
    "nothing there": ("/nothing",),
    "not a program": (f"{WORK}/t.txt",),
    "a folder": (WORK,),
}
RUN = b"import sys, os; print(sys.argv[1:], os.path.basename(sys.argv[0]), __name__)"


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_started_as_in_a_cold_jail(warm, cold, name):
    files = {**BESIDE, "main.py": RUN, "box/run.py": RUN, "box/bad.py": b"1/0"}
    asked = Job(ENTRIES[name], files=files, limits=PLAIN)
    assert told(warm.run(asked)) == told(cold.run(asked))


def test_large_files_go_in_and_out(warm):
    data = os.urandom(1 << 20) * 40
    source = "open('b', 'wb').write(open('a', 'rb').read()[::-1])"
    limits = Limits(wall_s=20, workspace_mib=128)
    result = warm.run(job(source, files={"a": data}, limits=limits))
    assert result.ok, result
    assert result.files["b"] == data[::-1]


def test_no_two_jobs_draw_the_same_numbers(warm):
    sources = ["import random; print(random.random())"]
    sources += ["import numpy; print(numpy.random.rand())", "import uuid; print(uuid.uuid4())"]
    for source in sources:
        drawn = [warm.run(job(source)).stdout for _ in range(8)]
        assert len(set(drawn)) == 8, (source, drawn)
    seeded = "import random, numpy; random.seed(1); numpy.random.seed(1)\n"
    seeded += "print(random.random(), numpy.random.rand())"
    assert len({warm.run(job(seeded)).stdout for _ in range(4)}) == 1


def test_a_folder_is_shown_read_only(warm, tmp_path):
    (tmp_path / "deep/empty").mkdir(parents=True)
    (tmp_path / "deep/t.csv").write_text("a\n1\n")
    (tmp_path / "deep/t.csv").chmod(0o600)
    (tmp_path / "link").symlink_to("/etc/passwd")
    source = f"""
import os
print(repr(open('{DATA}/x/deep/t.csv').read()), os.listdir('{DATA}/x/deep/empty'))
print(sorted(os.listdir('{DATA}/x')), sorted(os.listdir('{DATA}')))
for action in (lambda: open('{DATA}/x/deep/t.csv', 'a'), lambda: open('{DATA}/new', 'w'),
               lambda: os.remove('{DATA}/x/deep/t.csv'), lambda: os.mkdir('{DATA}/x/y')):
    try: action()
    except OSError as error: print(error.errno)
"""
    for _ in range(2):
        lines = warm.run(job(source, ro_mounts={f"{DATA}/x": tmp_path})).stdout.splitlines()
        assert lines == ["'a\\n1\\n' []", "['deep'] ['x']", "30", "30", "30", "30"]
    empty = warm.run(job(f"import os; print(os.listdir('{DATA}'))"))
    assert empty.stdout == "[]\n"


def test_a_folder_too_large_to_copy_is_shown_by_a_cold_jail(warm, tmp_path, monkeypatch):
    (tmp_path / "t").write_bytes(b"x" * 1000)
    asked = job(f"import os; print(os.getpid(), len(open('{DATA}/t').read()))")
    asked = Job(asked.entry, asked.files, {DATA: tmp_path}, limits=PLAIN)
    assert warm.run(asked).stdout == "1 1000\n"
    monkeypatch.setattr(warm_module.wire, "MOST_DATA", 999)
    assert warm.run(asked).stdout == "2 1000\n"


def test_a_set_is_chosen_by_what_a_program_names(image, warm):
    named = {
        "": "bare",
        "import json": "bare",
        "import numpy": "numpy",
        "from numpy import linalg": "numpy",
        "x = 'numpyish'": "bare",
    }
    for source, name in named.items():
        assert warm._set_for(job(source)) == name, source
        assert warm._set_for(Job(("python", "-c", source))) == name, source
    assert warm._set_for(job("import beside", files={"beside.py": b"import numpy"})) == "numpy"
    assert warm._set_for(Job(("/bin/sh", "-c", "import numpy"))) == "bare"
    every = WarmSandbox(image)
    sources = {"import pandas, numpy": "pandas", "import scipy": "science"}
    if (image / "pytest").exists():
        sources |= {"import pytest": "pytest", "import pytest, pandas": "pandas"}
        assert every._set_for(Job(("python", "-m", "pytest", "tests"))) == "pytest"
        assert every._set_for(Job(("python", "-m", "json", "pytest"))) == "bare"
    if (image / "sklearn").exists():
        sources["from sklearn.svm import SVC"] = "learning"
    for source, name in sources.items():
        assert every._set_for(job(source)) == name
    every.close()


def test_a_forest_grows_in_a_warm_jail(image):
    if not (image / "sklearn").exists():
        pytest.skip("scikit-learn is not in the image")
    source = """
import sys; print("sklearn.ensemble" in sys.modules)
import numpy as np
from sklearn.ensemble import RandomForestRegressor
x = np.arange(60.0)[:, None]
print(RandomForestRegressor(5, random_state=0).fit(x, x[:, 0]).score(x, x[:, 0]) > 0.9)
"""
    with contextlib.closing(WarmSandbox(image, workers=1)) as sandbox:
        assert told(sandbox.run(job(source)))[2] == "True\nTrue\n"


def test_what_is_named_is_there_already(warm):
    source = "import sys; print('numpy' in sys.modules)  # numpy"
    assert warm.run(job(source)).stdout == "True\n"
    assert warm.run(job("import sys; print('num' 'py' in sys.modules)")).stdout == "False\n"


IN_PLACE = {
    "a module": ({"json.py": b"x = 5"}, ("main.py",)),
    "a package": ({"json/__init__.py": b"x = 5"}, ("main.py",)),
    "beside a text": ({"json.py": b"x = 5"}, ("-c", "import json; print(json.x)")),
    "beside a module": ({"json.py": b"x = 5"}, ("-m", "main")),
    "in a folder put first": ({"a/json.py": b"import sys; x = 5"}, ("first.py",)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_file_takes_the_place_of_an_imported_module(warm, cold, name):
    """As it does where Python starts afresh; without a rule for it the zygote's would be used."""
    files, words = IN_PLACE[name]
    files |= {"main.py": b"import json; print(json.x)"}
    files |= {"first.py": b"import sys; sys.path.insert(0, 'a')\nimport json; print(json.x)"}
    asked = Job(("python", *words), files=files, limits=PLAIN)
    assert told(warm.run(asked)) == told(cold.run(asked))
    assert warm.run(asked).stdout == "5\n"


def test_files_that_no_import_would_find_cost_nothing(warm):
    files = {"json.txt": b"", "json/data.csv": b"", "a/x.json": b"", "other.py": b""}
    source = "import sys; print('random' in sys.modules)"
    assert warm.run(job(source, files=files)).stdout == "True\n"
    assert warm.run(job(source, files={"json.py": b""})).stdout == "False\n"


LOOKED_AT = """
import faulthandler, gc, logging, os, signal, sys, threading, warnings

def look():
    print([type(x).__name__ for x in sys.meta_path], sys.argv, sys.path[:3], os.environ)
    print([(f[0], str(f[1]), f[2].__name__, str(f[3]), f[4]) for f in warnings.filters])
    print([signal.getsignal(n) for n in (2, 11, 13, 15)], threading.active_count())
    print(logging.root.handlers, logging.root.level, faulthandler.is_enabled(), gc.get_threshold())
    print([n for n in dir(sys) if n.startswith("last_")], sys.excepthook.__module__)
    print(sorted(os.listdir("/proc/self/fd")), sorted(vars(sys.modules["__main__"])), sys.stdin)
    print(sorted(n for n in sys.modules if n.partition(".")[0] in MODULES))

MODULES = {"_pytest", "pytest", "pluggy", "iniconfig", "unittest", "doctest", "difflib", "xml"}
look()
MODULES |= {"cmd", "code", "codeop", "pdb"}  # pytest imports them after conftest.py
"""
LOOKS = "import conftest\n\ndef test_a():\n    conftest.look()\n    assert [1] == [2]\n"
LOOKS += "\ndef test_b(tmp_path, caplog, monkeypatch, capsys):\n    import doctest, unittest.mock\n"


def test_pytest_is_in_a_warm_jail_as_it_is_in_a_cold_one(image, cold):
    if not (image / "pytest").exists():
        pytest.skip("pytest is not in the image")
    files = {"conftest.py": LOOKED_AT.encode(), "tests/test_x.py": LOOKS.encode()}
    asked = Job(("python", "-m", "pytest", "-rA", "-q", "tests"), files=files, limits=PLAIN)
    with contextlib.closing(WarmSandbox(image, workers=1)) as sandbox:
        found = [[box.run(asked) for _ in range(2)][1] for box in (sandbox, cold)]
        there = sandbox.run(Job(asked.entry, {"tests/test_x.py": PRELOADED.encode()}, limits=PLAIN))
    said = [re.sub(r"0x[0-9a-f]+|in [0-9.]+s", "", one.stdout) for one in found]
    assert "1 failed, 1 passed" in said[0]
    assert said[0] == said[1]
    assert there.ok, there.stdout


PRELOADED = "import sys\n\ndef test_a():\n    assert 'ctypes' in sys.modules\n"
"""What only a zygote has: without it, two cold jails were compared."""


def test_what_imports_print_is_no_jobs_output(image, tmp_path):
    sandbox = WarmSandbox(image, workers=1, sets={"odd": ("this",)})
    try:
        assert told(sandbox.run(job("print(1)")))[2:4] == ("1\n", "")
    finally:
        sandbox.close()


# limits


def test_out_of_time(warm):
    source = "open('kept', 'w').write('x')\nprint('said', flush=True)\nimport time; time.sleep(60)"
    result = warm.run(job(source, limits=Limits(wall_s=0.6)))
    assert (result.ended, result.status, result.stdout) == ("timeout", -1, "said\n")
    assert result.files["kept"] == b"x"
    assert 0.6 <= result.wall_s < 20


def test_out_of_processor_time(warm):
    result = warm.run(job("while True: pass", limits=Limits(wall_s=20, cpu_s=1)))
    assert result.ended == "timeout"
    assert result.wall_s < 15


def test_the_deaf_end_too(warm):
    source = """
import os, signal, time
for n in range(1, 32):
    try: signal.signal(n, signal.SIG_IGN)
    except OSError: pass
for _ in range(3):
    if os.fork() == 0: os.setsid()
while True: time.sleep(1)
"""
    result = warm.run(job(source, limits=Limits(wall_s=0.7)))
    assert result.ended == "timeout"
    assert result.wall_s < 20


def test_leftovers_end_with_the_program(warm):
    source = (
        "import os, time\nif os.fork() == 0:\n  os.setsid(); time.sleep(9); open('late', 'w')\n"
    )
    source += "  time.sleep(60)\nprint('over')"
    result = warm.run(job(source))
    assert (result.ok, result.stdout) == (True, "over\n")
    assert result.wall_s < 9
    assert "late" not in result.files


def test_memory_of_a_process(warm):
    source = "x = bytearray({} << 20); print('got it')"
    limits = Limits(memory_mib=256, wall_s=20)
    assert warm.run(job(source.format(200), limits=limits)).ok
    result = warm.run(job(source.format(300), limits=limits))
    assert "MemoryError" in result.stderr
    assert result.status == 1


MANY = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        x = bytearray(b'x') * ({} << 20); time.sleep(30); os._exit(0)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4)))
"""


def test_memory_of_all_processes_together(warm):
    limits = Limits(memory_mib=128, workspace_mib=1, wall_s=20)
    assert warm.run(job(MANY.replace("sleep(30)", "sleep(0.3)").format(20), limits=limits)).ok
    result = warm.run(job(MANY.format(100), limits=limits))
    assert not result.ok or "-9" in result.stdout  # the kernel ends some of them, or we all
    assert warm.run(job("print(1)")).stdout == "1\n"


def test_memory_is_sampled_where_there_is_no_control_group(image, monkeypatch):
    monkeypatch.setattr("earnest.sandbox.cgroup._candidates", list)
    sandbox = WarmSandbox(image, workers=1, sets={"bare": ("json",)})
    limits = Limits(memory_mib=128, workspace_mib=1, wall_s=20)
    try:
        result = sandbox.run(job(MANY.format(100), limits=limits))
        assert (result.ended, result.wall_s < 20) == ("too-much", True)
        assert "memory" in result.stderr
        fits = job(MANY.replace("sleep(30)", "sleep(0.3)").format(20), limits=limits)
        assert sandbox.run(fits).ok
    finally:
        sandbox.close()


def test_number_of_processes(warm):
    source = """
import os, time
count = 0
try:
    while count < 40:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        count += 1
except OSError:
    pass
print(count)
"""
    few = warm.run(job(source, limits=Limits(processes=10, wall_s=20)))
    many = warm.run(job(source, limits=Limits(processes=64, wall_s=20)))
    assert int(few.stdout) in (9, 10)
    assert many.stdout == "40\n"


def test_a_fork_bomb_ends(warm):
    source = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    result = warm.run(job(source, limits=Limits(processes=32, wall_s=1.0)))
    assert result.ended == "timeout"
    assert warm.run(job("print(1)")).ok


def test_the_workspace_is_limited_in_size_and_in_files(warm):
    source = """
made = 0
try:
    for n in range(10000):
        with open(f'f{n}', 'wb') as file: file.write(bytes(BYTES))
        made += 1
except OSError as error:
    print(error.errno, made)
"""
    limits = Limits(workspace_mib=8, workspace_files=100, wall_s=20)
    errno, made = map(
        int, warm.run(job(source.replace("BYTES", "1"), limits=limits)).stdout.split()
    )
    assert (errno, made) == (28, 99)
    limits = Limits(workspace_mib=8, workspace_files=1000, wall_s=20)
    result = warm.run(job(source.replace("BYTES", "1 << 20"), limits=limits))
    errno, made = map(int, result.stdout.split())
    assert (errno, made) in ((28, 7), (28, 8))
    assert warm.run(job("print(open('main.py').read(1))")).ok


def test_a_file_output_and_open_files_are_limited(warm):
    source = "import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    source += "try: os.truncate(os.open('b', 66), 1 << 40)\nexcept OSError as e: print(e.errno)"
    assert warm.run(job(source)).stdout == "27\n"
    result = warm.run(job("print('x' * 1000000)", limits=Limits(output_bytes=1000, wall_s=20)))
    assert (result.ok, result.stdout, result.truncated) == (True, "x" * 1000, True)
    source = "f = []\ntry:\n while len(f) < 100: f.append(open('main.py'))\nexcept OSError: pass\n"
    source += "print(len(f))"
    assert 5 < int(warm.run(job(source, limits=Limits(open_files=20))).stdout) < 20


def test_no_limit_outlives_its_job(warm):
    tight = Limits(wall_s=5, cpu_s=2, memory_mib=64, processes=2, open_files=12, workspace_mib=1)
    for _ in range(4):
        assert warm.run(job("print(1)", limits=tight)).stdout == "1\n"
    source = "import os\nheld = [open('main.py') for _ in range(100)]\nx = bytearray(300 << 20)\n"
    source += "if os.fork() == 0: os._exit(0)\nopen('x', 'wb').write(bytes(8 << 20)); print(2)"
    for _ in range(4):
        assert warm.run(job(source, limits=Limits(wall_s=20))).stdout == "2\n"


@pytest.mark.parametrize(
    "wrong",
    [
        Job(("sh",)),
        Job(("python", "x"), files={"../x": b""}),
        Job(("python", "x"), ro_mounts={"/etc": Path("/")}),
        Job(("python", "x"), files={"a": bytes(2 << 20)}, limits=Limits(workspace_mib=1)),
    ],
)
def test_what_can_not_be_is_refused_and_costs_nobody_a_place(warm, wrong):
    for _ in range(5):
        with pytest.raises(UsageError):
            warm.run(wrong)
    assert warm.run(job("print(1)")).stdout == "1\n"


def test_files_that_can_not_be_laid_out_are_said(warm):
    clash = Job(("python", "a"), files={"a": b"1", "a/b": b"2"}, limits=PLAIN)
    result = warm.run(clash)
    assert (result.ended, result.status) == ("too-much", -1)
    assert "a/b" in result.stderr
    assert warm.run(job("print(1)")).stdout == "1\n"


# zygotes that fail


@pytest.mark.parametrize("which", ["its process 1", "bubblewrap"])
def test_a_zygote_that_died_is_replaced(own, which):
    assert own.run(job("print(1)")).stdout == "1\n"
    for _ in range(3):
        (worker,) = own._all or [None]
        if worker:
            os.kill(worker._process.pid if which == "bubblewrap" else inner(worker), 9)
        result = own.run(job("print(2)"))
        assert (result.ok, result.stdout) == (True, "2\n")
    assert len(own._all) <= 1


def children(process):
    return [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def inner(worker):
    """The process id, out here, of a zygote's process 1."""
    process = worker._process.pid
    while True:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if b"bwrap" not in words[0] and b"launch" not in b"".join(words[:6]):
            return process
        (process,) = children(process)


def test_a_zygote_killed_while_it_runs_a_job_is_replaced_and_the_job_run_anew(own):
    own.run(job("print(1)"))
    (worker,) = own._all
    threading.Timer(0.5, lambda: os.kill(inner(worker), 9)).start()
    result = own.run(job("import time; time.sleep(4); print('done')"))
    assert (result.ok, result.stdout) == (True, "done\n")
    assert worker not in own._all


def test_a_zygote_that_is_stopped_is_replaced(own, monkeypatch):
    monkeypatch.setattr("earnest.sandbox.running._DIE_S", 0.3)
    own.run(job("print(1)"))
    (worker,) = own._all
    first = inner(worker)
    os.kill(first, 19)
    start = time.monotonic()
    result = own.run(job("print(2)", limits=Limits(wall_s=1.0)))
    assert (result.ok, result.stdout) == (True, "2\n")
    assert time.monotonic() - start < 30
    assert worker not in own._all
    assert not Path(f"/proc/{worker._process.pid}").exists()
    with contextlib.suppress(FileNotFoundError):  # dead, if perhaps not buried yet
        state = Path(f"/proc/{first}/status").read_text().partition("State:\t")[2][0]
        assert state in "ZX"


def test_a_zygote_with_something_unread_is_dropped(own):
    own.run(job("print(1)"))
    (worker,) = own._all
    assert worker.idle()
    asked = job("print(2)", files={"a": bytes(100_000)}, limits=Limits(wall_s=0.0, workspace_mib=1))
    for _ in range(5):  # ended before it was read: what is left must not meet the next one
        own.run(asked)
        assert own.run(job("print(3)")).stdout == "3\n"


def test_a_word_that_comes_too_late_is_not_for_the_next_job(own):
    own.run(job("print(1)"))
    (worker,) = own._all
    for word in (b"K", b"I", b"W", b"T"):
        worker._tell(word, worker._number, 0)
    time.sleep(0.2)
    for _ in range(3):
        assert own.run(job("import time; time.sleep(0.1); print(2)")).stdout == "2\n"
    assert own._all == {worker}


def test_a_job_that_ends_as_its_time_does(own):
    limits = Limits(wall_s=0.05)
    ends = Counter(
        own.run(job(f"import time; time.sleep({n / 1000})", limits=limits)).ended
        for n in range(20, 50)
    )
    assert set(ends) <= {"exit", "timeout"}
    assert own.run(job("print(2)")).stdout == "2\n"


def test_pools_do_not_mix(own):
    source = "open('/proc/self/status').read(); print(1)"
    for pool in ("agent", "verify", "agent"):
        assert own.run(job(source, pool=pool)).stdout == "1\n"
    agent, verify = (own._free[pool, "bare"] for pool in ("agent", "verify"))
    assert (len(agent), len(verify)) == (1, 1)
    assert not set(agent) & set(verify)
    numbers = agent[0]._number, verify[0]._number
    assert numbers == (2, 1)


# many at once


def test_more_threads_than_workers(warm):
    found = {}

    def one(number):
        found[number] = warm.run(job(f"print({number})")).stdout

    threads = [threading.Thread(target=one, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"{n}\n" for n in range(24)}
    assert len(warm._free["agent", "bare"]) <= 2


def test_jobs_run_side_by_side(warm):
    source = "import time; print(time.monotonic()); time.sleep(2); print(time.monotonic())"
    results = []

    def one():
        results.append([float(line) for line in warm.run(job(source)).stdout.split()])

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (_, ended), (began, _) = sorted(results)
    assert began < ended


def test_a_long_talk_keeps_nobody_waiting(own):
    talks = [
        own.open(job("open('/proc/self/fd/3'); import time; time.sleep(60)")) for _ in range(2)
    ]
    assert own.run(job("print(1)", limits=Limits(wall_s=40))).stdout == "1\n"
    for channel in talks:
        assert channel.close().ended in ("signal", "exit")
    assert own.run(job("print(1)")).stdout == "1\n"
    assert len(own._all) == 1


def test_close_ends_jobs_that_run(image):
    sandbox = WarmSandbox(image, workers=2, sets={"bare": ("json",)})
    outcomes = []

    def one():
        try:
            outcomes.append(sandbox.run(job("import time; time.sleep(30)")))
        except EarnestError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    start = time.monotonic()
    sandbox.close()
    for thread in threads:
        thread.join(60)
    assert time.monotonic() - start < 20
    assert len(outcomes) == 3
    assert not any(getattr(outcome, "ok", False) for outcome in outcomes)
    with pytest.raises(SandboxError, match="closed"):
        sandbox.run(job("print(1)"))
    sandbox.close()


# nothing left


def state():
    groups = [
        p for p in Path("/sys/fs/cgroup").glob("**/earnest-*") if f"-{os.getpid()}-" in p.name
    ]
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "children": len(children(os.getpid())),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "groups": len(groups),
        "threads": threading.active_count(),
    }


def test_nothing_is_left(image):
    before = state()
    sandbox = WarmSandbox(image, workers=2, sets={"bare": ("json",)})
    sandbox.run(job("print(1)"))
    warmed = state()
    assert warmed["descriptors"] > before["descriptors"]  # the count can rise
    for source in ("print(1)", "1/0", "import os; os.fork()", "import time; time.sleep(9)"):
        for _ in range(5):
            sandbox.run(job(source, limits=Limits(wall_s=0.2)))
    with pytest.raises(UsageError):
        sandbox.run(Job(("sh",)))
    sandbox.open(job("import time; time.sleep(9)")).close()
    assert all(count <= warmed[what] for what, count in state().items()), (state(), warmed)
    sandbox.close()
    assert state() == before


SUPERVISOR = """
import os, sys, threading, time
from pathlib import Path
from earnest.core.jobs import Job, Limits
from earnest.sandbox.warm import WarmSandbox
sandbox = WarmSandbox(Path(sys.argv[1]), workers=1, sets={"bare": ("json",)})
source = "import os, time\\nfor _ in range(3): os.fork()\\nos.setsid() if os.getpid() > 1 else 0\\n"
long = Job(("python", "-c", source + "time.sleep(300)", sys.argv[2]))
channel = sandbox.open(Job(("python", "-c", "import time; time.sleep(300)", sys.argv[2])))
threading.Thread(target=sandbox.run, args=(long,), daemon=True).start()
while len(sandbox._all) < 2: time.sleep(0.05)
sandbox.run(Job(("python", "-c", "print(1)"), pool="verify"))
print(*[worker._process.pid for worker in sandbox._all], flush=True)
sys.stdin.read()
"""


def session(process):
    """All processes below one, and itself."""
    found = [process]
    for member in found:
        try:
            found += children(member)
        except OSError:
            continue
    return found


def test_a_supervisor_that_is_killed_leaves_no_process(image, tmp_path):
    words = [sys.executable, "-c", SUPERVISOR, str(image), str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervisor:
        workers = [int(word) for word in supervisor.stdout.readline().split()]
        assert len(workers) == 3
        alive, over = [], time.monotonic() + 60
        while len(alive) <= 12:
            assert time.monotonic() < over, alive
            time.sleep(0.05)
            alive = [member for worker in workers for member in session(worker)]
        supervisor.kill()
    over = time.monotonic() + 60
    while left := [p for p in alive if Path(f"/proc/{p}/exe").exists()]:
        assert time.monotonic() < over, left
        time.sleep(0.05)


def test_a_fork_of_the_supervisor_may_not_use_it(own):
    own.run(job("print(1)"))
    if (child := os.fork()) == 0:
        try:
            own.run(job("print(1)"))
        except SandboxError:
            own.close()  # which must not end what is not its own
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert own.run(job("print(2)")).stdout == "2\n"
    assert len(own._all) == 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["root", "user"] if os.geteuid() == 0 else ["user"])
def test_within_an_outer_jail_as_root_and_as_a_user(image, outside, cold, mode):
    outer = Outer(mode, "warm", image, [outside])
    try:
        for name, source in SAME.items():
            asked = job(source, files=BESIDE)
            assert told(outer.run(asked)) == told(cold.run(asked)), name
        limited = job(MANY.format(100), limits=Limits(memory_mib=128, wall_s=20))
        assert outer.run(limited).ended == "too-much"
        assert (
            outer.run(job("import time; time.sleep(9)", limits=Limits(wall_s=0.5))).ended
            == "timeout"
        )
        assert outer.run(job("print(1)")).stdout == "1\n"
    finally:
        outer.close()


def test_an_empty_folder_is_there(warm, tmp_path):
    (tmp_path / "inner").mkdir()
    program = f"import os; print(os.listdir({DATA!r}), os.listdir({DATA + '/inner'!r}))"
    result = warm.run(Job(("python", "-c", program), ro_mounts={DATA: tmp_path}))
    assert result.stdout == "['inner'] []\n"


STATUS = """
for line in open('/proc/self/status'):
    if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp')): print(*line.split())
"""


@pytest.mark.parametrize("brings", [True, False])
def test_a_job_may_nothing_whichever_way_it_came_through_the_gate(warm, brings):
    plain = Job(("python", "-c", STATUS), limits=PLAIN, collect=False)
    result = warm.run(job(STATUS) if brings else plain)
    facts = dict(line.split() for line in result.stdout.splitlines())
    capabilities = {name: value for name, value in facts.items() if name.startswith("Cap")}
    assert set(capabilities) == {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"}
    assert {int(value, 16) for value in capabilities.values()} == {0}
    assert (facts["NoNewPrivs:"], facts["Seccomp:"], facts["Seccomp_filters:"]) == ("1", "2", "2")


def test_the_loop_makes_the_same_jails_as_the_machine_code(image, monkeypatch):
    """What a processor without machine code of ours gets."""
    code = compile(
        Path(calls.__file__).read_text().replace('!= "x86_64"', '!= "another"'), "calls.py", "exec"
    )
    monkeypatch.setattr(worker, "_CODE", {**worker._CODE, "calls": code})
    with contextlib.closing(WarmSandbox(image, workers=1, sets={"bare": ("json",)})) as sandbox:
        for _ in range(3):
            plain = Job(("python", "-c", STATUS), limits=PLAIN, collect=False)
            facts = dict(line.split() for line in sandbox.run(plain).stdout.splitlines())
            assert (facts["CapBnd:"].strip("0"), facts["Seccomp:"]) == ("", "2")
            assert sandbox.run(job("open('a', 'w').write('b')")).files["a"] == b"b"
