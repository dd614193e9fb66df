"""Candidate findings: what an agent concluded in a session, with what it did that bears it out.

By rules: sentences of its closing words that hold a number or compare, and the last outputs that
hold these numbers. A candidate is `unverified`, and stays so until its claim is handed in with
evidence and checked like any other; it is never trained on.

Not covered: conclusions in another language than English, or that are drawn over several sentences;
numbers that were computed in the head.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from earnest.capture.acts import commands
from earnest.capture.fenced import outside
from earnest.capture.lenient import read, word
from earnest.capture.stated import is_submission
from earnest.capture.turns import Call, Outcome, Session, Turn
from earnest.capture.wrote import Wrote, follows_contract

if TYPE_CHECKING:
    from earnest.core.records import Claim

MOST: Final = 100
_KEPT: Final = 40
_MOST_OUTPUT: Final = 100_000
_SHOWN: Final = 2_000
_BACKING: Final = 3
_HUGE: Final = 1e300
_NUMBER: Final = re.compile(
    r"(?<![\w.])[-\u2212]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.])[-\u2212]?\d+(?:\.\d+)?(?:e-?\d+)?"
)
_COMPARES: Final = re.compile(
    r"\b(?:higher|lower|more|less|fewer|greater|larger|smaller|longer|shorter|faster|slower|older|"
    r"younger|better|worse|cheaper|dearer|steeper|quicker|heavier|lighter|taller|warmer|colder|wider|"
    r"narrower|stronger|weaker|closer|denser|rarer|safer|richer|poorer|shr(?:inks?|ank|unk)|"
    r"drop(?:s|ped)|jump(?:s|ed)|peak(?:s|ed)|climb(?:s|ed)|increas\w+|decreas\w+|ris(?:es|ing|en)|rose|fall(?:s|ing|en)?|fell|"
    r"declin\w+|grow(?:s|n|ing)?|grew|correlat\w+|associat\w+|differ(?:s|ed|ent|ence)?|outperform\w*|"
    r"exceed\w*|twice|double[sd]?|half|significant\w*|predicts?|depends?|median|mean|average|"
    r"highest|lowest|most|least)\b",
    re.IGNORECASE,
)  # fmt: skip
_WORK: Final = re.compile(
    r"\b(?:tests?|lint\w*|build|commit\w*|files?|lines?|functions?|branch|pull request|refactor\w*|"
    r"install\w*|edited|added|created|updated|removed|renamed|fixed|moved|rebased|applied|TODO)\b",
    re.IGNORECASE,
)
_MEANS_TO: Final = re.compile(
    r"\b(?:I'll|I will|I am going to|let me|let's|next steps?|you can|please|would|could|might|"
    r"should)\b"
    # what was done, not what was seen
    r"|^(?:I|We) (?!(?:also |then )?(?:find|found|see|saw|conclud|observ|measur|estimat|get|got))",
    re.IGNORECASE,
)
_LEAD: Final = re.compile(r"^[\s>#*+-]+|^\d+[.)]\s+")
_ENDS: Final = re.compile(
    r"(?<=[.!?])(?<!\bvs\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bca\.)(?<!\bapprox\.)\s+(?=[A-Z\d*`(\"'])"
)
_DATA: Final = re.compile(
    r"[\w./~-]{1,200}\.(?:csv|tsv|parquet|json|jsonl|xlsx?|feather|db|sqlite|duckdb)\b"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement of an agent's with what bears it out. `turn` counts a session's turns from 0.

    `arguments`: what `submit_finding` would need of it, as far as it is known; `claim` is what a
    model read in the statement, if one was asked.
    """

    session: str
    turn: int
    line: int
    statement: str
    commands: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    agent: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    claim: Claim | None = None
    trust: Literal["unverified"] = "unverified"

    def row(self) -> dict[str, Any]:
        """Return it for a document of JSON."""
        claim = self.claim.model_dump(mode="json") if self.claim else None
        names = ("session", "turn", "line", "statement", "agent", "arguments", "trust")
        lists = {name: list(getattr(self, name)) for name in ("commands", "outputs", "files")}
        return {**{name: getattr(self, name) for name in names}, **lists, "claim": claim}


@dataclass
class _Done:
    """One call with its output. `lines`: of the output; `numbers`: its numbers without their signs,
    in their order, each with its line."""

    call: Call
    text: str
    script: str
    lines: list[str]
    numbers: list[tuple[float, int]]

    @classmethod
    def of(cls, call: Call, text: str, script: str) -> _Done:
        lines = text.splitlines()
        told = (
            (abs(_value(one)), at) for at, line in enumerate(lines) for one in _NUMBER.findall(line)
        )
        return cls(call, text, script, lines, sorted(told))

    def holding(self, said: float) -> Iterator[range]:
        """Yield where a number stands in `numbers`: as it is, rounded, or as a share of 1."""
        places = len(f"{said:.10f}".rstrip("0").partition(".")[2])
        reach = 0.5000001 * 10**-places
        for scale in (1, 100):
            low, high = (abs(said) - reach) / scale, (abs(said) + reach) / scale
            start = bisect_left(self.numbers, (low, -1))
            yield range(start, bisect_left(self.numbers, (high, len(self.lines)), start))

    def holds(self, said: float) -> bool:
        """Say whether a number stands in the output."""
        return any(self.holding(said))

    def shown(self, said: Sequence[float]) -> str:
        """Return the lines that hold what was said, or else the output's end."""
        found = {self.numbers[at][1] for one in said for part in self.holding(one) for at in part}
        kept = "\n".join(self.lines[at] for at in sorted(found)[:_SHOWN])
        return kept[:_SHOWN] or self.text[-_SHOWN:]


class _Reader:
    """Reads a session's turns, in their order."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.wrote = Wrote()
        self.done: deque[_Done] = deque(maxlen=_KEPT)
        self.open: dict[str, Call] = {}
        self.last: Call | None = None
        self.closing: list[tuple[int, Turn]] = []
        self.handed_in: list[tuple[str, str]] = []
        self.files: dict[str, None] = {}

    def take(self, number: int, turn: Turn) -> Iterator[Candidate]:
        """Take in one turn; yield what was concluded before it."""
        if turn.copied or turn.problem:
            return
        if turn.role == "user" and turn.text:
            yield from self.end()
        for one in turn.outcomes:
            self._observe(one)
        if turn.role != "assistant":
            return
        for call in turn.calls:
            self._call(call)
        if turn.calls:
            self.closing.clear()
        elif turn.text:
            self.closing.append((number, turn))

    def end(self) -> Iterator[Candidate]:
        """Yield what the closing words conclude."""
        for number, turn in self.closing:
            for statement in sentences(turn.text):
                if (found := self._candidate(number, turn, statement)) is not None:
                    yield found
        self.closing.clear()

    def _call(self, call: Call) -> None:
        self.wrote.take(call)
        self.last = call
        if call.id:
            self.open[call.id] = call
        if is_submission(call):
            given = call.arguments
            self.handed_in.append((word(given.get("outcome")), word(given.get("exposure"))))
        for text in (*commands(call), word(call.arguments.get("file_path"))):
            for name in _DATA.findall(text[:10_000])[:20]:
                self.files[name] = None

    def _observe(self, outcome: Outcome) -> None:
        call = self.open.pop(outcome.call, None) or self.last
        if call is None or outcome.failed:
            return
        text = outcome.text[-_MOST_OUTPUT:]
        script = self.wrote.script(call)
        self.done.append(_Done.of(call, text, script))
        for name in _DATA.findall(script[:_MOST_OUTPUT])[:20]:
            self.files[name] = None

    def _candidate(self, number: int, turn: Turn, statement: str) -> Candidate | None:
        said = [_value(one) for one in _NUMBER.findall(statement)]
        backing = self._backing(said)
        compares = bool(_COMPARES.search(statement))
        if _MEANS_TO.search(statement):
            return None
        if not compares and (not backing or _WORK.search(statement)):
            return None
        if compares and _WORK.search(statement) and not backing:
            return None
        if any(all(name and name in statement for name in pair) for pair in self.handed_in):
            return None
        scripts = [one.script for one in backing if one.script]
        return Candidate(
            self.session,
            number,
            turn.line,
            statement,
            tuple(" ; ".join(commands(one.call)) or one.call.name for one in backing),
            tuple(one.shown(said) for one in backing),
            tuple(list(self.files)[-20:]),
            turn.agent,
            _arguments(statement, scripts, backing),
        )

    def _backing(self, said: Sequence[float]) -> list[_Done]:
        """Return the last outputs that hold a statement's numbers; each holds some not yet held."""
        telling = [one for one in said if abs(one) >= 10 or one != int(one)] or list(said)
        missing, found = set(telling), list[_Done]()
        for one in reversed(self.done):
            held = {number for number in missing if one.holds(number)}
            if held:
                found.append(one)
                missing -= held
            if not missing or len(found) == _BACKING:
                break
        return found if len(missing) * 2 <= len(telling) else []


def _value(text: str) -> float:
    try:
        return float(text.replace(",", "").replace("\u2212", "-"))
    except (ValueError, OverflowError):
        return 0.0


def _arguments(statement: str, scripts: Sequence[str], backing: Sequence[_Done]) -> dict[str, Any]:
    """Return what is known of a submission: a script that is evidence, and the numbers it gave."""
    fitting = [one for one in scripts if follows_contract(one)]
    if not fitting:
        return {}
    results: dict[str, Any] = {}
    for done in backing:
        value, problem = read(done.text.strip().encode("utf-8", "replace"))
        if isinstance(value, dict) and not problem:
            results = {
                key: one
                for key, one in value.items()
                if isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < _HUGE
            }
    return {"script": fitting[0], "prose": statement, "results": results}


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences that may conclude something: no code, no questions."""
    for line in outside(text[:_MOST_OUTPUT]).splitlines():
        bare = _LEAD.sub("", line).strip()
        if not bare or bare.startswith("|") or line.lstrip().startswith("#"):
            continue
        for sentence in _ENDS.split(bare):
            told = sentence.strip(" *_")
            if 12 <= len(told) <= 600 and not told.endswith(("?", ":")):
                yield told


def candidates(session: Session) -> list[Candidate]:
    """Return what a session concluded, at most 100, each once. Raises `CaptureError`."""
    reader = _Reader(session.id)
    found: dict[str, Candidate] = {}
    for number, turn in enumerate(session.turns()):
        for one in reader.take(number, turn):
            found.setdefault(one.statement, one)
    for one in reader.end():
        found.setdefault(one.statement, one)
    return list(found.values())[-MOST:]
