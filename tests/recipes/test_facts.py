"""Published findings come out with the strongest word of their kind, and what misleads is told.

Each table of the shared `facts/dev.json` is sealed in a home of its own; a scripted author submits
what `known_facts.py` says through the real tool, and the real verifier judges. The shared tables
are looked for in `$EARNEST_SHARED_DATA`, else in `shared/data` beside the repository.
"""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from tests.homes import home_at
from tests.recipes.known_facts import KNOWN

from earnest.agent.replay import logged_calls
from earnest.core.claims import sentence
from earnest.core.columns import read_cells
from earnest.core.events import read_events
from earnest.core.records import Claim
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart
from earnest.recipes.research import make_task, research
from earnest.tasks.registry import Registry
from earnest.verify.estimate import estimate
from earnest.verify.units import NotTestableError

DATA = Path(
    os.environ.get("EARNEST_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
FACTS = DATA / "facts" / "dev.json"
SPLITS = 16
FIRST_SHARE = 0.0013  # of a fresh ledger's error budget
SMALL = [
    known
    for known in KNOWN
    if known.dataset.rpartition("/")[2]
    in ("penguins.csv", "titanic.csv", "anscombe.csv", "candy-power-ranking")
]


def secret(split):
    """One split of each table; those that `known_facts` names leave no p near its share."""
    return f"split {split:026d}".encode()


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FACTS.exists(), reason="the shared tables are not here: set EARNEST_SHARED_DATA"
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _workers():
    yield
    apart.close()


def test_every_fact_has_its_claims():
    assert {one["dataset"] for one in json.loads(FACTS.read_text())} == {
        known.dataset for known in KNOWN
    }


def _file(known, folder):
    """Return the table's file, with the column that the fact speaks of where it has none."""
    paths = [DATA / name for name in known.files]
    if not known.made:
        return paths[0]
    frames = [pd.read_csv(path, dtype=str) for path in paths]
    if known.made == "month":
        months = pd.to_datetime(frames[0]["date"]).dt.month
        frame, name = frames[0].assign(month=months), "seattle_weather"
    else:
        houses = [path.name.partition("-")[0] for path in paths]
        both = zip(frames, houses, strict=True)
        frame = pd.concat([one[["page_id", "name", "SEX"]].assign(house=of) for one, of in both])
        name = "comics"
    frame.to_csv(folder / f"{name}.csv", index=False)
    return folder / f"{name}.csv"


def _judged(home, path, sandbox, claims, split):
    """Let an author submit claims on a table; yield each with its word, verdict and reason."""
    home = home_at(home.root, secret(split))
    (ref,) = apart.seal(home, [path])
    print(f"\n{ref.name}: design {ref.design}, {ref.rows} visible rows")  # noqa: T201
    turns = [use("submit_finding", said.arguments(ref.name)) for said in claims]
    task, author = make_task("What is going on?", [ref]), ScriptedModel([*turns, say("done")])
    outcome = research(home, "r", task, author, sandbox, lambda _: None)
    verdicts = {f"queued {finding.id}": verdict for finding, verdict in outcome.findings}
    calls = logged_calls(read_events(home.runs / "r" / "events.jsonl"), "submit_finding")
    for said, (_, answer) in zip(claims, calls, strict=True):
        verdict = verdicts.get(answer.content)
        if verdict is None:
            yield said, "refused", None, answer.content.partition("\n")[0]
        else:
            yield said, verdict.word, verdict, verdict.reason


def _claim(said, table):
    arguments = said.arguments(table)
    named = {name: arguments[name] for name in Claim.model_fields if name in arguments}
    return Claim(**named | {"tolerance": arguments.get("value_tolerance")})


def _line(said, table, word, verdict, reason):
    claim = _claim(said, table)
    effect = "" if verdict is None or verdict.effect is None else f"{verdict.effect:.2f}"
    return f"| {sentence(claim)} | {word} | {effect} | {reason} |"


def _wrong(said, word, verdict, reason):
    """Say what of an outcome is not as `known_facts` says; empty: nothing."""
    if word != said.word or said.why not in reason:
        return f"{said.word} was expected {said.why}"
    name, text = said.reported
    if name and not any(
        check.name == name and check.passed is None and text in check.detail and text in reason
        for check in verdict.checks
    ):
        return f"{name} does not say {text!r}"
    return ""


@pytest.mark.parametrize("trap", [False, True], ids=["fact", "trap"])
@pytest.mark.parametrize("known", KNOWN, ids=[known.dataset.rpartition("/")[2] for known in KNOWN])
def test_a_known_fact_and_its_trap_get_the_words_that_they_should(
    home, tmp_path, sandbox, known, trap
):
    claims = [said for said in known.said if said.trap == trap]
    if not claims:
        pytest.skip("nothing about this table is known to mislead")
    path, wrong = _file(known, tmp_path), []
    for said, word, verdict, reason in _judged(home, path, sandbox, claims, known.split):
        line = _line(said, path.name.partition(".")[0].replace("-", "_"), word, verdict, reason)
        print(line)  # noqa: T201
        if off := _wrong(said, word, verdict, reason):
            wrong.append(f"{off}: {line}")
    assert not wrong, "\n".join(wrong)


def _reaches(folder, path, said, split):
    """Say whether the sealed rows of one split reach the first share of a fresh ledger."""
    home = home_at(folder, secret(split))
    registry = Registry(home)
    ref = registry.seal(path)
    cells = read_cells(registry.sealed(ref.table))
    try:
        p = estimate(cells, _claim(said, ref.name), ref.design, alpha=FIRST_SHARE, seed=1).p
    except NotTestableError:
        return False
    return p.reached is None and p.p <= FIRST_SHARE


@pytest.mark.parametrize("known", SMALL, ids=[known.dataset.rpartition("/")[2] for known in SMALL])
def test_how_often_the_sealed_rows_suffice(tmp_path, known):
    path = _file(known, tmp_path)
    for number, said in enumerate(known.said):
        if said.claim["kind"] == "value":
            continue
        reached = [
            _reaches(tmp_path / f"{number}-{split}", path, said, split) for split in range(SPLITS)
        ]
        print(f"\n| {sentence(_claim(said, path.name.partition('.')[0]))} | {sum(reached)} |")  # noqa: T201
        if said.word == "confirmed":
            assert reached[known.split]
        elif said.trap:
            assert not any(reached)
