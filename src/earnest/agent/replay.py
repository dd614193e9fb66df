"""From a run's event log back to its state: what a resumed run goes on from.

Kinds of events, in the order a run writes them: `start`; two `step`s (system, user); for each
turn of the model an `intent` (its message, before any effect), one `effect` for each tool call
that finished, with a `finding` after an effect that made one, and a `step` (its payload is exactly
an ATIF step); then `budget` where one ended, and `end`. A resumed run writes `resume` first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from earnest.core.events import Event
from earnest.core.messages import Message, Observation, ToolCall, Usage
from earnest.core.quoted import named, quoted
from earnest.core.records import Finding

CUT_OFF = "Your answer was cut off at its length limit. Go on, more briefly."
_MOST = 100_000  # characters of an observation; tools give less


@dataclass
class Turn:
    """One turn of the model: its message, and the observations of its calls by their index."""

    message: Message
    usage: Usage
    stop: str
    at: str
    effects: dict[int, Observation] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether the model has ended the run with it: no calls, and not cut off."""
        return not self.message.calls and self.stop != "length"

    def answers(self) -> list[Message]:
        """Return the messages that follow the model's; what a tool gave is marked as data."""
        calls = self.message.calls
        if self.stop == "length" and not calls:
            return [Message(role="user", content=CUT_OFF)]
        gave = [self.effects[n].content for n in range(len(calls))]
        told = [quoted(t, named(c.name), most=_MOST) for c, t in zip(calls, gave, strict=True)]
        return [
            Message(role="tool", content=t, call=c.id) for c, t in zip(calls, told, strict=True)
        ]


@dataclass
class State:
    """A run so far. `open` is the turn whose step is not written yet; `status` '' means running."""

    task: str = ""
    messages: list[Message] = field(default_factory=list)
    turns: int = 0
    steps: int = 0
    open: Turn | None = None
    over: bool = False
    final: str = ""
    findings: list[Finding] = field(default_factory=list)
    announced: int = 0
    calls: list[tuple[ToolCall, Observation]] = field(default_factory=list)
    tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    spent_s: float = 0.0
    status: str = ""

    def begin(self, turn: Turn, tokens: int) -> None:
        """Take in a model's turn; `tokens` is what it counts against the budget."""
        self.turns += 1
        self.open = turn
        self.tokens += tokens
        self.prompt_tokens += turn.usage.prompt_tokens or 0
        self.completion_tokens += turn.usage.completion_tokens or 0
        cost = turn.usage.cost_usd
        self.cost_usd = None if cost is None or self.cost_usd is None else self.cost_usd + cost

    def effect(self, number: int, observation: Observation) -> None:
        """Take in a finished call of the open turn."""
        if self.open is not None:
            self.open.effects[number] = observation
            self.calls.append((self.open.message.calls[number], observation))
        if "finding" in observation.data:
            self.findings.append(Finding.from_body(observation.data["finding"]))

    def step(self) -> None:
        """Close the open turn: its messages are part of the conversation now."""
        self.steps += 1
        if self.open is not None:
            self.messages += [self.open.message, *self.open.answers()]
            self.over = self.open.over
            self.final = self.open.message.content if self.over else ""
            self.open = None


def replay(events: Iterable[Event]) -> State:
    """Rebuild the state of a run from its events."""
    state = State()
    for event in events:
        body = event.payload
        state.spent_s = float(body.get("spent_s", state.spent_s))
        if event.kind == "start":
            state.task = body["task"]
            state.messages = [Message.model_validate(m) for m in body["messages"]]
        elif event.kind == "intent":
            message = Message.model_validate(body["message"])
            usage = Usage.model_validate(body["usage"])
            state.begin(Turn(message, usage, body["stop"], body["at"]), int(body["tokens"]))
        elif event.kind == "effect":
            state.effect(int(body["index"]), Observation.model_validate(body["observation"]))
        elif event.kind == "finding":
            state.announced += 1
        elif event.kind == "step":
            state.step()
        elif event.kind in ("end", "resume"):
            state.status = body.get("status", "")
    return state


def logged_used(events: Iterable[Event]) -> dict[str, float]:
    """Return what a run's earlier sittings used of each budget, by name: for its `Purse`."""
    used: dict[str, float] = {}
    for event in events:
        used.update(event.payload.get("used", {}))
        if "spent_s" in event.payload:
            used["wall_s"] = float(event.payload["spent_s"])
    return used


def logged_findings(events: Iterable[Event]) -> list[Finding]:
    """Return the findings of a run in their order, also those of a run that was killed."""
    return replay(events).findings


def logged_calls(events: Iterable[Event], tool: str) -> list[tuple[ToolCall, Observation]]:
    """Return the finished calls of a tool in their order, with what each gave back."""
    return [found for found in replay(events).calls if found[0].name == tool]
