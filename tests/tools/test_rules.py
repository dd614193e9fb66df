from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earnest.core.errors import ToolError
from earnest.core.home import BlobStore
from earnest.core.protocols import Sandbox
from earnest.core.records import Author, Claim, Finding, TableRef, Task
from earnest.sandbox.unsafe import UnsafeLocal
from earnest.tools import rules
from earnest.tools.findings import SubmitFinding, Submitter
from earnest.tools.rules import check_program, try_rule
from earnest.tools.table import check_claim

QUIET = "import json; json.dump({'gain': 0.5}, open('results.json', 'w'))"
RULE: dict[str, Any] = {
    "kind": "rule",
    "table": "trees",
    "outcome": "wood",
    "direction": "predicts",
    "given": ["height"],
    "program": "def f(row):\n    return 'oak' if row['height'] > 17 else 'fir'\n",
    "script": QUIET,
    "supports": "gain > 0.1",
}
OF_AGE = {**RULE, "given": ["age"], "program": RULE["program"].replace("height", "age")}
HOLDS = {**RULE, "direction": "holds", "threshold": 0.8}


@pytest.fixture
def tool(sandbox: Sandbox, visible: Path, task: Task, tmp_path: Path) -> SubmitFinding:
    author = Author(principal="someone", model="scripted")
    submitter = Submitter(task=task, run="run-1", author=author, exposure="sealed")
    return SubmitFinding(submitter, sandbox, BlobStore(tmp_path / "blobs"), visible)


def claim(**more: Any) -> Claim:
    body = {**RULE, "given": ("height",), **more}
    return Claim(**{name: body[name] for name in Claim.model_fields if name in body})


@pytest.mark.parametrize(
    "asked",
    [
        RULE,
        HOLDS,
        {
            **HOLDS,
            "outcome": "height",
            "given": ["age"],
            "program": "def f(row):\n    return (row['age'] or 34) / 2",
            "value_tolerance": 5,
        },
        {**RULE, "program": "import math\nf = None\ndef f(row): return 'oak'"},
    ],
)
def test_a_rule_is_queued(tool: SubmitFinding, asked: dict[str, Any]) -> None:
    found = tool.call(asked)
    finding = Finding.from_body(found.data["finding"])
    assert found.content == f"queued {finding.id}"
    assert finding.claim.program == asked["program"]
    assert finding.claim.tolerance == asked.get("value_tolerance")
    assert "\n" not in found.data["sentence"]


def test_rows_that_a_rule_can_not_answer_are_told(tool: SubmitFinding) -> None:
    found = tool.call(OF_AGE)
    assert found.content.startswith("queued sha256:")
    assert "nothing usable in 1 of 51 distinct visible rows: TypeError: '>'" in found.content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"program": "x = 1\ndef f(row: return 1"},
            "can't be read: invalid syntax (program, line 2)",
        ),
        ({"program": "class A:\n    def f(row): return 'oak'"}, "defines no function f"),
        ({"program": "# def f(row):"}, "defines no function f"),
        (
            {"program": "def f(row): return row['soil']"},
            "of 58 distinct visible rows: KeyError: 'soil'",
        ),
        ({"program": "def f(row): return 1"}, "it returned int"),
        ({"program": "def f(row): return object()"}, "it returned what is not data"),
        ({"program": "import numpy\ndef f(row): return numpy.str_('oak')"}, "not data"),
        ({"program": "def f(row): raise ValueError('my mistake')"}, "my mistake"),
        ({"program": "1 / 0\ndef f(row): return 'oak'"}, "can't be loaded: ZeroDivisionError"),
        ({"program": "import os\ndef f(row): os._exit(0)"}, "ended its process"),
        ({"program": "def f(row):\n    while 1: pass"}, "too slow"),
        (
            {"program": "import random\ndef f(row): return random.choice(['oak', 'fir'])"},
            "answers differently",
        ),
        ({"given": ["soil"]}, "no column 'soil'"),
        ({"given": ["wood"]}, "different columns"),
        ({"given": []}, "names given"),
        ({"direction": "holds"}, "names threshold"),
        ({"direction": "holds", "threshold": 1.0}, "could not reach p = 0.05 against a share of 1"),
        ({"direction": "holds", "threshold": 0.96}, "at most 0.951"),
        ({"exposure": "age"}, "no place for exposure"),
    ],
)
def test_what_is_wrong_is_told(tool: SubmitFinding, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError) as caught:
        tool.call({**RULE, **change})
    told = f"{caught.value} {caught.value.mend}"
    assert said in told, told
    assert tool.queued == {}


def test_what_would_take_too_long_on_all_rows_is_told(
    sandbox: Sandbox, visible: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import time\ndef f(row):\n    time.sleep(0.01)\n    return 'oak'"
    assert try_rule(claim(program=program), visible / "trees.csv", sandbox) == ""
    monkeypatch.setattr(rules, "_TOTAL_S", 0.5)  # for all 58, that is: the first 20 take 0.2 s
    monkeypatch.setattr(rules, "_LEAST_S", 0.05)
    monkeypatch.setattr(rules, "_ASKED", 20)
    with pytest.raises(ToolError, match=r"too slow: 20 calls took longer than 0\.17"):
        try_rule(claim(program=program), visible / "trees.csv", sandbox)


def test_where_nothing_isolates_the_program_is_only_read(visible: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = f"open({str(mark)!r}, 'w')\ndef f(row): return 'oak'"
    assert try_rule(claim(program=program), visible / "trees.csv", UnsafeLocal(tmp_path)) == ""
    assert not mark.exists()
    with pytest.raises(ToolError, match="defines no function"):
        try_rule(claim(program="# def f("), visible / "trees.csv", UnsafeLocal(tmp_path))


def test_a_rule_that_holds_is_counted_by_groups(visible: Path, ref: TableRef) -> None:
    one = claim(direction="holds", threshold=0.8, given=("age",))
    check_claim(one, ref, visible / "trees.csv")
    few = ref.model_copy(update={"design": "grouped:wood"})
    with pytest.raises(ToolError, match="of 2 rows or groups"):
        check_claim(one, few, visible / "trees.csv")


def test_a_deep_program_is_no_crash() -> None:
    with pytest.raises(ToolError, match="can't be read"):
        check_program(claim(program="def f(row): return " + "(" * 1900 + ")" * 1900))
