from __future__ import annotations

from pathlib import Path

import pytest

from earnest.core.errors import ToolError
from earnest.tools.files import FilesTool
from earnest.tools.workspace import Workspace


@pytest.fixture
def files(tmp_path: Path) -> FilesTool:
    return FilesTool(Workspace(tmp_path / "w"))


def test_write_read_list(files: FilesTool) -> None:
    assert files.call({"action": "list"}).content == "no files yet"
    wrote = files.call({"action": "write", "path": "a/é.txt", "content": "grüß"})
    assert wrote.content == "wrote a/é.txt (6 bytes)"
    assert files.call({"action": "read", "path": "a/é.txt"}).content == "grüß"
    assert files.call({"action": "list"}).content == "a/é.txt (6 bytes)"


def test_a_long_file_is_read_in_parts(files: FilesTool) -> None:
    files.workspace.write("long", b"x" * 20_000 + b"end")
    assert files.call({"action": "read", "path": "long"}).content.endswith("[3 bytes follow]")
    assert files.call({"action": "read", "path": "long", "offset": 20_000}).content == "end"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "action"),
        ({"action": "remove"}, "action"),
        ({"action": "write", "path": "x"}, "content"),
        ({"action": "write", "path": "../x", "content": ""}, "no path inside"),
        ({"action": "read", "path": "nothing"}, "No such file"),
        ({"action": "read", "path": "x", "offset": -1}, "offset"),
        ({"action": "list", "mode": "long"}, "mode"),
    ],
)
def test_wrong_calls_are_told(files: FilesTool, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        files.call(arguments)
