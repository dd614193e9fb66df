"""Recorded answers among a finding's inputs: read by name and hash, within bounds."""

from pathlib import Path

import pytest

from earnest.core import evidence
from earnest.core.canon import digest
from earnest.core.errors import RecordError
from earnest.core.evidence import evidence_job, recorded_answers
from earnest.core.home import BlobStore


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


def test_answers_are_told_from_tables_and_laid_out_beside_the_script(blobs, tmp_path):
    inputs = {"t.csv": digest(b"table"), "http/rates.json": blobs.put(b"{}")}
    answers = recorded_answers(inputs, blobs.get)
    assert answers == {"http/rates.json": b"{}"}
    job = evidence_job(b"pass", tmp_path, 1, answers=answers)
    assert job.files == {"evidence.py": b"pass", "http/rates.json": b"{}"}
    assert job.net is None
    assert evidence_job(b"pass", tmp_path, 1).files == {"evidence.py": b"pass"}
    assert recorded_answers({"t.csv": digest(b"table")}, blobs.get) == {}


@pytest.mark.parametrize(
    "name", ["http/../evidence.py", "http/", "http/a/b", "http/.x", "http/a\nb", "http//etc/passwd",
             "http/" + "x" * 101],
)  # fmt: skip
def test_odd_names_are_refused(blobs, name):
    with pytest.raises(RecordError, match="no name"):
        recorded_answers({name: blobs.put(b"x")}, blobs.get)


def test_what_is_gone_changed_or_too_much_is_refused(blobs, monkeypatch):
    with pytest.raises(RecordError, match="no blob"):
        recorded_answers({"http/a": digest(b"gone")}, blobs.get)
    name = blobs.put(b"answer")
    blobs.path(name).write_bytes(b"other")
    with pytest.raises(RecordError, match="changed"):
        recorded_answers({"http/a": name}, blobs.get)
    kept = blobs.put(b"x" * 10)
    with pytest.raises(RecordError, match="at most 16"):
        recorded_answers({f"http/{n}": kept for n in range(17)}, blobs.get)
    monkeypatch.setattr(evidence, "MOST_ANSWER_BYTES", 19)
    with pytest.raises(RecordError, match="19 bytes"):
        recorded_answers({"http/a": kept, "http/b": kept}, blobs.get)
