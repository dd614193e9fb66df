"""Search over files, the run's own past, earlier notes and the ledger."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.agent.loop import run_agent
from earnest.core.acts import READ
from earnest.core.budget import Budget
from earnest.core.errors import ToolError
from earnest.core.events import EventLog
from earnest.core.jobs import DATA
from earnest.core.known import Page
from earnest.core.records import Task
from earnest.models.scripted import ScriptedModel, say, use
from earnest.tools.files import Files, WriteTool
from earnest.tools.index import Index, _pieces
from earnest.tools.search import SearchTool
from earnest.tools.workspace import Workspace


@pytest.fixture
def files(tmp_path: Path, visible: Path) -> Files:
    return Files(Workspace(tmp_path / "w"), visible)


def found(tool: SearchTool, query: str, **more: Any) -> list[str]:
    return tool.call({"query": query, **more}).content.split("\n")


def test_files_are_found_by_words_with_their_line(files: Files) -> None:
    files.workspace.write("a/report.md", b"first\nThe harbour was closed in March.\nlast\n")
    files.workspace.write("b.txt", b"nothing of note\n")
    tool = SearchTool(files)
    assert found(tool, "harbours closing") == ["a/report.md:2: The harbour was closed in March."]
    assert found(tool, "tree_17", where="files")[0].startswith(f"{DATA}/trees.csv:")
    assert found(tool, "submarine") == ["nothing has any of these words in all"]
    assert sorted(found(tool, '"was closed" nothing')) == [
        "a/report.md:2: The harbour was closed in March.", "b.txt:1: nothing of note"
    ]  # fmt: skip
    assert found(tool, '"closed was"')[0].startswith("nothing has")


def test_what_changed_is_seen_and_what_is_gone_is_not(files: Files) -> None:
    tool = SearchTool(files)
    files.workspace.write("a", b"zebra\n")
    assert found(tool, "zebra") == ["a:1: zebra"]
    files.workspace.write("a", b"giraffe\n")
    files.workspace.write("b", b"zebra\n")
    assert found(tool, "zebra") == ["b:1: zebra"]
    assert found(tool, "giraffe") == ["a:1: giraffe"]
    files.workspace.remove("b")
    assert found(tool, "zebra")[0].startswith("nothing has")
    tool.close()
    assert found(tool, "giraffe") == ["a:1: giraffe"]  # the index is made anew


def test_what_is_no_text_or_too_large_is_left_out_and_told(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earnest.tools import search

    files.workspace.write("raw", b"zebra\0")
    files.workspace.write("big", b"zebra " * 1000)
    assert found(SearchTool(files), "zebra")[0].startswith("big:1: zebra zebra")
    monkeypatch.setattr(search, "_LARGEST", 5000)
    said = found(SearchTool(files), "zebra")
    assert said == [
        "nothing has any of these words in all",
        "[too large to be searched, use grep: big]",
    ]


def test_pages(files: Files) -> None:
    for number in range(23):
        files.workspace.write(f"{number:02}", b"zebra\n")
    tool = SearchTool(files)
    pages = [found(tool, "zebra", offset=at) for at in (0, 10, 20)]
    assert [page[-1] for page in pages[:2]] == ["[13 more: offset=10]", "[3 more: offset=20]"]
    names = [line.partition(":")[0] for page in pages for line in page if not line.startswith("[")]
    assert sorted(names) == [f"{number:02}" for number in range(23)]


class Shelf:
    """Two findings, and one more on the next page."""

    def search(self, words, *, table="", offset=0):
        rows = [{"finding": f"sha256:{n}", "verdict": "confirmed", "trust": "verified",
                 "sentence": f"{words} goes with {n}"} for n in range(5)]  # fmt: skip
        return Page(tuple(rows[offset : offset + 4]), max(0, 1 - offset))


def test_notes_and_findings_are_told_with_their_source(files: Files) -> None:
    def notes() -> Iterator[tuple[str, str]]:
        yield "run-7/NOTES.md", "one\nthe zebra column is a copy\n"

    tool = SearchTool(files, earlier_notes=notes, findings=Shelf())
    said = found(tool, "zebra")
    assert said[0] == "earlier run run-7/NOTES.md:2: the zebra column is a copy"
    assert said[1] == "finding sha256:0 (confirmed, verified): zebra goes with 0"
    assert said[-1] == "[2 more findings: where=findings, offset=3]"
    only = found(tool, "zebra", where="findings")
    assert (len(only), only[-1]) == (5, "[1 more findings: where=findings, offset=4]")
    assert found(tool, "zebra", where="notes") == said[:1]
    assert found(tool, "zebra", where="past") == ["nothing has any of these words in past"]


def test_the_whole_past_is_searched_whatever_the_conversation_holds(
    files: Files, task: Task, tmp_path: Path
) -> None:
    with EventLog(tmp_path / "events.jsonl") as log:
        tool = SearchTool(files, log.events)
        turns = [
            use("write", {"path": "x", "content": "quokka\nin a file"}, text="I will write."),
            use("search", {"query": "quokka"}),
            *(use("write", {"path": "y", "content": f"filler {n}"}) for n in range(5)),
            use("search", {"query": "quokka", "where": "past"}),
            use("search", {"step": 1}),
            use("search", {"step": 99}),
            say("over"),
        ]
        run_agent(task, ScriptedModel(turns), [WriteTool(files), tool], log, Budget(steps=99))
        said = [e.payload["observation"]["content"] for e in log.of_kind("effect")]
    assert said[1].split("\n") == ["x:1: quokka", "step 1, call 1 (write):2: quokka"]
    # the calls of `search` itself, which hold the very words, are not found
    assert said[7].split("\n")[0].startswith("step 1, call 1 (write):")
    assert len(said[7].split("\n")) == 1
    assert said[8].startswith("[what you said]\nI will write.\n[call 1 (write)]\ncontent\nquokka")
    assert "[result of call 1 (write)]\nwrote x" in said[8]
    assert said[9].startswith("there is no step 99")
    # a run that is resumed finds the same
    with EventLog(tmp_path / "events.jsonl") as log:
        again = SearchTool(files, log.events)
        assert found(again, "quokka", where="past") == said[7].split("\n")


@pytest.mark.parametrize(
    "query",
    ["", "   ", '"', "()*^:-", "\u2028", "NEAR(", 'a" OR b', "x" * 400, "col:val -not", "'; DROP"],
)
def test_no_query_breaks_it(files: Files, query: str) -> None:
    files.workspace.write("a", b"val near not drop or x\n")
    tool = SearchTool(files)
    if any(char.isalnum() for char in query):
        assert found(tool, query)
    else:
        with pytest.raises(ToolError, match="nothing to search for"):
            found(tool, query)


@pytest.mark.parametrize("asked", [{}, {"query": 3}, {"query": "x", "where": "web"}, {"step": 0}])
def test_wrong_calls_are_told(files: Files, asked: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        SearchTool(files).call(asked)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=3000), st.integers(0, 9))
def test_pieces_are_the_text_and_know_their_lines(text: str, wide: int) -> None:
    text += "\n" + "y" * (1500 * wide) + "\nend"
    lines = text.split("\n")
    pieces = list(_pieces(text))
    assert "".join(piece for _, piece in pieces).replace("\n", "") == text.replace("\n", "")
    for first, piece in pieces:
        for number, line in enumerate(piece.split("\n"), first):
            assert line in lines[number - 1]


def test_an_index_forgets_what_is_put_anew() -> None:
    index = Index()
    index.update([("f", "a", "one\n" * 900), ("f", "b", "two")])
    index.update([("f", "a", "three")], [("f", "b")])
    assert index.search("one two", ["f"], 5, 0) == ([], 0)
    hits, count = index.search("three", ["f"], 5, 0)
    assert (hits[0].name, hits[0].line, count) == ("a", 1, 1)
    assert index.search("three", ["g"], 5, 0)[1] == 0


def test_a_fact_in_much_text_is_found_by_several_threads_at_once(files: Files) -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(3, 9))) for _ in range(5000)]
    for number in range(20):
        lines = [" ".join(draw.choices(words, k=12)) for _ in range(500)]
        if number == 13:
            lines[321] = "the launch code of the vessel Aurora is 7391-KX"
        files.workspace.write(f"doc{number}", "\n".join(lines).encode())
    tool = SearchTool(files)
    began = time.monotonic()
    said: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: said.append(found(tool, "launch code Aurora")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [["doc13:322: the launch code of the vessel Aurora is 7391-KX"]] * 3
    assert time.monotonic() - began < 20
    assert tool.acts({"query": "x"}) == READ
    assert tool.concurrent
