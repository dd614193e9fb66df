"""The tools that look things up in the ledger, on one that is given to them."""

import json

import pytest

from earnest.core.errors import ToolError
from earnest.core.known import Page, read_lines
from earnest.sandbox.unsafe import UnsafeLocal
from earnest.tools.kit import research_tools
from earnest.tools.ledger import GetFinding, SearchFindings

ROW = {"finding": "sha256:1", "verdict": "confirmed", "trust": "verified", "claim": {}}


class Shelf:
    """Twelve rows, ten a page."""

    def search(self, words, *, table="", offset=0):
        rows = [{**ROW, "n": n, "asked": [words, table]} for n in range(12)]
        return Page(tuple(rows[offset : offset + 10]), max(0, 2 - offset))

    def get(self, name):
        if name != ROW["finding"]:
            raise ToolError(f"no finding {name}")
        return ROW


def test_rows_come_a_line_each_and_say_how_many_are_left_out():
    tool = SearchFindings(Shelf())
    said = tool.call({"words": "hue"})
    rows, more = read_lines(said.content.splitlines())
    assert ([row["n"] for row in rows], more) == ([*range(10)], 2)
    assert rows[0]["asked"] == ["hue", ""]
    rest = tool.call({"table": "wine", "offset": 10}).content.splitlines()
    assert len(rest) == 2
    assert not said.data
    assert tool.repeatable


def test_nothing_is_said_where_nothing_is_known():
    assert SearchFindings(Shelf()).call({"words": "x", "offset": 20}).content == "nothing is known"


@pytest.mark.parametrize("asked", [{}, {"words": "  "}, {"words": 3}, {"sql": "x"}])
def test_a_wrong_search_is_told(asked):
    with pytest.raises(ToolError):
        SearchFindings(Shelf()).call(asked)


def test_one_finding():
    tool = GetFinding(Shelf())
    assert json.loads(tool.call({"finding": "sha256:1"}).content) == ROW
    with pytest.raises(ToolError, match="no finding"):
        tool.call({"finding": "sha256:2"})


def test_a_run_without_the_ledger_has_no_such_tools(tmp_path):
    def names(**more):
        jail = UnsafeLocal(tmp_path)
        tools = research_tools(None, jail, None, data=tmp_path, workspace=tmp_path / "w", **more)
        return [tool.spec.name for tool in tools]

    own = ["python", "shell", "read", "write", "edit", "glob", "grep", "search", "notes"]
    assert names() == [*own, "submit_finding"]
    assert names(findings=Shelf())[10:] == ["search_findings", "get_finding"]
