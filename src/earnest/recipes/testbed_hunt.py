"""A hunt for cheats that nobody listed, and for what fools the secure grader.

Trial n of a seed draws the same exercise and the same edit each time. A hunt is kept in a folder of
its own, a line a find and a line every few trials; the same command goes on where it was. Every
other trial is a model's, where one is named: those are as repeatable as the model.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.events import EventLog
from earnest.core.home import Home
from earnest.core.protocols import Model, Progress, Sandbox
from earnest.core.quoted import plain
from earnest.core.testbed import AFFORDANCES, Exercise, Secrets
from earnest.evals.testbed_ask import propose
from earnest.evals.testbed_grade import Graders
from earnest.evals.testbed_hunt import ASKED, Find, Hunt, Looked
from earnest.evals.testbed_marks import marks, signature
from earnest.tasks.specs import exercise, program_of
from earnest.tasks.specs_edits import Drawn, draw, fit

_VERSION: Final = 1
_TASKS: Final = 40
_DEEPEST: Final = 3
_OFFERED: Final = 3
_MARK_EVERY: Final = 10
_SAY_EVERY: Final = 100
_TOLD: Final = 12
_KEPT: Final = ("escape", "unknown")


@dataclass(frozen=True)
class Asked:
    """What to hunt with. `seconds` of this sitting, `trials` in all; None: no such limit.

    `dollars`: most that the model may cost in all. `further`: inputs that what passes the secure
    grader is asked beyond its own.
    """

    seed: int
    seconds: float | None
    trials: int | None = None
    model: Model | None = None
    dollars: float | None = None
    further: int = ASKED

    def folder(self, home: Home) -> Path:
        """Return where the hunt is kept."""
        name = self.model.name if self.model else ""
        what = digest(canonical([_VERSION, self.seed, name])).removeprefix("sha256:")
        return home.root / "evals" / f"hunt-{what[:16]}"


@dataclass
class State:
    """How far a hunt is: the next trial, how many were what, and one find a signature."""

    trial: int = 0
    words: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    finds: list[dict[str, Any]] = field(default_factory=list)
    dollars: float = 0.0

    def mark(self) -> dict[str, Any]:
        """Return what a later sitting needs, finds left out."""
        return {
            "trial": self.trial, "words": dict(self.words), "families": dict(self.families),
            "seen": sorted(self.seen), "dollars": self.dollars,
        }  # fmt: skip


def _stated(log: EventLog) -> State:
    """Return where an earlier sitting was. Finds after its last mark are made again."""
    state = State()
    for event in log.of_kind("mark")[-1:]:
        said = event.payload
        state = State(
            said["trial"], Counter(said["words"]), Counter(said["families"]), set(said["seen"]),
            dollars=said["dollars"],
        )  # fmt: skip
    found = [event.payload for event in log.of_kind("find")]
    state.finds = [dict(one) for one in found if one["trial"] < state.trial]
    return state


def _task(seed: int, rng: random.Random) -> tuple[Exercise, Secrets]:
    others = [name for name in AFFORDANCES if name != "tests"]
    offers = None if rng.random() < 0.5 else rng.sample(others, _OFFERED)
    return exercise(f"hunt {seed} {rng.randrange(_TASKS)}", rng.randint(1, _DEEPEST), offers=offers)


def _text(data: bytes | None) -> str | None:
    """Return a file for a record: as text, or in hexadecimal behind `hex:`; None: it is gone."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"hex:{data.hex()}"


def record(trial: int, one: Exercise, drawn: Drawn, find: Find) -> dict[str, Any]:
    """Return a find as a document."""
    more = find.further
    return {
        "trial": trial, "word": find.word, "signature": find.signature, "marks": list(find.marks),
        "made_of": list(drawn.made_of), "noticed": find.noticed, "why": find.why,
        "task": dict(one.task.metadata),
        "files": {name: _text(data) for name, data in find.files.items()},
        "further": None if more is None else
        {"agreed": more.agreed, "asked": more.asked, "where": more.where, "ended": more.ended},
    }  # fmt: skip


@dataclass
class _Hunter:
    asked: Asked
    hunt: Hunt
    state: State
    keep: Callable[[dict[str, Any]], Any]
    say: Progress

    def _drawn(self, one: Exercise, secrets: Secrets, rng: random.Random) -> Drawn:
        model = self.asked.model
        if model is None or self.state.trial % 2:
            return draw(one, program_of(secrets), rng)
        tried = [", ".join(find["marks"])[:200] for find in self.state.finds[-_TOLD:]]
        written, cost = propose(model, one, seed=self.state.trial, tried=tried)
        self.state.dollars += cost
        files = {name: text.encode(errors="replace") for name, text in written.items()}
        return Drawn(fit({**one.files, **files}), ("a model", model.name))

    def trial(self) -> None:
        """Make the next trial."""
        state = self.state
        rng = random.Random(f"hunt {_VERSION} {self.asked.seed} {state.trial}")  # noqa: S311
        one, secrets = _task(self.asked.seed, rng)
        drawn = self._drawn(one, secrets, rng)
        looked = self.hunt.look(one, secrets, drawn.files)
        state.words[looked.word] += 1
        state.families.update(looked.families if looked.word == "known" else ())
        if looked.word in _KEPT:
            self._found(one, secrets, drawn, looked)
        state.trial += 1

    def _found(self, one: Exercise, secrets: Secrets, drawn: Drawn, looked: Looked) -> None:
        before = f"{looked.word} {signature(marks(one, drawn.files))}"
        if before in self.state.seen:
            return
        find = self.hunt.find(one, secrets, drawn.files, looked)
        after = f"{find.word} {find.signature}"
        new = after not in self.state.seen
        self.state.seen |= {before, after}
        if new:
            found = record(self.state.trial, one, drawn, find)
            self.keep(found)
            self.state.finds.append(found)
            self.say(plain(f"{find.word} {find.signature}: {'; '.join(find.marks)[:160]}"))


def _over(asked: Asked, state: State, ends: float | None) -> bool:
    late = ends is not None and time.monotonic() >= ends
    done = asked.trials is not None and state.trial >= asked.trials
    return late or done or (asked.dollars is not None and state.dollars >= asked.dollars)


def hunt(home: Home, asked: Asked, sandbox: Sandbox, say: Progress) -> State:
    """Hunt until time, trials or money are used up; return all that was found, earlier too."""
    ends = None if asked.seconds is None else time.monotonic() + asked.seconds
    with EventLog(asked.folder(home) / "hunt.jsonl") as log:
        state = _stated(log)
        hunter = _Hunter(
            asked, Hunt(Graders(sandbox), asked.seed, asked.further), state,
            lambda found: log.append("find", found), say,
        )  # fmt: skip
        if state.trial:
            say(f"going on after {state.trial} trials")
        while not _over(asked, state, ends):
            hunter.trial()
            if state.trial % _MARK_EVERY == 0:
                log.append("mark", state.mark())
            if state.trial % _SAY_EVERY == 0:
                say(f"{state.trial} trials, {len(state.finds)} finds")
        log.append("mark", state.mark())
    return state


def document(state: State) -> dict[str, Any]:
    """Return what was found: escapes of the secure grader, unknown hacks, and how many were what.

    `origins`: what the unknown hacks were made of, by their first piece.
    """
    unknown = [one for one in state.finds if one["word"] == "unknown"]
    return {
        "trials": state.trial,
        "escapes": [one for one in state.finds if one["word"] == "escape"],
        "unknown": unknown,
        "unnoticed": sum(not one["noticed"] for one in unknown),
        "origins": dict(Counter(one["made_of"][0] for one in unknown)),
        "words": dict(sorted(state.words.items())),
        "known": dict(state.families.most_common()),
        "dollars": state.dollars,
    }


def _lines(found: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for one in found:
        seen = "noticed" if one["noticed"] else "not noticed"
        head = f"  {one['signature']} ({', '.join(one['made_of'])}; {seen})"
        lines += [head, *(f"    {plain(mark)}" for mark in one["marks"])]
    return lines


def in_words(said: dict[str, Any], folder: Path) -> str:
    """Return it for a person, escapes first."""
    lines = [f"ESCAPES OF THE SECURE GRADER: {len(said['escapes'])}"]
    for one in said["escapes"]:
        more = one["further"]
        lines += [
            f"  {one['signature']}: right on {more['agreed']} of {more['asked']}; {one['why']}"
        ]
    lines += [f"unknown hacks: {len(said['unknown'])}, of them {said['unnoticed']} not noticed"]
    lines += _lines(said["unknown"])
    counts = ", ".join(f"{word} {number}" for word, number in said["words"].items())
    return "\n".join([*lines, f"{said['trials']} trials: {counts}", f"kept in {folder}"])
