"""Check 4, second half: which other column of the sealed rows would end a claim's effect.

Each of the closest other columns is held fixed, and the effect compared with that of the very same
rows without it: those that have the column, in parts in which the exposure still varies. So rows
that a mostly missing column drops are not taken for rows that it explains. Three things are said
apart: a column that ends the effect, one that can't be compared, and one that tells outcome or
exposure itself (a copy in other words, a few broken rows included), which explains nothing.

Not covered: several columns at once; a column that is computed from the outcome and others (a
total); a copy whose values are cut into intervals, where rows break it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from earnest.core.columns import numbers
from earnest.core.errors import UsageError
from earnest.core.records import Check, Claim
from earnest.verify.cells import named
from earnest.verify.estimate import point
from earnest.verify.monotone import pooled, ranked
from earnest.verify.trivial import made
from earnest.verify.units import NotTestableError, membership, ordinal, strata_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

MOST_COLUMNS: Final = 40
_CLOSEST: Final = 5
_VANISHED: Final = 0.25
_LEAST_ROWS: Final = 30
_SHUFFLES: Final = 19
_COPY: Final = 0.95
_OF_LEVEL: Final = 5
_LEAST_VALUES: Final = 8


@dataclass(frozen=True)
class _Held:
    """What becomes of the effect with one column held fixed, on the rows that can be compared.

    `whole`: the effect on all rows. `thin`: why the comparison says nothing; empty: it says
    something.
    """

    fixed: float
    without: float
    whole: float
    rows: int
    thin: str = ""

    @property
    def absent(self) -> bool:
        """Whether these rows hardly show the effect to begin with."""
        return self.without < _VANISHED * self.whole

    @property
    def verb(self) -> str:
        """What the effect does when the column is held fixed; empty: it stays."""
        if self.fixed < -_VANISHED * (self.whole if self.absent else self.without):
            return "turns its sign"
        return "all but vanishes" if self.fixed < _VANISHED * self.without else ""


def signed(rows: pd.DataFrame, claim: Claim, design: str) -> float | None:
    """Return the effect, positive in the claimed direction; None: these rows can't tell."""
    try:
        return claim.sign * point(rows, claim, design)
    except NotTestableError:
        return None


def lurking(rows: pd.DataFrame, claim: Claim, design: str, whole: float, seed: int) -> list[Check]:
    """Return the check `lurking`; none where no other column can be held fixed.

    `rows`: those of the claim, as text cells; `whole`: their effect in the claimed direction.
    """
    copies: dict[str, str] = {}
    found: dict[str, _Held] = {}
    for name in _closest(rows, claim, design):
        if of := _copy_of(rows, claim, design, name):
            copies[name] = of
        elif held := _held(rows, claim, design, name, whole, seed):
            found[name] = held
        if len(found) == _CLOSEST:
            break
    if not found and not copies:
        return []
    ends = [name for name, held in found.items() if not held.thin and held.verb]
    thin = [name for name, held in found.items() if held.thin]
    observed = {name: held.fixed for name, held in found.items()}
    observed |= {f"{name}: without": held.without for name, held in found.items()
                 if held.rows < len(rows)}  # fmt: skip
    return [
        Check(
            name="lurking",
            passed=None if ends or thin else True,
            detail="; ".join(_told(found, copies)),
            observed=observed,
        )
    ]


def _told(found: dict[str, _Held], copies: dict[str, str]) -> Iterator[str]:
    sound = {name: held for name, held in found.items() if not held.thin}
    kept = [name for name, held in sound.items() if not held.verb]
    said = []
    for verb in ("turns its sign", "all but vanishes"):
        names = [name for name, held in sound.items() if held.verb == verb]
        if names:
            said.append(f"{verb} with {', '.join(names)} held fixed")
    if kept and not said:
        said = [f"keeps its sign with any of {len(kept)} other columns held fixed"]
    if said:
        yield f"the effect {' and '.join(said)}"
    for name, held in found.items():
        if held.thin:
            yield f"{name} can't be compared: {held.thin}"
    for of in dict.fromkeys(copies.values()):
        same = ", ".join(name for name, other in copies.items() if other == of)
        yield f"left out, since in other words it is `{of}`: {same}"


def _held(
    rows: pd.DataFrame, claim: Claim, design: str, name: str, whole: float, seed: int
) -> _Held | None:
    """Compare the effect with and without a column held fixed, on the same rows."""
    more = claim.model_copy(update={"adjust_for": (*claim.adjust_for, name)})
    there = rows[rows[name].notna()]
    fixed = signed(there, more, design)
    same = there[_varies(there, more)] if fixed is not None else there
    without = signed(same, claim, design)
    if fixed is None or without is None:
        return None
    held = _Held(fixed, without, whole, len(same))
    return replace(held, thin=_thin(held, there, more, design, seed))


def _thin(held: _Held, there: pd.DataFrame, more: Claim, design: str, seed: int) -> str:
    """Say why a comparison tells nothing; empty: it tells something."""
    few = f"{held.rows} rows are left"
    if held.rows < _LEAST_ROWS:
        return few
    if held.absent and held.verb != "turns its sign":
        return f"{few}, and their effect is {held.without:.2g} without it as well"
    if held.verb:
        tries = (_shuffled(there, more, design, seed + number) for number in range(_SHUFFLES))
        if any(other is not None and other <= held.fixed for other in tries):
            return f"{few}, where as much is lost by chance"
    elif (left := _left(there, more)) > 0.5 * held.fixed:
        return f"{few}, in parts so wide that it still carries an effect of about {left:.2g}"
    return ""


def _shuffled(rows: pd.DataFrame, more: Claim, design: str, seed: int) -> float | None:
    """Return the effect with the last column's cells exchanged: among rows, or whole groups."""
    import numpy as np

    rng, name = np.random.Generator(np.random.PCG64(seed)), more.adjust_for[-1]
    kind, _, group = design.partition(":")
    if kind == "grouped":
        first = rows.groupby(group)[name].first()
        first[:] = rng.permutation(first.to_numpy())
        return signed(rows.assign(**{name: rows[group].map(first)}), more, design)
    cells = rng.permutation(rows[name].to_numpy())
    return signed(rows.assign(**{name: cells}), more, design)


def _exposed(rows: pd.DataFrame, claim: Claim) -> pd.Series[Any]:
    """Return the exposure as the claim looks at it: a group and what it is compared with, or all"""
    cells = rows[claim.exposure]
    if claim.group is not None:
        return membership(cells, claim.group, claim.versus)
    return ordinal(cells, claim.order) if claim.order else cells


def _varies(rows: pd.DataFrame, more: Claim) -> pd.Series[bool]:
    """Say which rows lie in a part, with all held fixed, in which the exposure varies."""
    x = _exposed(rows, more)
    strata = strata_of(rows, more.adjust_for)
    return x.notna() & (x.groupby(strata).transform("nunique") > 1)


def _left(rows: pd.DataFrame, more: Claim) -> float:
    """Return what effect the column still lets through inside the parts, as a product of rhos."""
    import numpy as np

    x, name = _exposed(rows, more), more.adjust_for[-1]
    rows, x = rows[x.notna()], x[x.notna()]
    if rows[name].nunique() < _LEAST_VALUES:
        return 0.0
    strata = np.asarray(strata_of(rows, more.adjust_for), dtype=np.intp)
    sides = [_as_numbers(one) for one in (rows[more.outcome], x, rows[name])]
    y, x_, c = (ranked(one, strata) for one in sides)
    zeros = np.zeros(len(y), dtype=np.intp)
    rhos = [pooled(one, c, zeros, indicator=False) for one in (y, x_)]
    return more.sign * rhos[0] * rhos[1]


def _closest(rows: pd.DataFrame, claim: Claim, design: str) -> list[str]:
    """Return the columns that go with both outcome and exposure, the closest ones first.

    By the rows that have the column; weighed by how many these are.
    """
    import numpy as np

    skipped = named(claim) | {design.partition(":")[2]}
    both = [_as_numbers(rows[claim.outcome]), _as_numbers(_exposed(rows, claim))]
    found: dict[str, float] = {}
    for name in [name for name in rows.columns if name not in skipped][:MOST_COLUMNS]:
        there = rows[name].notna().to_numpy()
        if there.sum() < 2:
            continue
        try:
            strata = np.asarray(strata_of(rows[there], (name,)).to_numpy(), dtype=np.intp)
        except UsageError:
            continue  # a column of many levels that are no numbers: names, text
        explained = [_explained(side[there], strata) for side in both]
        found[name] = explained[0] * explained[1] * float(there.mean())
    ordered = sorted(found, key=lambda name: -found[name])
    return [name for name in ordered if found[name] > 0]


def _as_numbers(cells: pd.Series[Any]) -> Floats:
    import numpy as np
    import pandas as pd

    try:
        values = cells if cells.dtype == float else numbers(cells)
    except UsageError:
        return pd.factorize(cells, sort=True)[0].astype(float)
    return np.asarray(values.fillna(values.median()).to_numpy(), dtype=np.float64)


def _explained(values: Floats, strata: Codes) -> float:
    """Return the share of the ranks' spread that lies between strata, less what chance gives."""
    import numpy as np

    marks = ranked(values, np.zeros(len(values), dtype=np.intp))
    sizes = np.bincount(strata)
    sums = np.bincount(strata, marks)
    between = float((sums[sizes > 0] ** 2 / sizes[sizes > 0]).sum())
    total = float((marks**2).sum())
    chance = ((sizes > 0).sum() - 1) / max(1, len(values) - 1)
    return max(0.0, between / total - chance) if total > 0 else 0.0


def _copy_of(rows: pd.DataFrame, claim: Claim, design: str, name: str) -> str:
    """Return of which of the claim's two columns another one is a copy; empty: of none."""
    there = rows[rows[name].notna()]
    sides = {claim.outcome: there[claim.outcome], claim.exposure: there[claim.exposure]}
    if claim.group is not None:
        inside = membership(there[claim.exposure], claim.group, claim.versus).dropna()
        sides[claim.exposure] = inside.astype(str)
    for column, all_cells in sides.items():
        cells, other = _once(all_cells, there, name, design)
        if len(cells) >= _LEAST_ROWS and (made(cells, other) or _tells(cells, other)):
            return column
    return ""


def _once(
    cells: pd.Series[str], there: pd.DataFrame, name: str, design: str
) -> tuple[pd.Series[str], pd.Series[str]]:
    """Return two columns' cells; each pair once a group: in groups, any level tells any other."""
    import pandas as pd

    both = pd.DataFrame({"cells": cells, "other": there.loc[cells.index, name]})
    if group := design.partition(":")[2]:
        both = both[~both.assign(group=there[group]).duplicated()]
    return both["cells"], both["other"]


def _tells(cells: pd.Series[str], other: pd.Series[str]) -> bool:
    """Say whether a column tells another one but for a few rows, beyond what chance tells."""
    if cells.nunique() * _OF_LEVEL <= len(cells):
        return other.nunique() * _OF_LEVEL <= len(other) and _guessed(cells, other) >= _COPY
    try:
        y, x = numbers(cells), numbers(other)
    except UsageError:
        return False
    kept = y.notna() & x.notna()
    if kept.mean() < _COPY or min(y.nunique(), x.nunique()) * 2 < len(cells):
        return False
    return _ordered(_as_numbers(y[kept]), _as_numbers(x[kept])) >= _COPY


def _guessed(cells: pd.Series[str], other: pd.Series[str]) -> float:
    """Return how well a level is told by the other column's, from the other rows: at most 1.

    0: no better than by always saying the most frequent level.
    """
    import numpy as np
    import pandas as pd

    counts = pd.crosstab(other, cells).to_numpy()
    best = counts.argmax(axis=1)
    each = np.arange(len(counts))
    top = counts[each, best]
    rest = counts.copy()
    rest[each, best] = -1
    # Without a row of the most frequent level, that one is told only where it stays ahead.
    right = int(top[top - 1 > rest.max(axis=1)].sum())
    plain = int(counts.sum(axis=0).max())
    total = len(cells)
    return (right - plain) / (total - plain) if total > plain else 0.0


def _ordered(y: Floats, x: Floats) -> float:
    """Return the share of rows that one can keep so that both columns rise, or fall, together."""
    import numpy as np

    best = 0
    for values in (y, -y):
        ends: list[float] = []
        # Of one x, falling y: so no two of them are kept.
        for value in values[np.lexsort((-values, x))].tolist():
            at = bisect_left(ends, value)
            ends[at : at + 1] = [value]
        best = max(best, len(ends))
    return best / len(y)
