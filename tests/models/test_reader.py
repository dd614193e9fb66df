"""The script that plays a simple language model."""

from __future__ import annotations

import random

import pytest
from tests.homes import home_at

from earnest.agent.replay import logged_calls
from earnest.core.events import read_events
from earnest.core.likeness import question
from earnest.core.records import Verdict
from earnest.ledger.ledger import Ledger
from earnest.models.reader import Reader
from earnest.recipes import known
from earnest.recipes.research import explore, make_task
from earnest.tasks.registry import Registry


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A home with a table of five columns that all go together, and a group."""
    folder, draw = tmp_path_factory.mktemp("reader"), random.Random(1)
    rows = ["a,b,c,d,e,kind"]
    for _ in range(200):
        x, kind = draw.gauss(0, 1), draw.choice("xy")
        cells = [f"{x + draw.gauss(kind == 'x', 1):.3f}" for _ in range(5)]
        rows.append(",".join([*cells, kind]))
    (folder / "t.csv").write_text("\n".join(rows) + "\n")
    home = home_at(folder / "home")
    return home, Registry(home).seal(folder / "t.csv", design="iid")


def run(world, sandbox, name, model, *, informed=False):
    home, ref = world
    task = make_task("What?", [ref])
    task = known.informed(home, task) if informed else task
    return explore(home, name, task, model, sandbox, lambda _: None)


def questions(result):
    return [question(finding.claim) for finding in result.findings]


def test_it_does_the_same_by_its_seed_and_counts_tokens(world, sandbox):
    first = run(world, sandbox, "one", Reader(1, 3))
    again = run(world, sandbox, "again", Reader(1, 3))
    other = run(world, sandbox, "other", Reader(2, 3))
    assert first.status == "done"
    assert len(first.findings) == 3
    assert questions(first) == questions(again) != questions(other)
    assert first.usage == again.usage
    assert first.usage.prompt_tokens > 10 * first.usage.completion_tokens
    assert first.usage.cost_usd > 0


def test_it_passes_over_what_is_settled_and_asks_for_the_rest(world, sandbox, monkeypatch):
    home = world[0]
    first = run(world, sandbox, "first", Reader(3, 4))
    with Ledger(home.ledger) as ledger:
        ledger.submit(first.findings, testable=[])
        for finding in first.findings:
            ledger.conclude(
                Verdict(
                    finding=finding.id,
                    word="confirmed",
                    reason="because",
                    checks=(),
                    seed=1,
                    verifier="test",
                )
            )
    monkeypatch.setattr(known, "MOST", 1)
    second = run(world, sandbox, "second", Reader(3, 4), informed=True)
    assert len(second.findings) == 4
    assert not set(questions(first)) & set(questions(second))
    events = read_events(home.runs / "second" / "events.jsonl")
    assert len(logged_calls(events, "search_findings")) == 1
    blind = run(world, sandbox, "blind", Reader(3, 4))
    assert questions(blind) == questions(first)
