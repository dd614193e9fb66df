"""Real tables that nobody here made, out of packages we depend on anyway.

Their files lie in installed packages; jails see an image in which they are left out.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from earnest.core.errors import LackError, UsageError

if TYPE_CHECKING:
    import pandas as pd

VAGUE = "What is going on in this table?"


@dataclass(frozen=True)
class Bundled:
    """A bundled table: where it comes from, its design, and the vague question asked of it.

    `split`: `zero` tables taught generation 0; `demo` tables are new to it.
    """

    name: str
    package: Literal["statsmodels", "sklearn"]
    source: str
    design: str = "iid"
    prompt: str = VAGUE
    split: Literal["demo", "zero"] = "demo"
    shape: Callable[[Any], Any] | None = None
    licence: str = "public domain"

    def load(self) -> pd.DataFrame:
        """Return the whole table. Raises `LackError` where its package is missing."""
        try:
            if self.package == "statsmodels":
                module = importlib.import_module(f"statsmodels.datasets.{self.name}")
                frame: pd.DataFrame = module.load_pandas().data
            else:
                loader = getattr(importlib.import_module("sklearn.datasets"), f"load_{self.name}")
                frame = _sklearn(loader)
        except ImportError as error:
            raise LackError(
                f"the table {self.name} comes with {self.package}",
                mend="pip install 'earnest[tables]'",
            ) from error
        shaped: pd.DataFrame = self.shape(frame) if self.shape else frame
        return shaped


def _sklearn(loader: Callable[..., Any]) -> pd.DataFrame:
    raw = {"scaled": False} if loader.__name__ == "load_diabetes" else {}
    bunch = loader(as_frame=True, **raw)
    frame: pd.DataFrame = bunch.frame
    if "target_names" in bunch and len(bunch.target_names) > 1:
        names = dict(enumerate(str(name) for name in bunch.target_names))
        frame["target"] = frame["target"].map(names)
    return frame.rename(columns=lambda name: str(name).replace(" (cm)", "").replace(" ", "_"))


def _modechoice(frame: pd.DataFrame) -> pd.DataFrame:
    modes = {1: "air", 2: "train", 3: "bus", 4: "car"}
    frame["mode"] = frame["mode"].astype(int).map(modes)
    frame["individual"] = frame["individual"].astype(int)
    return frame


def _co2(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename_axis("date").reset_index().dropna()


def _diabetes(frame: pd.DataFrame) -> pd.DataFrame:
    serum = {
        "s1": "cholesterol",
        "s2": "ldl",
        "s3": "hdl",
        "s4": "cholesterol_per_hdl",
        "s5": "log_triglycerides",
        "s6": "glucose",
        "bp": "blood_pressure",
        "target": "progression",
    }
    return frame.rename(columns=serum)


def _statecrime(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.reset_index(names="state_name")


_SM = "statsmodels.datasets"
_SK = "sklearn.datasets"
TABLES: Mapping[str, Bundled] = {
    table.name: table
    for table in (
        Bundled("fair", "statsmodels", f"{_SM}.fair (Fair 1978)"),
        Bundled("anes96", "statsmodels", f"{_SM}.anes96 (American National Election Study)"),
        Bundled(
            "modechoice",
            "statsmodels",
            f"{_SM}.modechoice (Greene)",
            design="grouped:individual",
            shape=_modechoice,
        ),
        Bundled(
            "co2", "statsmodels", f"{_SM}.co2 (Keeling and Whorf)", design="time:date", shape=_co2
        ),
        Bundled(
            "diabetes",
            "sklearn",
            f"{_SK}.load_diabetes (Efron et al. 2004)",
            shape=_diabetes,
            licence="BSD-3-Clause",
        ),
        Bundled("wine", "sklearn", f"{_SK}.load_wine (Forina et al.)", licence="CC BY 4.0"),
        Bundled(
            "breast_cancer",
            "sklearn",
            f"{_SK}.load_breast_cancer (Wolberg et al.)",
            split="zero",
            licence="CC BY 4.0",
        ),
        Bundled(
            "iris", "sklearn", f"{_SK}.load_iris (Fisher 1936)", split="zero", licence="CC BY 4.0"
        ),
        Bundled("star98", "statsmodels", f"{_SM}.star98 (Gill 2001)", split="zero"),
        Bundled(
            "statecrime",
            "statsmodels",
            f"{_SM}.statecrime (US Census)",
            split="zero",
            shape=_statecrime,
        ),
        Bundled("engel", "statsmodels", f"{_SM}.engel (Koenker and Bassett 1982)", split="zero"),
        Bundled(
            "sunspots", "statsmodels", f"{_SM}.sunspots (SIDC)", design="time:YEAR", split="zero"
        ),
    )
}


def bundled(name: str) -> Bundled:
    """Return a bundled table by name. Raises `UsageError`."""
    if name not in TABLES:
        raise UsageError(f"no bundled table {name!r}", mend=f"choose from {', '.join(TABLES)}")
    return TABLES[name]
