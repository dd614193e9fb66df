"""Shell commands: in the jail that python has, on the run's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError, ToolError
from earnest.core.home import Home
from earnest.core.jobs import DATA
from earnest.core.protocols import Sandbox
from earnest.sandbox.unsafe import UnsafeLocal
from earnest.tools.counted import Counted
from earnest.tools.shell import ShellTool
from earnest.tools.workspace import Workspace


@pytest.fixture
def shell(tmp_path: Path, sandbox: Sandbox, visible: Path, home: Home) -> ShellTool:
    purse = Purse(Budget(processes=8, bytes_written=1000))
    return ShellTool(Counted(sandbox, purse), Workspace(tmp_path / "w", purse), visible, home.blobs)


def test_a_command_line(shell: ShellTool) -> None:
    shell.workspace.write("in.txt", b"c\na\nb\n")
    done = shell.call({"command": f"sort in.txt > out.txt; rm in.txt; head -1 {DATA}/trees.csv"})
    assert not done.failed
    assert done.content.startswith("exit status 0, ")
    assert "files written: out.txt (6 bytes); removed: in.txt" in done.content
    assert done.content.endswith("stdout:\nwood,height,age,name\n")
    assert shell.workspace.contents() == {"out.txt": b"a\nb\nc\n"}
    wrong = shell.call({"command": "cat missing; exit 3"})
    assert wrong.failed
    assert wrong.content.startswith("exit status 3, ")
    assert "missing" in wrong.content
    own = shell.call({"command": "python3 -c 'import numpy; print(6 * 7)'; yes | head -1"})
    assert own.content.endswith("stdout:\n42\ny\n")


def test_it_is_ended_in_time(shell: ShellTool) -> None:
    slow = shell.call({"command": "echo on; sleep 60", "timeout_s": 0.5})
    assert slow.failed
    assert slow.content.startswith("killed: it ran longer than 0.5 s")
    assert "on" in slow.content


def test_it_reaches_nothing_outside(shell: ShellTool, tmp_path: Path, visible: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    command = (
        f"cat {tmp_path}/secret; echo x > {DATA}/trees.csv; echo x > {tmp_path}/made; "
        "ln -s /etc/passwd link; (exec 3<>/dev/tcp/127.0.0.1/22) && echo reached; echo end"
    )
    said = shell.call({"command": command}).content
    assert "s3cret" not in said
    assert "reached" not in said
    assert said.count("end") >= 1
    assert not (tmp_path / "made").exists()
    assert (visible / "trees.csv").read_text().startswith("wood")
    assert shell.workspace.sizes() == {}


def test_what_it_may_use_is_held(shell: ShellTool) -> None:
    said = shell.call({"command": "head -c 900 /dev/zero > a; head -c 900 /dev/zero > b"}).content
    assert "files written: a (900 bytes)" in said
    assert "the budget of bytes written is used up: b (900 bytes)" in said
    assert shell.workspace.sizes() == {"a": 900}
    for _ in range(7):
        shell.call({"command": "true"})
    with pytest.raises(BudgetError, match="processes"):
        shell.call({"command": "touch c"})
    assert shell.workspace.sizes() == {"a": 900}


def test_what_a_call_would_do(shell: ShellTool, tmp_path: Path, home: Home, visible: Path) -> None:
    assert [act.kind for act in shell.acts({"command": "rm -rf /"})] == ["write"]
    with pytest.raises(ToolError):
        shell.acts({"command": ""})
    nothing = ShellTool(UnsafeLocal(tmp_path), Workspace(tmp_path / "u"), visible, home.blobs)
    assert [act.kind for act in nothing.acts({"command": "true"})] == ["irreversible"]
    assert not shell.repeatable
