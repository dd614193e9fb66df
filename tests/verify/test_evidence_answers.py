"""Evidence that rests on recorded answers of hosts too: run again without a network, with them."""

import pytest

from earnest.core.canon import digest
from earnest.core.records import Finding
from earnest.verify.bundles.bundle import Bundle, Laid, lay_out
from earnest.verify.bundles.parts import head, measure

FALLBACK = """\
import json
try:
    with open("http/unit.json") as file:
        factor = json.load(file)["factor"]
except FileNotFoundError:
    factor = 2.0
"""


def laid_out(folder, sandbox, code, answers):
    """A bundle whose finding names answers, by their bytes."""
    script = head("dose") + measure("dose") + FALLBACK + "table = pd.read_csv(path)\n" + code
    laid = lay_out(Bundle("answers", "dose", script), folder, sandbox, seed=11)
    inputs = {name: digest(data) for name, data in answers.items()}
    body = laid.finding.model_dump()
    body["evidence"]["inputs"] = {**body["evidence"]["inputs"], **inputs}
    return Laid(Finding(**body), laid.bench, laid.blobs)


HONEST = "effect, p = measure(table)\nfinish(effect=effect, p=p, scaled=effect * factor)\n"


def test_an_honest_script_finds_the_answers_in_every_run(sandbox, tmp_path):
    answers = {"http/unit.json": b'{"factor": 2.0}'}
    laid = laid_out(tmp_path, sandbox, HONEST, answers)
    laid.blobs.put(answers["http/unit.json"])
    found = laid.examined(sandbox, b"key")
    assert found.word == "confirmed", found


def test_another_answer_gives_other_numbers_and_is_found_out(sandbox, tmp_path):
    answers = {"http/unit.json": b'{"factor": 3.0}'}
    laid = laid_out(tmp_path, sandbox, HONEST, answers)
    laid.blobs.put(answers["http/unit.json"])
    found = laid.examined(sandbox, b"key")
    assert (found.word, found.checks[-1].name) == ("invalid", "reproduces")
    assert "scaled" in found.checks[-1].detail


@pytest.mark.parametrize("name", ["http/unit.json", "http/../evidence.py"])
def test_answers_that_are_gone_or_oddly_named_are_no_evidence(sandbox, tmp_path, name):
    laid = laid_out(tmp_path, sandbox, HONEST, {name: b'{"factor": 2.0}'})
    if ".." in name:
        laid.blobs.put(b'{"factor": 2.0}')
    found = laid.examined(sandbox, b"key")
    assert (found.word, found.checks[-1].name) == ("invalid", "script")


def test_a_conclusion_that_is_read_from_an_answer_is_found_out(sandbox, tmp_path):
    code = "finish(effect=factor / 4, p=0.001)\n"
    laid = laid_out(tmp_path, sandbox, code, {"http/unit.json": b'{"factor": 2.0}'})
    laid.blobs.put(b'{"factor": 2.0}')
    found = laid.examined(sandbox, b"key")
    assert (found.word, found.checks[-1].name) == ("invalid", "permuted")
