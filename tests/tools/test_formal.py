from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earnest.core.errors import ToolError
from earnest.core.home import BlobStore
from earnest.core.protocols import Sandbox
from earnest.core.records import FRESH, Author, Finding, Task
from earnest.sandbox.unsafe import UnsafeLocal
from earnest.tools.findings import SubmitFinding, Submitter

SCRIPT = """
import argparse, json, os
parser = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    parser.add_argument(name)
args = parser.parse_args()
json.dump({"failed": 0, "files": len(os.listdir(args.data))}, open(args.out, "w"))
"""
REST: dict[str, Any] = {"script": SCRIPT, "supports": "failed == 0 and files == 0"}
IDENTITY: dict[str, Any] = {
    "kind": "identity",
    "direction": "equal",
    "left": "sum(k**3, k, 1, n)",
    "right": "(n*(n+1)/2)**2",
    "inputs": ["n: integer 1..200"],
    **REST,
}
PROGRAM: dict[str, Any] = {
    "kind": "program",
    "direction": "equivalent",
    "program": "def f(v):\n    return sorted(v)[::-1]\n",
    "reference": "def f(v):\n    return sorted(v, reverse=True)\n",
    "inputs": ["v: list of integer -9..9"],
    **REST,
}


@pytest.fixture
def tool(sandbox: Sandbox, visible: Path, task: Task, tmp_path: Path) -> SubmitFinding:
    author = Author(principal="someone", model="scripted")
    submitter = Submitter(task=task, run="run-1", author=author, exposure="public")
    return SubmitFinding(submitter, sandbox, BlobStore(tmp_path / "blobs"), visible)


@pytest.mark.parametrize("asked", [IDENTITY, PROGRAM])
def test_a_claim_of_no_table_is_queued(tool: SubmitFinding, asked: dict[str, Any]) -> None:
    found = tool.call(asked)
    finding = Finding.from_body(found.data["finding"])
    assert found.content == f"queued {finding.id}"
    assert finding.table == FRESH
    assert dict(finding.evidence.inputs) == {}
    assert finding.evidence.results["files"] == 0
    with pytest.raises(ToolError, match="queued already"):
        tool.call({**asked, "prose": "again"})


@pytest.mark.parametrize(
    ("more", "says", "mend"),
    [
        ({"left": "n^2"}, "can't read", "write \\*\\* for a power"),
        ({"left": "2n"}, "expected the end", "products with \\*"),
        ({"inputs": ["n: whole"]}, "expected integer", "integer 1..40"),
        ({"inputs": ["m: integer 1..9"]}, "what n is drawn from", ""),
        (
            {"right": "(n*(n+1)/2)**3"},
            "not true: at n = 2 the left side is 9, the right 27",
            "claim what holds",
        ),
        ({"left": "n/0", "right": "n*1"}, "not defined at any", "other inputs"),
        ({"left": "9**9**n", "right": "n*1"}, "more than 20000 bits", "smaller inputs"),
        ({"table": "trees"}, "names no table", ""),
        ({"outcome": "height"}, "names no table", ""),
        ({"subset": "n > 1"}, "no place for subset", ""),
    ],
)
def test_what_is_wrong_with_an_identity_is_told(
    tool: SubmitFinding, more: dict[str, Any], says: str, mend: str
) -> None:
    with pytest.raises(ToolError, match=says) as caught:
        tool.call({**IDENTITY, **more})
    assert __import__("re").search(mend, caught.value.mend)
    assert not tool.queued


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"reference": "def f(v):\n    return sorted(set(v))[::-1]\n"}, "not the same: at v = "),
        ({"program": "import os\ndef f(v):\n    return sorted(v)\n"}, "the program: line 1: .*os"),
        ({"program": "class A:\n    def f(v): pass\n"}, "no function f"),
        ({"program": "def g(v): return v\n"}, "defines the function f"),
        ({"program": "1 / 0\ndef f(v):\n    return v\n"}, "can't be loaded: ZeroDivisionError"),
        ({"program": "def f(v):\n    return object()\n"}, "object is not data"),
        ({"program": "def f(v):\n    while 1: pass\n"}, "no answer within"),
        ({"inputs": ["v: list of integer -9..9", "w: boolean"]}, "both raise .*TypeError"),
        (
            {"program": "class C:\n    c = [0]\ndef f(v):\n    C.c[0] += 1\n"
             "    return sorted(v)[::-1] if C.c[0] % 2 else 0\n", "threshold": 0.1},
            "when it is asked again",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_program_is_told(
    tool: SubmitFinding, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(ToolError, match=says):
        tool.call({**PROGRAM, **more})
    assert not tool.queued


def test_a_share_may_differ_here_and_there(tool: SubmitFinding) -> None:
    mostly = "def f(v):\n    return sorted(v, reverse=True) if len(v) < 8 else None\n"
    assert tool.call({**PROGRAM, "reference": mostly, "threshold": 0.5}).data["finding"]


def test_nothing_is_tried_where_nothing_isolates(
    tool: SubmitFinding, image: Path, tmp_path: Path
) -> None:
    unsafe = UnsafeLocal(image)
    loose = SubmitFinding(tool.submitter, unsafe, BlobStore(tmp_path / "b"), tool.data)
    other = {**PROGRAM, "reference": "def f(v):\n    return v\n"}
    assert loose.call(other).content.startswith("queued")


def test_evidence_that_does_not_hold_is_refused(tool: SubmitFinding) -> None:
    with pytest.raises(ToolError, match="do not support"):
        tool.call({**IDENTITY, "supports": "failed > 0"})
