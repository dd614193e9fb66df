"""The persistent split: which rows are sealed (DESIGN.md, section 5).

A row's side follows from a keyed hash of its own content (or of its key, or of its group), so
the same row is on the same side in every later version of the file; for a time series, from a
cut-off. Not covered: a file whose rows were edited or whose columns were dropped is another
file to this split, and may show rows that were sealed before.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from earnest.core.errors import TableError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

_TIME_NAME: Final = re.compile(r"(^|_)(date|datetime|time|timestamp|year|month|week|day)$", re.I)
_GROUP_NAME: Final = re.compile(
    r"^(id|subj|subject|patient|participant|person|individual|user|household|firm|country|state|site|school)"
    r"(_?id)?$",
    re.I,
)
UNNAMED: Final = re.compile(r"Unnamed: \d+|")
_LEAST_UNITS: Final = 2
_LEAST_GROUPS: Final = 6  # a column "ID" of four levels names kinds, not individuals


@dataclass(frozen=True)
class Design:
    """How rows depend on each other: not at all, through a group, or through time."""

    kind: Literal["iid", "grouped", "time"]
    column: str = ""

    @classmethod
    def parse(cls, text: str) -> Design:
        """Read `iid`, `grouped:COL` or `time:COL`. Raises `UsageError`."""
        kind, _, column = text.partition(":")
        if kind == "iid" and not column:
            return cls("iid")
        if kind == "grouped" and column:
            return cls("grouped", column)
        if kind == "time" and column:
            return cls("time", column)
        raise UsageError(f"no design {text!r}", mend="use iid, grouped:COL or time:COL")

    def __str__(self) -> str:
        return f"{self.kind}:{self.column}" if self.column else self.kind


def times(cells: pd.Series[str]) -> pd.Series[float]:
    """Return a column of times as numbers that sort like them; NaN where a cell is none.

    Numbers (years, seconds, indices) are taken as they are, everything else is parsed as dates.
    """
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().mean() > 0.95:
        return numbers.astype(float)
    dates = pd.to_datetime(cells, errors="coerce", format="mixed", utc=True)
    seconds = dates.dt.as_unit("s").astype("int64").astype(float)
    return seconds.where(dates.notna())


def guess_design(frame: pd.DataFrame) -> Design:
    """Guess a design from names and repetition: `time` and `grouped` where the signs are clear.

    A wrong `iid` makes p-values too small, so what is guessed is shown to the user.
    """
    timed = [
        name
        for name in frame.columns
        if _TIME_NAME.search(name) and times(frame[name]).notna().all()
    ]
    for name in timed:
        if frame[name].is_unique:
            return Design("time", name)
    for name in frame.columns:
        levels = frame[name].nunique()
        repeated = _LEAST_UNITS < levels <= len(frame) / 2
        if repeated and levels >= _LEAST_GROUPS and _GROUP_NAME.match(name):
            return Design("grouped", name)
        panel = [t for t in timed if t != name and not frame.duplicated([name, t]).any()]
        if repeated and panel:
            return Design("grouped", name)
    return Design("iid")


def own_names(frame: pd.DataFrame) -> list[str]:
    """Return the columns that have a name of their own, sorted: what a row is known by.

    A column without one is an index as long as no cell of it repeats, and is left out then; so
    that it comes and goes with the rows, and may decide nothing.
    """
    return sorted(name for name in frame.columns if not UNNAMED.fullmatch(name)) or sorted(
        frame.columns
    )


def _keyed(secret: bytes, text: str) -> float:
    """A number in [0, 1) that nobody without the secret can foresee."""
    mac = hmac.new(secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return int.from_bytes(mac[:8], "big") / 2**64


def sealed_rows(
    frame: pd.DataFrame,
    design: Design,
    secret: bytes,
    fraction: float,
    *,
    key: str = "",
    cut_off: float | None = None,
) -> tuple[npt.NDArray[np.bool_], float | None]:
    """Say for each row whether it is sealed; for `time`, also the cut-off that decided it.

    `fraction` of the rows, groups or time (0.1 to 0.9) is sealed; a `cut_off` from an earlier
    split of the same series is kept. Raises `TableError` where one side would be empty.
    """
    import numpy as np

    if not 0.1 <= fraction <= 0.9:
        raise UsageError(f"can't seal a share of {fraction:g}", mend="choose one from 0.1 to 0.9")
    for column in filter(None, (design.column, key)):
        if column not in frame.columns:
            raise UsageError(
                f"the table has no column {column!r}",
                mend=f"choose from {', '.join(frame.columns)}",
            )
    if design.kind == "time":
        when = times(frame[design.column])
        if when.isna().any():
            raise TableError(
                f"{int(when.isna().sum())} cells of {design.column!r} are no times",
                mend="mend or drop those rows",
            )
        cut = float(when.quantile(1 - fraction)) if cut_off is None else cut_off
        mask = (when > cut).to_numpy()
    else:
        cut = None
        if design.kind == "grouped" or key:
            texts = frame[design.column or key].tolist()
        else:
            cells = (frame[c].to_numpy(dtype=object) for c in own_names(frame))
            texts = ["\x1f".join(row) for row in zip(*cells, strict=True)]
        mask = np.array([_keyed(secret, text) < fraction for text in texts], dtype=bool)
    if mask.all() and cut_off is not None:
        raise TableError(
            "all of it comes after what was sealed of this series before",
            mend="keep the earlier rows in the file, or give it another name",
        )
    if not 0 < mask.sum() < len(mask):
        raise TableError(
            f"the design {design} leaves one side of the split empty",
            mend="bring more rows or groups, or say another design: --design iid, grouped:COL or "
            "time:COL",
        )
    return mask, cut
