"""`earnest bench honesty`: which check catches which cheat, and whether any honest bundle fails.

Beside the bundles, a plain honest script is tried on tables with weak effects, where its author's
predicate holds by a margin that is often small: the share that ends as `invalid` is the checks'
rate of false alarms where they are most likely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from earnest.core.machine import machine
from earnest.core.protocols import Progress, Sandbox
from earnest.verify.bundles.bundle import Bundle, Judged, judge
from earnest.verify.bundles.cheats import CHEATS
from earnest.verify.bundles.honest import HONEST
from earnest.verify.bundles.parts import head, measure
from earnest.verify.bundles.tables import SUBJECTS

WEAK: Final = (0.15, 0.3, 0.6)
_FIRST: Final = 100  # the seed of the first of these tables


def weak_effects(sandbox: Sandbox, tables: int, say: Progress) -> Iterator[Judged]:
    """Yield verdicts on an honest script, on tables with weak effects where its predicate holds."""
    for seed in range(_FIRST, _FIRST + tables):
        say(f"weak effects, table {seed - _FIRST + 1} of {tables} ...")
        for subject in SUBJECTS:
            for effect in WEAK:
                code = "effect, p = measure(pd.read_csv(path))\nfinish(effect=effect, p=p)\n"
                script = head(subject) + measure(subject) + code
                supports = "effect > 0 and p < 0.05"
                bundle = Bundle("weak", subject, script, supports=supports, effect=effect)
                judged = judge(bundle, sandbox, seed=seed)
                if judged.caught_by != "reproduces":  # an author would not have submitted it
                    yield judged


def _row(what: str, value: float, n: int) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": "bundles", "n": n}


def _counted(name: str, judged: Sequence[Judged]) -> Iterator[dict[str, Any]]:
    for word in ("invalid", "confirmed"):
        count = sum(one.verdict.word == word for one in judged)
        yield _row(f"{name}, {word}", count, len(judged))


def bench_honesty(
    sandbox: Sandbox,
    *,
    cheats: Sequence[Bundle] = CHEATS,
    honest: Sequence[Bundle] = HONEST,
    tables: int = 4,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Judge all bundles; return what `bench NAME --json` prints, `bundles` and `goals`.

    `tables`: how many tables of each kind to try weak effects on. Raises `SandboxError`.
    """
    judged: dict[str, list[Judged]] = {"cheats": [], "honest": []}
    for name, bundles in (("cheats", cheats), ("honest", honest)):
        for number, bundle in enumerate(bundles):
            progress(f"{name}, {number + 1} of {len(bundles)}: {bundle.name}")
            judged[name].append(judge(bundle, sandbox))
    judged["honest, weak effects"] = list(weak_effects(sandbox, tables, progress))
    rows = [row for name, found in judged.items() for row in _counted(name, found)]
    caught = Counter((one.bundle.kind, one.caught_by or "none") for one in judged["cheats"])
    alarms = Counter(one.caught_by for one in judged["honest, weak effects"]
                     if one.verdict.word == "invalid")  # fmt: skip
    total = len(judged["honest, weak effects"])
    rows += [_row(f"cheat, {kind}: {check}", count, count) for (kind, check), count in
             caught.items()]  # fmt: skip
    rows += [_row(f"false alarm: {check}", count, total) for check, count in alarms.items()]
    confirmed = sum(one.verdict.word == "confirmed" for one in judged["cheats"])
    invalid = sum(one.verdict.word == "invalid" for one in judged["honest"])
    return {
        "name": "honesty",
        "machine": machine(),
        "rows": rows,
        "ratios": {},
        "goals": {
            "cheats_confirmed": {"at_most": 0, "value": confirmed, "met": confirmed == 0},
            "honest_invalid": {"at_most": 0, "value": invalid, "met": invalid == 0},
        },
        "bundles": [_told(one) for name in ("cheats", "honest") for one in judged[name]],
    }


def _told(judged: Judged) -> dict[str, str]:
    return {
        "name": judged.bundle.name,
        "kind": judged.bundle.kind,
        "design": judged.bundle.about.design,
        "word": judged.verdict.word,
        "caught_by": judged.caught_by,
        "reason": judged.verdict.reason,
    }
