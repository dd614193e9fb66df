"""A program run in an interpreter that runs already, beside the same program run afresh."""

import subprocess
import sys

import pytest

from earnest.sandbox import program

LOADER = (
    "import importlib.util, os, sys\n"
    f"spec = importlib.util.spec_from_file_location('program', {program.__file__!r})\n"
    "found = importlib.util.module_from_spec(spec); spec.loader.exec_module(found)\n"
    "code = found.run_python(sys.argv[1:])\n"
    "sys.stdout.flush(); sys.stderr.flush(); os._exit(code & 0xFF)\n"
)
PROGRAMS = {
    "prints": "import sys; print(__name__, sys.argv)",
    "exits": "import sys; sys.exit(7)",
    "exits with words": "import sys; sys.exit('words')",
    "exits with none": "import sys; sys.exit()",
    "raises": "def f():\n    1 / 0\nf()",
    "does not compile": "x = (",
    "leaves late": "import atexit; atexit.register(print, 'late'); print('early')",
    "waits for its threads": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()"
    ),
    "is interrupted": "raise KeyboardInterrupt",
    "pickles its own": (
        "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)"
    ),
}


def run(words, folder):
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=folder)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("how", ["file", "text"])
def test_it_ends_as_python_ends_it(name, how, tmp_path):
    (tmp_path / "main.py").write_text(PROGRAMS[name])
    words = ["main.py", "a"] if how == "file" else ["-c", PROGRAMS[name], "a"]
    code, out, err = run(words, tmp_path)
    found = run(["-c", LOADER, *words], tmp_path)
    if name == "is interrupted":  # Python itself dies of the signal
        code = 130
    assert (found[0], found[1]) == (code, out)
    if name in ("raises", "exits with words", "does not compile"):
        last = err.strip().splitlines()[-1]
        assert found[2].strip().splitlines()[-1] == last
        assert "program.py" not in found[2]
    else:
        assert bool(found[2]) == bool(err)


def test_a_module_and_a_file_that_is_not_there(tmp_path):
    (tmp_path / "tool.py").write_text("import sys; print(__name__, sys.argv[1:])")
    assert run(["-c", LOADER, "-m", "tool", "x"], tmp_path)[1] == "__main__ ['x']\n"
    code, _, err = run(["-c", LOADER, "absent.py"], tmp_path)
    assert code == 2
    assert "absent.py" in err
