"""The oracle: whether a claim about a simulated world is true, from the graph that made it.

A claim is *trivial* where its columns say the same by construction, *null* where the graph
separates them given what is held fixed, selected and present (d-separation, Pearl 1988), and
else *true*, *wrong-way* or *overstated* by a simulated population of 200,000 rows. An association
by way of a third column (x to y to z, or a common cause) is true unless that column is held fixed.
In groups, what varies inside them is asked of within groups, as the verifier does
(`docs/verify.md`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from earnest.core.predicates import parse_conjunction
from earnest.core.records import Claim
from earnest.tasks.simulated import Sample, World, draw

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.bool_]

Word = Literal["true", "null", "wrong-way", "overstated", "trivial"]
POPULATION: Final = 200_000
_FIRST_LOOK: Final = 20_000
_SURE: Final = 6.0
_SEEN: Final = 4.0
_FINE: Final = 40


@dataclass(frozen=True)
class Truth:
    """What is true of a claim; `effect` on the verifier's scale, None where none was computed."""

    word: Word
    effect: float | None = None


def separated(world: World, one: str, other: str, given: Iterable[str]) -> bool:
    """Say whether the graph separates two nodes given others (not one of these two).

    `missing:NAME` is the node that says whether a cell of NAME is there.
    """
    parents = {
        node.name: {name for name, _ in node.parents} | {*node.made_of} for node in world.nodes
    }
    parents |= {
        f"missing:{node.name}": {node.missing_by} for node in world.nodes if node.missing_by
    }
    fixed = {name for name in given if name in parents}
    kept, todo = set[str](), [one, other, *fixed]
    while todo:
        name = todo.pop()
        if name not in kept:
            kept.add(name)
            todo += parents[name]
    near: dict[str, set[str]] = {name: set() for name in kept}
    for child in kept:
        family = [child, *parents[child]]
        for member in family:
            near[member] |= {*family} - {member}
    reached, todo = set[str](), [one]
    while todo:
        name = todo.pop()
        if name == other:
            return False
        if name not in reached:
            reached.add(name)
            todo += [next_ for next_ in near[name] if next_ not in fixed]
    return True


@dataclass
class Oracle:
    """Answers for one world; what it drew is kept between questions."""

    world: World
    seed: int = 0
    population: int = POPULATION
    _drawn: dict[int, Sample] = field(default_factory=dict, repr=False)
    _told: dict[Claim, Truth] = field(default_factory=dict, repr=False)

    def truth(self, claim: Claim) -> Truth:
        """Say whether a claim about this world is true. Raises `KeyError` for other columns."""
        if claim not in self._told:
            self._told[claim] = self._truth(claim)
        return self._told[claim]

    def trivial(self, claim: Claim) -> bool:
        """Say whether a claim's columns say the same by construction, whatever its direction."""
        outcome, exposure = self._root(claim.outcome), self._root(claim.exposure)
        return outcome == exposure or self._part(outcome, exposure) or self._part(exposure, outcome)

    def _truth(self, claim: Claim) -> Truth:
        if self.trivial(claim):
            return Truth("trivial")
        outcome, exposure = self._root(claim.outcome), self._root(claim.exposure)
        fixed = {self._root(name) for name in claim.adjust_for}
        itself = bool(fixed & {outcome, exposure})  # by a copy: nothing is left to vary
        if itself or separated(
            self.world, outcome, exposure, self._given(claim, outcome, exposure)
        ):
            return Truth("null", 0.0)
        return self._by_population(claim)

    def _root(self, name: str) -> str:
        """Return the column that a copy copies."""
        node = self.world.node[name]
        return self._root(node.copies[0]) if node.copies else name

    def _part(self, whole: str, part: str) -> bool:
        return part in {self._root(name) for name in self.world.node[whole].sums}

    def _within(self, claim: Claim) -> bool:
        return bool(self.world.group) and not self.world.node[self._root(claim.exposure)].per_group

    def _given(self, claim: Claim, outcome: str, exposure: str) -> set[str]:
        """Return the nodes whose values a claim's rows share, or are compared at the same of."""
        named = {self._root(name) for name in claim.adjust_for}
        named |= {self._root(each.name) for each in parse_conjunction(claim.subset)}
        if self._within(claim):
            named |= {node.name for node in self.world.nodes if node.per_group}
        present = {f"missing:{name}" for name in {outcome, exposure, *named}}
        for name in (outcome, exposure, *named):
            present |= {f"missing:{self._root(part)}" for part in self.world.node[name].sums}
        return (named - {outcome, exposure}) | present

    def _by_population(self, claim: Claim) -> Truth:
        least = claim.threshold or 0.0
        size, sure = min(_FIRST_LOOK, self.population), False
        while True:
            effect, error = self._effect(claim, size)
            sure = min(abs(effect), abs(claim.sign * effect - least)) > _SURE * error
            if sure or size == self.population:
                break
            size = self.population
        if abs(effect) < _SEEN * error:
            return Truth("null", effect)  # connected, but nothing that rows could show
        if claim.sign * effect < 0:
            return Truth("wrong-way", effect)
        return Truth("true" if claim.sign * effect >= least else "overstated", effect)

    def _effect(self, claim: Claim, size: int) -> tuple[float, float]:
        """Return the effect in a population of this size, and its standard error."""
        import numpy as np

        if size not in self._drawn:
            rng = np.random.Generator(np.random.PCG64([self.seed, size]))
            self._drawn[size] = draw(self.world, size, rng)
        sample = self._drawn[size]
        y, x = sample.values[claim.outcome], self._exposure(claim, sample)
        keep = ~(np.isnan(y) | np.isnan(x)) & selected(self.world, sample.values, claim.subset)
        for name in claim.adjust_for:
            keep &= ~np.isnan(sample.values[name])
        strata = self._strata(claim, sample, keep)
        y, x, groups = y[keep], x[keep], sample.groups[keep]
        if not self.world.group:
            return _pooled(y, x, strata, claim.kind == "difference"), 1 / math.sqrt(len(y))
        if self._within(claim):
            effect, used = _pooled(y, x, groups, claim.kind == "difference"), len(y)
            return effect, 1 / math.sqrt(used)
        _, first = np.unique(groups, return_index=True)
        means = np.bincount(groups, weights=y)[groups[first]] / np.bincount(groups)[groups[first]]
        effect = _pooled(means, x[first], strata[first], claim.kind == "difference")
        return effect, 1 / math.sqrt(len(first))

    def _exposure(self, claim: Claim, sample: Sample) -> Floats:
        import numpy as np

        values, levels = sample.values[claim.exposure], self.world.node[claim.exposure].levels
        if claim.kind != "difference" or claim.group is None:
            return values
        found = np.where(values == levels.index(claim.group), 1.0, 0.0)
        out = np.isnan(values)
        if claim.versus is not None:
            out |= (found == 0) & (values != levels.index(claim.versus))
        return np.where(out, np.nan, found)

    def _strata(self, claim: Claim, sample: Sample, keep: Rows) -> npt.NDArray[np.intp]:
        """Return a code a row for what is held fixed; numeric columns in forty fine parts."""
        import numpy as np

        codes = np.zeros(int(keep.sum()), dtype=np.intp)
        for name in claim.adjust_for:
            values = sample.values[name][keep]
            if not self.world.node[name].levels:
                cuts = np.quantile(values, np.linspace(0, 1, _FINE + 1)[1:-1])
                values = np.searchsorted(cuts, values).astype(float)
            codes = codes * (_FINE + 1) + values.astype(np.intp)
        return codes


def selected(world: World, values: Mapping[str, Floats], subset: str) -> Rows:
    """Return which rows a subset of a claim names, given the columns as numbers and codes."""
    import numpy as np

    rows = np.ones(len(next(iter(values.values()))), dtype=bool)
    for each in parse_conjunction(subset):
        column, levels = values[each.name], world.node[each.name].levels
        if isinstance(each.literal, str):
            same = column == levels.index(each.literal)
            rows &= same if each.comparison == "==" else ~same & ~np.isnan(column)
        else:
            rows &= np.asarray(each.holds(column), dtype=bool)
    return rows


def _pooled(y: Floats, x: Floats, strata: npt.NDArray[np.intp], indicator: bool) -> float:
    """Return rank-biserial correlation or Spearman's rho, pooled over strata."""
    import numpy as np

    code = np.unique(strata, return_inverse=True)[1]
    sizes = np.bincount(code)
    a = ranked(y, code, sizes)
    if indicator:
        ones = np.bincount(code, weights=x)
        pairs = float((ones * (sizes - ones)).sum())
        return float(2 * (a @ x) / pairs) if pairs else 0.0
    b = ranked(x, code, sizes)
    scale = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / scale if scale else 0.0


def ranked(values: Floats, code: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]) -> Floats:
    """Return mid-ranks within strata, centred on 0, without a loop over strata.

    `values`, `code` (from 0, none left out): shape (n,); `sizes`: the rows of each code.
    """
    import numpy as np

    order = np.lexsort((values, code))
    first = np.r_[True, (np.diff(values[order]) != 0) | (np.diff(code[order]) != 0)]
    run = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    middle = (starts + np.r_[starts[1:], len(values)] - 1) / 2
    begins = np.cumsum(sizes) - sizes
    ranked = np.empty(len(values))
    ranked[order] = middle[run] - (begins + (sizes - 1) / 2)[code[order]]
    return ranked
