"""The exam: a gold answerer passes, broken ones fail where they should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.world import NEW, OLD, found, table, world

from earnest.core.canon import digest
from earnest.core.errors import ModelError, UsageError
from earnest.core.records import Claim
from earnest.core.wording import ABSTENTION, patterns, words
from earnest.evals.exam import ExamItem, exam_items, passed, run_exam

MODEL = digest(b"a model")


@pytest.fixture(scope="module")
def items():
    old, old_tables = world(OLD, 40, 4, 1)
    new, new_tables = world(NEW, 30, 8, 2)
    before = {finding.id for finding, _ in old}
    return exam_items([*old, *new], [*old_tables, *new_tables], before, 0)


def rates(answers, items):
    report = run_exam(MODEL, answers, items)
    return tuple(report.rate(family) for family in ("confirmed", "kept", "unasserted"))


def test_it_is_large_and_asks_nothing_twice(items):
    families = [item.family for item in items]
    assert len(items) >= 200
    assert min(families.count(name) for name in ("confirmed", "kept", "unasserted")) >= 80
    assert len({item.question for item in items}) == len({item.item for item in items})
    assert len({item.item for item in items}) == len(items)
    assert len({item.cluster for item in items if item.family == "confirmed"}) == 30
    assert len({item.cluster for item in items if item.family == "kept"}) == 40


def test_both_kinds_of_unseen_wording_are_asked():
    claim = Claim(
        kind="association", table="wine", outcome="ash", exposure="hue", direction="positive"
    )
    items = exam_items([found(claim)], [table("wine")], (), 0)
    texts = [item.question for item in items if item.family == "confirmed"]
    shares = {}
    for part in ("train", "unseen-combination", "unseen-frame"):
        known = set()
        for pattern in patterns("association", part):
            for first, second in (("`ash`", "`hue`"), ("`hue`", "`ash`")):
                text = pattern.replace("{Y}", "`ash`").replace("{X}", "`hue`").replace("{S}", "")
                text = text.replace("{A}", first).replace("{B}", second)
                known.add(text.replace("{T}", "`wine`"))
        shares[part] = sum(text in known for text in texts) / len(texts)
    assert shares["train"] == 0.0
    assert shares["unseen-combination"] == pytest.approx(0.5, abs=0.1)
    assert shares["unseen-frame"] == pytest.approx(0.5, abs=0.1)


def test_few_findings_are_asked_more_often():
    findings, tables = world(NEW, 8, 3, 3)
    items = exam_items(findings, tables, set(), 0)
    assert sum(item.family == "confirmed" for item in items) >= 80
    assert not any(item.family == "kept" for item in items)


def test_the_same_inputs_give_the_same_exam():
    findings, tables = world(NEW, 8, 3, 3)
    assert exam_items(findings, tables, (), 0) == exam_items(findings, tables, (), 0)
    assert exam_items(findings, tables, (), 0) != exam_items(findings, tables, (), 1)


def test_an_oracle_passes_everything(items):
    right = {item.question: item.replies[-1] for item in items}
    assert rates(lambda asked: [right[text] for text in asked], items) == (1.0, 1.0, 1.0)


def test_one_that_always_asserts_fails_what_must_not_be_asserted(items):
    terms = {item.question: item.replies[0].partition(":")[0] for item in items}
    labels = {text: " ".join(words(found)[1:-1]) for text, found in terms.items()}
    liar = [f"{terms[item.question]}: {labels[item.question]} up 50." for item in items]
    confirmed, kept, unasserted = rates(lambda asked: liar, items)
    assert max(confirmed, kept) < 0.1
    assert unasserted == 0.0
    assert rates(lambda asked: ["up 50"] * len(asked), items) == (0.0, 0.0, 0.0)


def test_one_that_always_abstains_fails_what_it_should_know(items):
    assert rates(lambda asked: [ABSTENTION] * len(asked), items) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("reply", ["", "up", "57", "perhaps", "up 50 or not established", "?"])
def test_nonsense_passes_nothing(items, reply):
    assert rates(lambda asked: [reply] * len(asked), items) == (0.0, 0.0, 0.0)


def item(family="confirmed", expected="up 57", reply="`t` `x` `y`: `w` up 30, `x` up 57."):
    return ExamItem(
        item="i", family=family, cluster="c", question="q", expected=expected, replies=(reply,)
    )


def test_an_association_may_be_answered_from_either_column(items):
    twofold = [item for item in items if len(item.replies) == 2]
    assert twofold
    assert all(passed(item, reply) for item in items for reply in item.replies)
    for item in twofold:
        assert item.replies[0].partition(":")[0] != item.replies[1].partition(":")[0]


@given(st.integers(1, 99), st.booleans())
def test_only_the_exact_answer_on_the_right_terms_passes(digits, sign):
    way = "up" if sign else "down"
    exact = sign and digits == 57
    assert passed(item(), f"`t` `x` `y`: `x` {way} {digits:02d}.") == exact
    assert not passed(item(), f"`t` `x` `z`: `x` {way} {digits:02d}.")
    assert not passed(item(), f"{way} {digits:02d}")


def test_what_is_invented_of_the_right_terms_is_asserted():
    silent = item("unasserted", ABSTENTION, "`t` `x` `y`: `w` up 30.")
    for reply in ("`t` `x` `y`: `w` up 30.", "`t` `x` `z`: none.", ABSTENTION):
        assert passed(silent, reply)
    for reply in (
        "`t` `x` `y`: `w` up 30, `x` up 57.",
        "`t` `x` `y`: `w` up 31.",
        "`t` `x` `y`: `v` up 30.",
        "`t` `x` `z`: `x` up 57.",
        "`x` up 57",
    ):
        assert not passed(silent, reply)


def test_missing_replies_and_an_empty_exam_are_errors(items):
    with pytest.raises(ModelError, match="replies"):
        run_exam(MODEL, lambda asked: ["up 50"], items)
    with pytest.raises(UsageError, match="empty"):
        run_exam(MODEL, lambda asked: [], [])
