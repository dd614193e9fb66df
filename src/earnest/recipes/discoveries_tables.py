"""Simulated tables laid out as a run's are, and the two authors who claim things about them.

`analyst` is the real one: its own programs profile and screen the visible rows, and its own choice
is made of what they print. The adversary claims every pair of columns, in the direction seen.
"""

from __future__ import annotations

import contextlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.likeness import claim_key
from earnest.core.messages import Message, Sampling, ToolSpec
from earnest.core.records import Claim
from earnest.models.analyst import Analyst
from earnest.tasks.simulated import ROWS, Sample, World, as_cells, draw
from earnest.tasks.split import Design, sealed_rows
from earnest.tasks.truth import Oracle, ranked, selected
from earnest.verify.units import MOST_BINS, bins_for

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]

SEALED: Final = 0.4
_STRONGEST: Final = 3
_TOOLS: Final = tuple(
    ToolSpec(name=name, description="", parameters={})
    for name in ("notes", "python", "submit_finding")
)
_WORDS: Final = {
    "difference": ("higher", "lower"),
    "association": ("positive", "negative"),
    "trend": ("rising", "falling"),
}


@dataclass(frozen=True)
class Half:
    """The visible or the sealed rows of a table, as numbers; levels are codes, NaN is missing."""

    world: World
    values: Mapping[str, Floats]

    def rows(self, claim: Claim) -> tuple[Floats, Floats, Codes] | None:
        """Return outcome, exposure and strata of a claim's rows; None where they are too few."""
        import numpy as np

        y, x = self.values[claim.outcome], self.exposure(claim)
        keep = ~(np.isnan(y) | np.isnan(x))
        keep &= selected(self.world, self.values, claim.subset)
        for name in claim.adjust_for:
            keep &= ~np.isnan(self.values[name])
        y, x, strata = y[keep], x[keep], np.zeros(int(keep.sum()), dtype=np.intp)
        numeric = [name for name in claim.adjust_for if not self.world.node[name].levels]
        bins = bins_for(len(y), len(numeric))
        for name in claim.adjust_for:
            values = self.values[name][keep]
            if name in numeric:
                cuts = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
                values = np.searchsorted(cuts, values).astype(float)
            strata = strata * (MOST_BINS + 1) + values.astype(np.intp)
        if len(y) < 8 or x.min() == x.max() or y.min() == y.max():
            return None
        return y, x, strata

    def groups(self, claim: Claim) -> tuple[Floats, Floats, Codes]:
        """Return outcome, exposure and group of the rows that a claim of two columns is about."""
        import numpy as np

        y, x = self.values[claim.outcome], self.exposure(claim)
        keep = ~(np.isnan(y) | np.isnan(x))
        return y[keep], x[keep], self.values[""][keep].astype(np.intp)

    def exposure(self, claim: Claim) -> Floats:
        """Return the exposure; for a difference 1 in its group, 0 in the other, NaN elsewhere."""
        import numpy as np

        values = self.values[claim.exposure]
        if claim.group is None:
            return values
        level = self.world.node[claim.exposure].levels.index(claim.group)
        return np.where(np.isnan(values), np.nan, (values == level).astype(float))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows as text cells, NaN where missing: what the trusted estimators read."""
        import numpy as np

        groups = self.values.get("", np.zeros(0)).astype(np.intp)
        cells = as_cells(self.world, Sample(self.values, groups))
        return cells.mask(cells == "")


@dataclass(frozen=True)
class Laid:
    """One simulated table, split: what its author sees, what is sealed, and the oracle."""

    world: World
    seed: int
    visible: Half
    sealed: Half
    oracle: Oracle

    @property
    def name(self) -> str:
        """The table's name."""
        return self.world.name


def lay_out(world: World, seed: int) -> Laid:
    """Draw a table of 1,000 rows and split it as `earnest seal` does, with a secret of its own."""
    import numpy as np

    sample = draw(world, ROWS, np.random.Generator(np.random.PCG64([seed, 1])))
    values = {name: np.round(column, 4) for name, column in sample.values.items()}
    if world.group:
        values[""] = sample.groups.astype(float)
    cells = as_cells(world, Sample(values, sample.groups))
    design = Design.parse(world.design)
    sealed, _ = sealed_rows(cells, design, seed.to_bytes(16, "big"), SEALED)

    def half(rows: npt.NDArray[np.bool_]) -> Half:
        return Half(world, {name: column[rows] for name, column in values.items()})

    return Laid(world, seed, half(~sealed), half(sealed), Oracle(world, seed))


def measure(y: Floats, x: Floats, strata: Codes, indicator: bool) -> tuple[float, float]:
    """Return the effect and its z: rank statistics by their exact moments under permutation.

    Written apart from `earnest.verify`, so that each is a check of the other.
    """
    import numpy as np

    products, lefts, rights, sizes, ones = _sums(y, x, strata, indicator)
    many = sizes > 1
    variance = float((lefts[many] * rights[many] / (sizes[many] - 1)).sum())
    if variance <= 0:
        return 0.0, 0.0
    scale = float((ones * (sizes - ones)).sum() / 2) if indicator else 0.0
    scale = scale or float(np.sqrt(lefts.sum() * rights.sum()))
    return float(products.sum()) / scale, float(products.sum()) / float(np.sqrt(variance))


def measure_within(y: Floats, x: Floats, groups: Codes, indicator: bool) -> tuple[float, int]:
    """Return the z of the groups' effects about 0, and how many groups have one."""
    import numpy as np

    products, lefts, rights, sizes, ones = _sums(y, x, groups, indicator)
    both = (lefts > 0) & (rights > 0)
    scale = ones * (sizes - ones) / 2 if indicator else np.sqrt(lefts * rights)
    effects = products[both] / scale[both]
    spread = float(np.sqrt((effects**2).sum()))
    return (float(effects.sum()) / spread if spread else 0.0), len(effects)


def _sums(y: Floats, x: Floats, strata: Codes, indicator: bool) -> tuple[Floats, ...]:
    """Return for each stratum: sums of rank products and squares, its size, the sum of `x`."""
    import numpy as np

    code = np.unique(strata, return_inverse=True)[1]
    sizes = np.bincount(code)
    a = ranked(y, code, sizes)
    ones = np.bincount(code, weights=x)
    b = x - (ones / sizes)[code] if indicator else ranked(x, code, sizes)
    sums = [np.bincount(code, weights=each) for each in (a * b, a * a, b * b)]
    return tuple(np.asarray(each, dtype=float) for each in (*sums, sizes, ones))


def seen(half: Half, claim: Claim) -> tuple[float, float]:
    """Return effect and z of a claim's columns, every row counted as independent of the others."""
    found = half.rows(claim)
    return (0.0, 0.0) if found is None else measure(*found, claim.kind == "difference")


def turned(claim: Claim, effect: float) -> Claim:
    """Return the claim in the direction of an effect."""
    word = _WORDS[claim.kind][0 if effect > 0 else 1]
    return Claim.model_validate({**claim.model_dump(), "direction": word})


def pairs(world: World) -> Iterator[Claim]:
    """Yield every claim about two columns, each in its first direction."""

    def claim(kind: str, outcome: str, exposure: str, group: str | None = None) -> Claim:
        return Claim.model_validate(
            {
                "kind": kind,
                "table": world.name,
                "outcome": outcome,
                "exposure": exposure,
                "direction": _WORDS[kind][0],
                "group": group,
            }
        )

    numeric = [node.name for node in world.columns if not node.levels and not node.clock]
    for node in world.columns:
        if node.clock:
            kind = "trend" if world.design.startswith("time") else "association"
            yield from (claim(kind, outcome, node.name) for outcome in numeric)
        compared = node.levels[:1] if len(node.levels) == 2 else node.levels
        for group in compared:
            yield from (claim("difference", outcome, node.name, group) for outcome in numeric)
    for exposure, outcome in combinations(numeric, 2):
        yield claim("association", outcome, exposure)


def adversary(laid: Laid) -> list[Claim]:
    """Return every pair of columns as a claim in the direction seen on the visible rows.

    The three that look strongest come again, with each other column held fixed.
    """
    found = []
    for claim in pairs(laid.world):
        effect, z = seen(laid.visible, claim)
        found.append((abs(z), turned(claim, effect)))
    claims = [claim for _, claim in found]
    if laid.world.design != "iid":
        return claims
    for _, claim in sorted(found, key=lambda item: -item[0])[:_STRONGEST]:
        for node in laid.world.columns:
            if node.name not in (claim.outcome, claim.exposure):
                body = {**claim.model_dump(), "adjust_for": (node.name,)}
                fixed = Claim.model_validate(body)
                claims.append(turned(fixed, seen(laid.visible, fixed)[0]))
    return claims


def analyst(laid: Laid, folder: Path) -> list[Claim]:
    """Return what `analyst` claims of a table, by its own programs on the visible rows.

    Its programs come with this package and take no text of a stranger's: they run right here, a
    jail for each would take most of the time. Writes the visible rows into `folder`.
    """
    path = folder / f"{laid.name}.csv"
    laid.visible.frame.to_csv(path, index=False, lineterminator="\n")
    table = {
        "name": laid.name,
        "file": str(path),
        "design": laid.world.design,
        "rows": len(laid.visible.frame),
        "columns": list(laid.visible.frame.columns),
    }
    messages = [Message(role="user", content=json.dumps({"tables": [table]}))]
    model, claims = Analyst(), list[Claim]()
    while True:
        message = model.generate(messages, _TOOLS, Sampling()).message
        if not message.calls:
            path.unlink()
            return claims
        messages.append(message)
        for call in message.calls:
            answer = "noted"
            if call.name == "python":
                answer = _printed(str(call.arguments["code"]))
            elif call.name == "submit_finding":
                claims.append(_claimed(call.arguments))
                answer = "queued"
            messages.append(Message(role="tool", content=answer, call=call.id))


def _claimed(arguments: Mapping[str, Any]) -> Claim:
    return Claim.model_validate(
        {name: value for name, value in arguments.items() if name in Claim.model_fields}
    )


def _printed(code: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<analyst>", "exec"), {"__name__": "__main__"})  # noqa: S102 - see above
    return out.getvalue()


def beside(laid: Laid, nulls: int) -> list[Claim]:
    """Return a planted difference with some claims about noise, in a seeded order."""
    import numpy as np

    (planted,) = laid.world.planted
    rng = np.random.Generator(np.random.PCG64([laid.seed, 2]))
    noise = [name for name in laid.visible.values if name not in (planted.outcome, "arm")]
    claims = [
        _of(planted_claim, name)
        for planted_claim in pairs(laid.world)
        if planted_claim.kind == "difference" and planted_claim.outcome == planted.outcome
        for name in (planted.outcome, *noise[:nulls])
    ]
    order = rng.permutation(len(claims))
    return [turned(claims[i], seen(laid.visible, claims[i])[0]) for i in order]


def _of(claim: Claim, outcome: str) -> Claim:
    """Return the claim about another outcome."""
    return Claim.model_validate({**claim.model_dump(), "outcome": outcome})


def draw_seed(laid: Laid, claim: Claim) -> int:
    """Return the seed of a claim's permutation draws."""
    return zlib.crc32(f"{laid.seed} {claim_key(claim)}".encode())
