"""Large tables are sealed within bounds of time and memory; `pytest -m slow -s` prints figures."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from earnest.core.home import Home
from earnest.tasks.registry import Registry
ref = Registry(Home(Path(sys.argv[1]))).seal(Path(sys.argv[2]), design="iid")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": ref.rows, "columns": len(ref.columns), "cpu_s": time.process_time(),
                  "peak_mib": peak}))
"""


def long_table(path):
    rng, rows = np.random.default_rng(0), 500_000
    seconds = pd.to_datetime(rng.integers(0, 1_600_000_000, rows), unit="s")
    frame = pd.DataFrame(
        {
            "id": np.arange(rows),
            "x": rng.normal(size=rows).round(5),
            "y": rng.normal(size=rows).round(5),
            "g": rng.choice(["north", "south", "east"], rows),
            "price": [f"${value:,.2f}" for value in rng.uniform(1, 50_000, rows)],
            "when": seconds.strftime("%d/%m/%Y"),
            "z": rng.integers(0, 1000, rows),
            "w": rng.normal(size=rows),
            "note": rng.choice(["a b c", "a longer note", "-"], rows),
            "m": np.where(rng.random(rows) < 0.1, "NA", rng.integers(0, 9, rows).astype(str)),
        }
    )
    frame.to_csv(path, index=False)


def wide_table(path):
    rng = np.random.default_rng(0)
    names = [f"c{number}" for number in range(3000)]
    frame = pd.DataFrame(rng.normal(size=(1000, 3000)).round(4), columns=names)
    frame.to_csv(path, index=False, chunksize=1000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "columns", "rows", "cpu_s", "peak_mib"),
    [(long_table, 10, 500_000, 40, 1200), (wide_table, 3000, 1000, 25, 1200)],
)
def test_large_tables_are_read_within_bounds(tmp_path, make, columns, rows, cpu_s, peak_mib):
    make(tmp_path / "t.csv")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "home", tmp_path / "t.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    sys.stdout.write(done.stdout)
    told = json.loads(done.stdout)
    assert told["columns"] == columns
    assert 0.5 < told["rows"] / rows < 0.7
    assert told["cpu_s"] < cpu_s
    assert told["peak_mib"] < peak_mib
