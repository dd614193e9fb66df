"""Reading, writing and changing files by name: gold beside broken, and what is hostile."""

from __future__ import annotations

import os
import random
import time
import zlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earnest.core.acts import READ
from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError, ToolError
from earnest.core.home import Home
from earnest.core.jobs import DATA, WORK
from earnest.core.protocols import Sandbox
from earnest.tools.files import EditTool, Files, ReadTool, WriteTool
from earnest.tools.pictures import picture, png
from earnest.tools.workspace import MOST_BYTES, Workspace


@pytest.fixture
def files(tmp_path: Path, visible: Path) -> Files:
    return Files(Workspace(tmp_path / "w"), visible)


def read(files: Files, path: str, **more: object) -> str:
    return ReadTool(files).call({"path": path, **more}).content


def write(files: Files, path: str, content: str) -> str:
    return WriteTool(files).call({"path": path, "content": content}).content


def edit(files: Files, path: str, old: str, new: str, **more: object) -> str:
    return EditTool(files).call({"path": path, "old": old, "new": new, **more}).content


def test_write_read_edit(files: Files) -> None:
    assert write(files, "a/é.txt", "grüß\nGott\n") == "wrote a/é.txt (12 bytes)"
    assert read(files, "a/é.txt") == "grüß\nGott"
    assert read(files, f"{WORK}/a/é.txt", numbers=True) == "     1  grüß\n     2  Gott"
    assert edit(files, "a/é.txt", "Gott", "dich") == "changed a/é.txt (line 2, now 12 bytes)"
    assert files.workspace.read("a/é.txt") == "grüß\ndich\n".encode()
    write(files, "empty", "")
    assert read(files, "empty") == "empty is empty"


def test_the_data_is_read_and_never_written(files: Files, visible: Path) -> None:
    before = (visible / "trees.csv").read_bytes()
    assert read(files, f"{DATA}/trees.csv", limit=1).startswith("wood,height,age,name\n[more")
    for tool, more in (
        (WriteTool(files), {"content": "x"}),
        (EditTool(files), {"old": "wood", "new": "x"}),
    ):
        with pytest.raises(ToolError, match="read-only"):
            tool.call({"path": f"{DATA}/trees.csv", **more})
    assert (visible / "trees.csv").read_bytes() == before
    with pytest.raises(ToolError, match="No such file"):
        read(files, "trees.csv")


def test_a_long_file_is_read_in_parts(files: Files) -> None:
    files.workspace.write("long", b"".join(b"line %d\n" % n for n in range(1, 1001)))
    first = read(files, "long", limit=2)
    assert first == "line 1\nline 2\n[more follows: offset=3]"
    assert read(files, "long", offset=999, limit=2) == "line 999\nline 1000"
    assert read(files, "long", offset=1000) == "line 1000"
    with pytest.raises(ToolError, match="no line 1001"):
        read(files, "long", offset=1001)
    files.workspace.write("wide", b"x" * 50_000 + b"\nshort\n" + b"y" * 19_990 + b"\nend\n")
    said = read(files, "wide").split("\n")
    assert said[0] == "x" * 2000 + " [a line of 50001 bytes, cut]"
    assert said[1] == "short"
    assert len("\n".join(said)) < 21_000


def test_what_is_no_text_is_told(files: Files) -> None:
    files.workspace.write("a.bin", bytes(range(256)) * 100)
    files.workspace.write("nul.txt", b"text\0text")
    for name in ("a.bin", "nul.txt"):
        with pytest.raises(ToolError, match="no text"):
            read(files, name)
    files.workspace.write("cut.txt", "ä".encode() * 9000)  # a character across what is peeked at
    assert read(files, "cut.txt").startswith("ää")


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "", "a\0b", "a\nb", f"{DATA}/../x", "x" * 300,
             f"{WORK}/../x", "/proc/self/environ"],
)  # fmt: skip
def test_no_path_leads_out(files: Files, tmp_path: Path, path: str) -> None:
    (tmp_path / "x").write_text("outside")
    for call in (lambda: read(files, path), lambda: write(files, path, "y"),
                 lambda: edit(files, path, "outside", "y")):  # fmt: skip
        with pytest.raises(ToolError):
            call()
    assert (tmp_path / "x").read_text() == "outside"


def test_links_and_pipes_are_not_followed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    folder = files.workspace.folder
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "dir").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    for path in ("link", "dir/secret", "pipe", "."):
        with pytest.raises(ToolError):
            read(files, path)
    write(files, "link", "mine")  # in the link's place, not where it leads
    assert (tmp_path / "secret").read_text() == "outside"
    assert read(files, "link") == "mine"


def test_an_edit_must_be_meant(files: Files) -> None:
    write(files, "f.py", "def one():\n    return 1\n\ndef two():\n    return 1\n")
    with pytest.raises(ToolError, match="2 places") as caught:
        edit(files, "f.py", "return 1", "return 2")
    assert "replace_all" in caught.value.mend
    with pytest.raises(ToolError, match="does not stand") as caught:
        edit(files, "f.py", "def tow():\n    return 1", "x")
    assert caught.value.mend == "the nearest is line 4:\ndef two():\n    return 1"
    with pytest.raises(ToolError) as caught:
        edit(files, "f.py", "zzzzqqqq", "x")
    assert "nothing in it" in caught.value.mend
    assert "2 places" in edit(files, "f.py", "return 1", "return 2", replace_all=True)
    assert read(files, "f.py").count("return 2") == 2
    draw = random.Random(1)  # lines of the same letters, each in another order
    alike = ["".join(draw.sample("abcdefghijklmnopqrstuvwxyz" * 8, 208)) for _ in range(5000)]
    write(files, "g", "\n".join(alike))
    began = time.monotonic()
    with pytest.raises(ToolError, match="does not stand"):
        edit(files, "g", "abcdefghijklmnopqrstuvwxyz" * 8, "x")
    assert time.monotonic() - began < 10
    files.workspace.write("b", b"\xff\xfe")
    with pytest.raises(ToolError, match="no text"):
        edit(files, "b", "a", "b")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.data())
def test_an_edit_replaces_exactly_what_was_named(
    files: Files, text: str, data: st.DataObject
) -> None:
    write(files, "t", text)
    assert files.workspace.read("t").decode() == text
    if not text:
        return
    start = data.draw(st.integers(0, len(text) - 1))
    old = text[start : data.draw(st.integers(start + 1, len(text)))]
    new = data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=9))
    if text.count(old) == 1:
        edit(files, "t", old, new)
    else:
        with pytest.raises(ToolError):
            edit(files, "t", old, new)
        edit(files, "t", old, new, replace_all=True)
    assert files.workspace.read("t").decode() == text.replace(old, new)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(st.lists(st.text("ab ä", max_size=8), min_size=1, max_size=12), st.integers(1, 4))
def test_the_parts_of_a_file_are_the_file(files: Files, lines: list[str], limit: int) -> None:
    write(files, "t", "\n".join(lines) + "\n")
    got, offset = [], 1
    while offset:
        said = read(files, "t", offset=offset, limit=limit).split("\n")
        offset = 0
        if said[-1].startswith("[more follows"):
            offset = int(said.pop()[:-1].partition("=")[2])
        got += said
    assert got == lines


def test_bytes_are_taken_from_the_purse_before_they_are_written(tmp_path: Path) -> None:
    purse = Purse(Budget(bytes_written=10))
    files = Files(Workspace(tmp_path / "w", purse))
    write(files, "a", "1234567")
    with pytest.raises(BudgetError, match="bytes_written"):
        write(files, "b", "1234")
    with pytest.raises(BudgetError):
        edit(files, "a", "7", "77777777")
    assert files.workspace.contents() == {"a": b"1234567"}
    assert purse.used["bytes_written"] == 7
    write(files, "b", "123")
    with pytest.raises(ToolError, match="at most"):
        files.workspace.write("c", bytes(MOST_BYTES + 1))


def test_a_figure_is_shown(files: Files, home: Home, sandbox: Sandbox) -> None:
    data = b"\x89PNG\r\n\x1a\n"
    head = b"\0\0\0\4\0\0\0\3\x08\2\0\0\0"
    pixels = zlib.compress(bytes(13) * 3)
    for kind, body in ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")):
        code = zlib.crc32(kind + body)
        data += len(body).to_bytes(4, "big") + kind + body + code.to_bytes(4, "big")
    files.workspace.write("a.png", data)
    files.workspace.write("b.png", b"<script>")
    tool = ReadTool(files, partial(picture, blobs=home.blobs, sandbox=sandbox))
    (shown,) = tool.call({"path": "a.png"}).pictures
    assert home.blobs.get(shown.blob) == png(data)
    with pytest.raises(ToolError, match="no PNG"):
        tool.call({"path": "b.png"})
    with pytest.raises(ToolError, match="no text"):
        ReadTool(files).call({"path": "a.png"})


def test_what_a_call_would_do(files: Files) -> None:
    assert ReadTool(files).acts({"path": "a"}) == READ
    (act,) = WriteTool(files).acts({"path": "a", "content": ""})
    assert (act.kind, act.target) == ("write", "a")
    (act,) = EditTool(files).acts({"path": "a", "old": "x", "new": ""})
    assert (act.kind, act.target) == ("write", "a")
    for tool in (ReadTool(files), WriteTool(files), EditTool(files)):
        with pytest.raises(ToolError, match="arguments"):
            tool.acts({"path": 3})
    assert ReadTool(files).repeatable
    assert WriteTool(files).repeatable
    assert not EditTool(files).repeatable


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({}, "path"), ({"path": "x", "offset": 0}, "offset"), ({"path": "x", "mode": "r"}, "mode"),
     ({"path": "nothing"}, "No such file")],
)  # fmt: skip
def test_wrong_calls_are_told(files: Files, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        ReadTool(files).call(arguments)


def test_an_edit_is_not_made_in_memory_before_it_is_known_to_fit(files: Files) -> None:
    write(files, "a", "a" * 20_000)
    with pytest.raises(ToolError, match=f"more than {MOST_BYTES} bytes"):
        edit(files, "a", "a", "b" * 5_000_000, replace_all=True)  # 100 GB
    edit(files, "a", "a", "bb", replace_all=True)
    assert read(files, "a").startswith("bb")
