"""`earnest capture`, as a person and as an agent's program call it."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.homes import home_at

from earnest.capture import hook
from earnest.capture.store import Store
from earnest.cli import main

pytest.importorskip("kingfisher_sdk", reason="extra capture is not installed")
EVIDENCE = "parser.add_argument('--data')\nparser.add_argument('--out')\n"
FINDING = {
    "kind": "difference", "table": "penguins", "outcome": "mass", "exposure": "sex",
    "direction": "higher", "group": "male", "supports": "effect > 0", "prose": "Males are heavier.",
}  # fmt: skip
SECRET = "glpat-" + "aB3dE5fG7hI9jK1lM2nO"


@pytest.fixture
def place(tmp_path, monkeypatch, redaction_rules):
    """A user's folder with one transcript, and a home for it."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EARNEST_HOME", str(home_at(tmp_path / "home").root))
    shutil.copytree(redaction_rules, tmp_path / "home" / "redaction")
    path = tmp_path / "user" / ".claude" / "projects" / "-p" / "abc.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in transcript()))
    return path


def transcript():
    def said(number, role, content):
        return {
            "uuid": str(number), "sessionId": "abc", "type": role,
            "message": {"role": role, "content": content},
        }  # fmt: skip

    def used(number, name, given, output):
        yield said(
            number,
            "assistant",
            [{"type": "tool_use", "id": str(number), "name": name, "input": given}],
        )
        yield said(
            number + 1,
            "user",
            [{"type": "tool_result", "tool_use_id": str(number), "content": output}],
        )

    return [
        said(0, "user", "What differs between males and females?"),
        *used(1, "Write", {"file_path": "evidence.py", "content": EVIDENCE}, "ok"),
        *used(3, "Bash", {"command": "python evidence.py"}, f'{{"effect": 0.731}}\nTOKEN={SECRET}'),
        *used(5, "Bash", {"command": "pytest"}, "1 failed, 3 passed"),
        *used(7, "Bash", {"command": "rm -rf src/old"}, ""),
        said(9, "assistant", "Mass is higher for males, by 0.731. All tests pass.\n\n"
             f"```earnest-finding\n{json.dumps(FINDING)}\n```"),
    ]  # fmt: skip


def told(capsys, *arguments):
    """Run a verb with --json; return its exit status and its document."""
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out or "{}")


def test_a_sweep_keeps_what_is_new_and_says_what_it_took_out(place, capsys):
    _, dry = told(capsys, "capture", "--dry-run")
    assert dry["captured"][0]["lines"] == 10
    status, document = told(capsys, "capture")
    assert status == 0
    assert document["captured"][0]["lines"] == 10
    assert sum(document["redacted"].values()) >= 1
    assert told(capsys, "capture")[1]["captured"] == []
    (row,) = told(capsys, "capture", "list")[1]["sessions"]
    assert (row["session_id"], row["format"], row["lines"]) == ("abc", "claude-code", 10)


def test_a_session_is_shown_with_what_it_concluded(place, capsys):
    main(["capture"])
    capsys.readouterr()
    status, document = told(capsys, "capture", "show", "abc")
    assert status == 0
    assert document["candidates"][0]["statement"] == "Mass is higher for males, by 0.731."
    assert {one["trust"] for one in document["candidates"]} == {"unverified"}
    assert document["stated"] == [{**FINDING, "script": EVIDENCE.replace("\n", "\\u{a}")}]
    assert {one["kind"] for one in document["attempts"]} == {"deletion", "false-success"}
    assert SECRET not in json.dumps(document)
    (deletion,) = [one for one in document["attempts"] if one["kind"] == "deletion"]
    assert (deletion["line"], deletion["quote"]) == (8, "rm -rf src/old")
    _, both = told(capsys, "capture", "conduct")
    assert both["total"] == 2


def test_words_for_a_person(place, capsys):
    main(["capture"])
    assert "captured 10 lines of 1 sessions" in capsys.readouterr().out
    main(["capture", "show", "abc"])
    shown = capsys.readouterr().out
    assert "all unverified" in shown
    assert "no verdicts" in shown
    main(["capture", "forget", "abc"])
    main(["capture", "list"])
    assert "FORGOTTEN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["capture", "show"], 2), (["capture", "show", "nobody"], 1), (["capture", "what"], 2),
        (["capture", "--from", "/nowhere/x.json"], 1), (["capture", "--format", "odd"], 2),
        (["capture", "list", "--hook"], 2), (["capture", "show", "abc", "--model", "analyst"], 2),
    ],
)  # fmt: skip
def test_wrong_usage_is_told(place, capsys, arguments, status):
    main(["capture"])
    with pytest.raises(SystemExit) as ended:
        sys.exit(main(arguments))
    assert ended.value.code == status
    assert capsys.readouterr().err


def test_what_others_wrote_is_printed_in_one_line(place, capsys):
    with place.open("a") as file:
        text = "The mean is higher,\u202e by 0.731.\x1b[2J"
        file.write(
            json.dumps(
                {"sessionId": "abc", "uuid": "z", "message": {"role": "user", "content": "?"}}
            )
            + "\n"
        )
        file.write(
            json.dumps(
                {"sessionId": "abc", "uuid": "y", "message": {"role": "assistant", "content": text}}
            )
            + "\n"
        )
    main(["capture"])
    capsys.readouterr()
    main(["capture", "show", "abc"])
    shown = capsys.readouterr().out
    assert "\\u{202e}" in shown
    assert "\x1b" not in shown


def test_the_verb_for_hooks_loads_nothing_heavy(place, tmp_path):
    code = (
        "import sys; from earnest.cli import main; main(['capture', '--hook']);"
        "print([m for m in ('pydantic', 'numpy', 'earnest.core') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({"transcript_path": str(place)}).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b"[]"
    (part,) = (tmp_path / "home" / "spool").rglob("*.part")
    assert part.read_bytes() == place.read_bytes()


def test_a_hook_can_start_the_import(place, tmp_path):
    """From the event to stated findings, with no command typed in between."""
    event = {"hook_event_name": "SessionEnd", "transcript_path": str(place), "session_id": "abc"}
    subprocess.run(
        [sys.executable, "-I", "-S", hook.__file__, "--import", "--home", str(tmp_path / "home")],
        input=json.dumps(event).encode(),
        check=True,
    )
    store = Store(tmp_path / "home")
    until = time.monotonic() + 180
    while time.monotonic() < until and not (store.all() and store.all()[0].chunks()):
        time.sleep(0.1)
    from earnest.capture.stated import stated_findings

    assert stated_findings(store.find("abc").session()) == [{**FINDING, "script": EVIDENCE}]


def test_a_conclusion_names_the_registered_table_that_it_is_about(place, tmp_path, capsys):
    """By what the file holds, whatever it is called; or else by its name."""
    table = tmp_path / "penguins.csv"
    rows = "\n".join(f"{3000 + n * 7 % 900},{'mf'[n % 2]}" for n in range(60))
    table.write_text(f"mass,sex\n{rows}\n")
    _, sealed = told(capsys, "seal", str(table))
    copy = tmp_path / "copy-of-it.csv"
    copy.write_bytes((Path(sealed["folder"]) / "penguins.csv").read_bytes())
    for named, by in ((copy, "content"), (tmp_path / "other" / "penguins.csv", "name")):
        lines = transcript()
        lines[3]["message"]["content"][0]["input"]["command"] = f"python evidence.py {named}"
        path = place.with_name(f"{by}.jsonl")
        path.write_text("".join(json.dumps({**one, "sessionId": by}) + "\n" for one in lines))
        main(["capture"])
        capsys.readouterr()
        _, document = told(capsys, "capture", "show", by)
        (found,) = document["candidates"][0]["tables"]
        assert (found["name"], found["by"]) == ("penguins", by)
        assert found["table"] == sealed["table"]
