"""Makes `ledger.sqlite` and `ledger.head`: run it with a checkout whose ledger has version 3.

    PYTHONPATH=CHECKOUT/src python tests/ledger/version3/make.py tests/ledger/version3

The bytes in the repository were made so, at commit 3dc898b, and are not made again: they stand
for every ledger that version 3 has left on anybody's disk. Its findings
are of version 2, of kinds that came with it; verdicts are signed, and one is stamped over.
"""

import sqlite3
import sys
import tempfile
from pathlib import Path

from earnest.core.canon import digest
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Verdict
from earnest.core.sign import KeyFolder
from earnest.ledger.ledger import Ledger

CLAIMS = (
    {"kind": "difference", "exposure": "x", "direction": "highest", "group": "a"},
    {"kind": "interaction", "exposure": "x", "direction": "stronger", "modifier": "sex",
     "group": "f", "versus": "m"},
    {"kind": "distribution", "direction": "right-skewed", "subset": "age > 40.0"},
    {"kind": "association", "exposure": "x", "direction": "positive", "order": ("s", "m", "l")},
    {"kind": "value", "direction": "equal", "statistic": "mean", "value": 1.5},
    {"kind": "anomaly", "direction": "present", "where": "y > 9", "count": 3},
)  # fmt: skip
WORDS = ("confirmed", "confirmed", "refuted", "inconclusive", "reproduced")


def finding(number):
    name = digest(b"script")
    claim = Claim(table="cars", outcome="y", **CLAIMS[number])
    return Finding(
        claim=claim,
        evidence=Evidence(script=name, inputs={}, results={"effect": 0.5}, supports="effect > 0"),
        exposure="sealed",
        author=Author(principal="me", model="scripted"),
        run=f"run-{number}",
        task=name,
        table=TableRef(
            name="cars",
            table=digest(b"cars"),
            visible=name,
            design="iid",
            rows=10,
            columns=("age", "sex", "x", "y"),
        ),
    )


def verdict(found, word, alpha, seed=1):
    p = {"confirmed": 1e-6, "inconclusive": 0.5}.get(word)
    return Verdict(
        finding=found.id,
        word=word,
        reason="r",
        checks=(),
        p=p,
        alpha=alpha,
        seed=seed,
        verifier="v",
    )


def main(folder):
    path = folder / "ledger.sqlite"
    with tempfile.TemporaryDirectory() as keys, Ledger(path, KeyFolder(Path(keys))) as ledger:
        batch = [finding(number) for number in range(len(CLAIMS))]
        for one, word in zip(batch, WORDS, strict=False):
            ledger.submit([one], testable=[one.id] if word != "reproduced" else [])
            ledger.conclude(verdict(one, word, ledger.alpha(one.id)))
        ledger.stamp()
        ledger.submit(batch[5:], testable=[])
        ledger.revise(verdict(batch[0], "replicated", None, 2), kind="replication", why="new rows")
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("VACUUM")
    db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
