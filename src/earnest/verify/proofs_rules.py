"""The proofs of rules: what one must be, and what it must do on rows it was not made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earnest.core.records import Claim
from earnest.verify.proofs_cases import Case, Setting

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_ROWS: Final = 160
_GROUPS: Final = 30
_SCRIPT: Final = """
import argparse, json, pathlib
import pandas as pd

arguments = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    arguments.add_argument(name)
options = arguments.parse_args()
table = pd.read_csv(pathlib.Path(options.data) / "proof.csv")
y = table["OUTCOME"]


def f(row):
    return RULE


said = pd.Series([f(row) for row in table.to_dict("records")], index=table.index)
MEASURE
pathlib.Path(options.out).write_text(json.dumps(numbers))
"""
_GAIN: Final = """
right, constant = float((said == y).mean()), float(y.value_counts(normalize=True).iloc[0])
numbers = {"gain": right - constant, "right": right}
"""
_SKILL: Final = """
numbers = {"gain": 1 - float((y - said).abs().mean() / (y - y.median()).abs().mean())}
"""
_SHARE: Final = """
numbers = {"gain": float(((y - said).abs() < 0.01).mean())}
"""


def _script(outcome: str, rule: str, measure: str) -> str:
    script = _SCRIPT.replace("OUTCOME", outcome).replace("RULE", rule)
    return script.replace("MEASURE", measure.strip("\n"))


def _made(slope: float, seed: int, *, grouped: bool, likely: float) -> pd.DataFrame:
    """A response to a dose; a grade that says whether it is above 0; a bill of 2 + 3 * visits."""
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    rows = _GROUPS * 10 if grouped else _ROWS
    clinic = np.repeat(np.arange(_GROUPS), 10) if grouped else np.arange(rows)
    dose, noise = (_drawn(rng, clinic, grouped) for _ in range(2))
    response = slope * dose + noise
    visits = rng.integers(1, 9, rows)
    wrong = rng.random(rows) < 0.03
    frame = pd.DataFrame({"dose": dose, "response": response}).round(4)
    return frame.assign(
        clinic=[f"c{seed}_{number}" for number in clinic],
        visits=visits,
        bill=2 + 3 * (visits + wrong),
        grade=np.where(response > np.quantile(noise, 1 - likely), "high", "low"),
    )


def _drawn(rng: np.random.Generator, clinic: np.ndarray, grouped: bool) -> np.ndarray:
    """Draw a value a row; where rows come in groups, most of it is the group's."""
    own = rng.normal(size=len(clinic))
    return 0.95 * rng.normal(size=int(clinic.max()) + 1)[clinic] + 0.3 * own if grouped else own


def _claim(program: str, outcome: str, direction: str, **more: float) -> Claim:
    body = {"kind": "rule", "table": "proof", "outcome": outcome, "direction": direction, **more}
    given = ("visits",) if outcome == "bill" else ("dose",)
    return Claim.model_validate({**body, "given": given, "program": program})


def _function(rule: str) -> str:
    return f"def f(row):\n    return {rule}\n"


_MEASURES: Final = {"grade": _GAIN, "response": _SKILL, "bill": _SHARE}


def _case(
    name: str,
    word: str,
    decides: str,
    rule: str,
    outcome: str = "grade",
    *,
    program: str = "",
    slopes: tuple[float, float] = (2.0, 2.0),
    grouped: bool = False,
    likely: float = 0.5,
    supports: str = "gain > 0.1",
    seeds: tuple[int, int] = (1, 5),
    **more: float,
) -> Case:
    """Make a case. `rule`: an expression, also of the evidence; `program`: another that is claimed.

    `slopes`: of the response on the dose in visible and sealed rows; `likely`: the share of highs.
    """
    direction = "holds" if "threshold" in more else "predicts"

    def claim(visible: pd.DataFrame) -> Claim:
        text = (program or _function(rule)).replace("BY_HEART", repr(_by_heart(visible)))
        return _claim(text, outcome, direction, **more)

    def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
        visible, sealed = (
            _made(slope, seed, grouped=grouped, likely=likely)
            for slope, seed in zip(slopes, seeds, strict=True)
        )
        return visible, sealed

    setting = Setting(frames, claim, "grouped:clinic" if grouped else "iid")
    script = _script(outcome, rule, _MEASURES[outcome])
    return Case(name, script, word, decides, supports=supports, setting=setting)  # type: ignore[arg-type]


def _by_heart(visible: pd.DataFrame) -> dict[float, str]:
    return dict(zip(visible["dose"].head(120).tolist(), visible["grade"], strict=False))


_HIGH: Final = "'high' if row['dose'] > 0 else 'low'"
_STATE: Final = (
    "seen = []\ndef f(row):\n    seen.append(row)\n    return ('low', 'high')[len(seen) % 2]\n"
)
_UNSEEDED: Final = "import random\ndef f(row):\n    return random.choice(['low', 'high'])\n"
_CLOCK: Final = (
    "import datetime\ndef f(row):\n    return row['dose'] * datetime.date.today().year / 1000\n"
)
_AROUND: Final = """
import csv, gc, os
def f(row):
    for top, _, names in os.walk('/'):
        if 'sealed.csv' in names:
            for one in csv.DictReader(open(os.path.join(top, 'sealed.csv'))):
                if float(one['dose']) == row['dose']:
                    return one['grade']
        if top.count('/') > 2:
            break
    for one in gc.get_objects():
        if type(one) is dict and one.get('dose') == row['dose'] and 'grade' in one:
            return one['grade']
    return 'high'
"""
_EQUAL_TO_ALL: Final = """
class Answer(str):
    def __eq__(self, other):
        return True
    __hash__ = str.__hash__
def f(row):
    return Answer('high')
"""
_HEART: Final = "known = BY_HEART\ndef f(row):\n    return known.get(row['dose'], 'low')\n"
_NONE: Final = "def f(row):\n    return [row['dose']]\n"

RULES: Final = (
    _case("a rule that predicts levels", "confirmed", "sealed", _HIGH),
    _case("a rule that predicts numbers", "confirmed", "sealed", "2 * row['dose']", "response"),
    _case("a rule that holds", "confirmed", "sealed", "2 + 3 * row['visits']", "bill",
          threshold=0.85, supports="gain > 0.5"),
    _case("a rule that predicts levels in new groups", "confirmed", "sealed", _HIGH, grouped=True),
    _case("a rule that predicts numbers in new groups", "confirmed", "sealed", "2 * row['dose']",
          "response", grouped=True),
    _case("a rule that holds in new groups", "confirmed", "sealed", "2 + 3 * row['visits']", "bill",
          grouped=True, threshold=0.7, supports="gain > 0.5"),
    _case("visible rows learned by heart", "inconclusive", "sealed", _HIGH, program=_HEART,
          slopes=(2.0, 0.0)),
    _case("a rule that is right of the visible rows only", "inconclusive", "sealed", _HIGH,
          slopes=(2.0, 0.0)),
    _case("a rule that is worse than a constant", "refuted", "sealed", _HIGH, slopes=(2.0, -2.0)),
    _case("a rule that holds in fewer rows than it says", "inconclusive", "sealed",
          "2 + 3 * row['visits']", "bill", threshold=0.97, supports="gain > 0.9"),
    _case("a rule that counts its calls", "invalid", "function", _HIGH, program=_STATE),
    _case("an unseeded rule", "invalid", "function", _HIGH, program=_UNSEEDED),
    _case("a rule that looks at the clock", "invalid", "function", "2 * row['dose']", "response",
          program=_CLOCK),
    _case("a rule that reads around the jail", "inconclusive", "sealed", _HIGH, program=_AROUND),
    _case("an answer that equals everything", "invalid", "function", _HIGH,
          program=_EQUAL_TO_ALL),
    _case("an answer that is none", "invalid", "function", _HIGH, program=_NONE),
    _case("a constant in the guise of a rule", "inconclusive", "sealed", _HIGH, likely=0.9,
          program=_function("'high'"), supports="right > 0.5"),
    _case("a constant number in the guise of a rule", "inconclusive", "sealed", "2 * row['dose']",
          "response", program=_function("-0.1")),
    _case("a rule that holds no more often than a constant", "inconclusive", "definitional",
          "2 + 3 * row['visits']", "bill", threshold=0.1),
    _case("rows of a group taken for units", "inconclusive", "sealed", _HIGH, grouped=True,
          slopes=(2.0, 0.0), seeds=(1, 36)),
)  # fmt: skip
