"""Check 4: what share of the sealed data carries a claim, and which other column would end it.

Reported with a verdict; it never changes the word. Cheap: point estimates only, of at most 3,000
rows, 30 groups or levels and 5 other columns. Not covered: columns that the table does not have,
several columns at once, and what two columns do only together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from earnest.core.kinds import FORMS
from earnest.core.records import Check, Claim
from earnest.verify.cells import named
from earnest.verify.estimate import point
from earnest.verify.lurking import MOST_COLUMNS, lurking, signed
from earnest.verify.rules import OWN
from earnest.verify.units import NotTestableError, chosen

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

_MOST_ROWS: Final = 3000
_TENTHS: Final = 10
_MOST_PARTS: Final = 30
_MOST_LEVELS: Final = 12


def fragility(sealed: pd.DataFrame, claim: Claim, design: str, seed: int) -> list[Check]:
    """Return the checks `fragility` and, where other columns can be held fixed, `lurking`.

    Their `passed` is True or None. Empty where the claim has no estimate on these rows.
    """
    try:
        rows = _fewer(chosen(sealed, claim), design, seed)
        whole = claim.sign * point(rows, claim, design)
    except NotTestableError:
        return []
    found = [_fragile(rows, claim, design, seed)]
    fixed = "adjust_for" in FORMS[claim.kind, claim.direction].may
    if fixed and not design.startswith("time"):
        found += lurking(rows, claim, design, whole, seed)
    return found


def _fewer(rows: pd.DataFrame, design: str, seed: int) -> pd.DataFrame:
    """Return at most so many rows: whole groups of them, where rows come in groups."""
    if len(rows) <= _MOST_ROWS or design.startswith("time"):
        return rows
    if design == "iid":
        return rows.sample(_MOST_ROWS, random_state=seed % 2**32)
    column = design.partition(":")[2]
    names = rows[column].drop_duplicates().sample(frac=1, random_state=seed % 2**32)
    sizes = rows[column].value_counts().reindex(names)
    kept = names[(sizes.cumsum() <= max(_MOST_ROWS, int(sizes.iloc[0]))).to_numpy()]
    return rows[rows[column].isin(kept)]


def _fragile(rows: pd.DataFrame, claim: Claim, design: str, seed: int) -> Check:
    """Drop a tenth at a time, and one group or level at a time: does the claim stay?"""
    least = claim.threshold or 0.0
    tenths = [signed(rows[~out], claim, design) for out in _tenths(rows, design, seed)]
    effects = [effect for effect in tenths if effect is not None]
    stays = sum(effect > 0 and effect >= least for effect in effects)
    observed = {"tenths": stays / max(1, len(effects))}
    details = [f"without a tenth of the data it stays in {stays} of {len(effects)}"]
    parts = {
        name: effect
        for name, out in _parts(rows, claim, design)
        if (effect := signed(rows[~out], claim, design)) is not None
    }
    holds = stays == len(effects)
    if parts:
        name = min(parts, key=lambda part: parts[part])
        observed["without_part"] = parts[name]
        held = parts[name] > 0 and parts[name] >= least
        holds = holds and held
        details.append(f"without {name} the effect is {parts[name]:.2g}{'' if held else ': gone'}")
    return Check(
        name="fragility",
        passed=True if holds else None,
        detail="; ".join(details),
        observed=observed,
    )


def _tenths(rows: pd.DataFrame, design: str, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield which rows to leave out: random tenths of the units, of a series one after another."""
    import numpy as np
    import pandas as pd

    kind, _, column = design.partition(":")
    if kind == "iid":
        codes = np.arange(len(rows))
    else:
        codes = pd.factorize(rows[column], sort=kind == "time")[0]
    units = int(codes.max()) + 1
    order = np.arange(units)
    if kind != "time":
        order = np.random.Generator(np.random.PCG64(seed)).permutation(units)
    for part in np.array_split(order, min(_TENTHS, units)):
        yield np.isin(codes, part)


def _parts(
    rows: pd.DataFrame, claim: Claim, design: str
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Yield groups of the design, else levels of other columns, with which rows are theirs."""
    column = design.partition(":")[2]
    names = (
        [column] if column else [name for name in rows.columns if name not in named(claim) | OWN]
    )
    done = 0
    if design.startswith("time"):
        return
    for name in names[:MOST_COLUMNS]:
        sizes = rows[name].value_counts()
        if not column and not 2 <= len(sizes) <= _MOST_LEVELS:
            continue
        for level in sizes.index[: _MOST_PARTS - done]:
            done += 1
            yield f"{name} {level!r}", (rows[name] == level).to_numpy()
