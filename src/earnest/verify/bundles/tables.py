"""The tables that bundles are about, made from a seed: one for each design.

`effect` says how strong all its effects are, in visible and sealed rows alike; at 0, nothing has to
do with anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

_ROWS: Final = 600
_VISIBLE: Final = 0.6
_CLINICS: Final = 60
_VISITS: Final = 12
_TRAVELLERS: Final = 200
_DAYS: Final = 1200


@dataclass(frozen=True)
class Subject:
    """A table, its design, and a claim about it that is true where there are effects."""

    table: str
    design: str
    claim: Mapping[str, Any]


SUBJECTS: Final[Mapping[str, Subject]] = {
    "dose": Subject(
        "trial", "iid",
        {"kind": "association", "outcome": "response", "exposure": "dose", "direction": "positive"},
    ),
    "arm": Subject(
        "trial", "iid",
        {"kind": "difference", "outcome": "response", "exposure": "arm", "group": "drug",
         "direction": "higher"},
    ),
    "score": Subject(
        "trial", "iid",
        {"kind": "association", "outcome": "score", "exposure": "dose", "direction": "negative"},
    ),
    "relapse": Subject(
        "trial", "iid",
        {"kind": "difference", "outcome": "relapse", "exposure": "arm", "group": "drug",
         "direction": "lower"},
    ),
    "clinic": Subject(
        "clinics", "grouped:clinic",
        {"kind": "difference", "outcome": "pain", "exposure": "method", "group": "new",
         "direction": "lower"},
    ),
    "sleep": Subject(
        "clinics", "grouped:clinic",
        {"kind": "association", "outcome": "pain", "exposure": "sleep", "direction": "negative"},
    ),
    "mode": Subject(
        "choices", "grouped:traveller",
        {"kind": "difference", "outcome": "minutes", "exposure": "mode", "group": "car",
         "direction": "lower"},
    ),
    "evening": Subject(
        "school", "iid",
        {"kind": "interaction", "outcome": "gain", "exposure": "hours", "modifier": "course",
         "group": "evening", "direction": "stronger"},
    ),
    "mark": Subject(
        "school", "iid",
        {"kind": "interaction", "outcome": "mark", "exposure": "study", "modifier": "stream",
         "direction": "positive-overall"},
    ),
    "wait": Subject(
        "school", "iid",
        {"kind": "distribution", "outcome": "wait", "exposure": "counter", "group": "express",
         "direction": "different"},
    ),
    "cost": Subject(
        "school", "iid",
        {"kind": "distribution", "outcome": "cost", "direction": "right-skewed"},
    ),
    "level": Subject(
        "river", "time:day",
        {"kind": "trend", "outcome": "level", "exposure": "day", "direction": "rising"},
    ),
    "oxygen": Subject(
        "river", "time:day",
        {"kind": "trend", "outcome": "oxygen", "exposure": "day", "direction": "falling"},
    ),
}  # fmt: skip


def _trial(effect: float, seed: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    site = rng.choice(["north", "south", "east", "west"], _ROWS)
    arm = rng.choice(["control", "drug", "placebo"], _ROWS)
    age = rng.integers(18, 80, _ROWS)
    dose = rng.gamma(4, 2.5, _ROWS)
    weight = rng.normal(75, 12, _ROWS) + 4 * (site == "north")
    z = (dose - 10) / 5
    response = 50 + 2.5 * (site == "north") + 0.05 * age + rng.normal(0, 4, _ROWS)
    response = response + effect * (2.4 * z + 3 * (arm == "drug"))
    score = np.clip(np.round(10 - 1.5 * effect * z + rng.normal(0, 2, _ROWS)), 0, 20).astype(int)
    risk = 1 / (1 + np.exp(-(0.6 - 1.6 * effect * (arm == "drug"))))
    frame = pd.DataFrame(
        {"id": 1000 + np.arange(_ROWS), "site": site, "arm": arm, "age": age,
         "dose": dose.round(3), "weight": weight.round(1), "response": response.round(3),
         "score": score, "relapse": (rng.uniform(size=_ROWS) < risk).astype(int)}
    )  # fmt: skip
    frame.loc[rng.permutation(_ROWS)[:20], "weight"] = np.nan
    return frame


def _clinics(effect: float, seed: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    clinic = np.repeat(np.arange(_CLINICS), _VISITS)
    new = rng.permutation(np.arange(_CLINICS) % 2)
    sleep = rng.normal(7, 1.2, len(clinic)) + rng.normal(0, 0.5, _CLINICS)[clinic]
    pain = 40 + rng.normal(0, 3, _CLINICS)[clinic] + rng.normal(0, 5, len(clinic))
    pain = pain - effect * (6 * new[clinic] + 2.5 * (sleep - 7))
    names = [f"st {chr(97 + number // 8)}{chr(110 + number % 8)}" for number in clinic]
    return pd.DataFrame(
        {"clinic": names, "visit": np.tile(range(_VISITS), _CLINICS),
         "region": rng.choice(["coast", "plain", "hills"], _CLINICS)[clinic],
         "method": np.where(new[clinic] == 1, "new", "usual"),
         "sleep": sleep.round(2), "pain": pain.round(2)}
    )  # fmt: skip


def _choices(effect: float, seed: int) -> pd.DataFrame:
    """Four ways to travel for each traveller, of which the car is always a middling one."""
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    ways = ["car", "air", "train", "bus"]
    minutes = np.sort(rng.gamma(8, 25, (_TRAVELLERS, 1)) * rng.uniform(0.4, 1.6, (_TRAVELLERS, 4)))
    place = np.where(rng.uniform(size=_TRAVELLERS) < 0.5 + 0.2 * effect, 1, 2)
    rest = rng.permuted(np.tile(np.arange(3), (_TRAVELLERS, 1)), axis=1)
    order = np.column_stack([place, rest + (rest >= place[:, None])])
    return pd.DataFrame(
        {"traveller": np.repeat([f"t{number:03}" for number in range(_TRAVELLERS)], 4),
         "mode": np.tile(ways, _TRAVELLERS),
         "size": np.repeat(rng.integers(1, 5, _TRAVELLERS), 4),
         "minutes": np.take_along_axis(minutes, order, axis=1).ravel().round(1)}
    )  # fmt: skip


def _school(effect: float, seed: int) -> pd.DataFrame:
    """What depends on a level, turns inside levels, has another shape, and leans to one side."""
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    course = rng.choice(["day", "evening"], _ROWS)
    stream = rng.integers(0, 3, _ROWS)
    counter = rng.choice(["express", "usual"], _ROWS)
    hours, noise, other, mark, wait, cost = rng.normal(size=(6, _ROWS))
    study = 2 * stream + other
    tilt = np.where(counter == "express", 0.9 * effect, 0.0) + 1e-9
    lean = 0.5 * effect + 1e-9
    return pd.DataFrame(
        {"pupil": 500 + np.arange(_ROWS), "course": course, "hours": (8 + 2 * hours).round(2),
         "gain": (40 + 4 * noise + effect * (0.6 + 4 * (course == "evening")) * hours).round(2),
         "stream": np.array(["basic", "middle", "upper"])[stream],
         "study": (10 + study).round(2),
         "mark": (50 + 2 * mark + effect * (6 * stream - 1.5 * study)).round(2),
         "counter": counter, "wait": (30 + 3 * np.expm1(tilt * wait) / tilt).round(2),
         "cost": (90 + 12 * np.expm1(lean * cost) / lean).round(2)}
    )  # fmt: skip


def _river(effect: float, seed: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rng = np.random.Generator(np.random.PCG64(seed))
    day = np.arange(_DAYS)
    noise = rng.normal(size=(2, _DAYS))
    for series in noise:
        for step in range(1, _DAYS):
            series[step] += 0.5 * series[step - 1]
    season = np.sin(2 * np.pi * day / 20)
    return pd.DataFrame(
        {"day": day, "weather": rng.choice(["dry", "rain", "snow"], _DAYS),
         "level": (20 + season + noise[0] + effect * 3 * day / _DAYS).round(3),
         "oxygen": (9 - season + noise[1] - effect * 3 * day / _DAYS).round(3)}
    )  # fmt: skip


_MAKERS: Final = {
    "trial": _trial,
    "clinics": _clinics,
    "choices": _choices,
    "school": _school,
    "river": _river,
}

_GROUPS: Final = {"clinics": "clinic", "choices": "traveller"}


@lru_cache(maxsize=16)
def table(name: str, *, effect: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table's visible and sealed rows: whole clinics, the later days."""
    import numpy as np

    frame = _MAKERS[name](effect, seed)
    rng = np.random.Generator(np.random.PCG64(seed + 1))
    if name == "river":
        kept = (frame["day"] < _VISIBLE * _DAYS).to_numpy()
    elif name in _GROUPS:
        groups = frame[_GROUPS[name]]
        shown = rng.permutation(groups.unique())[: round(_VISIBLE * groups.nunique())]
        kept = groups.isin(shown).to_numpy()
    else:
        kept = rng.permutation(len(frame)) < _VISIBLE * len(frame)
    return frame[kept].reset_index(drop=True), frame[~kept].reset_index(drop=True)
