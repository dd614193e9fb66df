"""Changed tables for check 1, none of which changes what an honest script may conclude.

Each function takes the visible rows as text cells and returns a changed copy. Which labels are
renamed: those of text columns that neither the claim nor the script's own text mentions, by a
bijection that keeps their alphabetical order (a model's reference level is the first one), and
never labels with digits or truth words; and the whole numbers of a column that only counts rows,
order kept. Which numbers are scaled: outcome and exposure
where they hold decimal fractions beyond 0 to 1; whole numbers may be counts, codes or years. What a
rule reads or gives is left as it is: a program may look inside a label, and its numbers have units.

Not covered: a label in a script's text is left alone, whatever it is there for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from earnest.core.predicates import Comparison, parse_conjunction
from earnest.core.records import Claim

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Variant = Callable[[pd.DataFrame], pd.DataFrame]

_MOST_LEVELS: Final = 200
_DROPPED: Final = 0.05
_DIGIT: Final = re.compile(r"\d")
_TIME: Final = re.compile(r"year|date|time|day|week|month", re.I)
_TRUTH: Final = frozenset(("true", "false", "yes", "no"))


def generator(seed: int) -> np.random.Generator:
    """Return the generator that a changed table is drawn from."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(seed))


def shuffled(column: str, seed: int) -> Variant:
    """Shuffle one column's cells among all rows: what it had to do with the others is gone."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        order = generator(seed).permutation(len(frame))
        return frame.assign(**{column: frame[column].to_numpy()[order]})

    return change


def redrawn(column: str, seed: int) -> Variant:
    """Draw one column's cells anew from a third of them: its values are others, in another mix."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        rng = generator(seed)
        some = rng.permutation(frame[column].to_numpy())[: max(1, len(frame) // 3)]
        return frame.assign(**{column: rng.choice(some, len(frame))})

    return change


def reordered(design: str, seed: int) -> Variant:
    """Put the rows in another order: not for `time`; for `grouped`, whole groups move."""
    kind, _, column = design.partition(":")

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        if kind == "time":
            return frame
        rng = generator(seed)
        if kind != "grouped" or column not in frame.columns:
            return frame.iloc[rng.permutation(len(frame))]
        codes = pd.factorize(frame[column])[0]
        place = rng.permutation(int(codes.max()) + 1)[codes]
        return frame.iloc[np.argsort(place, kind="stable")]

    return change


def part(design: str, seed: int) -> Variant:
    """Leave 1 row in 20 out: for `grouped` whole groups, for `time` the first or the last rows."""
    kind, _, column = design.partition(":")

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        rng = generator(seed)
        if kind == "time":
            count = max(1, int(_DROPPED * rng.uniform(0.6, 1.6) * len(frame)))
            return frame.iloc[count:] if seed % 2 else frame.iloc[:-count]
        if kind == "grouped" and column in frame.columns:
            groups = frame[column].unique()
            gone = rng.permutation(groups)[: max(1, round(_DROPPED * len(groups)))]
            return frame[~frame[column].isin(gone)]
        kept = rng.permutation(len(frame))[max(1, round(_DROPPED * len(frame))) :]
        return frame.iloc[sorted(kept)]

    return change


def _conditions(claim: Claim) -> tuple[Comparison, ...]:
    return parse_conjunction(claim.subset) + parse_conjunction(claim.where)


def renamings(
    frame: pd.DataFrame, claim: Claim, design: str, script: bytes
) -> dict[str, dict[str, str]]:
    """Return, for each column with labels that may be renamed, old labels and new ones."""
    restricted = {one.name for one in _conditions(claim)}
    named_columns = {*claim.columns, *restricted}
    found = {}
    if not design.startswith("time"):
        free = [name for name in frame.columns if name not in named_columns]
        found = {name: _stretched(frame[name]) for name in free if _counts_rows(frame[name])}
    return found | _texts(frame, claim, script)


def _counts_rows(cells: pd.Series[str]) -> bool:
    """Say whether a column only numbers the rows: whole numbers that rise, few of them left out."""
    import pandas as pd

    first = str(cells.iloc[0]) if len(cells) else ""
    if not first.isdigit() or _TIME.search(str(cells.name)):
        return False
    if not cells.str.fullmatch(r"\d{1,9}").all():
        return False
    steps = pd.to_numeric(cells).diff().dropna()
    return len(steps) > 0 and steps.min() >= 1 and steps.mean() < 10


def _stretched(cells: pd.Series[str]) -> dict[str, str]:
    steps = generator(len(cells)).integers(1, 9, len(cells)).cumsum() + 7 * len(cells)
    return {old: str(new) for old, new in zip(cells, steps, strict=True)}


def _texts(frame: pd.DataFrame, claim: Claim, script: bytes) -> dict[str, dict[str, str]]:
    literals = {str(one.literal) for one in _conditions(claim)}
    named = {claim.group, claim.versus, *claim.order, *claim.outcome_order, *literals}
    text = script.decode(errors="replace")
    found = {}
    read = {*claim.given, claim.outcome} if claim.given else set()
    for column in [name for name in frame.columns if name not in read]:
        if frame[column].nunique() > _MOST_LEVELS + 1:
            continue
        levels = sorted(set(frame[column]) - {""})
        if not 1 < len(levels) <= _MOST_LEVELS or any(map(_speaks, levels)):
            continue
        free = {level for level in levels if level not in named and level not in text}
        new = {level: f"{level} q" if level in free else level for level in levels}
        if free and sorted(new.values()) == [new[level] for level in levels]:
            found[column] = {level: new[level] for level in free}
    return found


def _speaks(level: str) -> bool:
    """Say whether a label means something by itself: a number, a date, a truth word."""
    return bool(_DIGIT.search(level)) or level.lower() in _TRUTH


def renamed(renamings: Mapping[str, Mapping[str, str]]) -> Variant:
    """Rename labels, column by column."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(
            **{name: frame[name].map(lambda old, to=to: to.get(old, old))
               for name, to in renamings.items()}
        )  # fmt: skip

    return change


def measured(frame: pd.DataFrame, claim: Claim) -> tuple[str, ...]:
    """Return which of the claim's columns are measured in units that may be changed."""
    import pandas as pd

    restricted = {one.name for one in _conditions(claim)}
    found = []
    for column in () if claim.given else (claim.outcome, claim.exposure):
        if column in restricted or column not in frame.columns:
            continue
        values = pd.to_numeric(frame[column], errors="coerce")
        readable = values.notna().sum() > 0.95 * max(1, (frame[column] != "").sum())
        fractions = bool((values.dropna() % 1 != 0).any())
        if readable and fractions and not values.dropna().between(0, 1).all():
            found.append(column)
    return tuple(found)


def rescaled(factors: Mapping[str, float]) -> Variant:
    """Multiply columns' numbers by factors; what is no number stays as it is."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        new = {}
        for name, factor in factors.items():
            values = pd.to_numeric(frame[name], errors="coerce")
            new[name] = (values * factor).map(repr).where(values.notna(), frame[name])
        return frame.assign(**new)

    return change


def together(*variants: Variant) -> Variant:
    """Make several changes, one after the other."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for variant in variants:
            frame = variant(frame)
        return frame

    return change
