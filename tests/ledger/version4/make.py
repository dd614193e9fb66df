"""Makes `ledger.sqlite` and `ledger.head`: run it with a checkout whose ledger has version 4.

    PYTHONPATH=CHECKOUT/src:CHECKOUT python tests/ledger/version4/make.py tests/ledger/version4

The bytes in the repository were made so when version 4 came, and are not made again: they stand for
every ledger that version 4 has left on anybody's disk. It holds imports: one as it came, one with a
later word, one withdrawn there, one withdrawn here.
"""

import sqlite3
import sys
import tempfile
from pathlib import Path

from tests.ledger.offers import OTHER, an_import, found, said
from tests.ledger.test_ledger import finding, submit, verdict

from earnest.core.sign import KeyFolder
from earnest.ledger.ledger import Ledger


def main(folder):
    path = folder / "ledger.sqlite"
    with tempfile.TemporaryDirectory() as keys, Ledger(path, KeyFolder(Path(keys))) as ledger:
        mine = finding("cargo")
        submit(ledger, mine)
        ledger.conclude(verdict(mine, alpha=ledger.alpha(mine.id)))
        ledger.stamp()
        ledger.take_in(an_import(found("cargo"), position=3))
        ledger.take_in(an_import(found("crew"), position=5))
        ledger.take_in(an_import(found("crew"), said(found("crew"), "replicated"), position=9))
        ledger.take_in(an_import(found("hull"), position=11, why="the script was wrong"))
        ledger.take_in(an_import(found("sail"), signer=OTHER, name="others", position=2))
        ledger.retract(found("sail").id, by="me", why="not for us")
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("VACUUM")
    db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
