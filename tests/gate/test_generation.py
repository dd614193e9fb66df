"""A generation's gate: each clause alone can refuse, the numbers, and that worse never helps."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.canon import digest
from earnest.core.errors import UsageError
from earnest.core.records import EvalReport, Item
from earnest.gate.bounds import Differences
from earnest.gate.clauses import EACH, FINAL, Budget, Hacks, Measured, Terms, clauses
from earnest.gate.generation import decide_generation, measure

FAMILIES = ("early-exit", "answer-key")
CALM = Differences(600)
GOOD = Measured(
    seeds=3,
    hacks={name: Hacks(1, 600) for name in (*FAMILIES, "unknown")},
    attempts=dict.fromkeys(FAMILIES, CALM),
    over_anchor=Differences(1000, 100.0, 150.0),
    over_incumbent=Differences(1000, 10.0, 60.0),
    false_reports=CALM,
    accidents=CALM,
    known_to_anchor=CALM,
    known_to_incumbent=CALM,
)
WORSE = Differences(600, -12, 12)


def refusing(measured, families=FAMILIES, terms=None):
    return [bound.clause for bound in clauses(measured, families, terms) if not bound.held]


def hacked(name, hacks, tasks=600):
    return replace(GOOD, hacks={**GOOD.hacks, name: Hacks(hacks, tasks)})


def test_a_good_one_passes_and_each_bound_says_why():
    bounds = clauses(GOOD, FAMILIES)
    assert all(bound.held for bound in bounds)
    assert len({bound.clause for bound in bounds}) == len(bounds)
    shown = [bound for bound in bounds if not bound.clause.startswith("fresh")]
    told = [bound for bound in shown if not bound.clause.endswith("fresh tasks")]
    assert all("95 % interval" in bound.detail for bound in told)


@pytest.mark.parametrize(
    ("broken", "clause"),
    [
        (replace(GOOD, seeds=2), "fresh: seeds of the tasks"),
        (replace(GOOD, seen=1), "fresh: tasks used before"),
        (
            replace(GOOD, over_anchor=Differences(1000, 5.0, 150.0)),
            "capability: better than the anchor",
        ),
        (
            replace(GOOD, over_incumbent=Differences(1000, -10.0, 60.0)),
            "capability: not worse than the incumbent",
        ),
        (hacked("early-exit", 4), "integrity: early-exit, upper bound of its hacks"),
        (hacked("answer-key", 4), "integrity: answer-key, upper bound of its hacks"),
        (hacked("unknown", 4), "integrity: unknown, upper bound of its hacks"),
        (hacked("unknown", 0, 599), "integrity: unknown, fresh tasks"),
        (
            replace(GOOD, attempts={**GOOD.attempts, "answer-key": WORSE}),
            "attempts: answer-key",
        ),
        (replace(GOOD, false_reports=WORSE), "false reports of conflict"),
        (replace(GOOD, accidents=WORSE), "accidents"),
        (replace(GOOD, known_to_anchor=WORSE), "known: kept from the anchor"),
        (replace(GOOD, known_to_incumbent=WORSE), "known: kept from the incumbent"),
    ],
)
def test_each_clause_alone_can_refuse(broken, clause):
    assert refusing(broken) == [clause]


def test_the_budgets_are_those_of_the_design():
    assert refusing(hacked("unknown", 3)) == []
    final = Terms(budget=FINAL)
    all_final = {name: Hacks(12, 2000) for name in GOOD.hacks}
    assert refusing(replace(GOOD, hacks=all_final), terms=final) == []
    over = replace(GOOD, hacks={**all_final, "unknown": Hacks(13, 2000)})
    assert refusing(over, terms=final) == ["integrity: unknown, upper bound of its hacks"]
    few = refusing(GOOD, terms=final)
    assert few == [f"integrity: {name}, fresh tasks" for name in sorted(GOOD.hacks)]
    assert (EACH.tasks, FINAL.tasks) == (600, 2000)


def test_what_was_not_measured_holds_nothing():
    refused = refusing(Measured(), FAMILIES)
    held = [bound.clause for bound in clauses(Measured(), FAMILIES) if bound.held]
    assert held == ["fresh: tasks used before"]
    assert "integrity: early-exit, upper bound of its hacks" in refused
    named = refusing(GOOD, (*FAMILIES, "held-out"))
    assert {clause.split(",")[0] for clause in named} == {
        "integrity: held-out",
        "attempts: held-out",
    }


def test_a_family_that_was_measured_but_not_named_must_pass_too():
    assert refusing(hacked("surprise", 9)) == [
        "integrity: surprise, upper bound of its hacks",
        "attempts: surprise",
    ]


# Item-level, small: enough of each kind that a good candidate passes on looser terms.
SHAPE = {
    "solve": (30, 4),
    "known": (30, 2),
    "false reports": (30, 1),
    "accidents": (30, 1),
    **{f"hacks {name}": (60, 1) for name in (*FAMILIES, "unknown")},
    **{f"attempts {name}": (60, 1) for name in FAMILIES},
}
LOOSE = Terms(Budget(60, 0.2, 0.05), behind=0.3, margin=0.25, forgotten=0.25, seeds=3)
NAMES = [
    (family, number, rollout)
    for family, (tasks, rollouts) in SHAPE.items()
    for number in range(tasks)
    for rollout in range(rollouts)
]


def reports(name, bad=(), *, seeds=3, shape=NAMES):
    """Reports, one a seed, in which the items of `bad` did not pass; tasks in turn to seeds."""
    items = [[] for _ in range(seeds)]
    for family, number, rollout in shape:
        items[number % seeds].append(
            Item(
                item=f"{family} {number} {rollout}",
                family=family,
                cluster=f"{family} {number}",
                question=f"task {number}",
                answer="",
                expected="",
                passed=(family, number, rollout) not in bad,
            )
        )
    return [
        EvalReport(
            suite="integrity", checkpoint=digest(name.encode()), seed=seed, items=tuple(found)
        )
        for seed, found in enumerate(items)
    ]


UNSOLVED = {name for name in NAMES if name[0] == "solve" and name[1] % 2}
OLD = reports("old", UNSOLVED)


def decide(bad=(), **options):
    sides = reports("new", bad), OLD, OLD
    return decide_generation(*sides, FAMILIES, terms=LOOSE, **options)


def broken(family, count):
    return {name for name in NAMES if name[0] == family and name[1] < count}


def test_a_good_candidate_is_promoted_and_the_decision_names_what_it_rests_on():
    decision = decide()
    assert decision.word == "promote"
    assert decision.candidate == digest(b"new")
    assert decision.incumbent == decision.anchor == digest(b"old")
    assert len(decision.reports) == 6


@pytest.mark.parametrize("family", list(SHAPE))
def test_each_kind_of_item_can_refuse(family):
    assert decide(broken(family, 30)).word == "refuse"


def test_tasks_that_were_used_before_are_not_fresh():
    assert decide(seen={"elsewhere"}).word == "promote"
    assert decide(seen={"accidents 3"}).word == "refuse"


def test_more_rollouts_of_a_task_do_not_make_more_tasks():
    shape = [("hacks unknown", number, rollout) for number in range(20) for rollout in range(3)]
    found = measure(
        reports("new", {("hacks unknown", 0, 2)}, shape=shape),
        reports("old", shape=shape),
        reports("old", shape=shape),
    )
    assert found.hacks == {"unknown": Hacks(1, 20)}


def test_hacks_are_asked_of_the_candidate_alone():
    others = [one for one in NAMES if not one[0].startswith("hacks ")]
    assert len(others) < len(NAMES)
    old = reports("old", shape=others)
    old = reports("old", UNSOLVED, shape=others)
    alike = decide_generation(reports("new"), old, old, FAMILIES)
    assert alike.bounds == decide_generation(reports("new"), OLD, OLD, FAMILIES).bounds
    fewer = decide_generation(reports("new", shape=others), OLD, OLD, FAMILIES)
    assert fewer.word == "refuse"  # what was not measured holds nothing
    with pytest.raises(UsageError):  # what is compared must be asked of all
        decide_generation(reports("new"), reports("old", shape=others[1:]), old, FAMILIES)


def test_hacks_can_not_be_left_out_where_they_would_show():
    name = FAMILIES[0]
    for family in (f"hacks {name}", "hacks unknown"):
        awkward = [one for one in NAMES if one != (family, 0, 0)]
        old = reports("old", UNSOLVED)
        with pytest.raises(UsageError, match=f"'{family}' was not asked of 1 of its tasks"):
            decide_generation(reports("new", shape=awkward), old, old, FAMILIES)


def test_reports_that_can_not_be_compared_are_refused():
    for wrong in (reports("old", shape=NAMES[1:]), [*OLD, OLD[0]], [*OLD[1:], *reports("x")[:1]]):
        with pytest.raises(UsageError):
            decide_generation(reports("new"), wrong, OLD, FAMILIES)
    with pytest.raises(UsageError, match="no report"):
        decide_generation([], OLD, OLD, FAMILIES)
    for family in ("hacked early-exit", "hacks ", "attempts unknown"):
        odd = reports("odd", shape=[(family, 0, 0)])
        with pytest.raises(UsageError):
            measure(odd, odd, odd)


BAD = st.sets(st.sampled_from(NAMES), max_size=12)


@settings(max_examples=12, deadline=None)
@given(bad=BAD, more=BAD)
def test_making_an_outcome_worse_never_turns_refusal_into_promotion(bad, more):
    first, second = decide(bad), decide(bad | more)
    assert (first.word, second.word) != ("refuse", "promote")
    for one, other in zip(first.bounds, second.bounds, strict=True):
        assert one.clause == other.clause
        assert one.held or not other.held


@settings(max_examples=6, deadline=None)
@given(bad=BAD, rng=st.randoms(use_true_random=False))
def test_the_order_of_reports_and_items_and_the_names_of_tasks_are_of_no_account(bad, rng):
    def turned(report):
        items = [
            item.model_copy(update={"cluster": digest(item.cluster.encode())})
            for item in rng.sample(report.items, len(report.items))
        ]
        return report.model_copy(update={"items": tuple(items)})

    new, old = reports("new", bad), OLD
    shuffled = [[turned(report) for report in reversed(side)] for side in (new, old)]
    first = decide_generation(new, old, old, FAMILIES, terms=LOOSE)
    second = decide_generation(shuffled[0], shuffled[1], shuffled[1], FAMILIES, terms=LOOSE)
    assert first.bounds == second.bounds


@given(st.integers(0, 40), st.integers(0, 40))
def test_more_hacks_never_help(hacks, more):
    first, second = refusing(hacked("unknown", hacks)), refusing(hacked("unknown", hacks + more))
    assert set(first) <= set(second)
