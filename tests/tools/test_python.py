from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from earnest.agent.replay import logged_calls
from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError, LackError, ToolError
from earnest.core.events import read_events
from earnest.core.home import Home
from earnest.core.jobs import DATA, Job
from earnest.core.messages import Observation, ToolCall
from earnest.core.protocols import Sandbox
from earnest.sandbox.bwrap import BwrapSandbox
from earnest.sandbox.choose import BACKENDS
from earnest.sandbox.unsafe import UnsafeLocal
from earnest.tools.python import PythonTool, tail
from earnest.tools.workspace import Workspace

Made = Callable[..., PythonTool]
Log = list[tuple[ToolCall, Observation]]


class Lineless(BwrapSandbox):
    """A sandbox that keeps no lines to its jails, as sandlock."""

    lines = False

    def open(self, job: Job) -> NoReturn:
        raise LackError(f"no line to {job.entry[:1]}")


@pytest.fixture
def make(home: Home, visible: Path, tmp_path: Path) -> Iterator[Callable[..., PythonTool]]:
    """Makes tools on one workspace: each stands for what a resumed run begins with."""
    made: list[PythonTool] = []

    def one(sandbox: Sandbox, earlier: Sequence[tuple[ToolCall, Observation]] = ()) -> PythonTool:
        workspace = Workspace(tmp_path / "w")
        made.append(PythonTool(sandbox, workspace, visible, home.blobs, earlier))
        return made[-1]

    yield one
    for tool in made:
        tool.close()


@pytest.fixture
def python(make: Made, sandbox: Sandbox) -> PythonTool:
    if not getattr(sandbox, "lines", True):
        pytest.skip(f"{sandbox.name} keeps no line to its jails")
    return make(sandbox)


def call(tool: PythonTool, log: Log, code: str, **more: Any) -> Observation:
    """Make a call and record it, as a run's log does."""
    arguments = {"code": code, **more}
    observation = tool.call(arguments)
    log.append((ToolCall(id="c", name="python", arguments=arguments), observation))
    return observation


def test_files_and_variables_persist(python: PythonTool) -> None:
    first = python.call({"code": "x = 1\nopen('kept.txt', 'w').write('seven')\nprint('hello')"})
    assert not first.failed
    assert first.content.startswith("done, ")
    assert "files written: kept.txt (5 bytes)" in first.content
    assert first.content.endswith("stdout:\nhello\n")
    assert python.call({"code": "print(open('kept.txt').read(), x)"}).content.endswith("seven 1\n")
    assert list(python.workspace.sizes()) == ["kept.txt"]
    assert "removed: kept.txt" in python.call({"code": "import os; os.remove('kept.txt')"}).content
    assert python.workspace.sizes() == {}
    assert "So do variables" in python.spec.description


def test_files_written_between_calls_are_there(python: PythonTool) -> None:
    python.workspace.write("helper.py", b"seven = 7\n")
    assert python.call({"code": "import helper; print(helper.seven)"}).content.endswith("7\n")
    python.workspace.write("late.txt", b"late")
    python.workspace.remove("helper.py")
    code = "import glob\nglob.glob('*'), open('late.txt').read()"
    assert python.call({"code": code}).content.endswith("(['late.txt'], 'late')\n")
    assert list(python.workspace.sizes()) == ["late.txt"]


def test_the_data_can_be_read_and_not_written(python: PythonTool) -> None:
    code = f"print(open('{DATA}/trees.csv').readline())"
    assert "wood,height,age,name" in python.call({"code": code}).content
    assert python.call({"code": f"open('{DATA}/trees.csv', 'a').write('x')"}).failed
    assert python.call({"code": f"open('{DATA}/new', 'w')"}).failed


def test_how_a_call_ended_is_told(python: PythonTool) -> None:
    wrong = python.call({"code": "x = 3\n1/0"})
    assert wrong.failed
    assert wrong.content.startswith("ended by an exception, ")
    assert "ZeroDivisionError" in wrong.content
    left = python.call({"code": "raise SystemExit(2)"})
    assert left.failed
    assert left.content.startswith("exit status 2, ")
    assert not python.call({"code": "raise SystemExit"}).failed
    slow = python.call({"code": "import time\nprint('on')\ntime.sleep(60)", "timeout_s": 0.5})
    assert slow.failed
    assert slow.content.startswith("interrupted: it ran longer than 0.5 s, ")
    assert "stdout:\non\n" in slow.content
    assert python.call({"code": "x"}).content.endswith("stdout:\n3\n")


def test_lost_variables_are_told(python: PythonTool) -> None:
    python.workspace.write("there", b"1")
    dead = python.call({"code": "open('new', 'w').write('2')\nimport os\nos._exit(3)"})
    assert dead.failed
    assert dead.content.startswith("exit status 3, ")
    assert "the variables are lost: the next call starts with none" in dead.content
    assert python.workspace.contents() == {"there": b"1", "new": b"2"}
    after = python.call({"code": "import glob\nsorted(glob.glob('*'))"})
    assert "lost" not in after.content
    assert after.content.endswith("['new', 'there']\n")
    quiet = "import os, threading\nthreading.Timer(1.0, lambda: os._exit(5)).start()"
    python.call({"code": quiet})
    assert python.session._line.receive(1, 60) == b""
    after = python.call({"code": "1"})
    assert "the variables of earlier calls are lost: between the calls" in after.content
    assert "exit status 5" in after.content


def test_a_long_output_is_cut_at_its_front(python: PythonTool) -> None:
    found = python.call({"code": "print('x' * 30000); print('the end')"})
    assert "characters left out" in found.content
    assert found.content.endswith("the end\n")
    assert len(found.content) < 13_000
    assert tail("abc", 3) == "abc"
    assert "longer than the sandbox keeps" in python.call({"code": "print('x' * 99999)"}).content


def test_wrong_arguments_are_told(python: PythonTool) -> None:
    for arguments in ({}, {"code": 1}, {"code": "", "timeout_s": 1e9}, {"code": "", "x": 1}):
        with pytest.raises(ToolError):
            python.call(arguments)


def test_without_lines_each_call_is_a_process(make: Made, image: Path, sandbox: Sandbox) -> None:
    if sandbox.name == "sandlock":
        lineless: Sandbox = sandbox
    else:
        lineless = Lineless(image)
    log: Log = []
    tool = make(lineless)
    assert "each call is a new process" in tool.spec.description
    first = call(tool, log, "x = 1\nopen('f', 'w').write('1')")
    assert first.content.startswith("exit status 0, ")
    assert call(tool, log, "x").failed
    tool.workspace.write("f", b"2")
    assert call(tool, log, "print(open('f').read())").content.endswith("2\n")
    assert call(tool, log, "import time; time.sleep(9)", timeout_s=0.5).content.startswith("killed")
    assert list(tool.workspace.sizes()) == ["f"]
    if sandbox is not lineless:  # resumed where there are lines: there is nothing to get back
        again = make(sandbox, log).call({"code": "x"})
        assert "NameError" in again.content
        assert "earlier call" not in again.content


# a resumed run


def test_a_resumed_run_has_its_variables(python: PythonTool, make: Made) -> None:
    log: Log = []
    call(python, log, "import os, glob\nx = [1]\ndef add(n):\n    x.append(n)\n    return len(x)")
    python.workspace.write("a.txt", b"first")
    python.workspace.write("gone.txt", b"")
    call(python, log, "text = open('a.txt').read()\nopen('b.txt', 'a').write(text)\nadd(2)")
    python.workspace.write("a.txt", b"second")
    python.workspace.remove("gone.txt")
    call(python, log, "seen = sorted(glob.glob('*'))\nx.append(3)\n1/0")
    call(python, log, "os.remove('b.txt')\nx.append(text)\nraise SystemExit(6)")
    python.close()
    resumed = make(python.sandbox, log)
    resumed.workspace.write("new.txt", b"host")
    found = call(resumed, log, "add(4), x, sorted(glob.glob('*')), open('a.txt').read()")
    said = "(5, [1, 2, 3, 'first', 4], ['a.txt', 'new.txt'], 'second')\n"
    assert found.content.endswith(f"stdout:\n{said}")
    assert "earlier call" not in found.content
    assert resumed.workspace.contents() == {"a.txt": b"second", "new.txt": b"host"}
    resumed.close()
    again = call(make(python.sandbox, log), log, "add(5), open('new.txt').read(), seen")
    assert again.content.endswith("stdout:\n(6, 'host', ['a.txt', 'b.txt'])\n")


def test_only_the_last_session_is_replayed(python: PythonTool, make: Made) -> None:
    log: Log = []
    call(python, log, "x = 1\nopen('runs', 'a').write('1')")
    call(python, log, "import os\nos._exit(1)")
    assert call(python, log, "x").failed
    call(python, log, "y = 2")
    resumed = make(python.sandbox, log)
    assert call(resumed, log, "y, 'x' in globals(), open('runs').read()").content.endswith(
        "(2, False, '1')\n"
    )
    call(resumed, log, "os._exit(1)\nimport os")
    call(resumed, log, "import os\nos._exit(1)")
    last = make(python.sandbox, log).call({"code": "'y' in globals()"})
    assert last.content.endswith("stdout:\nFalse\n")
    assert "earlier call" not in last.content


def test_a_replay_that_goes_otherwise_is_told(
    python: PythonTool, make: Made, visible: Path
) -> None:
    log: Log = []
    call(python, log, "import os\nx = 1")
    call(python, log, f"if os.path.exists('{DATA}/flag'):\n    raise ValueError\ny = 1")
    call(python, log, "z = 3")
    (visible / "flag").touch()
    resumed = make(python.sandbox, log)
    found = call(resumed, log, "x, 'y' in globals(), z")
    assert "earlier call 2 of 3" in found.content
    assert "ended otherwise: ended by an exception, where it was: done" in found.content
    assert found.content.endswith("(1, False, 3)\n")
    assert "earlier call" not in call(resumed, log, "1").content


def test_a_replay_that_kills_the_session_is_told(
    python: PythonTool, make: Made, visible: Path
) -> None:
    log: Log = []
    call(python, log, "x = 1")
    call(python, log, f"import os\nif os.path.exists('{DATA}/flag'):\n    os._exit(1)")
    call(python, log, "x = 2")
    (visible / "flag").touch()
    resumed = make(python.sandbox, log)
    found = call(resumed, log, "'x' in globals()")
    assert "earlier call 2 of 3" in found.content
    assert "the variables of earlier calls are lost" in found.content
    assert found.content.endswith("False\n")
    third = call(make(python.sandbox, log), log, "2")  # what was lost is not replayed once more
    assert "earlier call" not in third.content


def test_a_replay_that_lacks_a_file_is_told(python: PythonTool, make: Made, home: Home) -> None:
    log: Log = []
    call(python, log, "x = 1")
    python.workspace.write("a", b"gone from the blobs")
    call(python, log, "x = 2")
    (blob,) = log[1][1].data["cell"]["sent"].values()
    home.blobs.path(blob).unlink()
    found = make(python.sandbox, log).call({"code": "'x' in globals()"})
    assert "a file that it found is gone" in found.content
    assert found.content.endswith("False\n")


def test_variables_are_lost_where_no_line_is_kept(
    python: PythonTool, make: Made, image: Path
) -> None:
    log: Log = []
    call(python, log, "x = 1")
    moved = make(Lineless(image), log)
    assert "the variables of earlier calls are lost" in moved.call({"code": "x"}).content
    assert "the variables of earlier calls" not in moved.call({"code": "x"}).content


PROGRAM = """
import sys
from pathlib import Path
from earnest.agent.loop import run_agent
from earnest.core.budget import Budget
from earnest.agent.replay import logged_calls
from earnest.core.canon import digest
from earnest.core.events import EventLog
from earnest.core.home import Home
from earnest.core.records import TableRef, Task
from earnest.models.scripted import ScriptedModel, say, use
from earnest.sandbox.choose import BACKENDS
from earnest.tools.python import PythonTool
from earnest.tools.snapshots import Snapped, Snapshots
from earnest.tools.workspace import Workspace

name, image, data, folder = sys.argv[1], *map(Path, sys.argv[2:5])
cells = [
    "x = 1\\nopen('log', 'a').write('a')",
    "x += 1\\nopen('log', 'a').write('b')",
    "import time\\nx *= 10\\nopen('log', 'a').write('c')\\ntime.sleep(4)\\nx",
    "open('log', 'a').write('d')\\nx, open('log').read()",
]
turns = [use("python", {"code": code}, id=str(n)) for n, code in enumerate(cells)]
ref = TableRef(name="t", table=digest(b"t"), visible=digest(b"v"), design="iid", rows=9,
               columns=("a", "b"))
task = Task(kind="research", prompt="Count.", tables=(ref,))
sandbox = BACKENDS[name](image)
with EventLog(folder / "events.jsonl") as log:
    tool = PythonTool(sandbox, Workspace(folder / "w"), data, Home(folder / "home").blobs,
                      logged_calls(log.events, "python"))
    made = [one.data.get("snapshot") for _, one in logged_calls(log.events, "python")]
    last = next((one for one in reversed(made) if one), "")
    snapped = Snapped(tool, Snapshots(tool.workspace, tool.blobs, last))
    result = run_agent(task, ScriptedModel([*turns, say("over")]), [snapped], log, Budget())
    tool.close()
sandbox.close()
print(result.status, flush=True)
"""


@pytest.mark.parametrize("backend", ["best", pytest.param("bwrap", marks=pytest.mark.slow)])
def test_a_run_killed_in_the_middle_of_a_cell_goes_on(
    python: PythonTool, image: Path, visible: Path, tmp_path: Path, backend: str
) -> None:
    name = python.sandbox.name if backend == "best" else backend
    if name == "bwrap":
        BACKENDS[name](image)
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, "-c", PROGRAM, name, str(image), str(visible), str(folder)]
    log = folder / "events.jsonl"
    process = subprocess.Popen(command)
    end = time.monotonic() + 60
    while not log.exists() or sum(e.kind == "intent" for e in read_events(log)) < 3:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = logged_calls(read_events(log), "python")
    assert len(before) == 2
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
    after = logged_calls(read_events(log), "python")
    assert [item.arguments for item, _ in after[:2]] == [item.arguments for item, _ in before]
    said = [observation.content for _, observation in after]
    assert said[2].endswith("stdout:\n20\n")
    assert said[3].endswith("stdout:\n(20, 'abcd')\n")
    assert not any("earlier call" in text for text in said)


FIGURE = """
import matplotlib.pyplot as plt
fig, ax = plt.subplots(figsize=(2, 1))
_ = ax.plot([1, 3, 2])
"""


def test_figures_that_are_left_open_are_shown(python: PythonTool, home: Home) -> None:
    pytest.importorskip("matplotlib")
    first = python.call({"code": FIGURE})
    assert [one.name for one in first.pictures] == ["figure-1.png"]
    kept = home.blobs.get(first.pictures[0].blob)
    assert kept.startswith(b"\x89PNG")
    assert b"Software" in python.workspace.read("figure-1.png")  # what matplotlib says of itself
    assert b"Software" not in kept
    assert not python.call({"code": "1"}).pictures  # it was closed, and is not new
    two = python.call({"code": f"{FIGURE}\nax.set_title('b')\nplt.savefig('own.png')"})
    assert [one.name for one in two.pictures] in (["figure-2.png"], ["figure-2.png", "own.png"])


def test_files_that_are_no_figures_are_told(python: PythonTool) -> None:
    code = "open('a.png', 'wb').write(b'x')\nopen('b.svg', 'w').write('<svg onload=1>')"
    said = python.call({"code": code})
    assert not said.pictures
    assert "a.png is not shown: it is no PNG" in said.content
    assert "b.svg is not shown: an SVG is kept" in said.content
    assert sorted(python.workspace.sizes()) == ["a.png", "b.svg"]


def test_what_code_uses_is_held_to_the_purse(
    home: Home, visible: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    purse = Purse(Budget(processes=2, bytes_written=100))
    tool = PythonTool(sandbox, Workspace(tmp_path / "p", purse), visible, home.blobs)
    try:
        said = tool.call({"code": "open('a', 'w').write('x' * 90)\nopen('b', 'w').write('x' * 90)"})
        assert "the budget of bytes written is used up: b (90 bytes)" in said.content
        again = tool.call({"code": "import os\nos.listdir('.')"}).content
        assert "'a'" in again
        assert "'b'" not in again  # what was not kept is gone from the jail too
        with pytest.raises(BudgetError, match="processes"):
            tool.call({"code": "open('c', 'w')"})
        assert tool.workspace.sizes() == {"a": 90}
    finally:
        tool.close()


def test_what_a_call_would_do(home: Home, visible: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    def kinds(jail: Sandbox) -> list[str]:
        tool = PythonTool(jail, Workspace(tmp_path / "k"), visible, home.blobs)
        with pytest.raises(ToolError):
            tool.acts({"cod": "1"})
        return [act.kind for act in tool.acts({"code": "1"})]

    assert kinds(sandbox) == ["write"]
    assert kinds(UnsafeLocal(tmp_path)) == ["irreversible"]
