from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from earnest.agent.guard import Question
from earnest.agent.replay import logged_calls
from earnest.core.canon import digest
from earnest.core.events import read_events
from earnest.core.home import Home
from earnest.core.messages import Message
from earnest.core.protocols import Sandbox
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef
from earnest.ledger.ledger import Ledger
from earnest.models.analyst import Analyst
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart
from earnest.recipes.research import conclude, explore, exposure, make_task
from earnest.tasks.registry import Registry
from earnest.verify.evidence_batch import near_copies

MARK = f"987.{os.getpid():07d}"


@pytest.fixture
def ref(home: Home, tmp_path: Path) -> TableRef:
    drawn = [(n * 37 % 101 / 10, n * 11 % 17) for n in range(200)]
    rows = ["a,b", *(f"{a},{a / 2 + noise / 3:.2f}" for a, noise in drawn)]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    return Registry(home).seal(tmp_path / "t.csv", design="iid")


def sleeping() -> int:
    """How many processes on this machine sleep for `MARK` seconds."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            count += words[0].endswith(b"sleep") and MARK.encode() in words
    return count


def slept() -> int:
    """How many sleep, once one does: a program just started has no words to be known by yet."""
    end = time.monotonic() + 30
    while not (count := sleeping()) and time.monotonic() < end:
        time.sleep(0.02)
    return count


def test_a_run_ends_its_session_and_has_its_variables_when_resumed(
    home: Home, sandbox: Sandbox, ref: TableRef
) -> None:
    if not getattr(sandbox, "lines", True):
        pytest.skip(f"{sandbox.name} keeps no line to its jails")
    seen: list[int] = []

    def interrupted(_: Sequence[Message]) -> Message:
        seen.append(slept())
        raise KeyboardInterrupt

    begin = f"import subprocess\nx = 41\nchild = subprocess.Popen(['/bin/sleep', '{MARK}'])"
    first = use("python", {"code": begin})
    task, log = make_task("What is going on?", [ref]), home.runs / "r" / "events.jsonl"
    model = ScriptedModel([first, interrupted])
    assert explore(home, "r", task, model, sandbox, lambda _: None).status == "stopped"
    assert seen == [1]
    end = time.monotonic() + 60
    while sleeping():
        assert time.monotonic() < end, "the session outlived its run"
        time.sleep(0.05)
    again = ScriptedModel([first, use("python", {"code": "x + 1"}), say("over")])
    assert explore(home, "r", task, again, sandbox, lambda _: None).status == "done"
    calls = logged_calls(read_events(log), "python")
    assert [observation.content.endswith("stdout:\n42\n") for _, observation in calls] == [
        False,
        True,
    ]
    assert not sleeping()


def test_an_author_whose_code_nothing_holds_saw_all(home: Home, ref: TableRef, tmp_path) -> None:
    from earnest.sandbox.unsafe import UnsafeLocal

    task, model, unsafe = make_task("What is going on?", [ref]), Analyst(2), UnsafeLocal(tmp_path)
    assert exposure(task, model.name, unsafe) == "author-saw-all"
    # And what nothing isolates is denied, unless a person allows it, call by call.
    result = explore(home, "r", task, model, unsafe, lambda _: None)
    assert not result.findings
    log = home.runs / "r" / "events.jsonl"
    denied = [one.payload for one in read_events(log) if one.kind == "permission"]
    assert {one["decision"] for one in denied} == {"deny"}
    assert {act["kind"] for one in denied for act in one["acts"]} == {"irreversible"}
    asked: list[Question] = []

    def yes(question: Question) -> bool:
        asked.append(question)
        return True

    result = explore(home, "a", task, Analyst(2), unsafe, lambda _: None, policy="ask", ask=yes)
    assert {finding.exposure for finding in result.findings} == {"author-saw-all"}
    assert {act.reach for one in asked for act in one.acts} == {"everything"}


def test_an_author_in_a_jail_saw_what_is_visible(home: Home, ref: TableRef, sandbox) -> None:
    task, model = make_task("What is going on?", [ref]), Analyst(2)
    result = explore(home, "r", task, model, sandbox, lambda _: None)
    assert result.status == "done", result
    assert {finding.exposure for finding in result.findings} == {"sealed"}


def test_an_analysts_findings_repeat_none_of_their_batch(
    home: Home, tmp_path: Path, sandbox: Sandbox
) -> None:
    drawn = [(n * 37 % 101, n * 11 % 17, n * 7 % 13, n % 3) for n in range(300)]
    rows = [f"{a + c},{b + c},{a + b},{c + a / 9},{'xyz'[d]}" for a, b, c, d in drawn]
    (tmp_path / "wide.csv").write_text("\n".join(["p,q,r,s,t", *rows]) + "\n")
    ref = Registry(home).seal(tmp_path / "wide.csv", design="iid")
    task, model = make_task("What is going on?", [ref]), Analyst(12)
    batch = explore(home, "r", task, model, sandbox, lambda _: None).findings
    assert len(batch) > 3
    assert near_copies(batch, home.blobs.get) == {}


def test_of_near_copies_the_first_is_tested_and_paid_for(
    home: Home, tmp_path: Path, sandbox: Sandbox
) -> None:
    rows = ["a,b", *(f"{n * 37 % 101},{n * 11 % 17}" for n in range(200))]
    (tmp_path / "made.csv").write_text("\n".join(rows) + "\n")
    ref = Registry(home).seal(tmp_path / "made.csv", design="iid")
    task = make_task("What is going on?", [ref])
    batch = [
        Finding(
            claim=Claim(
                kind="association",
                table=ref.name,
                outcome="b",
                exposure="a",
                direction="positive",
                subset=f"a > {cut}",
            ),
            evidence=Evidence(
                script=home.blobs.put(b"cut = %d  # try %d\nraise SystemExit(1)" % (cut, cut)),
                inputs={f"{ref.name}.csv": ref.visible},
                results={"effect": 1.0},
                supports="effect > 0",
            ),
            exposure="sealed",
            author=Author(principal="local", model="scripted"),
            run="r",
            task=digest(b"task"),
            table=ref,
        )
        for cut in (3, 4, 5)
    ]
    try:
        verdicts = [verdict for _, verdict in conclude(home, task, batch, lambda _: None)]
    finally:
        apart.close()
    assert [verdict.word for verdict in verdicts] == ["invalid", "inconclusive", "inconclusive"]
    assert all(batch[0].id in verdict.reason for verdict in verdicts[1:])
    with Ledger(home.ledger) as ledger:
        assert ledger.alpha(batch[0].id) is not None
        assert {ledger.alpha(one.id) for one in batch[1:]} == {None}


def test_what_is_true_by_construction_is_neither_tested_nor_paid_for(
    home: Home,
    tmp_path: Path,
    sandbox: Sandbox,
) -> None:
    drawn = [(n * 37 % 101 / 10, n * 11 % 17) for n in range(200)]
    rows = ["a,b,c", *(f"{a},{2.54 * a:.3f},{a / 2 + noise / 3:.2f}" for a, noise in drawn)]
    (tmp_path / "made.csv").write_text("\n".join(rows) + "\n")
    ref = Registry(home).seal(tmp_path / "made.csv", design="iid")
    task = make_task("What is going on?", [ref])
    batch = [
        Finding(
            claim=Claim(
                kind="association",
                table=ref.name,
                outcome=outcome,
                exposure="a",
                direction="positive",
            ),
            evidence=Evidence(
                script=home.blobs.put(b"raise SystemExit(1)"),
                inputs={f"{ref.name}.csv": ref.visible},
                results={"effect": 1.0},
                supports="effect > 0",
            ),
            exposure="sealed",
            author=Author(principal="local", model="scripted"),
            run="r",
            task=digest(b"task"),
            table=ref,
        )
        for outcome in ("b", "c")
    ]
    try:
        verdicts = [verdict for _, verdict in conclude(home, task, batch, lambda _: None)]
    finally:
        apart.close()
    assert [verdict.word for verdict in verdicts] == ["inconclusive", "invalid"]
    assert "true by construction" in verdicts[0].reason
    assert [check.name for check in verdicts[0].checks] == ["novelty", "definitional"]
    with Ledger(home.ledger) as ledger:
        assert ledger.alpha(batch[0].id) is None
        assert ledger.alpha(batch[1].id) is not None
        assert ledger.looks(ref.table) == {"local": 0} or not ledger.looks(ref.table)
