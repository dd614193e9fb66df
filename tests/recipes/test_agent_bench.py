from __future__ import annotations

from earnest.recipes.agent_bench import bench


def test_the_bench_measures_early_and_late_steps() -> None:
    said: list[str] = []
    report = bench(steps=60, progress=said.append)
    rows = {row["what"]: row for row in report["rows"]}
    assert len(said) == 1
    for part in ("first", "last"):
        median = {
            name: rows[f"{part} steps: {name}, median"]["value"]
            for name in ("all", "without the disk", "the disk")
        }
        assert 0 < median["without the disk"] <= median["all"]
        assert rows[f"{part} steps: all, median"]["n"] == 6
    assert set(report["goals"]) == {"late_step_median_ms", "late_step_without_disk_p95_ms"}
    for goal in report["goals"].values():
        assert goal["met"] == (goal["value"] <= goal["most"])
