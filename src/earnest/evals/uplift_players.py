"""Two players of `uplift` that need no language model, so that the harness itself is proven.

`Careful` uses the tool that is offered as one should, answers only what it has seen, and else says
that it does not know: with the tool it is right, without it never. `Guesser` uses no tool and
answers at once in the right form: there is nothing that a tool could add to it. Both are pure
functions of the messages that they are given, so a resumed run goes on where it was.

They read the prompts of `uplift.py` by their wording, and no others.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from earnest.core.errors import ModelError
from earnest.core.messages import Completion, Message, Sampling, ToolCall, ToolSpec, Usage
from earnest.core.protocols import Heard
from earnest.core.quoted import unquoted
from earnest.evals.answers import UNKNOWN, answered
from earnest.evals.uplift_worlds import mark

_PRODUCT: Final = re.compile(r"What is (\d+) times (\d+)\?")
_POWER: Final = re.compile(r"when (\d+) to the power of (\d+) is divided by (\d+)\?")
_LETTERS: Final = re.compile(r"each of the letters ([a-z, ]+) occur .*\n([a-z]{2,})")
_NUMBERS: Final = re.compile(r"divisible by (\d+)\?\n([\d ]+)")
_FILE: Final = re.compile(r"in the files .* the (\w+) relay keeps its reserve key")
_PAGES: Final = re.compile(r"Read the (\d+) pages of the briefing")
_GAUGE: Final = re.compile(r"The gauge at (\S+) gives its reading as JSON")
_LOTS: Final = re.compile(r"Weigh (\d+) lots")
_ASKED_RELAY: Final = re.compile(r"Question: under which mark does the (\w+) relay")
_ASKED_LOTS: Final = re.compile(r"Question: what do the lots ([\d, and]+) weigh")
_KEPT: Final = re.compile(r"The (\w+) relay keeps its reserve key under the mark ([A-Z]+-\d+)")
_LOT: Final = re.compile(r"lot (\d+) weighs (\d+) g")
_NOTED: Final = re.compile(r"^(\d+): (\d+)$", re.MULTILINE)
_NEXT: Final = re.compile(r"the next is (\d+)")
_READING: Final = re.compile(r'"reading": "([\d.]+)", "state": "settled"')
_PATIENCE: Final = 20


class _Seen:
    """What a player sees: the prompt, the tools on offer, and what tools gave, by call."""

    def __init__(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        self.prompt = "\n".join(one.content for one in messages if one.role == "user")
        self.offered = {tool.name for tool in tools}
        self.gave = [(one.call, unquoted(one.content)) for one in messages if one.role == "tool"]
        self.text = "\n".join(text for _, text in self.gave)

    def of(self, start: str) -> list[str]:
        """Return what calls gave whose id starts so, in order."""
        return [text for call, text in self.gave if call.startswith(start)]


def _say(value: str) -> Message:
    return Message(role="assistant", content=answered(value))


def _use(*calls: tuple[str, str, Mapping[str, Any]]) -> Message:
    """Return a message with calls: (id, tool, arguments) each."""
    made = tuple(ToolCall(id=id_, name=name, arguments=given) for id_, name, given in calls)
    return Message(role="assistant", content="", calls=made)


def _completion(message: Message) -> Completion:
    stop: Any = "calls" if message.calls else "end"
    return Completion(message=message, usage=Usage(cost_usd=0.0), stop=stop)


def _code(prompt: str) -> str:
    """Return code that prints the answer of an item of `python`; none: it is none."""
    if found := _PRODUCT.search(prompt):
        return f"print({found[1]} * {found[2]})"
    if found := _POWER.search(prompt):
        return f"print(pow({found[1]}, {found[2]}, {found[3]}))"
    if found := _LETTERS.search(prompt):
        letters = found[1].split(", ")
        return f"text = {found[2]!r}\nprint('-'.join(str(text.count(x)) for x in {letters}))"
    if found := _NUMBERS.search(prompt):
        numbers = f"map(int, {found[2]!r}.split())"
        return f"print(sum(n for n in {numbers} if n % {found[1]} == 0))"
    return ""


class Careful:
    """Implements `earnest.core.protocols.Model`: the gold player."""

    name = "careful"
    speaks = None
    sees = False
    priced = True
    window: int | None = None
    heard: Heard | None = None

    def generate(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        sampling: Sampling,  # noqa: ARG002 (the protocol's)
    ) -> Completion:
        """Return the next call, or the answer. Raises `ModelError` for a task of another suite."""
        seen = _Seen(messages, tools)
        if code := _code(seen.prompt):
            return _completion(self._compute(seen, code))
        if found := _FILE.search(seen.prompt):
            return _completion(self._look_up(seen, found[1]))
        if found := _PAGES.search(seen.prompt):
            return _completion(self._read(seen, int(found[1])))
        if found := _GAUGE.search(seen.prompt):
            return _completion(self._watch(seen, found[1]))
        if found := _LOTS.search(seen.prompt):
            return _completion(self._weigh(seen, int(found[1])))
        raise ModelError("the careful player knows the tasks of `uplift` only")

    def _compute(self, seen: _Seen, code: str) -> Message:
        if "python" not in seen.offered:
            return _say(UNKNOWN)
        gave = seen.of("compute")
        if not gave:
            return _use(("compute", "python", {"code": code}))
        lines = gave[-1].strip().splitlines()
        return _say(lines[-1] if lines and re.fullmatch(r"[\d-]+", lines[-1]) else UNKNOWN)

    def _look_up(self, seen: _Seen, relay: str) -> Message:
        """Say what was seen of a relay; else search for it, in two wordings."""
        for name, under in _KEPT.findall(seen.text):
            if name == relay:
                return _say(under)
        tried = len(seen.of("search"))
        queries = (f"{relay} relay reserve key mark", relay)
        if "search" not in seen.offered or tried == len(queries):
            return _say(UNKNOWN)
        return _use((f"search-{tried}", "search", {"query": queries[tried]}))

    def _read(self, seen: _Seen, pages: int) -> Message:
        asked = _ASKED_RELAY.search(seen.text)
        if asked:
            return self._look_up(seen, asked[1])
        return _next("briefing", "page", seen, pages) or _say(UNKNOWN)

    def _watch(self, seen: _Seen, url: str) -> Message:
        gave = seen.of("look")
        if gave and (found := _READING.search(gave[-1])):
            return _say(found[1])
        if "http" not in seen.offered or len(gave) == _PATIENCE:
            return _say(UNKNOWN)
        return _use((f"look-{len(gave)}", "http", {"url": url}))

    def _weigh(self, seen: _Seen, lots: int) -> Message:
        """Note each weight as soon as it is told; answer from the notes, read once more."""
        asked, told = _ASKED_LOTS.search(seen.text), _LOT.findall(seen.text)
        noted = [_note(*told[-1])] if "notes" in seen.offered and told else []
        if not asked:
            on = _next("weigh", "lot", seen, lots)
            calls = [(one.id, one.name, one.arguments) for one in on.calls] if on else []
            return _use(*noted, *calls) if calls else _say(UNKNOWN)
        if noted and not seen.of("recall"):
            return _use(*noted, ("recall", "notes", {"action": "read"}))
        notes = [line for text in seen.of("recall") for line in _NOTED.findall(text)]
        kept = {int(number): int(weight) for number, weight in [*told, *notes]}
        wanted = [int(number) for number in re.findall(r"\d+", asked[1])]
        if not kept.keys() >= set(wanted):
            return _say(UNKNOWN)
        return _say(str(sum(kept[number] for number in wanted)))


def _note(number: str, weight: str) -> tuple[str, str, Mapping[str, Any]]:
    """Return the call that notes a lot's weight."""
    return f"note-{number}", "notes", {"action": "append", "text": f"{number}: {weight}"}


def _next(tool: str, what: str, seen: _Seen, most: int) -> Message | None:
    """Return the call for the next page or lot; None: there is none."""
    given = [int(number) for number in re.findall(rf"{what} (\d+) of {most}:", seen.text)]
    refused = _NEXT.findall(seen.of(tool)[-1]) if seen.of(tool) else []
    number = int(refused[0]) if refused else max(given, default=0) + 1
    return _use((f"{tool}-{number}", tool, {"number": number})) if number <= most else None


class Guesser:
    """Implements `earnest.core.protocols.Model`: the player to whom tools add nothing."""

    name = "guesser"
    speaks = None
    sees = False
    priced = True
    window: int | None = None
    heard: Heard | None = None

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return an answer that could be one."""
        seen = _Seen(messages, tools)
        offered = " ".join(sorted(seen.offered))
        rng = random.Random(f"{seen.prompt} {offered} {sampling.seed}")  # noqa: S311 (a guess)
        return _completion(_say(next(_guesses(seen.prompt, rng))))


def _guesses(prompt: str, rng: random.Random) -> Iterator[str]:
    """Yield what an answer could look like."""
    if _LETTERS.search(prompt):
        yield "-".join(str(rng.randrange(90, 140)) for _ in range(4))
    elif _FILE.search(prompt) or _PAGES.search(prompt):
        yield mark(rng)
    elif _GAUGE.search(prompt):
        yield f"{rng.uniform(10, 90):.3f}"
    elif _LOTS.search(prompt):
        yield str(rng.randrange(20_000, 36_000))
    else:
        yield str(rng.randrange(10**9, 10**10))


PLAYERS: Final[Mapping[str, type[Careful] | type[Guesser]]] = {
    Careful.name: Careful,
    Guesser.name: Guesser,
}
