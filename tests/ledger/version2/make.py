"""Makes `ledger.sqlite` and `ledger.head`: run it with a checkout whose ledger has version 2.

    PYTHONPATH=CHECKOUT/src python tests/ledger/version2/make.py tests/ledger/version2

The bytes in the repository were made so, at commit eab7da2, and are not made again: they stand
for every ledger that version 2 has left on anybody's disk. It holds claims that version 2 took
for different ones and that say the same, a later verdict, and a retraction.
"""

import sqlite3
import sys
from pathlib import Path

from earnest.core.canon import digest
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Verdict
from earnest.ledger.ledger import Ledger

CLAIMS = (
    {"direction": "higher", "group": "a", "versus": "b"},
    {"direction": "lower", "group": "b", "versus": "a"},
    {"direction": "higher", "group": "b", "versus": "a"},
    {"direction": "higher", "group": "c", "subset": "age > 40 and sex == 'f'"},
    {"direction": "higher", "group": "c", "subset": "sex == 'f' and age > 40.0"},
    {"direction": "higher", "group": "c", "threshold": 0.2},
)


def finding(number):
    name = digest(b"script")
    claim = Claim(kind="difference", table="cars", outcome="y", exposure="x", **CLAIMS[number])
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
    with Ledger(path) as ledger:
        batch = [finding(number) for number in range(len(CLAIMS))]
        for one, word in zip(
            batch, ("confirmed", "confirmed", "refuted", "confirmed", "inconclusive"), strict=False
        ):
            ledger.submit([one], testable=[one.id])
            ledger.conclude(verdict(one, word, ledger.alpha(one.id)))
        ledger.submit(batch[5:], testable=[batch[5].id])
        ledger.revise(verdict(batch[3], "replicated", None, 2), kind="replication", why="new rows")
        ledger.retract(batch[1].id, by="me", why="the column was mislabelled")
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("VACUUM")
    db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
