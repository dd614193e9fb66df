"""Which files count as answers of hosts, and how a finding keeps them."""

import json

import pytest

from earnest.core.canon import digest
from earnest.core.errors import ToolError
from earnest.core.home import BlobStore
from earnest.core.records import Author, Finding
from earnest.sandbox.exchanges import Answered, Asked, Exchanges
from earnest.tools.answers import INDEX, no_answers, of_finding, of_run
from earnest.tools.files import Files
from earnest.tools.findings import SubmitFinding, Submitter, arguments_of
from earnest.tools.workspace import Workspace

BODY = b'{"rate": 1.25}'
SCRIPT = """
import json, sys
rate = json.load(open("http/rate.json"))["rate"]
(asked,) = json.load(open("http/index.json"))
out = sys.argv[sys.argv.index("--out") + 1]
json.dump({"effect": rate, "n": len(asked["url"])}, open(out, "w"))
"""
GOOD = {
    "kind": "difference", "table": "trees", "outcome": "height", "exposure": "wood",
    "direction": "higher", "group": "oak", "script": SCRIPT, "supports": "effect > 1",
    "answers": ["rate.json"],
}  # fmt: skip


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def answers(tmp_path, blobs):
    """A run's workspace and recording: one answer that `http` got, and some that are none."""
    files, recording = Files(Workspace(tmp_path / "w")), Exchanges(blobs)
    asked = Asked("GET", "https://a.example/rate")
    recording.record(asked, Answered(200, body=BODY), by="http")
    recording.record(asked, Answered(404, body=b"missing"), by="http")
    recording.record(asked, Answered(200, body=b"code's"), by="python")
    recording.record(asked, Answered(403, body=b"denied"), by="http", outcome="denied")
    for name, body in (("rate.json", BODY), ("d/rate.json", BODY), ("missing", b"missing"),
                       ("code", b"code's"), ("denied", b"denied"), ("made", b"made"),
                       ("index.json", BODY)):  # fmt: skip
        files.workspace.write(name, body)
    return of_run(files, lambda: recording.items)


def test_an_answer_as_it_came_is_taken_with_where_it_came_from(answers):
    found = answers(["d/rate.json"])
    assert found["http/rate.json"] == BODY
    (told,) = json.loads(found[INDEX])
    assert (told["url"], told["file"]) == ("https://a.example/rate", "http/rate.json")
    assert told["hash"] == digest(BODY)
    assert told["at"].endswith("Z")
    assert answers([]) == {}
    assert no_answers([]) == {}


@pytest.mark.parametrize(
    "names",
    [["missing"], ["code"], ["denied"], ["made"], ["gone"], ["../blobs/x"], ["/etc/passwd"],
     ["rate.json", "d/rate.json"], ["index.json"]],
)  # fmt: skip
def test_anything_else_is_none(answers, names):
    with pytest.raises(ToolError):
        answers(names)
    with pytest.raises(ToolError, match="no recorded answers here"):
        no_answers(names)


def test_a_finding_keeps_its_answers(answers, sandbox, visible, task, blobs):
    submitter = Submitter(task, "run-1", Author(principal="a", model="scripted"), "sealed")
    tool = SubmitFinding(submitter, sandbox, blobs, visible, answers=answers)
    finding = Finding.from_body(tool.call(GOOD).data["finding"])
    assert finding.evidence.results == {"effect": 1.25, "n": 22.0}
    assert blobs.get(finding.evidence.inputs["http/rate.json"]) == BODY
    # another tool takes the same claim with what the finding kept
    again = arguments_of(finding, SCRIPT.encode())
    assert again["answers"] == ("rate.json",)
    other = SubmitFinding(submitter, sandbox, blobs, visible, answers=of_finding(finding, blobs))
    assert Finding.from_body(other.call(again).data["finding"]).id == finding.id
    with pytest.raises(ToolError, match="no recorded answers here"):
        SubmitFinding(submitter, sandbox, blobs, visible).call(GOOD)
    with pytest.raises(ToolError, match="No such file"):
        SubmitFinding(submitter, sandbox, blobs, visible, answers=answers).call(
            {**GOOD, "answers": []}
        )
    blobs.path(digest(BODY)).unlink()
    other.queued.clear()
    with pytest.raises(ToolError, match="no blob"):
        other.call(again)
