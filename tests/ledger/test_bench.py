import pytest

from earnest.ledger.bench import GOALS, bench_ledger
from earnest.ledger.bench_world import findings


@pytest.mark.slow
def test_the_document_has_the_contracts_shape(tmp_path):
    told: list[str] = []
    document = bench_ledger(findings=200, seconds=0.5, progress=told.append, where=tmp_path)
    assert set(document) == {"name", "machine", "rows", "ratios", "goals"}
    assert document["name"] == "ledger"
    value = {row["what"]: row["value"] for row in document["rows"]}
    for row in document["rows"]:
        assert set(row) == {"what", "value", "unit", "n"}
    assert value["lost or doubled by 32 writers"] == 0
    assert set(document["goals"]) == set(GOALS)
    assert value["search p50"] <= value["search p95"] <= value["search p99"]
    assert set(document["ratios"]) == {
        "audit_quick_over_two_sha256",
        "write_records_over_bare_inserts",
        "sqlite_ranking_p95_over_search_p95",
    }
    assert list(tmp_path.iterdir()) == []


def test_invented_findings_are_the_same_from_their_number_and_all_different():
    once, again = list(findings(40, 60)), list(findings(40, 60))
    assert [one.id for one in once] == [one.id for one in again]
    assert len({one.id for one in once}) == 60
    assert next(findings(70, 1)) == once[30]
