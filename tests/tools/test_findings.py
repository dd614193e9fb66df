from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from earnest.core.canon import digest
from earnest.core.errors import EarnestError, ToolError, UnsupportedError
from earnest.core.home import BlobStore
from earnest.core.protocols import Sandbox
from earnest.core.records import Author, Claim, Finding, TableRef, Task
from earnest.tools.findings import MOST_FINDINGS, SubmitFinding, Submitter, arguments_of
from earnest.tools.table import check_claim

SCRIPT = """
import argparse, csv, json, statistics
parser = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    parser.add_argument(name)
args = parser.parse_args()
rows = list(csv.DictReader(open(args.data + "/trees.csv")))
def mean(wood):
    return statistics.mean(float(row["height"]) for row in rows if row["wood"] == wood)
json.dump({"effect": mean("oak") - mean("fir"), "n": len(rows)}, open(args.out, "w"))
"""
GOOD: dict[str, Any] = {
    "kind": "difference",
    "table": "trees",
    "outcome": "height",
    "exposure": "wood",
    "direction": "higher",
    "group": "oak",
    "script": SCRIPT,
    "supports": "effect > 2",
    "prose": "Oaks are taller.",
}


@pytest.fixture
def tool(sandbox: Sandbox, visible: Path, task: Task, tmp_path: Path) -> SubmitFinding:
    author = Author(principal="someone", model="scripted")
    submitter = Submitter(task=task, run="run-1", author=author, exposure="sealed")
    return SubmitFinding(submitter, sandbox, BlobStore(tmp_path / "blobs"), visible)


def test_a_good_finding_is_queued(tool: SubmitFinding, visible: Path, task: Task) -> None:
    found = tool.call(GOOD)
    finding = Finding.from_body(found.data["finding"])
    assert found.content == f"queued {finding.id}"
    assert tool.blobs.get(finding.evidence.script) == SCRIPT.encode()
    assert finding.evidence.inputs == {"trees.csv": digest((visible / "trees.csv").read_bytes())}
    assert finding.evidence.results["n"] == 60
    assert 2 < finding.evidence.results["effect"] < 10
    assert (finding.task, finding.run) == (task.id, "run-1")
    assert finding.claim.group == "oak"
    assert finding.prose == "Oaks are taller."


def test_an_equal_claim_is_refused_with_the_earlier_id(tool: SubmitFinding) -> None:
    first = tool.call(GOOD).content.removeprefix("queued ")
    with pytest.raises(ToolError, match=first):
        tool.call({**GOOD, "supports": "effect > 1", "prose": "Again."})
    assert tool.call({**GOOD, "versus": "fir"}).content.startswith("queued")


def test_the_tool_of_a_resumed_run_knows_what_was_queued(
    tool: SubmitFinding, visible: Path, tmp_path: Path
) -> None:
    finding = Finding.from_body(tool.call(GOOD).data["finding"])
    again = SubmitFinding(tool.submitter, tool.sandbox, tool.blobs, visible, [finding])
    with pytest.raises(ToolError, match=finding.id):
        again.call(GOOD)


def test_an_association_has_no_first_column(tool: SubmitFinding) -> None:
    script = "import json; json.dump({'rho': 0.9}, open('results.json', 'w'))"
    one = {
        "kind": "association",
        "table": "trees",
        "outcome": "height",
        "exposure": "age",
        "direction": "positive",
        "script": script,
        "supports": "rho > 0",
    }
    tool.call(one)
    with pytest.raises(ToolError, match="queued already"):
        tool.call({**one, "outcome": "age", "exposure": "height"})


QUIET = "import json; json.dump({'effect': 9}, open('results.json', 'w'))"
BARE: dict[str, Any] = {"table": "trees", "script": QUIET, "supports": "effect > 0"}


@pytest.mark.parametrize(
    "claim",
    [
        {"kind": "difference", "direction": "highest", "group": "oak", "exposure": "wood"},
        {"kind": "association", "direction": "dependent", "exposure": "wood"},
        {
            "kind": "association",
            "direction": "positive",
            "exposure": "wood",
            "order": ["fir", "oak"],
        },
        {"kind": "distribution", "direction": "wider", "group": "oak", "exposure": "wood"},
        {"kind": "distribution", "direction": "right-skewed"},
        {
            "kind": "interaction",
            "direction": "stronger",
            "exposure": "age",
            "modifier": "wood",
            "group": "oak",
        },
        {
            "kind": "interaction",
            "direction": "positive-overall",
            "exposure": "age",
            "modifier": "wood",
        },
        {"kind": "anomaly", "direction": "present", "where": "height > 22", "count": 3},
        {
            "kind": "value",
            "direction": "equal",
            "statistic": "mean",
            "value": 1,
            "value_tolerance": 9,
        },
        {
            "kind": "value",
            "direction": "highest",
            "statistic": "max",
            "exposure": "name",
            "group": "tree_1",
        },
    ],
    ids=lambda claim: f"{claim['kind']}-{claim['direction']}",
)
def test_every_kind_can_be_submitted(tool: SubmitFinding, claim: dict[str, Any]) -> None:
    found = tool.call({**BARE, "outcome": "height", **claim})
    finding = Finding.from_body(found.data["finding"])
    assert (finding.claim.kind, finding.claim.direction) == (claim["kind"], claim["direction"])
    assert finding.claim.tolerance == claim.get("value_tolerance")
    again = SubmitFinding(tool.submitter, tool.sandbox, tool.blobs, tool.data)
    made = again.call(arguments_of(finding, tool.blobs.get(finding.evidence.script)))
    assert Finding.from_body(made.data["finding"]) == finding


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"kind": "interaction", "direction": "stronger", "exposure": "age"}, "modifier"),
        (
            {
                "kind": "interaction",
                "direction": "stronger",
                "exposure": "age",
                "modifier": "wood",
                "group": "elm",
            },
            "'elm' is no value of 'wood'",
        ),
        (
            {
                "kind": "association",
                "direction": "positive",
                "exposure": "wood",
                "order": ["fir", "elm"],
            },
            "'elm' is no value of 'wood'",
        ),
        ({"kind": "anomaly", "direction": "present", "where": "soil > 2", "count": 1}, "'soil'"),
        ({"kind": "anomaly", "direction": "present", "where": "height > 2"}, "names count"),
        ({"kind": "value", "direction": "equal", "statistic": "mode", "value": 1}, "statistic"),
        ({"kind": "distribution", "direction": "wider", "exposure": "wood"}, "names group"),
        ({"kind": "value", "direction": "equal", "value": 1}, "names statistic"),
        (
            {
                "kind": "difference",
                "direction": "higher",
                "exposure": "name",
                "group": "tree_1",
                "versus": "tree_2",
            },
            "could not reach",
        ),
    ],
)
def test_what_a_kind_lacks_is_told(tool: SubmitFinding, claim: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        tool.call({**BARE, "outcome": "height", **claim})
    assert tool.queued == {}


def test_one_row_against_few_is_told_to_be_out_of_reach(visible: Path, ref: TableRef) -> None:
    table = visible / "trees.csv"
    rows = sorted(csv.DictReader(table.open()), key=lambda row: float(row["height"]))[-12:]
    claim = Claim(
        kind="difference",
        table="trees",
        outcome="height",
        exposure="name",
        direction="higher",
        group=rows[-1]["name"],
        subset=f"height >= {rows[0]['height']}",
    )
    with pytest.raises(ToolError, match=r"could not reach p = 0.05: .* 12 ways"):
        check_claim(claim, ref, table)


def test_a_grouped_design_counts_groups(tool: SubmitFinding, visible: Path, ref: TableRef) -> None:
    few = ref.model_copy(update={"design": "grouped:wood"})
    claim = Claim(
        kind="association", table="trees", outcome="height", exposure="age", direction="positive"
    )
    with pytest.raises(ToolError, match="4 ways"):
        check_claim(claim, few, visible / "trees.csv")
    check_claim(claim, ref, visible / "trees.csv")


def test_a_run_may_submit_only_so_many(tool: SubmitFinding) -> None:
    tool.queued = {str(number).encode(): "x" for number in range(MOST_FINDINGS)}
    with pytest.raises(ToolError, match="most a run may submit"):
        tool.call(GOOD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": "shrubs"}, "no table 'shrubs'"),
        ({"outcome": "weight"}, "no column 'weight'"),
        ({"adjust_for": ["soil"]}, "no column 'soil'"),
        ({"outcome": "name"}, "holds no numbers"),
        ({"group": "elm"}, "'elm' is no value of 'wood'"),
        ({"versus": "elm"}, "'elm' is no value of 'wood'"),
        ({"group": None}, "names a group"),
        ({"direction": "rising"}, "higher or lower"),
        ({"direction": "bigger"}, "direction"),
        ({"subset": "age is high"}, "expected operator"),
        ({"subset": "soil == 'wet'"}, "'soil', which is no column"),
        ({"subset": "age > 1000"}, "0 visible rows"),
        ({"subset": "wood == 'oak'"}, "nothing to compare"),
        ({"kind": "association", "group": None, "direction": "positive"}, "holds no numbers"),
        ({"supports": "effect > 2 or 1"}, "supports"),
        ({"supports": "size > 2"}, "names 'size'"),
        ({"supports": "effect < 0"}, "do not support the claim"),
        ({"script": "raise ValueError('my mistake')"}, "my mistake"),
        ({"script": "pass"}, "wrote no results.json"),
        ({"script": "open('results.json', 'w').write('{')"}, "not JSON"),
        ({"script": "open('results.json', 'w').write('{\"a\": NaN}')"}, "not a JSON number"),
        ({"script": "open('results.json', 'w').write('{\"a\": 1e999}')"}, "not finite"),
        ({"script": "open('results.json', 'w').write('{\"a\": true}')"}, "not a number"),
        ({"script": "open('results.json', 'w').write('[1]')"}, "named numbers"),
        ({"script": "open('results.json', 'w').write('{}')"}, "named numbers"),
        ({"script": ""}, "script"),
        ({"tolerance": 0.5}, "tolerance"),
    ],
)
def test_what_is_wrong_is_told(tool: SubmitFinding, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError, match=said) as raised:
        tool.call({**GOOD, **change})
    assert tool.queued == {}
    assert isinstance(raised.value, UnsupportedError) == ("do not support" in said)


def test_a_changed_table_stops_the_run(tool: SubmitFinding, visible: Path) -> None:
    with (visible / "trees.csv").open("a") as out:
        out.write("oak,99,1,x\n")
    with pytest.raises(EarnestError, match="not what the task handed out") as caught:
        tool.call(GOOD)
    assert not isinstance(caught.value, ToolError)
