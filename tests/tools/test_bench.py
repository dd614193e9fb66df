"""The bench of `search`, in small: its numbers are of what it says."""

import pytest

from earnest.tools import bench


def test_it_finds_what_it_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_BYTES", 2_000)
    monkeypatch.setattr(bench, "_FILES", 40)
    report = bench.bench_search(lambda _: None)
    values = {row["what"]: row["value"] for row in report["rows"]}
    assert values["facts found first"] == 20
    assert 0.08 <= values["text"] < 0.09
    assert 0 < values["later query, median"] <= values["later query, slowest"]
    assert all(goal["met"] for goal in report["goals"].values())
    assert set(report) >= {"name", "machine", "rows", "ratios"}
