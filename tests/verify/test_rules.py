"""A rule is applied in a jail, twice, and must be a function of its row."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.verify.nulls import text

from earnest.core.errors import LackError
from earnest.core.home import BlobStore
from earnest.core.kinds import Claim
from earnest.sandbox.choose import open_sandbox
from earnest.verify import rules
from earnest.verify.bundles.bundle import Bundle, judge
from earnest.verify.bundles.cheats import CHEATS
from earnest.verify.bundles.tables import Subject
from earnest.verify.estimate import estimate, point
from earnest.verify.evidence_rule import check_function
from earnest.verify.fragility import fragility
from earnest.verify.proofs import Workbench, _finding
from earnest.verify.proofs_rules import RULES
from earnest.verify.rules import LEVEL, NUMBER, NotAFunctionError, applied
from earnest.verify.units import NotTestableError
from earnest.verify.verifier import Verifier


def rule(program, outcome="kind", given=("size",), **more):
    return Claim(
        kind="rule",
        table="t",
        outcome=outcome,
        direction="predicts",
        given=given,
        program=program,
        **more,
    )


def table(rows=60, seed=1):
    rng = np.random.default_rng(seed)
    size = rng.normal(10, 2, rows).round(1)
    kind = np.where(size + rng.normal(size=rows) > 10, "oak", "fir")
    site = rng.choice(["hill", "dale"], rows)
    frame = text(
        pd.DataFrame({"size": size, "kind": kind, "site": site, "g": np.arange(rows) % 15})
    )
    frame.loc[3, "size"] = np.nan
    return frame


OAK = "def f(row):\n    return 'oak' if (row['size'] or 0) > 10 else 'fir'\n"


def test_what_a_rule_says_stands_beside_the_rows(sandbox):
    frame = table()
    found = applied(sandbox, rule(OAK), frame, frame, "iid", 1)
    want = np.where(frame["size"].astype(float).fillna(0) > 10, "oak", "fir")
    assert found[LEVEL].tolist() == want.tolist()
    assert found.drop(columns=LEVEL).equals(frame)
    numbers = applied(
        sandbox,
        rule("def f(row): return len(row['site'])", "size", ("site",)),
        frame,
        frame,
        "iid",
        1,
    )
    assert len(numbers) == 59  # a row without its outcome is not spoken of
    assert set(numbers[NUMBER]) == {"4.0"}


def test_it_goes_through_estimator_and_fragility_like_any_claim(sandbox):
    frame, one = table(300), rule(OAK)
    found = applied(sandbox, one, frame, frame, "iid", 1)
    assert estimate(found, one, "iid", alpha=0.01, seed=1).p.p < 0.01
    (check,) = fragility(found, one, "iid", 1)
    assert check.name == "fragility"
    assert "site" in check.detail
    assert "rule" not in check.detail


def test_what_a_rule_does_on_the_visible_rows_is_told(sandbox):
    frame, one = table(300), rule(OAK.replace("return 'oak'", "return row['none'] or 'oak'"))
    check = check_function(sandbox, one, frame, "iid", 1)
    silent = int((frame["size"].astype(float) > 10).sum())
    assert (check.passed, check.observed["silent"]) == (True, silent)
    assert f"usable ones but for {silent}; its effect there is" in check.detail
    found = applied(sandbox, one, frame, frame, "iid", 1)
    assert check.observed["effect"] == point(found, one, "iid")
    few = check_function(sandbox, rule(OAK), table(6), "iid", 1)
    assert (few.passed, "effect" in few.observed) == (True, False)


def test_a_subset_restricts_the_rows(sandbox):
    frame = table()
    found = applied(sandbox, rule(OAK, subset="site == 'hill'"), frame, frame, "iid", 1)
    assert set(found["site"]) == {"hill"}


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (
            "n = 0\ndef f(row):\n    global n\n    n += 1\n    return 'oak' if n % 2 else 'fir'",
            "it differs",
        ),
        ("import random\ndef f(row): return random.choice(['oak', 'fir'])", "it differs"),
        ("import time\ndef f(row): return str(time.time() // 86400)", "it differs"),
        ("import datetime\nd = str(datetime.date.today())\ndef f(row): return d", "it differs"),
        ("import os\ndef f(row): return os.environ.get('TZ') or 'none'", "it differs"),
        ("def f(row): return str(id(object()) + hash('a'))", "it differs"),
        ("import os\ndef f(row): os._exit(0)", "broke off"),
        ("def f(row): return 'oak'\nf = None", "no visible row"),
        ("x = 1 / 0\ndef f(row): return 'oak'", "can't be loaded: ZeroDivisionError"),
        (
            "class A(str):\n    __eq__ = lambda s, o: True\ndef f(row): return A('oak')",
            "no visible row",
        ),
        ("def f(row): return 3", "no visible row"),
        ("def f(row): raise ValueError", "no visible row"),
    ],
)
def test_what_is_no_function_of_a_row_is_found_out(sandbox, program, says):
    check = check_function(sandbox, rule(program), table(), "iid", 1)
    assert check.passed is False, check.detail
    assert says in check.detail


def test_the_two_askings_are_in_different_orders_and_no_row_is_asked_twice(sandbox):
    program = (
        "seen = set()\ndef f(row):\n    again = row['g'] in seen\n    seen.add(row['g'])\n"
        "    return 'oak' if again else 'fir'"
    )
    frame = table()
    found = applied(sandbox, rule(program, given=("g",)), frame, frame, "iid", 1)
    assert set(found[LEVEL]) == {"fir"}


def test_a_slow_rule_is_not_tested(sandbox, monkeypatch):
    monkeypatch.setattr(rules, "_CALL_S", 0.3)
    slow = rule("import time\ndef f(row): time.sleep(9)")
    check = check_function(sandbox, slow, table(), "iid", 1)
    assert (check.passed, "too slow" in check.detail) == (None, True)
    with pytest.raises(NotTestableError, match="too slow"):
        applied(sandbox, slow, table(), table(), "iid", 1)


def test_a_rule_that_is_too_slow_for_the_visible_rows_never_meets_sealed_ones(
    sandbox, folder, monkeypatch
):
    monkeypatch.setattr(rules, "_CALL_S", 0.3)
    slow = rule("import time\ndef f(row): time.sleep(9)", "response", ("dose",))
    verdict = judged(
        sandbox,
        folder,
        "a rule that predicts numbers",
        claim=slow.model_copy(update={"table": "proof"}),
    )
    assert (verdict.word, verdict.checks[-1].name) == ("inconclusive", "function")
    assert "too slow" in verdict.reason
    assert verdict.rows == 0


def test_a_memory_is_found_out_on_other_rows_too(sandbox):
    program = (
        "n = 0\ndef f(row):\n    global n\n    n += 1\n"
        "    return 'oak' if n > 70 and n % 2 else 'fir'"
    )
    assert check_function(sandbox, rule(program), table(), "iid", 1).passed
    with pytest.raises(NotAFunctionError):
        applied(sandbox, rule(program, given=("size", "site")), table(), table(400), "iid", 1)


def test_of_many_rows_a_part_is_taken_and_some_of_each_group(sandbox, monkeypatch):
    monkeypatch.setattr(rules, "_MOST_ROWS", 20)
    frame = table()
    assert len(applied(sandbox, rule(OAK), frame, frame, "iid", 1)) == 20
    part = applied(sandbox, rule(OAK), frame, frame, "grouped:g", 1)
    assert set(part["g"].value_counts()) == {1}
    assert part["g"].nunique() == 15
    monkeypatch.setattr(rules, "_MOST_ROWS", 9)
    assert len(applied(sandbox, rule(OAK), frame, frame, "grouped:g", 1)) == 9


def judged(sandbox, folder, name, **changes):
    """Return the verdict on the finding of a case of the proofs, with some of it changed."""
    case = next(case for case in RULES if case.name == name)
    bench = Workbench(folder)
    visible, sealed = case.setting.frames()
    file = bench.write("proof", visible, sealed)
    blobs = BlobStore(folder / "blobs")
    blobs.put(case.script.encode())
    finding = _finding(case, visible, file, sandbox, case.script.encode())
    design = changes.pop("design", finding.table.design)
    table = finding.table.model_copy(update={"design": design})
    finding = finding.model_copy(update={**changes, "table": table})
    return Verifier(sandbox, blobs, bench, b"key").check(finding, bench)


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exposure": "author-saw-all"}, "its author had seen the rows"),
        ({"design": "time:dose"}, "no valid null in a time series"),
    ],
)
def test_where_there_is_no_test_a_rule_is_reproduced(sandbox, folder, changes, says):
    verdict = judged(sandbox, folder, "a rule that predicts levels", **changes)
    assert (verdict.word, verdict.checks[-1].name) == ("reproduced", "function")
    assert says in verdict.reason
    assert verdict.rows == 0


@pytest.mark.parametrize("changes", [{"exposure": "author-saw-all"}, {"design": "time:dose"}])
def test_what_is_no_function_is_not_even_reproduced(sandbox, folder, changes):
    verdict = judged(sandbox, folder, "a rule that counts its calls", **changes)
    assert (verdict.word, verdict.checks[-1].name) == ("invalid", "function")


def test_no_count_of_sealed_rows_is_told(sandbox, folder):
    """An author who chooses where a rule is silent must not learn how many such rows there are."""
    verdict = judged(sandbox, folder, "a rule that predicts numbers")
    told = verdict.model_dump(mode="json")
    quiet = Path(folder / "quiet")
    quiet.mkdir(mode=0o755)
    program = "def f(row):\n    return None if row['dose'] > 1.9 else 2 * row['dose']\n"
    one = judged(
        sandbox,
        quiet,
        "a rule that predicts numbers",
        claim=rule(program, "response", ("dose",)).model_copy(update={"table": "proof"}),
    ).model_dump(mode="json")
    assert one["word"] == "confirmed"
    assert one["estimator"] == told["estimator"]
    assert one["rows"] == told["rows"]


def test_a_sandbox_without_lines_tests_no_rule(tmp_path):
    try:
        sandlock = open_sandbox(tmp_path / "images", prefer="sandlock")
    except LackError as error:
        pytest.skip(f"no sandlock here: {error}")
    check = check_function(sandlock, rule(OAK), table(), "iid", 1)
    assert (check.passed, "sandlock" in check.detail) == (None, True)


def test_a_broken_proof_is_about_groups():
    """The proof of rows that are taken for units would be confirmed if they were."""
    case = next(case for case in RULES if case.name == "rows of a group taken for units")
    visible, sealed = case.setting.frames()
    one = case.setting.claim(visible)
    frame = text(sealed)
    said = np.where(frame["dose"].astype(float) > 0, "high", "low")
    rows, groups = (
        estimate(frame.assign(**{LEVEL: said}), one, design, alpha=0.01, seed=1).p.p
        for design in ("iid", case.setting.design)
    )
    assert rows < 0.01 < groups


def test_the_jail_sees_the_given_columns_only(sandbox):
    program = "def f(row): return ','.join(sorted(row))"
    frame = table()
    found = applied(sandbox, rule(program, given=("site", "size")), frame, frame, "iid", 1)
    assert set(found[LEVEL]) == {"site,size"}


class OfRule(Bundle):
    """A bundle whose author claims a rule, and cheats as others do of an association."""

    @property
    def about(self):
        program = "def f(row):\n    return 55 + 0.48 * (row['dose'] - 10)\n"
        body = {"kind": "rule", "outcome": "response", "direction": "predicts"}
        return Subject("trial", "iid", {**body, "given": ("dose",), "program": program})


@pytest.mark.slow
@pytest.mark.parametrize(
    "cheat",
    [one for one in CHEATS if one.subject == "dose" and one.kind != "one direction only"],
    ids=lambda one: one.name,
)
def test_no_cheat_gets_a_rule_confirmed(sandbox, cheat):
    """One direction only is no cheat here: a rule has no opposite."""
    body = {each.name: getattr(cheat, each.name) for each in fields(cheat)}
    verdict = judge(OfRule(**{**body, "claim": {}}), sandbox).verdict
    assert verdict.word in ("invalid", "refuted", "inconclusive")
    knows = cheat.kind == "knows the relation"  # what `strength` is there for
    assert (verdict.word == "invalid") != knows
