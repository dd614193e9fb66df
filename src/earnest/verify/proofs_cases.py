"""What a case of the proofs is, and the honest script that most are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.core.catalogue import Entry
from earnest.core.history import ClosedBook
from earnest.core.records import Claim, Finding, Word

if TYPE_CHECKING:
    import pandas as pd

HONEST: Final = """
import argparse, json, math, pathlib
import pandas as pd

arguments = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    arguments.add_argument(name)
options = arguments.parse_args()
file = pathlib.Path(options.data) / "proof.csv"


def measure(table):
    rho = table["dose"].rank().corr(table["response"].rank())
    return {"effect": rho, "p": math.erfc(abs(rho) * math.sqrt((len(table) - 1) / 2))}


table = pd.read_csv(file)
numbers = measure(table)
pathlib.Path(options.out).write_text(json.dumps(numbers))
"""
MEASURED: Final = "numbers = measure(table)\n"


def instead(code: str) -> str:
    """Return the honest script with other code in place of its measuring."""
    return HONEST.replace(MEASURED, code.strip("\n") + "\n")


@dataclass(frozen=True)
class Setting:
    """A table of its own and what is claimed of it.

    `frames` makes the visible and the sealed rows, `claim` takes the visible ones.
    """

    frames: Callable[[], tuple[pd.DataFrame, pd.DataFrame]]
    claim: Callable[[pd.DataFrame], Claim]
    design: str = "iid"


@dataclass(frozen=True)
class Case:
    """A bundle and what must come of it: the word, and the check that decides.

    `slope_visible`, `slope_sealed`: by how much the response rises with the dose, in standard
    deviations of its noise. `forged`: the declared numbers are not the script's; `changed`: the
    table is not the one handed out; `defined`: the response has no noise. `setting`: another table
    and another claim than that the response rises with the dose. `claim`: one that speaks of no
    table. `grade`, if given: how new the claim must be found, and `names` stand in the reason, with
    a catalogue that has `listed` and a model that was `told` the claim's questions. `before`: the
    script of a finding of the same batch, frozen before it, whose claim differs in its threshold.
    """

    name: str
    script: str
    word: Word
    decides: str
    slope_visible: float = 1.0
    slope_sealed: float = 1.0
    changed: bool = False
    forged: bool = False
    defined: bool = False
    supports: str = "effect > 0 and p < 0.05"
    tolerance: float = 1e-6
    grade: str = ""
    names: str = ""
    listed: tuple[Entry, ...] = ()
    told: Callable[[Finding], ClosedBook] | None = None
    setting: Setting | None = None
    claim: Claim | None = None
    before: str = ""
