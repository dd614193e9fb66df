from __future__ import annotations

from pathlib import Path

import pytest

from earnest.core.errors import ToolError
from earnest.core.jobs import DATA
from earnest.core.protocols import Sandbox
from earnest.tools.python import PythonTool, tail
from earnest.tools.workspace import Workspace


@pytest.fixture
def python(sandbox: Sandbox, visible: Path, tmp_path: Path) -> PythonTool:
    return PythonTool(sandbox, Workspace(tmp_path / "w"), visible)


def test_it_runs_and_its_files_persist_but_variables_do_not(python: PythonTool) -> None:
    first = python.call({"code": "x = 1\nopen('kept.txt', 'w').write('seven')\nprint('hello')"})
    assert not first.failed
    assert "exit status 0" in first.content
    assert "files written: kept.txt (5 bytes)" in first.content
    assert first.content.endswith("stdout:\nhello\n")
    assert python.call({"code": "print(open('kept.txt').read())"}).content.endswith("seven\n")
    gone = python.call({"code": "print(x)"})
    assert gone.failed
    assert "NameError" in gone.content
    assert list(python.workspace.sizes()) == ["kept.txt"]
    python.call({"code": "import os; os.remove('kept.txt')"})
    assert python.workspace.sizes() == {}


def test_modules_of_the_workspace_can_be_imported(python: PythonTool) -> None:
    python.workspace.write("helper.py", b"seven = 7\n")
    assert python.call({"code": "import helper; print(helper.seven)"}).content.endswith("7\n")
    assert list(python.workspace.sizes()) == ["helper.py"]


def test_the_data_can_be_read_and_not_written(python: PythonTool) -> None:
    code = f"print(open('{DATA}/trees.csv').readline())"
    assert "wood,height,age,name" in python.call({"code": code}).content
    assert python.call({"code": f"open('{DATA}/trees.csv', 'a').write('x')"}).failed
    assert python.call({"code": f"open('{DATA}/new', 'w')"}).failed


def test_a_time_out_is_told(python: PythonTool) -> None:
    code = "import time\nprint('begun', flush=True)\ntime.sleep(60)"
    found = python.call({"code": code, "timeout_s": 1.0})
    assert found.failed
    assert "longer than 1 s" in found.content
    assert "begun" in found.content


def test_a_long_output_is_cut_at_its_front(python: PythonTool) -> None:
    found = python.call({"code": "print('x' * 30000); print('the end')"})
    assert "characters left out" in found.content
    assert found.content.endswith("the end\n")
    assert len(found.content) < 13_000
    assert tail("abc", 3) == "abc"


def test_wrong_arguments_are_told(python: PythonTool) -> None:
    for arguments in ({}, {"code": 1}, {"code": "", "timeout_s": 1e9}, {"code": "", "x": 1}):
        with pytest.raises(ToolError):
            python.call(arguments)
