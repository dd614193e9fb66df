"""A captured conclusion's script, run again where its table is registered."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.recipes.test_again import SCRIPT

from earnest.capture.candidates import Candidate
from earnest.capture.store import Store
from earnest.cli import main
from earnest.data.build import build
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart
from earnest.recipes.quota import Quota
from earnest.recipes.rerun import AN_HOUR, PRINCIPAL, USE, at_hand, rerun, run_again

pytest.importorskip("kingfisher_sdk", reason="extra capture is not installed")


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


@pytest.fixture
def ref(home, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    frame = pd.DataFrame({"x": x, "y": x + rng.normal(size=60)}).round(3)
    frame.to_csv(tmp_path / "first.csv", index=False)
    (made,) = apart.seal(home, [tmp_path / "first.csv"], design="iid")
    return made


def candidate(script=SCRIPT, **results):
    arguments = {"script": script, "results": results} if script else {}
    return Candidate("s", 1, 1, "rho is 0.7", arguments=arguments)


def numbers(home, ref, sandbox):
    return rerun(home, candidate(rho=9.0, mean=9.0), ref.table, sandbox)["numbers"]


def test_the_numbers_come_out_again_or_do_not(home, ref, sandbox):
    right = numbers(home, ref, sandbox)
    told = rerun(home, candidate(**right), ref.table, sandbox)
    assert (told["word"], told["why"], told["numbers"]) == ("reproduced", "", right)
    told = rerun(home, candidate(**{**right, "rho": right["rho"] + 0.01}), ref.table, sandbox)
    assert told["word"] == "differs"
    assert "rho" in told["why"]


@pytest.mark.parametrize(
    "script", ["raise ValueError", "print(1)", "open('results.json', 'w').write('{\"a\": NaN}')"]
)
def test_a_script_that_gives_nothing_has_failed(home, ref, sandbox, script):
    told = rerun(home, candidate(script, rho=1.0), ref.table, sandbox)
    assert (told["word"], told["numbers"]) == ("failed", {})
    assert told["why"]


def test_which_table_it_is_must_be_plain():
    one, two = ({"name": "t", "table": name, "by": "name"} for name in ("a", "b"))
    assert at_hand(candidate(rho=1.0), [one]) == "a"
    assert at_hand(candidate(rho=1.0), [one, two]) == ""
    assert at_hand(candidate(rho=1.0), [one, {**two, "by": "content"}]) == "b"
    assert at_hand(candidate(""), [one]) == ""
    assert at_hand(candidate(), [one]) == ""


@pytest.fixture
def transcript(home, ref, sandbox, tmp_path, redaction_rules):
    """A session that ran its evidence and said what came out."""
    right = numbers(home, ref, sandbox)
    command = {"command": "python evidence.py --data . --out r.json"}
    lines = [
        {"type": "user", "message": {"role": "user", "content": "How do x and y go together?"}},
        *_used("Write", {"file_path": "evidence.py", "content": SCRIPT}, "written"),
        *_used("Bash", command, json.dumps(right)),
        {
            "type": "assistant",
            "message": {
                "role": "assistant",
                "content": f"They rise together: the rank correlation is {right['rho']:.2f}.",
            },
        },
    ]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps({"sessionId": "s", **line}) + "\n" for line in lines))
    return path


@pytest.fixture
def capture(home, capsys):
    """Runs `earnest capture …`; returns its document."""

    def run(*arguments):
        assert main(["capture", *map(str, arguments), "--home", str(home.root), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_an_import_runs_it_again_and_nothing_is_trained_on_it(
    home, ref, transcript, capture, capsys, tmp_path
):
    ((session, words),) = capture("--from", transcript)["reruns"].items()
    assert words == {"reproduced": 1}
    (listed,) = capture("list")["sessions"]
    assert (listed["id"], listed["reruns"]) == (session, {"reproduced": 1})
    (told,) = capture("show", session)["candidates"]
    assert (told["rerun"]["word"], told["trust"]) == ("reproduced", "unverified")
    assert main(["capture", "show", session, "--home", str(home.root)]) == 0
    assert "run again here, reproduced" in capsys.readouterr().out
    with Ledger(home.ledger) as ledger:
        found = ledger.findings()
    assert found == []  # all that a data set is built from
    manifest = build(found, [ref], None, tmp_path / "set", 0)
    assert manifest.verdicts == ()
    files = [path.read_bytes() for path in (tmp_path / "set").iterdir()]
    assert files
    assert not any(told["statement"][:20].encode() in data for data in files)
    capture("forget", session)
    assert capture("list")["sessions"][0]["reruns"] == {}


def test_show_runs_it_again_when_asked(transcript, capture):
    assert capture("--from", transcript, "--no-rerun")["reruns"] == {}
    assert capture("--spooled")["reruns"] == {}  # not wanted then, and not made up for
    (told,) = capture("show", "s")["candidates"]
    assert "rerun" not in told
    (told,) = capture("show", "s", "--rerun")["candidates"]
    assert told["rerun"]["word"] == "reproduced"


def test_what_the_hours_quota_leaves_is_run_later_and_once(
    home, transcript, capture, capsys, sandbox
):
    quota = Quota(home, **AN_HOUR)
    for _ in range(quota.submissions):
        quota.begin(PRINCIPAL)
    assert main(["capture", "--from", str(transcript), "--home", str(home.root)]) == 0
    assert "60 submissions an hour are the most" in capsys.readouterr().err
    assert "rerun" not in capture("show", "s")["candidates"][0]
    for path in (home.root / "desk" / "quota").glob("*.json"):
        path.unlink()
    (one,) = Store(home.root).all()
    assert not one.dealt_with(USE)
    (told,) = run_again(home, [one], lambda _: None, sandbox=sandbox).values()
    assert told == {"reproduced": 1}
    assert one.dealt_with(USE)
    with transcript.open("a") as file:
        file.write('{"type": "user", "message": {"role": "user", "content": "Thanks."}}\n')
    assert capture("--from", transcript)["reruns"] == {}


def _used(name, given, output):
    call = {"type": "tool_use", "id": name, "name": name, "input": given}
    result = {"type": "tool_result", "tool_use_id": name, "content": output}
    yield {"type": "assistant", "message": {"role": "assistant", "content": [call]}}
    yield {"type": "user", "message": {"role": "user", "content": [result]}}
