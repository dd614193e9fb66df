"""Which files there are, and where a pattern stands in them; patterns that take forever too."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.acts import READ
from earnest.core.budget import Budget, Purse
from earnest.core.errors import BudgetError, ToolError
from earnest.core.jobs import DATA
from earnest.core.protocols import Sandbox
from earnest.tools import find
from earnest.tools.counted import Counted
from earnest.tools.files import Files
from earnest.tools.find import GlobTool, GrepTool, matches
from earnest.tools.workspace import Workspace


@pytest.fixture
def files(tmp_path: Path, visible: Path) -> Files:
    made = Files(Workspace(tmp_path / "w"), visible)
    made.workspace.write("a.txt", b"one\ntwo\nthree\ntwo again\n")
    made.workspace.write("deep/b.md", b"Two\n")
    made.workspace.write("deep/er/c.txt", b"x" * 1000 + b"two\n")
    made.workspace.write("raw.bin", b"two\0two")
    return made


@pytest.fixture
def grep(files: Files, sandbox: Sandbox, visible: Path) -> GrepTool:
    return GrepTool(files, sandbox, visible)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("a.txt", "*.txt", True),
        ("deep/a.txt", "*.txt", True),
        ("deep/a.txt", "deep/*", True),
        ("deep/er/a.txt", "deep/*", False),
        ("deep/er/a.txt", "deep/**/*.txt", True),
        ("deep/a.txt", "deep/**/*.txt", True),
        ("a/b/c", "**", True),
        ("a/b/c", "a/**", True),
        ("a", "a/**", True),
        ("ab", "a?", True),
        ("ab", "a", False),
        ("a/b", "**/**/b", True),
        ("[x].txt", "[[]x].txt", True),
        ("deep/a.txt", "/earnest-jail/work/deep/*", True),
        ("/earnest-jail/data/t.csv", "/earnest-jail/data/*", True),
    ],
)
def test_patterns(name: str, pattern: str, *, expected: bool) -> None:
    assert matches(name, pattern) is expected


@given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4), st.data())
def test_a_name_matches_itself_and_what_leaves_parts_of_it_open(
    parts: list[str], data: st.DataObject
) -> None:
    name = "/".join(parts)
    assert matches(name, "**/" + name)
    wild = [data.draw(st.sampled_from([part, "*", "**"])) for part in parts]
    assert matches(name, "/".join(["**", *wild]))
    assert not matches(name, name + "/z")
    assert not matches(name, f"z/{name}")


def test_a_hard_pattern_ends(files: Files) -> None:
    began = time.monotonic()
    assert not matches("a" * 190 + ".b", "*a" * 60 + "c")
    assert not matches("/".join("a" * 30), "/".join(["**"] * 30 + ["b"]))
    assert time.monotonic() - began < 2
    with pytest.raises(ToolError, match="slashes"):
        GlobTool(files).call({"pattern": "/" * 40})


def test_glob_lists_names_and_sizes(files: Files) -> None:
    tool = GlobTool(files)
    said = tool.call({}).content.split("\n")
    assert said[0] == "a.txt (24 bytes)"
    assert said[-1].startswith(f"{DATA}/trees.csv (")
    assert tool.call({"pattern": "*.md"}).content == "deep/b.md (4 bytes)"
    assert tool.call({"pattern": "*.nope"}).content == "none of 5 files matches *.nope"
    assert tool.acts({"pattern": "*"}) == READ
    for number in range(210):
        files.workspace.write(f"many/{number:03}", b"")
    page = tool.call({"pattern": "many/*"}).content.split("\n")
    assert (len(page), page[-1]) == (201, "[10 more: offset=200]")
    assert len(tool.call({"pattern": "many/*", "offset": 200}).content.split("\n")) == 10


def test_grep_tells_where_a_pattern_stands(grep: GrepTool) -> None:
    said = grep.call({"pattern": "^two"}).content.split("\n")
    assert said[:2] == ["a.txt:2: two", "a.txt:4: two again"]
    assert said[-1] == "[matching lines: 2, files: 5, 1 that are no text passed over]"
    assert "deep/b.md:1: Two" in grep.call({"pattern": "TWO", "ignore_case": True}).content
    around = grep.call({"pattern": "three", "context": 1, "glob": "a.txt"}).content
    assert around.startswith("a.txt-2- two\na.txt:3: three\na.txt-4- two again\n")
    assert f"{DATA}/trees.csv:1: wood," in grep.call({"pattern": "^wood"}).content
    assert "[cut]" in grep.call({"pattern": "xxtwo"}).content
    assert grep.acts({"pattern": "x"}) == READ


def test_grep_goes_on_where_it_stopped(grep: GrepTool) -> None:
    first = grep.call({"pattern": "o", "glob": "a.txt", "limit": 1}).content
    assert first.startswith("a.txt:1: one\n")
    assert first.endswith("; 2 more: offset=1]")
    rest = grep.call({"pattern": "o", "glob": "a.txt", "offset": 1}).content
    assert rest.startswith("a.txt:2: two\na.txt:4: two again\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"pattern": "("}, "can't be read"), ({"pattern": ""}, "pattern"),
     ({"pattern": "x", "glob": "*.nope"}, "no file matches"),
     ({"pattern": "x", "path": "/"}, "path")],
)  # fmt: skip
def test_wrong_patterns_are_told(grep: GrepTool, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        grep.call(arguments)


def test_a_pattern_that_takes_forever_is_stopped(
    grep: GrepTool, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setattr(find, "_LIMITS", replace(find._LIMITS, wall_s=1.0))
    files.workspace.write("b.txt", b"a" * 50 + b"!")
    began = time.monotonic()
    said = grep.call({"pattern": "(a+)+$|one"}).content
    assert "a.txt:1: one" in said  # what was found before it is told
    assert "stopped after" in said
    assert time.monotonic() - began < 8


def test_its_program_is_the_same_outside_of_a_jail(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text(
        json.dumps({"pattern": "b", "ignore_case": False, "context": 0, "limit": 5, "offset": 0,
                    "names": ["t"]})
    )  # fmt: skip
    (tmp_path / "t").write_text("a\nb\n")
    command = [sys.executable, "-c", find._SOURCE, "plan"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "t:2: b\n[matching lines: 1, files: 1]\n"


def test_it_counts_as_a_process_and_several_may_run_at_once(
    files: Files, sandbox: Sandbox, visible: Path
) -> None:
    purse = Purse(Budget(processes=4))
    tool = GrepTool(files, Counted(sandbox, purse), visible)
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda: said.append(tool.call({"pattern": "^two$"}).content))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 4
    assert len(set(said)) == 1
    with pytest.raises(BudgetError):
        tool.call({"pattern": "two"})
    assert tool.concurrent
    assert tool.repeatable
