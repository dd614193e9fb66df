"""What a person sees while a run goes on: lines, nothing, or a live view at a terminal's foot.

The live view shows the agent's plan, what it does and says, what of the budget is used, and what
was found so far. It is read from the run's log and folder (`watched.py`), and from what the model
streams, four times a second. Whatever comes of models, tools and files is plain text there
(`core/quoted.py`): no control sequence of theirs reaches the terminal.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from earnest.agent.guard import Question
from earnest.core.errors import EarnestError
from earnest.core.protocols import Model, Progress
from earnest.recipes.asking import Asking
from earnest.recipes.screen import Region, Styled, shown, wrapped
from earnest.recipes.watched import Seen, Watched

_EVERY_S: Final = 0.25
_MOST_PLAN: Final = 5
_MOST_HEARD: Final = 2000


class View:
    """Lines on standard error as they come; with `quiet` none but questions.

    `ask` is the run's `Ask`. A context: what is shown in place is gone after it.
    """

    def __init__(self, say: Progress, quiet: bool = False) -> None:
        """`say` takes a line."""
        self._say, self.quiet = say, quiet
        self.asking = Asking(self._tell, self._prompt)

    def say(self, line: str) -> None:
        """Tell a line."""
        if not self.quiet:
            self._say(line)

    def ask(self, question: Question) -> bool:
        """Ask a person; False where there is none."""
        return self.asking(question)

    def watch(self, folder: Path, model: Model) -> None:
        """Follow the run in this folder, and what its model says as it says it."""

    def _tell(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._say(line)

    @staticmethod
    def _prompt(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left to take away."""


class Live(View):
    """The live view. Its lines are drawn by a thread of its own."""

    def __init__(self, stream: TextIO) -> None:
        """`stream`: a terminal."""
        super().__init__(self._above)
        self.region, self.watched = Region(stream), Watched(Path("/nonexistent"))
        self.said = ""
        self.since, self.at_step = time.monotonic(), (-1, "")
        self._lock, self._stop = threading.RLock(), threading.Event()
        self._held = False
        self._drawn: object = None
        self._thread = threading.Thread(target=self._go, daemon=True)

    def watch(self, folder: Path, model: Model) -> None:
        """Follow the run in this folder, and what its model says as it says it."""
        self.watched = Watched(folder)
        if hasattr(model, "heard"):
            model.heard = self.hear

    def hear(self, words: str) -> None:
        """Take in what a model says, as it says it."""
        self.said = (self.said + words)[-_MOST_HEARD:]

    def _above(self, line: str) -> None:
        with self._lock:
            self.region.print(line.splitlines() or [""])
            self._draw(anew=True)

    def ask(self, question: Question) -> bool:
        """Ask a person; the view makes room for the question."""
        with self._lock:
            self.region.print([])
            self._held = True
        try:
            return self.asking(question)
        finally:
            self._held = False
            self.said = ""

    def _go(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                with self._lock:
                    self._draw()
            except (OSError, ValueError):
                return  # the terminal is gone: the run goes on without a view

    def _draw(self, anew: bool = False) -> None:
        """Draw what is known by now, where it is not what stands there."""
        if self._held or self._stop.is_set():
            return
        try:
            seen = self.watched.look()
            doing = (seen.steps, seen.doing[0] if seen.doing else "")
            if doing != self.at_step:
                self.at_step, self.since = doing, time.monotonic()
                self.said = "" if doing[1] else self.said
            columns, rows = self.region.size()
            lines = _lines(self, seen, columns, rows)
        except EarnestError:
            return
        drawn = ([line.parts for line in lines], columns, rows)
        if anew or drawn != self._drawn:
            self.region.draw(lines)
            self._drawn = drawn

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the view away; the lines above it stay."""
        self._stop.set()
        with self._lock:
            self.region.print([])


def _label(name: str, text: str, style: str = "") -> Styled:
    return Styled((f"{name:<6}", "dim"), (text, style))


def _lines(view: Live, seen: Seen, columns: int, rows: int) -> list[Styled]:
    """Return the lines of the view, at most half a screen of them."""
    if not seen.model:
        return []
    room = max(3, min(14, rows // 2))
    bar = "-" * max(1, min(columns - 1, 72))
    parts = [
        [_label("used", _used(seen, view.watched.fresh), "bold")],
        _now(view, seen),
        _found(seen, columns),
        _plan(view.watched.plan()),
        _says(view, seen, columns),
    ]
    kept = 1
    wanted = []
    for part in parts:  # what matters most comes first, and is left out last
        wanted.append(part[: max(0, room - kept)])
        kept += len(wanted[-1])
    used, now, found, plan, says = wanted
    return [Styled((bar, "dim")), *plan, *says, *now, *found, *used]


def _now(view: Live, seen: Seen) -> list[Styled]:
    took = int(time.monotonic() - view.since)
    wait = f" ({took} s)" if took >= 2 else ""
    if seen.status:
        return [_label("now", f"the agent is {seen.status}; what it found is being verified{wait}")]
    if not seen.doing:
        return [_label("now", f"step {seen.steps + 1}: {seen.model} answers{wait}")]
    more = f" (and {len(seen.doing) - 1} more calls)" if len(seen.doing) > 1 else ""
    return [_label("now", f"step {seen.steps}{wait}{more}: {seen.doing[0]}", "link")]


def _says(view: Live, seen: Seen, columns: int) -> list[Styled]:
    """Return the last lines of what the model is saying, or said with its calls."""
    text = shown(" ".join((view.said or seen.words).split())[-_MOST_HEARD:])
    if not text:
        return []
    lines = wrapped(text, max(8, columns - 8))[-2:]
    heads = ("says  ", "      ")
    return [Styled((head, "dim"), (line, "")) for head, line in zip(heads, lines, strict=False)]


def _found(seen: Seen, columns: int) -> list[Styled]:
    if not seen.findings:
        return []
    count = len(seen.findings)
    head = f"{count} claim{'s' if count > 1 else ''}, verified at the end; the last: "
    told = f"{count}: " if columns < len(head) + 30 else head
    return [Styled(("found ", "dim"), (told, "good"), (seen.findings[-1], ""))]


def _plan(lines: list[str]) -> list[Styled]:
    shown = lines[-_MOST_PLAN:]
    return [_label("plan" if not number else "", line) for number, line in enumerate(shown)]


def _used(seen: Seen, fresh: float) -> str:
    """Return what is used of what may be used. `fresh`: when the log last said something."""
    used, most = seen.used, seen.budget
    spent = used.get("wall_s", 0.0) + (0 if seen.status else time.monotonic() - fresh)
    told = [
        f"step {seen.steps}{_of(most.get('steps'), lambda limit: f'{limit:g}')}",
        f"{_clock(spent)}{_of(most.get('wall_s'), _clock)}",
        f"{_count(used.get('tokens', 0))}{_of(most.get('tokens'), _count)} tokens",
    ]
    if seen.unpriced:
        told.append("cost unknown")
    else:
        cost = used.get("cost_usd", 0.0)
        told.append(f"${cost:.2f}{_of(most.get('cost_usd'), lambda limit: f'${limit:.2f}')}")
    return ", ".join([*told, *([f"{seen.denied} denied"] if seen.denied else [])])


def _of(limit: float | None, form: Callable[[float], str]) -> str:
    return "" if limit is None else f"/{form(limit)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _count(number: float) -> str:
    if number < 1000:
        return f"{number:.0f}"
    return f"{number / 1000:.0f}k" if number < 1_000_000 else f"{number / 1e6:.1f}M"


def view_of(options: argparse.Namespace, say: Progress) -> View:
    """Return what the options and this terminal make of a run: live, lines, or nothing."""
    if getattr(options, "quiet", False):
        return View(say, quiet=True)
    capable = os.environ.get("TERM", "dumb") not in ("", "dumb") and sys.stderr.isatty()
    return Live(sys.stderr) if capable and not options.json else View(say)
