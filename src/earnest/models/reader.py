"""A script that plays a simple language model: it looks at a few pairs of columns of a table.

It is for experiments (`earnest bench shared`): deterministic by its seed, a pure function of the
messages, and it counts tokens as a language model would be charged for them (a quarter of the
characters). Where it may search the ledger, it does so first, and passes over what is settled.
Not covered: groups, time, what a clever reader would make of what it is told.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

from earnest.core.canon import parse
from earnest.core.claims import sentence
from earnest.core.errors import ModelError, RecordError
from earnest.core.known import Settled, read_block, read_lines
from earnest.core.messages import Completion, Message, Sampling, ToolSpec, Usage
from earnest.core.protocols import Heard
from earnest.core.quoted import marked_lines, unquoted
from earnest.core.records import Claim
from earnest.models.analyst_scripts import evidence_script, profile_script
from earnest.models.scripted import say, use

_ASKS: Final = "search_findings"
_CHARACTERS_A_TOKEN: Final = 4
PRICES: Final = (1.0, 5.0)
"""US dollars a million tokens, in and out: of a cheap model, to have one scale."""
_MEASURE: Final = """\
import json
import pandas as pd
from scipy import stats

table = pd.read_csv({file!r}, dtype=str)
y = pd.to_numeric(table[{outcome!r}], errors="coerce")
x, level = table[{exposure!r}], {level!r}
x = pd.to_numeric(x, errors="coerce") if level is None else (x == level).where(x.notna())
data = pd.DataFrame({{"y": y, "x": x.astype(float)}}).dropna()
found = stats.spearmanr(data.y, data.x)
print("PAIR", json.dumps({{"effect": float(found[0]), "p": float(found[1])}}))
"""


@dataclass(frozen=True)
class _Pair:
    outcome: str
    exposure: str
    level: str | None

    def claim(self, table: str, effect: float) -> Claim:
        """Return what an effect says of it."""
        words = ("positive", "negative") if self.level is None else ("higher", "lower")
        return Claim.model_validate(
            {
                "kind": "association" if self.level is None else "difference",
                "table": table,
                "outcome": self.outcome,
                "exposure": self.exposure,
                "direction": words[0 if effect > 0 else 1],
                "group": self.level,
            }
        )


class Reader:
    """Implements `earnest.core.protocols.Model`."""

    speaks = None
    sees = False
    priced = True
    window = None
    heard: Heard | None = None

    def __init__(self, seed: int, claims: int = 5, pairs: int = 12) -> None:
        """`claims`: how many it submits at most; `pairs`: how many it looks at, at most."""
        self.name, self.seed, self.claims, self.pairs = "scripted", seed, claims, pairs

    def generate(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        sampling: Sampling,  # noqa: ARG002 (the protocol's)
    ) -> Completion:
        """Return the next call, or the closing words. Raises `ModelError`."""
        answers = {one.call: unquoted(one.content) for one in messages if one.role == "tool"}
        opening = next((one.content for one in messages if one.role == "user"), "")
        can_ask = any(tool.name == _ASKS for tool in tools)
        message = self._next(_table(opening), opening, answers, can_ask)
        read = sum(len(one.model_dump_json()) for one in (*messages, *tools))
        counts = [size // _CHARACTERS_A_TOKEN for size in (read, len(message.model_dump_json()))]
        cost = sum(count * price for count, price in zip(counts, PRICES, strict=True)) / 1e6
        usage = Usage(prompt_tokens=counts[0], completion_tokens=counts[1], cost_usd=cost)
        return Completion(message=message, usage=usage, stop="calls" if message.calls else "end")

    def _next(
        self, table: Mapping[str, Any], opening: str, answers: Mapping[str, str], can_ask: bool
    ) -> Message:
        name, file = str(table["name"]), str(table["file"])
        rows, more = read_block(opening)
        passed, number = 0, 0
        while more and can_ask:
            id_ = f"known-{number}"
            if id_ not in answers:
                return use(_ASKS, {"table": name, "offset": passed}, id=id_)
            found, more = read_lines(answers[id_].splitlines())
            rows, passed, number = rows + found, passed + len(found), number + 1
        if "profile" not in answers:
            return use("python", {"code": profile_script(file, str(table["design"]))}, id="profile")
        settled, submitted = Settled(rows), 0
        for number, pair in enumerate(self._wanted(name, answers["profile"], settled)):
            if submitted == self.claims:
                break
            if f"pair-{number}" not in answers:
                code = _MEASURE.format(file=file, **vars(pair))
                return use("python", {"code": code}, id=f"pair-{number}")
            told = _printed("PAIR", answers[f"pair-{number}"])
            if told is None or not told["p"] < 0.01:
                continue
            submitted += 1
            if f"submit-{number}" not in answers:
                return _submission(f"submit-{number}", table, pair, told["effect"])
        return say(f"I claimed {submitted} things of {name}.")

    def _wanted(self, name: str, profile: str, settled: Settled) -> list[_Pair]:
        """Return the pairs it looks at, in an order of its own, without what is settled."""
        columns = (_printed("PROFILE", profile) or {"columns": []})["columns"]
        numeric = [one["name"] for one in columns if one["kind"] == "numeric"]
        levels = {
            one["name"]: max(one["levels"], key=lambda level: level[1])[0]
            for one in columns
            if one["kind"] in ("binary", "category") and one["levels"]
        }
        pairs = [_Pair(y, x, None) for y, x in permutations(numeric, 2) if y < x]
        pairs += [_Pair(y, x, levels[x]) for y in numeric for x in levels]
        random.Random(f"{self.seed} {name}").shuffle(pairs)  # noqa: S311 (an order, not a secret)
        new = [
            pair
            for pair in pairs
            if not any(pair.claim(name, effect) in settled for effect in (1.0, -1.0))
        ]
        return new[: self.pairs]


def _table(opening: str) -> Mapping[str, Any]:
    for line in reversed(marked_lines(opening)):
        if line.startswith('{"tables":'):
            table: Mapping[str, Any] = parse(line)["tables"][0]
            return table
    raise ModelError("the reader works on a table, and the task names none")


def _printed(word: str, answer: str) -> Any:
    for line in answer.splitlines():
        if line.startswith(f"{word} "):
            try:
                return parse(line.removeprefix(f"{word} "))
            except RecordError:
                return None
    return None


def _submission(id_: str, table: Mapping[str, Any], pair: _Pair, effect: float) -> Message:
    claim = pair.claim(str(table["name"]), effect)
    script = evidence_script(
        f"Does this hold? {sentence(claim)}",
        table=claim.table,
        design=str(table["design"]),
        kind=claim.kind,
        outcome=pair.outcome,
        exposure=pair.exposure,
        level=pair.level,
        subset=None,
    )
    asked = claim.model_dump(mode="json", exclude_defaults=True)
    supports = f"effect {'>' if effect > 0 else '<'} 0 and p < 0.01"
    return use("submit_finding", {**asked, "script": script, "supports": supports}, id=id_)
