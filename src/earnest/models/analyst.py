"""The analyst: a rule-based baseline that plays a model's part on tables, without an LLM.

It works through ordinary messages and tool calls only, and is a pure function of the messages:
what it does next follows from which of its calls have been answered, and how. It proposes
differences, associations and trends. It does not read the prompt, knows nothing of what columns
mean, and looks for monotone relations of two columns only. What the ledger settled of a table it
does not claim again; it reads that from the rows of JSON that it is told, and from no words.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from earnest.core.canon import parse
from earnest.core.claims import sentence
from earnest.core.errors import ModelError, RecordError
from earnest.core.known import Settled, read_block, read_lines
from earnest.core.messages import Completion, Message, Sampling, ToolCall, ToolSpec, Usage
from earnest.core.protocols import Heard
from earnest.core.quoted import marked_lines, unquoted
from earnest.core.records import Claim
from earnest.models.analyst_pick import MOST, Candidate, pick
from earnest.models.analyst_scripts import (
    MOST_ROWS,
    evidence_script,
    profile_script,
    screen_script,
)

_NEEDS: Final = ("notes", "python", "submit_finding")
_ASKS: Final = "search_findings"
_PAGES: Final = 30
_MOST_IN_ALL: Final = 24
_COMPARED: Final = 6
_SUBSET_LEVELS: Final = 4
_SUBSET_ROWS: Final = 40
_ROUNDING: Final = 0.001
_WORDS: Final = {
    "difference": ("higher", "lower"),
    "association": ("positive", "negative"),
    "trend": ("rising", "falling"),
}
_TOO_FEW: Final = "no pair of columns has enough independent rows, groups or times to be measured"
_PLAN: Final = """\
# Plan
1. Profile {tables}: what kind of column is each?
2. Screen all pairs of columns on the visible rows, with a statistic that fits the design.
3. Leave out identifiers, and columns that say the same as another one.
4. Claim about a dozen varied pairs a table, strongest first, and two or three doubtful ones.
5. Write a script for each claim, and submit it.
"""


@dataclass(frozen=True)
class _Step:
    """One call that the analyst makes, by an id that says what it is for."""

    id: str
    tool: str
    arguments: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class _Known:
    """What the ledger knows: what the opening message tells, and what was asked since.

    `more`: how many rows of the tables the opening leaves out; `can_ask`: whether there is a tool.
    """

    rows: Sequence[Mapping[str, Any]]
    more: int
    answers: Mapping[str, str]
    can_ask: bool

    def steps(self, table: str) -> list[_Step]:
        """Return the calls that ask for all that is known of a table, as far as it goes."""
        steps: list[_Step] = []
        more = self.more if self.can_ask else 0
        passed = 0
        while more and len(steps) < _PAGES:
            step = _Step(
                f"known-{table}-{len(steps)}",
                _ASKS,
                {"table": table, "offset": passed},
                f"What else is known of {table}?",
            )
            steps.append(step)
            rows, more = read_lines(self.answers.get(step.id, "").splitlines())
            passed += len(rows)
        return steps

    def settled(self, table: str) -> Settled:
        """Return which claims need no test any more."""
        told = [self.answers.get(step.id, "") for step in self.steps(table)]
        asked = [row for text in told for row in read_lines(text.splitlines())[0]]
        return Settled([*self.rows, *asked])


class Analyst:
    """Implements `earnest.core.protocols.Model`. It counts no tokens and costs nothing."""

    speaks = None
    sees = False
    priced = True
    window = None
    heard: Heard | None = None

    def __init__(self, most: int = MOST) -> None:
        """`most`: claims a table, at most."""
        self.name, self.most = "analyst", most

    def generate(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        sampling: Sampling,  # noqa: ARG002 (the protocol's)
    ) -> Completion:
        """Return the next call or the closing summary. Raises `ModelError`."""
        lacking = set(_NEEDS) - {tool.name for tool in tools}
        if lacking:
            raise ModelError(f"the analyst needs the tools {', '.join(sorted(lacking))}")
        tables, rows = _tables(messages), read_block(_opening(messages))
        answers = {one.call: unquoted(one.content) for one in messages if one.role == "tool"}
        known = _Known(*rows, answers, any(tool.name == _ASKS for tool in tools))
        step = self._next(tables, answers, known)
        if step is None:
            message = Message(role="assistant", content=self._summary(tables, answers, known))
        else:
            call = ToolCall(id=step.id, name=step.tool, arguments=step.arguments)
            message = Message(role="assistant", content=step.text, calls=(call,))
        usage = Usage(prompt_tokens=0, completion_tokens=0, cost_usd=0.0)
        return Completion(message=message, usage=usage, stop="calls" if message.calls else "end")

    def _next(
        self, tables: Sequence[Mapping[str, Any]], answers: Mapping[str, str], known: _Known
    ) -> _Step | None:
        """Return the first step that has no answer yet."""
        names = ", ".join(str(table["name"]) for table in tables)
        steps = [_note("plan", "plan", _PLAN.format(tables=names), "I begin with a plan.")]
        left = _MOST_IN_ALL
        for table in tables:
            todo = self._table_steps(table, answers, left, known)
            left -= sum(step.tool == "submit_finding" for step in todo)
            steps += todo
            if any(step.id not in answers for step in steps):
                break
        return next((step for step in steps if step.id not in answers), None)

    def _table_steps(
        self, table: Mapping[str, Any], answers: Mapping[str, str], left: int, known: _Known
    ) -> list[_Step]:
        """Return the steps on one table, as far as they can be known from the answers."""
        name = str(table["name"])
        code = profile_script(str(table["file"]), str(table["design"]))
        text = f"What kinds of columns has {name}?"
        steps = [_Step(f"profile-{name}", "python", {"code": code, "timeout_s": 120}, text)]
        profile = _printed("PROFILE", answers.get(f"profile-{name}", ""))
        if profile is None:
            return steps
        code = _screen(table, profile)
        text = f"{len(profile['columns'])} columns. Which of them go together?"
        steps.append(_Step(f"screen-{name}", "python", {"code": code, "timeout_s": 300}, text))
        found = _printed("SCREEN", answers.get(f"screen-{name}", ""))
        if found is None:
            return steps
        asked = known.steps(name)
        if any(step.id not in answers for step in asked):
            return steps + asked
        chosen = self._chosen(table, found, left, known)
        lines = [f"- {sentence(_claim(table, item))} {_measured(item)}" for item in chosen]
        note = f"# {name}: {found['looked_at']} pairs measured, {len(chosen)} to claim\n"
        same = "".join(f"\n- {one} and {other} say the same" for one, other in found["same"])
        text = f"Of {found['looked_at']} pairs I choose {len(chosen)}."
        steps += asked
        steps.append(_note(f"choice-{name}", "notes", note + "\n".join(lines) + same, text))
        return steps + [
            _submission(f"submit-{name}-{number}", table, item)
            for number, item in enumerate(chosen, 1)
        ]

    def _chosen(
        self, table: Mapping[str, Any], found: Mapping[str, Any], left: int, known: _Known
    ) -> list[Candidate]:
        """Return what to claim of a table: not what the ledger says is settled there."""
        settled = known.settled(str(table["name"]))
        candidates = [Candidate.read(item) for item in found["found"]]
        usable = [item for item in candidates if _quotable(item)]
        if settled:
            usable = [item for item in usable if _claim(table, item) not in settled]
        return pick(usable, found["same"], min(self.most, left))

    def _summary(
        self, tables: Sequence[Mapping[str, Any]], answers: Mapping[str, str], known: _Known
    ) -> str:
        """Return the closing words: what is queued, what was refused, what could not be done."""
        said, refused, left = [], [], _MOST_IN_ALL
        for table in tables:
            for stage in ("profile", "screen"):
                answer = answers.get(f"{stage}-{table['name']}", "")
                if answer and _printed(stage.upper(), answer) is None:
                    refused.append(f"- {table['name']}: its {stage} failed: {answer[-200:]}")
            found = _printed("SCREEN", answers.get(f"screen-{table['name']}", ""))
            if found and not found["looked_at"]:
                refused.append(f"- {table['name']}: {_TOO_FEW}")
            chosen = self._chosen(table, found, left, known) if found else []
            left -= len(chosen)
            for number, item in enumerate(chosen, 1):
                answer = answers.get(f"submit-{table['name']}-{number}", "")
                line = f"- {sentence(_claim(table, item))}"
                if answer.startswith("queued"):
                    said.append(line)
                else:
                    refused.append(f"{line} ({(answer.splitlines() or ['?'])[0][:200]})")
        parts = [f"I queued {len(said)} claims, the strongest first:", *said]
        if not said:
            parts = ["I found nothing that I would claim."]
        if refused:
            parts += ["What did not work:", *refused]
        return "\n".join(parts)


def _note(id_: str, file: str, text: str, said: str) -> _Step:
    return _Step(id_, "notes", {"action": "append", "file": file, "text": text}, said)


def _opening(messages: Sequence[Message]) -> str:
    return next((message.content for message in messages if message.role == "user"), "")


def _tables(messages: Sequence[Message]) -> list[Mapping[str, Any]]:
    """Return the tables that the opening message names. Raises `ModelError`."""
    opening = _opening(messages)
    # The last one counts: a prompt, which comes first, may hold text of any kind. Runs that began
    # before tables were marked have them in a line of its own.
    for line in reversed([*opening.splitlines(), *marked_lines(opening)]):
        if line.startswith('{"tables":'):
            tables: list[Mapping[str, Any]] = json.loads(line)["tables"]
            return tables
    raise ModelError("the analyst works on tables, and the task names none")


def _printed(word: str, answer: str) -> Any:
    """Return the JSON object that a program printed after a word; None if it did not."""
    found = re.search(rf"^{word} (\{{.*\}})$", answer, re.MULTILINE)
    if found is None:
        return None
    try:
        return parse(found.group(1))
    except RecordError:
        return None


def _screen(table: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    """Return the screening program for a table of this profile."""
    numeric, times = [], []
    levels: dict[str, list[str]] = {}
    subsets: list[str] = []
    for column in profile["columns"]:
        name, kind = column["name"], column["kind"]
        counted = [(level, n) for level, n in column["levels"] if n >= 8]
        if kind == "numeric":
            numeric.append(name)
        elif kind == "time":
            times.append(name)
        elif kind in ("binary", "category") and len(counted) >= 2:
            frequent = sorted(counted, key=lambda item: -item[1])[:_COMPARED]
            levels[name] = sorted(level for level, _ in frequent)
            if _is_number(levels[name][0]):
                levels[name].reverse()  # of 0 and 1, the group is 1
                numeric += [name] if kind == "binary" else []
            if len(counted) <= _SUBSET_LEVELS and min(n for _, n in counted) >= _SUBSET_ROWS:
                subsets.append(name)
    return screen_script(
        str(table["file"]),
        str(table["design"]),
        numeric=numeric,
        times=times,
        levels=levels,
        subsets=subsets,
        few=[column["name"] for column in profile["columns"] if column["levels"]],
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _quotable(item: Candidate) -> bool:
    """Whether the subset can be written in the language of subsets."""
    if item.subset is None:
        return True
    name, level = item.subset
    return "`" not in name and not ("'" in level and '"' in level) and "\n" not in level


def _subset(item: Candidate) -> str:
    if item.subset is None:
        return ""
    name, level = item.subset
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) and name not in ("and", "abs")
    quote = '"' if "'" in level else "'"
    return f"{name if plain else f'`{name}`'} == {quote}{level}{quote}"


def _threshold(table: Mapping[str, Any], item: Candidate) -> float | None:
    """Return what a doubtful claim stakes: the size that was seen, which shrinks if it was luck.

    Only for `iid` rows, where the screen's effect is on the scale of the trusted estimator, and
    where the screen has looked at all rows.
    """
    if not item.doubtful or table["design"] != "iid" or table["rows"] > MOST_ROWS:
        return None
    return math.floor(100 * (abs(item.effect) - _ROUNDING)) / 100 or None


def _claim(table: Mapping[str, Any], item: Candidate) -> Claim:
    return Claim.model_validate(
        {
            "kind": item.kind,
            "table": table["name"],
            "outcome": item.outcome,
            "exposure": item.exposure,
            "direction": _WORDS[item.kind][0 if item.effect > 0 else 1],
            "group": item.level,
            "subset": _subset(item),
            "threshold": _threshold(table, item),
        }
    )


def _measured(item: Candidate) -> str:
    return f"(visible rows: effect {item.effect:.2f}, p = {item.p:.1g}, n = {item.n})"


def _submission(id_: str, table: Mapping[str, Any], item: Candidate) -> _Step:
    """Return the call that submits a claim with its script."""
    claim = _claim(table, item)
    script = evidence_script(
        f"Does this hold? {sentence(claim)}",
        table=str(table["name"]),
        design=str(table["design"]),
        kind=item.kind,
        outcome=item.outcome,
        exposure=item.exposure,
        level=item.level,
        subset=item.subset,
    )
    least, limit = claim.threshold or 0, 0.05 if item.doubtful else 0.01
    fields = ("kind", "table", "outcome", "exposure", "direction", "group", "subset", "threshold")
    arguments = {name: getattr(claim, name) for name in fields if getattr(claim, name)}
    arguments["script"] = script
    arguments["supports"] = (
        f"effect {f'> {least:g}' if item.effect > 0 else f'< {-least:g}'} and p < {limit:g}"
    )
    arguments["prose"] = f"{sentence(claim)} {_measured(item)}"
    return _Step(id_, "submit_finding", arguments, f"I claim: {sentence(claim)}")
