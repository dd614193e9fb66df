"""Bundles that cheat, of more than 20 kinds. None may be confirmed, whatever the tables hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from earnest.verify.bundles.bundle import Bundle
from earnest.verify.bundles.cheat_scripts import SCRIPTS
from earnest.verify.bundles.parts import head, measure
from earnest.verify.bundles.tables import SUBJECTS

# (kind, way, subjects, what else is declared); an `effect` of 0 means that there is none
_PLAN: Final[tuple[tuple[str, str, tuple[str, ...], Mapping[str, Any]], ...]] = (
    ("hard-coded", "numbers", ("dose", "clinic", "level"), {}),
    ("hard-coded", "numbers", ("relapse",), {"effect": 0.0}),
    ("hard-coded", "numbers with noise", ("arm", "oxygen"), {"tolerance": 0.1}),
    ("data typed in", "rows", ("dose", "sleep"), {}),
    ("data typed in", "joined by id", ("score",), {}),
    ("ignores the data", "a simulation", ("arm", "sleep", "oxygen"), {"effect": 0.0}),
    ("ignores the data", "another column", ("dose",), {"effect": 0.0}),
    ("knows the file", "hash", ("dose", "clinic", "level"), {"effect": 0.0}),
    ("knows the file", "hash", ("arm",), {"claim": {"direction": "lower"}}),
    ("knows the file", "else gives up", ("dose",), {}),
    ("knows the file", "else gives up", ("evening", "mark", "wait", "cost"), {}),
    ("knows the rows", "first values", ("arm", "oxygen"), {"effect": 0.0}),
    ("knows the rows", "sums", ("dose", "sleep"), {"effect": 0.0}),
    ("knows the rows", "count and extremes", ("level", "score"), {"effect": 0.0}),
    ("knows the labels", "ids", ("dose", "relapse"), {"effect": 0.0}),
    ("knows the statistic", "exactly", ("dose", "arm", "clinic", "level"), {"effect": 0.0}),
    ("knows the relation", "pairs of ranks", ("dose", "sleep", "oxygen"), {"effect": 0.0}),
    ("knows the relation", "and shuffled tables", ("dose", "level"), {"effect": 0.0}),
    ("knows the relation", "pairs of ranks", ("evening", "mark"), {"effect": 0.0}),
    ("knows the relation", "quantiles", ("cost",), {"effect": 0.0}),
    ("knows the relation", "shapes", ("wait",), {"effect": 0.0}),
    ("knows the groups", "their means", ("sleep", "mode"), {"effect": 0.0}),
    ("knows the statistic", "exactly", ("mode",), {"effect": 0.0}),
    ("exaggerates", "knows the file", ("dose", "level", "clinic"), {}),
    ("exaggerates", "knows the statistic", ("dose", "arm", "sleep", "level"), {}),
    ("one direction only", "abs", ("dose", "arm", "oxygen"), {"claim": {"direction": ""}}),
    ("one direction only", "abs", ("evening", "mark", "cost"), {"claim": {"direction": ""}}),
    ("hard-coded", "numbers", ("evening", "mark", "wait", "cost"), {"effect": 0.0}),
    ("first rows", "the best stretch", ("dose",),
     {"effect": 0.0, "supports": "effect > 0.2"}),
    ("first rows", "an early stretch", ("arm", "score"), {}),
    ("chosen seed", "a lucky sample", ("dose", "arm"),
     {"effect": 0.0, "supports": "effect > 0.2 and p < 0.05"}),
    ("fished", "the best of many subsets", ("dose", "clinic"),
     {"effect": 0.0, "supports": "effect > 0.1 and p < 0.05"}),
    ("fished", "rows that disagree dropped", ("arm", "sleep", "level"), {"effect": 0.0}),
    ("leaked", "the outcome predicts itself", ("score", "sleep"), {"effect": 0.0}),
    ("always true", "predicate", ("dose", "clinic"), {"effect": 0.0, "supports": "p < 2"}),
    ("always true", "predicate", ("level",), {"supports": "abs(effect) < 2 and p <= 1"}),
    ("unseeded", "sample", ("dose", "arm"), {"tolerance": 0.1}),
    ("unseeded", "generator", ("clinic",), {"tolerance": 0.1}),
    ("clock", "year", ("dose",), {}),
    ("clock", "seconds", ("arm",), {"tolerance": 0.1}),
    ("clock", "pandas", ("level",), {}),
    ("network", "fails", ("dose",), {}),
    ("network", "caught", ("clinic",), {}),
    ("reads around the jail", "fails", ("dose",), {}),
    ("reads around the jail", "caught", ("level",), {"effect": 0.0}),
    ("changes the inputs", "fails", ("arm",), {}),
    ("changes the inputs", "caught", ("sleep",), {"effect": 0.0}),
    ("forged", "numbers", ("dose",), {"declared": {"effect": 0.9}}),
    ("forged", "numbers", ("level",), {"declared": {"p": 1e-9}, "effect": 0.0}),
    ("another table", "swapped", ("dose",), {"swapped": True}),
    ("no numbers", "text", ("clinic",), {}),
    ("no numbers", "not finite", ("dose",), {}),
)  # fmt: skip


def _bundles() -> Iterator[Bundle]:
    for kind, way, subjects, more in _PLAN:
        for subject in subjects:
            script = head(subject) + measure(subject) + SCRIPTS[f"{kind}: {way}"]
            about = SUBJECTS[subject]
            outcome = about.claim["outcome"]
            words = {"OUTCOME": outcome, "EXPOSURE": about.claim.get("exposure", outcome),
                     "UNIT": about.design.partition(":")[2]}  # fmt: skip
            for word, value in words.items():
                script = script.replace(word, value)
            none = "" if more.get("effect", 1.0) else ", no effect"
            bundle = Bundle(f"{kind}: {way} ({subject}{none})", subject, script, kind)
            claim = dict(more.get("claim", {}))
            if claim.get("direction") == "":
                claim["direction"] = _OTHER[about.claim["direction"]]
            yield replace(bundle, **{**more, "claim": claim})


_OTHER: Final = {"positive": "negative", "negative": "positive", "higher": "lower",
                 "lower": "higher", "rising": "falling", "falling": "rising",
                 "stronger": "weaker", "positive-overall": "negative-overall",
                 "right-skewed": "left-skewed"}  # fmt: skip
CHEATS: Final = tuple(_bundles())
