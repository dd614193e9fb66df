"""Claims of the newer kinds from evidence to verdict: honest ones are confirmed, hard-coded not."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.verify.nulls import claim

from earnest.core.canon import digest
from earnest.core.home import BlobStore
from earnest.core.records import Author, Evidence, Finding, TableRef
from earnest.verify.verifier import Verifier

HEAD = """
import argparse, json
import numpy as np, pandas as pd
from scipy import stats
options = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    options.add_argument(name)
options = options.parse_args()
t = pd.read_csv(options.data + "/t.csv")
def finish(**numbers):
    json.dump({name: float(value) for name, value in numbers.items()}, open(options.out, "w"))
a, b = t.y[t.g == "a"], t.y[t.g == "b"]
"""
CASES = {
    "dependent": (
        claim("association", "dependent", exposure="x"),
        "fifths = pd.qcut(t.x.rank(method='first'), 5, labels=False)\n"
        "finish(p=stats.kruskal(*[part for _, part in t.y.groupby(fifths)]).pvalue)",
        "p < 0.01",
    ),
    "wider": (
        claim("distribution", "wider", exposure="g", group="a"),
        "finish(ratio=np.log(a.std() / b.std()), p=stats.levene(a, b).pvalue)",
        "ratio > 0 and p < 0.01",
    ),
    "right-skewed": (
        claim("distribution", "right-skewed", "s"),
        "finish(skew=stats.skew(t.s), p=stats.skewtest(t.s).pvalue)",
        "skew > 0 and p < 0.01",
    ),
    "stronger": (
        claim("interaction", "stronger", "w", exposure="x", modifier="g", group="a"),
        "r = [np.arctanh(stats.spearmanr(p.x, p.w).statistic) for _, p in t.groupby('g')]\n"
        "finish(z=(abs(r[0]) - abs(r[1])) * np.sqrt(len(t) / 4 / 1.06))",
        "z > 2.6",
    ),
}


@dataclass(frozen=True)
class Bench:
    folder: Path

    def visible(self, table):
        return self.folder / "visible"

    def sealed(self, table):
        return self.folder / "sealed.csv"

    def alpha(self, name):
        return 0.01

    def related(self, one):
        return ()

    def closed_book(self, name):
        return None

    def earlier(self, one):
        return None

    def used_up(self, one):
        return False


def rows(seed):
    rng = np.random.default_rng(seed)
    g, x = np.repeat(["a", "b"], 100), rng.normal(size=200)
    return pd.DataFrame(
        {
            "g": g,
            "x": x,
            "y": x**2 * np.where(g == "a", 2, 0.4)
            + rng.normal(size=200) * np.where(g == "a", 2, 1),
            "s": rng.exponential(size=200),
            "w": np.where(g == "a", 1.5, 0.0) * x + rng.normal(size=200),
        }
    ).round(4)


def judged(sandbox, folder, one, script, supports, results):
    folder.chmod(0o755)
    (folder / "visible").mkdir()
    rows(1).to_csv(folder / "visible" / "t.csv", index=False)
    rows(2).to_csv(folder / "sealed.csv", index=False)
    data = (folder / "visible" / "t.csv").read_bytes()
    blobs, bench = BlobStore(folder / "blobs"), Bench(folder)
    found = Finding(
        claim=one,
        evidence=Evidence(
            script=blobs.put((HEAD + script + "\n").encode()),
            inputs={"t.csv": digest(data)},
            results=results,
            supports=supports,
        ),
        exposure="sealed",
        author=Author(principal="me", model="m"),
        run="r",
        task=digest(b"t"),
        table=TableRef(
            name="t",
            table=digest(b"t"),
            visible=digest(data),
            design="iid",
            rows=200,
            columns=tuple(rows(1).columns),
        ),
    )
    return Verifier(sandbox, blobs, bench, b"key").check(found, bench)


@pytest.mark.parametrize("name", CASES)
def test_an_honest_claim_is_confirmed(sandbox, tmp_path, name):
    one, code, supports = CASES[name]
    verdict = judged(sandbox, tmp_path, one, code, supports, _run(code))
    assert verdict.word == "confirmed", (verdict.reason, verdict.checks)
    assert verdict.checks[-1].name == "sealed"
    assert {check.name for check in verdict.checks} >= {"fragility", "permuted", "row-order"}


@pytest.mark.parametrize("name", ["dependent", "wider", "stronger"])
def test_a_hard_coded_one_is_invalid(sandbox, tmp_path, name):
    one, _, supports = CASES[name]
    numbers = {"p": 1e-9, "ratio": 0.7, "z": 9.0}
    code = "finish(p=1e-9, ratio=0.7, z=9)"
    verdict = judged(sandbox, tmp_path, one, code, supports, numbers)
    assert (verdict.word, verdict.checks[-1].name) == ("invalid", "permuted")


def _run(code):
    """Return what the script gives on the visible rows: our own code, run here."""
    t, found = pd.read_csv(io.StringIO(rows(1).to_csv(index=False))), {}
    a, b = t.y[t.g == "a"], t.y[t.g == "b"]
    names = {"t": t, "a": a, "b": b, "np": np, "pd": pd, "stats": stats, "finish": found.update}
    exec(code, names)  # noqa: S102
    return {name: float(value) for name, value in found.items()}
