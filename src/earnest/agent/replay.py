"""From a run's event log back to its state: what a run goes on from, live and resumed alike.

The state is the fold of the log: a run that goes on takes in the very events that it writes, so
what it knows is what a replay finds.

Kinds of events, in the order a run writes them: `start`; two `step`s (system, user); for each
turn of the model an `intent` (its message, before any effect); for each of its calls a
`permission` where the guard did not plainly allow it (what the call would do, the policy, who
decided what), and one `effect` once it is finished, with a `finding` after an effect that made
one; a `warning` where the breaker gave one; and a `step` (its payload is exactly an ATIF step).
`compact` stands between two turns: the summary that took the place of the oldest in the window,
and its step. Then `budget` where one ended the run, and `end`. A resumed run writes
`resume` first. `used` in an event is what the run has used of each budget so far.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from earnest.agent.breaker import MEMORY, Trace, trace
from earnest.core.claims import sentence
from earnest.core.events import Event
from earnest.core.messages import Message, Observation, ToolCall, Usage
from earnest.core.quoted import named, quoted
from earnest.core.records import Finding

CUT_OFF = "Your answer was cut off at its length limit. Go on, more briefly."
OPENING: Final = 2  # messages that are never summarised: the rules, and the task
CHARACTERS_A_TOKEN: Final = 3  # of text that is not counted yet; most texts have more, so are less
MOST_A_TOKEN: Final = 8  # characters; hardly any tokenizer has more, whatever a server counts
_MOST = 100_000  # characters of an observation; tools give less
_LEAST = 400
_SHARE: Final = 4  # what a turn's observations may take of the window: one part in so many


@dataclass
class Turn:
    """One turn of the model: its message, and the observations of its calls by their index.

    `permits`: what a person decided, by the call's index and what was asked (`guard.Question`).
    """

    number: int
    message: Message
    usage: Usage
    stop: str
    at: str
    began_s: float = 0.0
    ended_s: float = 0.0
    effects: dict[int, Observation] = field(default_factory=dict)
    permits: dict[tuple[int, str], bool] = field(default_factory=dict)
    warning: str = ""

    @property
    def over(self) -> bool:
        """Whether the model has ended the run with it: no calls, and not cut off."""
        return not self.message.calls and self.stop != "length"

    @property
    def done(self) -> list[tuple[ToolCall, Observation]]:
        """Its finished calls in their order, with what each gave back."""
        calls = self.message.calls
        return [(calls[n], self.effects[n]) for n in sorted(self.effects)]

    def answers(self, room: int, search: bool) -> list[Message]:
        """Return the messages that follow the model's; what a tool gave is marked as data.

        `room`: characters of all; the longest are cut to what is left by the others. `search`:
        whether there is a tool that finds the rest.
        """
        most = _level([len(seen.content) for _, seen in self.done], room)
        if self.stop == "length" and not self.message.calls:
            more = f"\n\n{self.warning}" if self.warning else ""
            return [Message(role="user", content=CUT_OFF + more)]
        found = []
        for call, seen in self.done:
            text = quoted(seen.content, named(call.name), most=most)
            if len(seen.content) > most:
                text += f"\n\n{_cut(self.number, call, search)}"
            if self.warning and call is self.message.calls[-1]:
                text += f"\n\n{self.warning}"
            found.append(Message(role="tool", content=text, call=call.id, pictures=seen.pictures))
        return found


def _level(lengths: list[int], room: int) -> int:
    """Return to how much each is cut so that all fit; what is shorter keeps all of it."""
    for number, length in enumerate(sorted(lengths)):
        share = room // (len(lengths) - number)
        if length > share:
            return max(_LEAST, min(_MOST, share))
        room -= length
    return _MOST


def _cut(turn: int, call: ToolCall, search: bool) -> str:
    how = "`search` finds what you need of it" if search else "ask for a part of it"
    return f"Cut here to fit. The whole is in the run's record (step {turn}, {call.id}): {how}."


def size(message: Message) -> int:
    """Return the characters that a message takes, as far as they are told."""
    calls = sum(len(one.name) + len(str(one.arguments)) + 20 for one in message.calls)
    thoughts = len(message.thoughts)
    return len(message.content) + thoughts + calls + 3000 * len(message.pictures) + 20


@dataclass
class State:
    """A run so far. `open` is the turn whose step is not written yet; `status` '' means running.

    `messages`: what the model is given next. `upto`: how many of its turns a summary stands for.
    """

    task: str = ""
    messages: list[Message] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # where in `messages` each turn begins
    later: list[Message] = field(default_factory=list)  # to be said once the open turn is closed
    upto: int = 0
    summary: str = ""
    window: int = 0
    policy: str = ""
    search: bool = False
    turns: int = 0
    steps: int = 0
    open: Turn | None = None
    between: bool = False  # the last sitting ended between two calls, not in one
    over: bool = False
    final: str = ""
    findings: list[Finding] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    announced: int = 0
    closed: list[tuple[ToolCall, Observation]] = field(default_factory=list)
    trail: deque[Trace] = field(default_factory=lambda: deque(maxlen=MEMORY))
    characters: int = 0
    words: int = 0  # of these, what the messages say: their contents
    counted: int = 0  # tokens that the model reported, of all but the last `fresh` characters
    fresh: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    spent_s: float = 0.0
    status: str = ""

    @property
    def calls(self) -> list[tuple[ToolCall, Observation]]:
        """All finished calls in their order, with what each gave back."""
        return self.closed + (self.open.done if self.open else [])

    def tokens(self, besides: int = 0) -> int:
        """Return about how many tokens the next prompt has: what was reported, else estimated.

        `besides`: characters that are given along with the messages (the tools' descriptions).
        """
        rest = self.fresh if self.counted else self.characters + besides
        return self.counted + -(-rest // CHARACTERS_A_TOKEN)

    def say(self, message: Message) -> None:
        """Add a message to those that the model is given."""
        self.messages.append(message)
        self.characters += size(message)
        self.words += len(message.content)
        self.fresh += size(message)

    def take(self, event: Event) -> None:
        """Take in one event of the log."""
        body = event.payload
        self.spent_s = float(body.get("spent_s", self.spent_s))
        taken = _TAKEN.get(event.kind)
        if taken is not None:
            taken(self, body)

    def _start(self, body: Mapping[str, Any]) -> None:
        self.task = body["task"]
        self.window, self.policy = int(body.get("window", 0)), body.get("policy", "")
        self.search = any(spec["name"] == "search" for spec in body["tools"])
        for message in body["messages"]:
            self.say(Message.model_validate(message))

    def _resume(self, body: Mapping[str, Any]) -> None:
        if self.status == "stuck":
            self.trail.clear()
        self.status, self.between = "", False
        self.window, self.policy = int(body.get("window", 0)), body.get("policy", "")
        if "message" in body:
            message = Message.model_validate(body["message"])
            if self.open is None:
                self.say(message)
            else:
                self.later.append(message)

    def _intent(self, body: Mapping[str, Any]) -> None:
        self.turns, self.between = self.turns + 1, False
        usage = Usage.model_validate(body["usage"])
        message = Message.model_validate(body["message"])
        at = float(body.get("spent_s", 0.0))
        self.open = Turn(self.turns, message, usage, body["stop"], body["at"], at, at)
        self._use(usage)
        self.counted = (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)
        self.counted = self.counted if usage.prompt_tokens else 0

    def _use(self, usage: Usage) -> None:
        self.prompt_tokens += usage.prompt_tokens or 0
        self.completion_tokens += usage.completion_tokens or 0
        cost = usage.cost_usd
        self.cost_usd = None if cost is None or self.cost_usd is None else self.cost_usd + cost

    def _permission(self, body: Mapping[str, Any]) -> None:
        if self.open is not None and body["by"] == "person":
            self.open.permits[int(body["index"]), body["why"]] = body["decision"] == "allow"

    def _effect(self, body: Mapping[str, Any]) -> None:
        observation = Observation.model_validate(body["observation"])
        if self.open is not None:
            self.open.effects[int(body["index"])] = observation
            self.open.ended_s = self.spent_s
        data = observation.data  # of a sub-agent come several
        for body in [data["finding"]] if "finding" in data else data.get("findings", ()):
            self.findings.append(Finding.from_body(body))
            self.sentences.append(data.get("sentence") or sentence(self.findings[-1].claim))

    def _finding(self, body: Mapping[str, Any]) -> None:  # noqa: ARG002
        self.announced += 1

    def _warning(self, body: Mapping[str, Any]) -> None:
        if self.open is not None:
            self.open.warning = body["text"]

    def _step(self, body: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Close the open turn: its messages are part of the conversation now."""
        self.steps += 1
        if self.open is None:
            return
        turn, self.open = self.open, None
        self.trail.append(self.traced(turn))
        self.closed += turn.done
        self.starts.append(len(self.messages))
        self.say(turn.message)
        self.fresh = 0  # the model's own message is in what it reported
        # A log from before there were windows has none.
        room = CHARACTERS_A_TOKEN * (self.window or _MOST * 1000) // _SHARE
        for message in [*turn.answers(room, self.search), *self.later]:
            self.say(message)
        self.later, self.over = [], turn.over
        self.final = turn.message.content if turn.over else ""

    def traced(self, turn: Turn) -> Trace:
        """Return what the breaker keeps of a turn whose calls are finished."""
        gave = [seen for _, seen in turn.done]
        return trace(turn.number, turn.message.calls, gave, turn.ended_s - turn.began_s)

    def _compact(self, body: Mapping[str, Any]) -> None:
        """Put a summary in the place of the oldest turns (and of the summary before it)."""
        gone = int(body["upto"]) - self.upto
        first = self.starts[gone] if gone < len(self.starts) else len(self.messages)
        kept = self.messages[first:]
        message = Message.model_validate(body["message"])
        self.messages = [*self.messages[:OPENING], message, *kept]
        self.starts = [at - first + OPENING + 1 for at in self.starts[gone:]]
        self.upto, self.summary = int(body["upto"]), body["summary"]
        self.characters, self.counted = sum(map(size, self.messages)), 0
        self.words = sum(len(message.content) for message in self.messages)
        self.steps += 1
        if body["usage"] is not None:
            self._use(Usage.model_validate(body["usage"]))

    def _end(self, body: Mapping[str, Any]) -> None:
        self.status, self.between = body.get("status", ""), bool(body.get("between", False))


_TAKEN: Final = {
    "start": State._start,
    "resume": State._resume,
    "intent": State._intent,
    "permission": State._permission,
    "effect": State._effect,
    "finding": State._finding,
    "warning": State._warning,
    "step": State._step,
    "compact": State._compact,
    "end": State._end,
}


def replay(events: Iterable[Event]) -> State:
    """Rebuild the state of a run from its events."""
    state = State()
    for event in events:
        state.take(event)
    return state


def logged_used(events: Iterable[Event]) -> dict[str, float]:
    """Return what a run's earlier sittings used of each budget, by name: for its `Purse`."""
    used = {"steps": 0.0, "tokens": 0.0, "cost_usd": 0.0}
    for event in events:
        body = event.payload
        if event.kind == "intent" and "used" not in body:  # a log from before there was a purse
            used["steps"] += 1
            used["tokens"] += body["tokens"]
            used["cost_usd"] += body["usage"].get("cost_usd") or 0.0
        if isinstance(body.get("used"), Mapping):
            used.update(body["used"])
        if "spent_s" in body:
            used["wall_s"] = float(body["spent_s"])
    return used


def logged_findings(events: Iterable[Event]) -> list[Finding]:
    """Return the findings of a run in their order, also those of a run that was killed."""
    return replay(events).findings


def logged_calls(events: Iterable[Event], tool: str) -> list[tuple[ToolCall, Observation]]:
    """Return the finished calls of a tool in their order, with what each gave back."""
    return [found for found in replay(events).calls if found[0].name == tool]
