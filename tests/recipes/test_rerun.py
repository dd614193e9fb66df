"""A captured conclusion's script, run again where its table is registered."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.recipes.test_again import SCRIPT

from earnest.capture.candidates import Candidate
from earnest.capture.store import Store
from earnest.cli import main
from earnest.recipes import apart
from earnest.recipes.rerun import at_hand, rerun

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


def test_show_runs_it_again(home, ref, sandbox, tmp_path, capsys, redaction_rules):
    right = numbers(home, ref, sandbox)
    lines = [
        {"type": "user", "message": {"role": "user", "content": "How do x and y go together?"}},
        *_used("Write", {"file_path": "evidence.py", "content": SCRIPT}, "written"),
        *_used("Bash", {"command": "python evidence.py --data . --out r.json"}, json.dumps(right)),
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
    options = ["--home", str(home.root), "--json"]
    assert main(["capture", "--from", str(path), *options]) == 0
    capsys.readouterr()
    (one,) = Store(home.root).all()
    assert main(["capture", "show", one.id, "--rerun", *options]) == 0
    (told,) = json.loads(capsys.readouterr().out)["candidates"]
    assert (told["rerun"]["word"], told["trust"]) == ("reproduced", "unverified")
    assert main(["capture", "show", one.id, "--rerun", *options[:2]]) == 0
    assert "run again here, reproduced" in capsys.readouterr().out


def _used(name, given, output):
    call = {"type": "tool_use", "id": name, "name": name, "input": given}
    result = {"type": "tool_result", "tool_use_id": name, "content": output}
    yield {"type": "assistant", "message": {"role": "assistant", "content": [call]}}
    yield {"type": "user", "message": {"role": "user", "content": [result]}}
