import pytest

from earnest.core.errors import RecordError
from earnest.core.evidence import OUT, evidence_job, evidence_numbers
from earnest.core.jobs import DATA, Result


def result(text):
    files = {} if text is None else {OUT: text.encode()}
    return Result("exit", 0, "", "", files, 0.1)


def test_the_job_follows_the_contract(tmp_path):
    job = evidence_job(b"pass", tmp_path, 3, "verify")
    assert job.entry == ("python", "evidence.py", "--data", DATA, "--out", OUT, "--seed", "3")
    assert (job.ro_mounts, job.pool, job.net) == ({DATA: tmp_path}, "verify", None)


def test_named_finite_numbers_are_read():
    assert evidence_numbers(result('{"effect": 0.5, "n": 12}')) == {"effect": 0.5, "n": 12.0}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[1]",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": true}',
        '{"a": "1"}',
        '{"a": 1, "a": 2}',
        '{"a b": 1}',
        '{"a": null}',
        '{"a": [1]}',
        "{" + ",".join(f'"x{n}": 1' for n in range(17)) + "}",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(RecordError):
        evidence_numbers(result(text))
