import pytest

from earnest.ledger import budget
from earnest.ledger.audit import audit
from earnest.ledger.ledger import Ledger
from earnest.ledger.lord import LEVEL, START, share
from tests.ledger.test_ledger import finding, submit, verdict


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def close(ledger, one, word="confirmed", p=1e-9):
    ledger.conclude(verdict(one, word, p=p, alpha=ledger.alpha(one.id)))


def test_what_was_spent_and_what_is_left_is_told(ledger):
    batch = [finding(f"y{k}", table=f"t{k}", run=f"run-{k}") for k in range(4)]
    for one in batch:
        submit(ledger, one)
        close(ledger, one, *(("confirmed", 1e-9) if one in batch[:2] else ("inconclusive", 0.5)))
    (purse,) = ledger.stats()["principals"]
    shares = [share(1, []), share(2, [1]), share(3, [1, 2]), share(4, [1, 2])]
    assert purse["spent"] == pytest.approx(sum(shares))
    assert (purse["tests"], purse["rejections"]) == (4, 2)
    assert purse["left"] == pytest.approx(2 * LEVEL - sum(shares))
    assert purse["next"] == pytest.approx(share(5, [1, 2]))
    fresh = finding("z", table="fresh", run="run-9")
    submit(ledger, fresh)
    assert ledger.alpha(fresh.id) == purse["next"]


def test_before_the_first_rejection_the_start_is_what_is_left(ledger):
    submit(ledger, finding("a"))
    assert ledger.stats()["principals"][0]["left"] == pytest.approx(START - share(1, []))


def test_a_flood_by_one_principal_leaves_the_others_theirs(ledger):
    """Neither the shares nor the looks at a table's sealed rows are used up for another."""
    flood = [finding(f"y{k}", principal="flood") for k in range(700)]
    submit(ledger, *flood)
    told = [ledger.alpha(one.id) for one in flood]
    assert sum(level is not None for level in told) == budget.LOOKS // 2
    assert ledger.used_up(flood[-1])
    mine = [finding(f"z{k}", principal="me") for k in range(100)]
    submit(ledger, *mine)
    assert [ledger.alpha(one.id) for one in mine] == [share(k, []) for k in range(1, 101)]
    assert ledger.looks(mine[0].table.table) == {"flood": 500, "me": 100}


def test_however_many_principals_there_are_a_table_has_its_limit(ledger, monkeypatch):
    monkeypatch.setattr(budget, "LOOKS", 40)
    for name in range(8):
        submit(ledger, *(finding(f"y{name}-{k}", principal=f"p{name}") for k in range(40)))
    looks = ledger.looks(finding().table.table)
    assert looks == {"p0": 20, "p1": 10, "p2": 5, "p3": 2, "p4": 1, "p5": 1}
    assert sum(looks.values()) <= 40


def test_a_verdict_without_a_look_gives_the_look_back(ledger):
    forged, honest = finding("a"), finding("b")
    submit(ledger, forged, honest)
    assert ledger.looks(forged.table.table) == {"me": 2}
    ledger.conclude(verdict(forged, "invalid", p=None))
    close(ledger, honest)
    assert ledger.looks(forged.table.table) == {"me": 1}
    assert ledger.stats()["tables"] == [
        {"table": forged.table.table, "looks": 1, "limit": budget.LOOKS}
    ]


def test_a_table_that_is_used_up_takes_findings_and_tests_none(ledger, monkeypatch):
    monkeypatch.setattr(budget, "LOOKS", 2)
    first, second = finding("a"), finding("b")
    submit(ledger, first, second)
    assert not ledger.used_up(finding("c", table="boats"))
    assert ledger.used_up(second)
    assert ledger.alpha(first.id) is not None
    assert ledger.alpha(second.id) is None
    assert len(ledger.findings()) == 2
    assert audit(ledger.path).clean


def test_the_last_rejections_only_are_credited(ledger, monkeypatch):
    monkeypatch.setattr(budget, "CREDITED", 3)
    for k in range(6):
        one = finding(f"y{k}", table=f"t{k}", run=f"run-{k}")
        submit(ledger, one)
        close(ledger, one)
    late = finding("z", table="fresh", run="late")
    submit(ledger, late)
    assert ledger.alpha(late.id) == share(7, [4, 5, 6])
    assert share(7, [4, 5, 6]) < share(7, [1, 2, 3, 4, 5, 6])
