"""What is done with captured sessions is done once, and not forgotten where an import is killed."""

import json
from datetime import UTC, datetime

import pytest

from earnest.capture.store import Store
from earnest.capture.sweep import Importer
from earnest.capture.turns import Session, Turn
from earnest.cli import main
from earnest.recipes.desk_batches import Batches, Sitting
from earnest.recipes.quota import Quota
from earnest.recipes.research import PRINCIPAL
from earnest.recipes.stated import _began

pytest.importorskip("kingfisher_sdk", reason="extra capture is not installed")
STATED = {"kind": "association", "table": "nowhere", "outcome": "x", "exposure": "y"}
SAID = f"So it is.\n\n```earnest-finding\n{json.dumps({**STATED, 'script': 'pass'})}\n```\n"
AT = "2026-11-25T10:00:00+00:00"


@pytest.fixture
def transcript(tmp_path, redaction_rules, home):
    path = tmp_path / "s.jsonl"
    line = {"sessionId": "s", "type": "assistant", "message": {"role": "assistant"}}
    line["message"]["content"] = SAID
    path.write_text(json.dumps(line) + "\n")
    return path


@pytest.fixture
def capture(home, capsys):
    def run(*arguments):
        assert main(["capture", *map(str, arguments), "--home", str(home.root), "--json"]) == 0
        return json.loads(capsys.readouterr().out)["handed_in"]

    return run


def test_what_an_import_was_killed_before_it_handed_in_the_next_one_does(home, transcript, capture):
    Importer(home.root).named(transcript, "", lambda _: None)  # and here it is killed
    (handed,) = capture("--spooled")
    assert "no registered table is 'nowhere'" in handed["problem"]
    assert capture("--spooled") == []


def test_what_the_desk_did_not_take_is_handed_in_later(home, transcript, capture):
    quota = Quota(home)
    for _ in range(quota.submissions):
        quota.begin(PRINCIPAL)
    path = next((home.root / "desk" / "quota").glob("*.json"))
    text = transcript.read_text().replace("nowhere", "")  # no quota counts what names no table
    transcript.write_text(text)
    assert capture("--from", transcript) == []
    path.unlink()
    assert len(capture("--spooled")) == 1


def test_a_session_whose_desk_file_is_damaged_keeps_no_other_back(home, transcript, capture):
    first, other = transcript, transcript.with_name("t.jsonl")
    other.write_text(first.read_text().replace('"sessionId": "s"', '"sessionId": "t"'))
    importer = Importer(home.root)
    for path in (first, other):
        importer.named(path, "", lambda _: None)
    broken, sound = Store(home.root).all()  # in this order they are handed in
    key = Sitting(PRINCIPAL, f"claude-code:{broken.session().session_id}").key
    Batches(home)
    (home.root / "desk" / "open" / f"{key}.json").write_text("{")
    text = (home.root / "captured" / sound.id / "session.json").read_text()
    assert sound.session().session_id in text
    assert [one["session"] for one in capture("--spooled")] == [sound.id]
    assert not broken.dealt_with("stated")
    assert sound.dealt_with("stated")


def test_what_was_not_wanted_is_not_made_up_for(transcript, capture):
    assert capture("--from", transcript, "--no-submit") == []
    assert capture("--spooled") == []
    with transcript.open("a") as file:
        file.write("{}\n")
    assert len(capture("--from", transcript)) == 1


def began(home, *times, parent=""):
    turns = [Turn("assistant", "x", at=at) for at in times]
    return _began(home, Session("s", "claude-code", parent=parent, source=lambda: iter(turns)))


def test_a_session_begins_with_the_earliest_time_that_it_names(home):
    assert began(home, "2026-11-25T12:00:00Z", AT, "", "soon") == datetime(
        2026, 11, 25, 10, tzinfo=UTC
    )


def test_a_time_without_its_zone_may_be_earlier_than_it_looks(home):
    assert began(home, AT, "2026-11-25T12:00:00") is None
    assert began(home, "") is None


def test_a_sub_agent_may_know_what_its_parent_saw(home):
    parent = Store(home.root).of("/p.jsonl")
    assert began(home, AT, parent=parent.id) is None  # it was not captured: who knows
    early = "2026-11-25T08:00:00Z"
    line = json.dumps({"timestamp": early, "message": {"role": "user", "content": "go"}})
    parent.describe(path="/p.jsonl", format="claude-code")
    parent.add(0, 0, len(line) + 1, [line.encode()], {"line": 1, "lines": 1})
    assert began(home, AT, parent=parent.id) == datetime(2026, 11, 25, 8, tzinfo=UTC)
