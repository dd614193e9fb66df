"""The usual worlds of simulated tables, made from a seed: what a stream of tables may hold.

| kind | what is in it |
| --- | --- |
| `noise` | columns that have nothing to do with each other |
| `difference` | an outcome that is 0.2, 0.5 or 0.8 standard deviations apart in two groups |
| `association` | numeric columns that go together, some by way of a third one |
| `confounded` | a lurking column behind two others that are unrelated when it is held fixed |
| `drift` | columns that drift with the order of the rows |
| `grouped` | exposures of whole groups and inside groups, group effects, a lurking group |
| `time` | series with memory, cycles and random walks, of which some rise or fall |
| `beside` | one planted difference of 0.5 and three columns of noise (not in the mixture) |

A share of the tables has outliers, missing cells, a column in two units, or a sum of two others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, cast

from earnest.tasks.simulated import Node, Planted, World

if TYPE_CHECKING:
    import numpy as np

Shape = Literal["normal", "heavy", "skewed", "uniform"]

# The share of each kind in a stream of tables.
MIXTURE: Final = {
    "noise": 0.3,
    "difference": 0.2,
    "association": 0.1,
    "confounded": 0.12,
    "drift": 0.03,
    "grouped": 0.15,
    "time": 0.1,
}
SIZES: Final = (0.2, 0.5, 0.8)
_SHAPES: Final = ("normal", "heavy", "skewed", "uniform")
_OUTLIERS, _MISSING, _COPIED, _SUMMED = 0.25, 0.3, 0.25, 0.1
_TWO: Final = ("a", "b")
_THREE: Final = ("low", "middle", "high")


def _shape(rng: np.random.Generator) -> Shape:
    return cast("Shape", str(rng.choice(_SHAPES)))


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _noise(rng: np.random.Generator, numeric: int, start: int = 1) -> list[Node]:
    """Return columns without a cause: some numeric, one of two levels, one of three."""
    found = [Node(f"n{start + i}", shape=_shape(rng)) for i in range(numeric)]
    share = float(rng.uniform(0.3, 0.7))
    found.append(Node("k2", levels=_TWO, chances=(share, 1 - share)))
    found.append(Node("k3", levels=_THREE, chances=(0.3, 0.4, 0.3)))
    return found


def _noise_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    return _noise(rng, 5), []


def _difference_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    nodes, planted = _noise(rng, 2), []
    for number in range(1, int(rng.integers(2, 4))):
        d = _sign(rng) * float(rng.choice(SIZES))
        share = float(rng.uniform(0.35, 0.65))
        nodes.append(Node(f"arm{number}", levels=_TWO, chances=(share, 1 - share)))
        nodes.append(Node(f"y{number}", ((f"arm{number}", d),)))
        planted.append(Planted(f"y{number}", f"arm{number}", "a", d))
    return nodes, planted


def _association_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    def weight() -> float:
        return _sign(rng) * float(rng.choice([0.15, 0.3, 0.6]))

    nodes = [
        *_noise(rng, 2),
        Node("x", shape=_shape(rng)),
        Node("y", (("x", weight()),), shape=_shape(rng)),
        Node("z", (("y", weight()),)),
        Node("w", (("z", weight()),), levels=_THREE, chances=(0.3, 0.4, 0.3)),
    ]
    return nodes, []


def _confounded_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    lurking = rng.choice(["two", "three", "numeric"])
    cause = Node("c", shape=_shape(rng))
    if lurking == "two":
        cause = Node("c", levels=_TWO, chances=(0.5, 0.5))
    elif lurking == "three":
        cause = Node("c", levels=_THREE, chances=(0.3, 0.4, 0.3))
    strength = float(rng.uniform(0.5, 1.2)) * (1 if lurking == "numeric" else 1.6)
    nodes = [
        *_noise(rng, 2),
        cause,
        Node("x", (("c", strength),)),
        Node("y", (("c", _sign(rng) * strength),)),
        Node("arm", (("c", strength),), levels=_TWO, chances=(0.5, 0.5)),
    ]
    return nodes, []


def _drift_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    nodes = [Node("position", clock=True), *_noise(rng, 3)]
    first, second = (_sign(rng) * float(rng.uniform(0.5, 2)) for _ in range(2))
    nodes += [Node("y1", (("position", first),)), Node("y2", (("position", second),))]
    return nodes, []


def _grouped_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    d = _sign(rng) * float(rng.choice(SIZES))
    nodes = [
        *(Node(f"u{i}", hidden=True, per_group=True) for i in range(1, 5)),
        Node("policy", levels=_TWO, chances=(0.5, 0.5), per_group=True),
        Node("budget", per_group=True),
        Node("y1", (("policy", float(rng.choice([0, 0, 0.5, 1.0]))), ("u1", 0.5))),
        Node("y2", (("u2", 1.0),)),
        Node("x1", (("u2", 1.0),)),
        Node("arm", levels=_TWO, chances=(0.5, 0.5)),
        Node("y3", (("arm", d), ("u3", 0.7), ("budget", float(rng.choice([0, 0.3]))))),
        Node("n1", (("u4", 0.7),)),
    ]
    return nodes, [Planted("y3", "arm", "a", d)]


def _time_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    def rise() -> float:
        return float(rng.choice([0, 0, 1, 2.5])) * _sign(rng)

    nodes = [
        Node("day", clock=True),
        Node("s1", (("day", rise()),), memory=0.5),
        Node("s2", (("day", rise()),), memory=0.9),
        Node("s3", (("day", rise()),), cycle=int(rng.choice([7, 30]))),
        Node("s4", memory=1.0),
        Node("s5", memory=1.0),
        Node("n1", shape=_shape(rng)),
    ]
    return nodes, []


def _beside_world(rng: np.random.Generator) -> tuple[list[Node], list[Planted]]:
    d = 0.5 * _sign(rng)
    share = float(rng.uniform(0.35, 0.65))
    nodes = [Node("arm", levels=_TWO, chances=(share, 1 - share)), Node("y", (("arm", d),))]
    nodes += [Node(f"n{i}", shape=_shape(rng)) for i in (1, 2, 3)]
    return nodes, [Planted("y", "arm", "a", d)]


_Make = Callable[["np.random.Generator"], tuple[list[Node], list[Planted]]]
_MAKE: Final[dict[str, _Make]] = {
    "noise": _noise_world,
    "difference": _difference_world,
    "association": _association_world,
    "confounded": _confounded_world,
    "drift": _drift_world,
    "grouped": _grouped_world,
    "time": _time_world,
    "beside": _beside_world,
}


def _spoilt(nodes: list[Node], rng: np.random.Generator) -> list[Node]:
    """Return the columns with outliers and missing cells, in some of the tables."""
    far, gaps = rng.random() < _OUTLIERS, rng.random() < _MISSING
    causes = [node.name for node in nodes if not (node.parents or node.hidden or node.clock)]
    found = []
    for node in nodes:
        changed = node
        plain = not (node.hidden or node.clock or node.per_group)
        if far and plain and not node.levels and rng.random() < 0.5:
            changed = replace(changed, outliers=0.01)
        if gaps and plain and rng.random() < 0.5:
            by = str(rng.choice(causes)) if causes and rng.random() < 0.3 else ""
            share = float(rng.uniform(0.02, 0.15))
            changed = replace(changed, missing=share, missing_by="" if by == node.name else by)
        found.append(changed)
    return found


def _derived(nodes: list[Node], rng: np.random.Generator) -> list[Node]:
    """Return columns that are functions of others, in some of the tables."""
    numeric = [
        node.name
        for node in nodes
        if not (node.levels or node.hidden or node.clock or node.per_group)
    ]
    found = []
    if rng.random() < _COPIED:
        of = str(rng.choice(numeric))
        found.append(Node(f"{of}_inches", copies=(of, 1 / 2.54, float(rng.choice([0, 32])))))
    if rng.random() < _SUMMED and len(numeric) > 1:
        parts = tuple(str(name) for name in rng.choice(numeric, 2, replace=False))
        found.append(Node("total", sums=parts))
    return found


def make_world(name: str, seed: list[int], kind: str = "") -> World:
    """Return a world of a kind, or (the default) of one drawn from the mixture.

    Equal arguments give equal worlds.
    """
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(seed))
    kind = kind or str(rng.choice(list(MIXTURE), p=list(MIXTURE.values())))
    made, planted = _MAKE[kind](rng)
    # A weight of 0 is no edge of the graph.
    nodes = [replace(node, parents=tuple(p for p in node.parents if p[1])) for node in made]
    nodes = _spoilt(nodes, rng)
    if kind != "beside":
        nodes += _derived(nodes, rng)
    size = int(rng.choice([10, 20, 40])) if kind == "grouped" else 0
    design = {"grouped": "grouped:site", "time": "time:day"}.get(kind, "iid")
    return World(name, kind, design, tuple(nodes), size, tuple(planted))
