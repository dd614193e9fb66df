"""Asking a model what it knows: bounded, stopped by nothing, and what generation 0 knows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.verify.test_verifier import finding
from tests.world import COLUMNS

from earnest.core.closed_book import MOST, grade, questions
from earnest.core.errors import LackError, ModelError
from earnest.core.facts import established
from earnest.core.home import Home
from earnest.core.likeness import OPPOSITE
from earnest.core.messages import Completion, Message, Usage
from earnest.core.records import Finding
from earnest.ledger.ledger import Ledger
from earnest.models.analyst import Analyst
from earnest.models.choose import open_model
from earnest.models.scripted import ScriptedModel, say
from earnest.recipes import apart
from earnest.recipes.closed_book import MOST_CLAIMS, MOST_S, ask, whole_cost
from earnest.recipes.research import conclude, make_task
from earnest.recipes.zero import ZERO
from earnest.tasks.registry import Registry

FAIR = COLUMNS["fair"].split()


def quiet(_: str) -> None:
    pass


def batch(count: int) -> list[Finding]:
    one = finding()
    claims = [one.claim.model_copy(update={"outcome": f"y{n}"}) for n in range(count)]
    return [one.model_copy(update={"claim": claim}) for claim in claims]


def model(answer: Callable[[str], Any], **more: Any) -> ScriptedModel:
    """A language model that answers each question by a function of its text."""

    def turn(messages: Sequence[Message]) -> Message:
        (only,) = messages
        assert only.role == "user"
        return say(answer(only.content))

    return ScriptedModel([turn], name="played", **{"speaks": "plain", **more})


def knowing(about: Finding) -> Callable[[str], str]:
    puts = {put.text: put.means for put in questions(about.claim, "plain")}
    return lambda text: next((w for w, s in puts[text].items() if s == "agrees"), "unknown")


def test_what_a_model_knows_is_found_out_and_said_while_one_waits() -> None:
    (one,) = batch(1)
    lines: list[str] = []
    (told,) = ask(model(knowing(one)), [one], lines.append)
    assert lines == ["asking played closed-book about 1 claim"]
    assert (told.finding, told.model, told.style, told.why) == (one.id, "played", "plain", "")
    assert len(told.asked) == MOST
    assert grade(one.claim, told)[0] == "known"
    assert told.usage.cost_usd == 0


def test_one_question_is_enough_for_who_does_not_know() -> None:
    asked: list[str] = []

    def unknown(text: str) -> str:
        asked.append(text)
        return "unknown"

    told = ask(model(unknown), batch(7), quiet)
    assert len(asked) == 7
    assert [grade(one.claim, it)[0] for one, it in zip(batch(7), told, strict=True)] == [
        "novel"
    ] * 7


@pytest.mark.parametrize("author", [Analyst(), ScriptedModel([])])
def test_what_is_no_language_model_is_not_asked(author: Any) -> None:
    lines: list[str] = []
    told = ask(author, batch(2), lines.append)
    assert [one.why for one in told] == [f"{author.name} is no language model"] * 2
    assert lines == []


@pytest.mark.parametrize("error", [ModelError("it is gone"), LackError("no key", mend="a key")])
def test_after_an_error_no_more_is_asked_and_nothing_stops(error: Exception) -> None:
    asked: list[str] = []

    def fails(text: str) -> str:
        asked.append(text)
        if len(asked) == 3:
            raise error
        return "unknown"

    told = ask(model(fails), batch(6), quiet)
    assert len(asked) == 3
    assert [one.why for one in told] == ["", "", *[str(error)] * 4]
    assert [len(one.asked) for one in told] == [1, 1, 0, 0, 0, 0]


def test_a_model_that_can_not_be_loaded_stops_nothing() -> None:
    class Gone(ScriptedModel):
        @property
        def speaks(self) -> Any:
            raise LackError("torch is not there")

        @speaks.setter
        def speaks(self, _: Any) -> None:
            pass

    assert [one.why for one in ask(Gone([]), batch(2), quiet)] == ["torch is not there"] * 2


def test_a_reply_that_was_cut_off_is_no_silence() -> None:
    cut = Completion(message=say(""), usage=Usage(completion_tokens=1024), stop="length")
    told = ask(ScriptedModel([cut], speaks="plain"), batch(2), quiet)
    assert all("did not end" in one.why for one in told)
    assert all(grade(finding().claim, one)[0] is None for one in told)
    assert (told[0].usage.completion_tokens, told[1].usage.completion_tokens) == (1024, None)


def test_claims_and_time_are_bounded() -> None:
    told = ask(model(lambda _: "unknown"), batch(MOST_CLAIMS + 2), quiet)
    assert [bool(one.why) for one in told] == [False] * MOST_CLAIMS + [True] * 2
    ticks: Iterator[float] = iter([0.0, MOST_S - 1, MOST_S + 1])
    told = ask(model(lambda _: "unknown"), batch(4), quiet, lambda: next(ticks))
    assert [one.why for one in told] == ["", "", *["the time for asking was used up"] * 2]


def test_a_claim_without_a_fair_question_does_not_end_the_asking() -> None:
    odd, even = batch(2)
    claim = odd.claim.model_copy(update={"direction": "dependent"})
    told = ask(model(lambda _: "unknown"), [odd.model_copy(update={"claim": claim}), even], quiet)
    assert "no opposite" in told[0].why
    assert told[1].asked


def test_costs_add_up_and_the_unknown_stays_unknown() -> None:
    paid, free = Usage(prompt_tokens=9, cost_usd=0.5), Usage()
    assert whole_cost(Usage(cost_usd=1.0), paid) == 1.5
    assert whole_cost(Usage(cost_usd=1.0), free) == 1.0
    assert whole_cost(free, paid) is None
    assert whole_cost(Usage(cost_usd=1.0), Usage(prompt_tokens=9)) is None


def test_a_batch_is_asked_about_once_before_it_is_verified(home: Home, tmp_path: Path) -> None:
    rows = "".join(f"{n * 37 % 101},{n * 11 % 17}\n" for n in range(200))
    (tmp_path / "t.csv").write_text("x,y0\n" + rows)
    ref = Registry(home).seal(tmp_path / "t.csv", design="iid")
    one = batch(1)[0].model_copy(update={"table": ref})
    asked: list[str] = []

    def counted(text: str) -> str:
        asked.append(text)
        return knowing(one)(text)

    task = make_task("?", [one.table])
    try:
        for _ in range(2):
            ((_, verdict),) = conclude(home, task, [one], quiet, model(counted))
    finally:
        apart.close()
    assert len(asked) == MOST
    assert verdict.checks[0].observed["agree"] == MOST - 1
    assert "played says so in 4 wordings" in verdict.checks[0].detail
    with Ledger(home.ledger) as ledger:
        told = ledger.closed_book(one.id)
    assert told is not None
    assert len(told.asked) == MOST


# Generation 0, in this process


@pytest.fixture(scope="module")
def nano() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return open_model("nano")


def taught(count: int) -> list[Finding]:
    pairs = ZERO.knowledge().findings
    ids = {known.finding for known in established(pairs)[0]}
    return [one for one, _ in pairs if one.id in ids][:count]


def test_generation_0_knows_what_it_was_taught(nano: Any) -> None:
    found = taught(12)
    told = ask(nano, found, quiet)
    grades = [grade(one.claim, it)[0] for one, it in zip(found, told, strict=True)]
    assert {it.style for it in told} == {"grammar"}
    assert {it.checkpoint for it in told} == {ZERO.checkpoint().id}
    right = [word for word in grades if word in ("known", "extends")]
    assert len(right) >= 9, grades
    assert "contradicts" not in grades


def test_to_generation_0_the_opposite_of_what_it_was_taught_contradicts(nano: Any) -> None:
    found = [
        one.model_copy(
            update={
                "claim": one.claim.model_copy(
                    update={"direction": OPPOSITE[one.claim.direction], "threshold": None}
                )
            }
        )
        for one in taught(6)
    ]
    told = ask(nano, found, quiet)
    grades = [grade(one.claim, it)[0] for one, it in zip(found, told, strict=True)]
    assert grades.count("contradicts") >= 4, grades
    assert "known" not in grades


def test_generation_0_does_not_know_tables_that_it_has_not_seen(nano: Any) -> None:
    found = []
    for table, outcome, exposure in (
        ("fair", "affairs", "age"),
        ("wine", "hue", "alcohol"),
        ("iris", "sepal_length", "unheard_of"),
        ("modechoice", "gc", "ttme"),
    ):
        for direction in ("positive", "negative"):
            update = {
                "table": table, "outcome": outcome, "exposure": exposure, "direction": direction
            }  # fmt: skip
            one = finding()
            claim = one.claim.model_copy(update=update)
            found.append(one.model_copy(update={"claim": claim}))
    told = ask(nano, found, quiet)
    assert [grade(one.claim, it)[0] for one, it in zip(found, told, strict=True)] == ["novel"] * 8


@pytest.mark.slow
def test_what_asking_generation_0_costs_and_how_often_it_is_wrong(nano: Any) -> None:
    """Prints, with `-s`, the figures of docs/log.md."""
    names = {"fair": FAIR, "iris": ["sepal_length", "petal_width", "shoe_size", "income", "votes"]}
    pairs = [(t, *pair) for t, columns in names.items() for pair in combinations(columns, 2)]
    pairs = [pair for pair in pairs if pair[1:] != ("sepal_length", "petal_width")]
    one = finding()
    never = [
        one.model_copy(
            update={
                "claim": one.claim.model_copy(
                    update={"table": t, "outcome": y, "exposure": x, "direction": direction}
                )
            }
        )
        for t, y, x in pairs
        for direction in ("positive", "negative")
    ]
    wrong = 0
    for name, found in (("taught", taught(999)), ("never seen", never)):
        began, wall = time.process_time(), time.perf_counter()
        told = ask(nano, found, quiet)
        spent, waited = time.process_time() - began, time.perf_counter() - wall
        counted = [one for one in told if not one.why]
        grades = Counter(grade(one.claim, it)[0] for one, it in zip(found, told, strict=True))
        asked = sum(len(one.asked) for one in counted)
        size = sum(len(one.data) for one in counted) / len(counted)
        print(  # noqa: T201
            f"\n{name}: {len(found)} claims, {dict(grades)}; {asked / len(counted):.2f} questions, "
            f"{1000 * spent / len(counted):.0f} ms of CPU, {1000 * waited / len(counted):.0f} ms, "
            f"{size:.0f} bytes a claim"
        )
        assert spent / len(counted) < 1
        wrong += (grades["known"] + grades["contradicts"]) * (name == "never seen")
    assert wrong <= 0.05 * len(never)
