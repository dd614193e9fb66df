from __future__ import annotations

import json
import os
import unicodedata

import pytest
from pydantic import ValidationError
from tests.atif import Trajectory
from tests.injections import TEXTS
from tests.recipes.played import TURNS, played

from earnest.cli import main
from earnest.core.events import EventLog, read_events
from earnest.models.scripted import say, use

HOSTILE = "\x1b[31m" + " ".join(one for one in TEXTS.values() if len(one) < 300)


def asked(capsys, *arguments, home, status=0):
    assert main(["runs", *arguments, "--home", str(home.root)]) == status
    return capsys.readouterr()


def test_a_list_says_how_each_run_stands(home, capsys):
    played(home, TURNS)
    with EventLog(home.runs / "r" / "events.jsonl"):
        running = json.loads(asked(capsys, "list", "--json", home=home).out)["runs"]
    assert (running[0]["status"], running[0]["process"]) == ("running", os.getpid())
    (home.runs / "torn").mkdir()
    (home.runs / "torn" / "events.jsonl").write_text('{"kind":"start"}\n')
    told = json.loads(asked(capsys, "list", "--json", home=home).out)
    assert told["version"] == 1
    first, second = told["runs"]
    assert (first["status"], first["process"], first["steps"], first["findings"]) == (
        "done",
        None,
        4,
        0,
    )
    assert first["cost_usd"] == 0
    assert first["seconds_ago"] < 600
    assert second["status"] == "damaged"
    words = asked(capsys, "list", home=home).out
    assert "What is going on?" in words
    assert "damaged" in words


def test_steps_are_shown_in_a_line_each_and_one_whole(home, capsys):
    played(home, TURNS)
    lines = asked(capsys, "show", "r", home=home).out.splitlines()
    assert [line for line in lines if line.startswith("   3!")]
    assert any("   1  notes: one" in line for line in lines)
    whole = asked(capsys, "show", "r", "--step", "1", home=home).out
    assert "| I begin." in whole
    assert "appended to NOTES.md" in whole
    told = json.loads(asked(capsys, "show", "r", "--json", home=home).out)
    assert [one["step"] for one in told["made"]] == [1, 2, 3, 4]
    assert "4 steps" in asked(capsys, "show", "r", "--step", "9", home=home, status=2).err
    assert "runs list" in asked(capsys, "show", "../..", home=home, status=2).err


@pytest.mark.parametrize("arguments", [("list",), ("show", "r"), ("show", "r", "--step", "1")])
def test_no_text_of_a_run_reaches_the_terminal_as_more_than_text(arguments, home, capsys):
    turn = use("notes", {"action": "append", "text": HOSTILE}, text=HOSTILE)
    played(home, [turn, use(HOSTILE, {HOSTILE: HOSTILE}), say(HOSTILE)], prompt=HOSTILE)
    out = asked(capsys, *arguments, home=home).out
    assert "\\u{1b}" in out
    assert not {c for c in out if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")} - {"\n"}


def exported(home, tmp_path, capsys, form):
    path = tmp_path / "out" / f"x.{form}"
    asked(capsys, "export", "r", "--as", form, "--out", str(path), home=home)
    return path.read_text()


def test_atif_is_as_its_rfc_says(home, tmp_path, capsys):
    played(home, TURNS)
    text = exported(home, tmp_path, capsys, "atif")
    told = Trajectory.model_validate_json(text)
    assert [step.source for step in told.steps] == ["system", "user", *["agent"] * 4]
    assert told.steps[2].tool_calls[0].function_name == "notes"
    for broken in ({"own": 1}, {"schema_version": "ATIF-v9"}, {"steps": []}):
        with pytest.raises(ValidationError):
            Trajectory.model_validate_json(json.dumps(json.loads(text) | broken))
    swapped = json.loads(text)
    swapped["steps"][0], swapped["steps"][1] = swapped["steps"][1], swapped["steps"][0]
    with pytest.raises(ValidationError):
        Trajectory.model_validate_json(json.dumps(swapped))


def test_atif_is_what_harbor_reads(home, tmp_path, capsys):
    harbor = pytest.importorskip(
        "harbor.models.trajectories", reason="harbor (Python 3.12 and later) is not installed"
    )
    played(home, TURNS)
    harbor.Trajectory.model_validate_json(exported(home, tmp_path, capsys, "atif"))


def test_chat_is_one_conversation_a_line_as_openai_takes_it(home, tmp_path, capsys):
    played(home, TURNS)
    text = exported(home, tmp_path, capsys, "chat")
    assert text.count("\n") == 1
    told = json.loads(text)
    roles = [one["role"] for one in told["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "tool",
                     "assistant", "tool", "assistant"]  # fmt: skip
    owed: list[str] = []
    for message in told["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] == owed.pop(0)
        else:
            assert owed == []
            calls = message.get("tool_calls", [])
            owed = [call["id"] for call in calls]
            assert all(isinstance(json.loads(c["function"]["arguments"]), dict) for c in calls)
    assert told["tools"][0]["function"]["name"] == "notes"
    assert told["messages"][-1]["content"] == "Nothing more."


def test_chat_loads_as_a_data_set(home, tmp_path, capsys):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    played(home, TURNS)
    exported(home, tmp_path, capsys, "chat")
    path = str(tmp_path / "out" / "x.chat")
    loaded = datasets.load_dataset("json", data_files=path, split="train", cache_dir=str(tmp_path))
    assert loaded[0]["messages"][0]["role"] == "system"


def test_a_run_that_was_cut_off_is_exported_as_far_as_it_came(home, tmp_path, capsys):
    folder = played(home, TURNS)
    log = folder / "events.jsonl"
    kinds = [event.kind for event in read_events(log)]
    at = [n for n, kind in enumerate(kinds) if kind == "effect"][1]  # the first of two calls
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[: at + 1]))
    told = Trajectory.model_validate_json(exported(home, tmp_path, capsys, "atif"))
    assert len(told.steps) == 4
    chat = json.loads(exported(home, tmp_path, capsys, "chat"))
    assert [one["role"] for one in chat["messages"]] == ["system", "user", "assistant", "tool"]
    assert "cut off during this call" in exported(home, tmp_path, capsys, "html")
    assert "no effect on record" in asked(capsys, "show", "r", "--step", "2", home=home).out


def test_a_page_has_every_step(home, tmp_path, capsys):
    played(home, TURNS)
    page = exported(home, tmp_path, capsys, "html")
    assert page.count("<h2>Step ") == 4
    assert "default-src 'none'" in page
    assert "<script" not in page
    asked(capsys, "export", "r", "--as", "html", "--out", str(tmp_path), home=home, status=2)


def test_last_words_are_one_line_and_files_have_plain_names(home, tmp_path, capsys, monkeypatch):
    played(home, [say("One.\n- two\n- three")])
    at = ["--home", str(home.root)]
    assert main(["runs", "show", "r", *at]) == 0
    assert "says: One. - two - three" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    for form in ("atif", "chat", "html"):
        assert main(["runs", "export", "r", "--as", form, *at]) == 0
    names = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert names >= {"r.atif.json", "r.chat.jsonl", "r.html"}


def test_a_report_is_rebuilt(home, capsys):
    folder = played(home, TURNS)
    said = asked(capsys, "report", "r", home=home).out.strip()
    assert said == str(folder / "report.html")
    page = (folder / "report.html").read_text()
    assert page.index("No claim was made") < page.index("Nothing more.")
