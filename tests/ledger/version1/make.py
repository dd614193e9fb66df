"""Makes `ledger.sqlite` and `ledger.head`: run it with a checkout whose ledger has version 1.

    PYTHONPATH=CHECKOUT/src python tests/ledger/version1/make.py tests/ledger/version1

The bytes in the repository were made so, at commit 70427e6, and are not made again: they stand
for every ledger that version 1 has left on anybody's disk.
"""

import sqlite3
import sys
from pathlib import Path

from earnest.core.canon import digest
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Task, Verdict
from earnest.ledger.ledger import Ledger

WORDS = ("confirmed", "inconclusive", "refuted", "invalid", "reproduced", "confirmed")


def finding(table, outcome, principal, run):
    name = digest(outcome.encode())
    return Finding(
        claim=Claim(
            kind="association", table=table, outcome=outcome, exposure="x", direction="positive"
        ),
        evidence=Evidence(script=name, inputs={}, results={"effect": 0.5}, supports="effect > 0"),
        exposure="sealed",
        author=Author(principal=principal, model="scripted"),
        run=run,
        task=name,
        table=TableRef(
            name=table,
            table=digest(table.encode()),
            visible=name,
            design="iid",
            rows=10,
            columns=("x", outcome),
        ),
        prose="a heavier engine drinks more",
    )


def main(folder):
    path = folder / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add(Task(kind="research", prompt="what is going on?", tables=()))
        for place, table in enumerate(("cars", "boats", "trains")):
            batch = [
                finding(table, f"y{k}", "me" if k % 2 else "you", f"run-{table}") for k in range(6)
            ]
            ledger.submit(batch, testable=[one.id for one in batch[:5]])
            for word, one in zip(WORDS, batch[: 6 - place], strict=False):
                alpha = ledger.alpha(one.id) if word not in ("invalid", "reproduced") else None
                p = {"confirmed": 1e-6, "inconclusive": 0.5, "refuted": 0.9}.get(word)
                ledger.conclude(
                    Verdict(
                        finding=one.id,
                        word=word,
                        reason="r",
                        checks=(),
                        p=p if alpha is not None else None,
                        alpha=alpha,
                        seed=1,
                        verifier="v",
                    )
                )
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("VACUUM")
    db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
