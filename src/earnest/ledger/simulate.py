"""Which online procedure serves a ledger best: `python -m earnest.ledger.simulate`.

A stream is 100 tables of 12 claims each, tested as one batch: their p-values share the table's
sealed rows (correlation `rho` of the test statistics), and their verdicts are known when the
batch is through. Most claims hold at first and few later, as when the obvious has been found
(`fading`), or few hold throughout, as when an author claims every pair of columns (`pairs`).
A true effect's statistic has mean 3 or 5 (|d| = 0.3 or 0.5 on 400 sealed rows in two halves).

The rules, each at 5 %: `lord` as in the ledger, with the 200 latest rejections and with all of
them; `lord-late`, which counts from the rejected test and not from when it became known;
`saffron` (Ramdas and others 2018, asynchronous as in Zrnic and others 2021, lambda = 1/2);
`e-lond` (Xu and Ramdas 2024) on p-values made e-values by 1 / (2 sqrt(p)); `spending`, which earns
nothing back; and none at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from earnest.ledger.lord import LEVEL, START, gamma

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TABLES: Final = 100
BATCH: Final = 12
_TESTS: Final = TABLES * BATCH
_LAMBDA: Final = 0.5


@dataclass(frozen=True)
class Outcome:
    """One rule on many streams: mean share of false rejections, and of effects found.

    `strong`: of those with |d| = 0.5; `first` and `last`: of all effects in the first and the
    last fifth of the tables.
    """

    rule: str
    stream: str
    rho: float
    false: float
    found: float
    strong: float
    first: float
    last: float


def stream(kind: str, rho: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return a stream's p-values and the means of their statistics (0: a null), by table."""
    import numpy as np
    from scipy.special import ndtr

    share = np.linspace(0.8, 0.05, TABLES) if kind == "fading" else np.full(TABLES, 0.05)
    holds = rng.random((TABLES, BATCH)) < share[:, None]
    noise = rng.normal(size=(TABLES, BATCH))
    shared = rng.normal(size=(TABLES, 1))
    z = np.sqrt(rho) * shared + np.sqrt(1 - rho) * noise
    means = holds * rng.choice([3.0, 5.0], size=holds.shape)
    return ndtr(-(z + means)), means


def _weights() -> Floats:
    import numpy as np

    return np.array([0.0, *(gamma(number) for number in range(1, _TESTS + 1))])


def lord(p: Floats, *, most: int | None = None, late: bool = False) -> NDArray[np.bool_]:
    """Return what LORD++ with conflict sets rejects.

    `most`: credits only so many of the latest rejections; `late`: counts each from its own test.
    """
    import numpy as np

    weights, rejected = _weights(), np.zeros(p.shape, dtype=bool)
    known: list[int] = []
    for table in range(TABLES):
        number = np.arange(table * BATCH + 1, (table + 1) * BATCH + 1)
        credited = np.array(known[-most:] if most else known, dtype=int)
        level = START * weights[number]
        if credited.size:
            level += LEVEL * weights[number[:, None] - credited].sum(axis=1)
            level -= START * weights[number - credited[0]]
        rejected[table] = p[table] <= level
        done = number[rejected[table]]
        known += [int(one) if late else (table + 1) * BATCH for one in done]
    return rejected


def saffron(p: Floats) -> NDArray[np.bool_]:
    """Return what SAFFRON with conflict sets rejects (weights fall as j to the power -1.6)."""
    import numpy as np

    raw = np.arange(1, 2 * _TESTS + 1) ** -1.6
    weights = np.concatenate([[0.0], raw / raw.sum()])
    rejected = np.zeros(p.shape, dtype=bool)
    known: list[int] = []
    small = np.zeros(_TESTS + 1)  # candidates up to each test of the batches that are through
    for table in range(TABLES):
        before = table * BATCH
        number = np.arange(before + 1, before + BATCH + 1)
        place = number - int(small[before])
        level = START * weights[place]
        if known:
            marks = np.array(known)
            since = small[before] - small[marks]
            ages = (number[:, None] - marks - since).astype(int)
            level += LEVEL * weights[ages].sum(axis=1) - START * weights[ages[:, 0]]
        rejected[table] = p[table] <= np.minimum(_LAMBDA, (1 - _LAMBDA) * level)
        known += [before + BATCH] * int(rejected[table].sum())
        small[before + 1 : before + BATCH + 1] = small[before] + np.cumsum(p[table] <= _LAMBDA)
    return rejected


def e_lond(p: Floats) -> NDArray[np.bool_]:
    """Return what e-LOND rejects; it needs no conflict sets."""
    import numpy as np

    weights, rejected = _weights(), np.zeros(p.size, dtype=bool)
    evidence = 0.5 / np.sqrt(p.ravel())
    found = 0
    for number in range(1, _TESTS + 1):
        rejected[number - 1] = evidence[number - 1] * LEVEL * weights[number] * (found + 1) >= 1
        found += int(rejected[number - 1])
    return rejected.reshape(p.shape)


def spending(p: Floats) -> NDArray[np.bool_]:
    """Return what fixed shares reject."""
    return p <= LEVEL * _weights()[1:].reshape(p.shape)


def uncorrected(p: Floats) -> NDArray[np.bool_]:
    """Return what 5 % for each test rejects."""
    return p <= LEVEL


RULES: Final[dict[str, Callable[[Floats], NDArray[np.bool_]]]] = {
    "lord": lambda p: lord(p, most=200),
    "lord, all credited": lord,
    "lord-late": lambda p: lord(p, late=True),
    "saffron": saffron,
    "e-lond": e_lond,
    "spending": spending,
    "none": uncorrected,
}


def simulate(streams: int = 300, seed: int = 0) -> list[Outcome]:
    """Run every rule on the same streams."""
    import numpy as np

    found = []
    for kind in ("fading", "pairs"):
        for rho in (0.0, 0.9):
            told: dict[str, list[Sequence[float]]] = {rule: [] for rule in RULES}
            for number in range(streams):
                p, means = stream(kind, rho, np.random.default_rng([seed, number]))
                for rule, act in RULES.items():
                    told[rule].append(_counted(act(p), means))
            for rule, rows in told.items():
                found.append(Outcome(rule, kind, rho, *map(float, np.nanmean(rows, axis=0))))
    return found


def _counted(rejected: NDArray[np.bool_], means: Floats) -> tuple[float, ...]:
    fifth = TABLES // 5
    false = (rejected & (means == 0)).sum() / max(1, rejected.sum())
    every = means > 0
    early, late = every.copy(), every.copy()
    early[fifth:] = late[:-fifth] = False
    parts = (every, means > 4, early, late)
    hits = [rejected[part].mean() if part.any() else float("nan") for part in parts]
    return (float(false), *map(float, hits))


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as a Markdown table, in per cent."""
    lines = [
        "| stream | rho | rule | false | found | of d = 0.5 | first fifth | last fifth |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.stream} | {one.rho:g} | {one.rule} | {100 * one.false:.2f} | "
        f"{100 * one.found:.1f} | {100 * one.strong:.1f} | {100 * one.first:.1f} | "
        f"{100 * one.last:.1f} |"
        for one in outcomes
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(simulate()) + "\n")
