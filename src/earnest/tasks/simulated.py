"""Simulated tables: a world is a graph of columns, from which rows are drawn.

A column is a sum of its parents and of noise of its own; levels are such a sum, cut. On top come
what spoils real tables: outliers, cells that are missing (by chance, or depending on another
column), columns that say the same in another unit, sums of others. Since the graph is known,
`earnest.tasks.truth` can say of any claim whether it is true. `worlds.py` has the usual worlds.

Not simulated: relations that are not monotone, effects in a part of the rows only, selection of
whole rows, mixed notations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

ROWS: Final = 1000
_FAR: Final = 15.0


@dataclass(frozen=True)
class Node:
    """One column of a world, or a hidden cause (`hidden`: in no table).

    `parents`: names and weights. A numeric parent counts by its value (spread about 1), levels by
    their place from +1/2 to -1/2 (two levels with weight w lie w apart), the `clock` by its row
    over 1,000. `levels` with their `chances` make it categorical. `per_group`: drawn once a group.
    `memory`: what the noise keeps of its last value (1: a random walk); `cycle`: rows after which
    it comes round. `copies` (name, factor, shift) and `sums` make it a function of other columns.
    `outliers` and `missing` are shares of its cells; `missing_by`: a column on which it depends
    which are missing.
    """

    name: str
    parents: tuple[tuple[str, float], ...] = ()
    levels: tuple[str, ...] = ()
    chances: tuple[float, ...] = ()
    shape: Literal["normal", "heavy", "skewed", "uniform"] = "normal"
    clock: bool = False
    hidden: bool = False
    per_group: bool = False
    memory: float = 0.0
    cycle: int = 0
    copies: tuple[str, float, float] | None = None
    sums: tuple[str, ...] = ()
    outliers: float = 0.0
    missing: float = 0.0
    missing_by: str = ""

    @property
    def made_of(self) -> tuple[str, ...]:
        """The columns that it is a function of, without noise."""
        return (self.copies[0],) if self.copies else self.sums


@dataclass(frozen=True)
class Planted:
    """A difference that was put in: `outcome` is `d` standard deviations higher in `group`."""

    outcome: str
    exposure: str
    group: str
    d: float


@dataclass(frozen=True)
class World:
    """A graph of columns (parents before children), its design, and what was planted.

    `group_size`: rows a group, for a `grouped` design, whose column is no node.
    """

    name: str
    kind: str
    design: str
    nodes: tuple[Node, ...]
    group_size: int = 0
    planted: tuple[Planted, ...] = ()

    @cached_property
    def node(self) -> Mapping[str, Node]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    @property
    def columns(self) -> tuple[Node, ...]:
        """The nodes that are columns of its tables."""
        return tuple(node for node in self.nodes if not node.hidden)

    @property
    def group(self) -> str:
        """The column of the groups; '' where there is none."""
        kind, _, column = self.design.partition(":")
        return column if kind == "grouped" else ""


@dataclass(frozen=True)
class Sample:
    """Rows of a world as numbers: each column of shape (rows,), levels as codes, NaN is missing.

    `groups`: the number of each row's group, shape (rows,).
    """

    values: Mapping[str, Floats]
    groups: npt.NDArray[np.intp]


def _noise(node: Node, count: int, rng: np.random.Generator) -> Floats:
    """Return noise with mean 0 and spread 1 (a random walk's grows)."""
    import numpy as np
    from scipy.signal import lfilter

    if node.shape == "heavy":
        noise = rng.standard_t(4, count) / np.sqrt(2)
    elif node.shape == "skewed":
        noise = rng.exponential(1.0, count) - 1
    elif node.shape == "uniform":
        noise = rng.uniform(-np.sqrt(3), np.sqrt(3), count)
    else:
        noise = rng.normal(size=count)
    if node.memory:
        keeps = float(np.sqrt(1 - node.memory**2)) if node.memory < 1 else 0.1
        noise = lfilter([keeps], [1, -node.memory], noise)
    return np.asarray(noise, dtype=float)


def _weighed(node: Node, values: Floats) -> Floats:
    """Return what a parent contributes to a child of weight 1."""
    if node.levels:
        return 0.5 - values / (len(node.levels) - 1)
    return values / ROWS if node.clock else values


def _drawn(
    node: Node,
    world: World,
    found: dict[str, Floats],
    groups: int,
    rows: int,
    rng: np.random.Generator,
) -> Floats:
    import numpy as np
    from scipy.special import ndtri

    size = world.group_size
    if node.clock:
        return np.arange(rows, dtype=float)
    count = groups if node.per_group else rows
    score = _noise(node, count, rng)
    if node.cycle:
        score = score + 2 * np.sin(2 * np.pi * np.arange(count) / node.cycle)
    for name, weight in node.parents:
        parent = _weighed(world.node[name], found[name])
        score = score + weight * (parent[::size] if node.per_group else parent)
    if node.levels:
        cuts = ndtri(np.cumsum(node.chances)[:-1])
        # The first level is the high one, as its weight as a parent says.
        score = np.searchsorted(cuts, -score).astype(float)
    return np.repeat(score, size) if node.per_group else score


def _spoilt(
    node: Node, world: World, true: Mapping[str, Floats], rng: np.random.Generator
) -> Floats:
    """Return a column as it is written down: with outliers, and without the missing cells."""
    import numpy as np

    values = true[node.name].copy()
    rows = len(values)
    if node.outliers:
        far = rng.random(rows) < node.outliers
        values[far] += _FAR * rng.choice([-1.0, 1.0], int(far.sum()))
    if node.missing:
        chance = np.full(rows, node.missing)
        if node.missing_by:
            by = _weighed(world.node[node.missing_by], true[node.missing_by])
            chance = 2 * node.missing / (1 + np.exp(-2 * by))
        values[rng.random(rows) < chance] = np.nan
    return values


def draw(world: World, rows: int, rng: np.random.Generator) -> Sample:
    """Draw rows of a world; of a `grouped` one whole groups, of a `time` one consecutive rows."""
    import numpy as np

    groups = -(-rows // world.group_size) if world.group_size else 0
    rows = groups * world.group_size or rows
    true: dict[str, Floats] = {}
    for node in world.nodes:
        if not node.made_of:
            true[node.name] = _drawn(node, world, true, groups, rows, rng)
    seen = {
        node.name: _spoilt(node, world, true, rng) for node in world.columns if not node.made_of
    }
    for node in world.columns:
        if node.copies:
            of, factor, shift = node.copies
            seen[node.name] = seen[of] * factor + shift
        elif node.sums:
            seen[node.name] = np.sum([seen[name] for name in node.sums], axis=0)
    number = np.arange(rows) // world.group_size if world.group_size else np.zeros(rows)
    return Sample(seen, number.astype(np.intp))


def as_cells(world: World, sample: Sample) -> pd.DataFrame:
    """Return a sample as text cells, as `earnest.tasks.read` gives them: '' is missing."""
    import numpy as np
    import pandas as pd

    cells: dict[str, npt.NDArray[np.object_]] = {}
    if world.group:
        cells[world.group] = np.array([f"g{n:04d}" for n in sample.groups], dtype=object)
    for node in world.columns:
        values = sample.values[node.name]
        there = ~np.isnan(values)
        texts = np.full(len(values), "", dtype=object)
        if node.levels:
            texts[there] = np.array(node.levels, dtype=object)[values[there].astype(int)]
        elif node.clock:
            texts[there] = [str(int(value)) for value in values[there]]
        else:
            texts[there] = [f"{value:.4f}" for value in values[there]]
        cells[node.name] = texts
    return pd.DataFrame(cells)
