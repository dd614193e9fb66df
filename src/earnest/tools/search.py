"""The `search` tool: the run's files, all of its own past, earlier runs' notes, and the ledger.

The index is in memory and brought up to date with each call: only what changed is read again. Of
the past every step is there, also those that the conversation has no more.

Words are matched; where the run has an embedding model, meaning is too (`meaning.py`).

Not covered: meaning without such a model, and in the ledger; files that are no text; files of more
than 16 MiB, and what is beyond 64 MiB in all, which is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from earnest.core.acts import READ, Act
from earnest.core.errors import ToolError
from earnest.core.events import Event
from earnest.core.messages import Observation, ToolSpec
from earnest.core.protocols import Findings
from earnest.tools.arguments import Arguments, legible
from earnest.tools.files import Files
from earnest.tools.index import Hit, Index, asked_for
from earnest.tools.meaning import Meaning

EarlierNotes = Callable[[], Iterable[tuple[str, str]]]
"""Gives the notes of earlier runs: `RUN/FILE` and the text."""

_NAME: Final = "search"
_PAGE: Final = 10
_OF_LEDGER: Final = 3
_WHOLE: Final = 12_000
_LARGEST: Final = 16 * 2**20
_MOST: Final = 64 * 2**20
_NO_TEXT: Final = 8_192
_KINDS: Final = ("files", "past", "notes")


class _Search(Arguments):
    query: str = Field(
        default="", max_length=500, description='Words, any of which count; "a phrase" in quotes.'
    )
    where: Literal["all", "files", "past", "notes", "findings"] = Field(
        default="all",
        description="files: workspace and data; past: your own steps, also those that you do not "
        "see any more; notes: of earlier runs; findings: the ledger.",
    )
    offset: int = Field(default=0, ge=0, le=10_000, description="How many hits to pass over.")
    step: int | None = Field(
        default=None, ge=1, description="Instead of a query: give this step of yours whole."
    )


def _words(value: Any) -> Iterator[str]:
    """Yield the texts of a call's arguments, as they read unescaped."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)
    else:
        yield str(value)


class _Past:
    """The steps of a run, from its log: each part of a step is a document."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events, self._read = events, 0
        self.steps: dict[int, list[tuple[str, str]]] = {}
        self._calls: Mapping[int, str] = {}

    def new(self) -> Iterator[tuple[str, str]]:
        """Yield the names and texts of what was written since this was last asked.

        The open step is left out: the call that asks is part of it.
        """
        end = max((e.number for e in self._events if e.kind == "intent"), default=0)
        for event in self._events[self._read : end]:
            if event.kind == "intent":
                yield from self._intent(event.payload["message"])
            elif event.kind == "effect" and event.payload["tool"] != _NAME:
                index = int(event.payload["index"])
                text = str(event.payload["observation"]["content"])
                yield self._part(f"result of {self._calls.get(index, 'a call')}", text)
        self._read = max(self._read, end)

    def _intent(self, message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        self.steps[len(self.steps) + 1] = []
        calls = message.get("calls", ())
        self._calls = {at: f"call {at + 1} ({call['name']})" for at, call in enumerate(calls)}
        if message["content"].strip():
            yield self._part("what you said", message["content"])
        for at, call in enumerate(calls):
            if call["name"] != _NAME:
                yield self._part(self._calls[at], "\n".join(_words(call["arguments"])))

    def _part(self, what: str, text: str) -> tuple[str, str]:
        number = len(self.steps)
        self.steps.setdefault(number, []).append((what, text))
        return f"step {number}, {what}", text


class SearchTool:
    """Finds by words (BM25), and by meaning where it can, best first. Changes nothing.

    Safe for several threads.
    """

    repeatable: bool = True
    concurrent: bool = True
    spec: ToolSpec = _Search.spec(
        _NAME,
        "Search your files, all your own earlier steps, notes of earlier runs, and the ledger's "
        f"findings by words: {_PAGE} hits a page, each with its place. Or get a step whole.",
    )

    def __init__(
        self,
        files: Files,
        past: Sequence[Event] = (),
        earlier_notes: EarlierNotes | None = None,
        findings: Findings | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        """`past`: the run's log, which may grow; `findings`: what it may know of the ledger."""
        self._meaning = meaning
        if meaning is not None:
            told = self.spec.description.replace("by words:", "by words and by meaning:")
            self.spec = self.spec.model_copy(update={"description": told})
        self.files, self.findings, self._notes = files, findings, earlier_notes
        self._past = _Past(past)
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._there: dict[str, tuple[int, int, int]] = {}
        self._states: dict[str, tuple[int, int, int]] = {}
        self._left_out: list[str] = []

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Reading only. Raises `ToolError`."""
        _Search.read(arguments)
        return READ

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it. Raises `ToolError`, `LackError`."""
        asked = _Search.read(arguments)
        if asked.step is not None:
            return Observation(content=self._step(asked.step, asked.offset))
        if not asked_for(asked.query):
            raise ToolError("nothing to search for", mend="give words, or the number of a step")
        said: list[str] = []
        if asked.where != "findings":
            kinds = _KINDS if asked.where == "all" else (asked.where,)
            said += self._found(asked, kinds)
        if asked.where in ("all", "findings"):
            said += self._known(asked)
        said = said or [f"nothing has any of these words in {asked.where}"]
        return Observation(content=legible("\n".join([*said, *self._told(asked.where)])))

    def _found(self, asked: _Search, kinds: Sequence[str]) -> list[str]:
        """Return a page of hits, a line each, and what there is to tell of it."""
        index, told = self._up_to_date(), ""
        page = (asked.query, kinds, _PAGE, asked.offset)
        if self._meaning is None:
            hits, count = index.search(*page)
        else:
            hits, count, told = self._meaning.search(index, *page)
        after = asked.offset + len(hits)
        more = f"[{count - after} more: offset={after}]" if after < count else ""
        return [*map(_line, hits), *filter(None, (more, told))]

    def close(self) -> None:
        """Free the index."""
        with self._lock:
            if self._meaning is not None:
                self._meaning.forget()
            if self._index is not None:
                self._index.close()
            self._index, self._states = None, {}

    def _up_to_date(self) -> Index:
        with self._lock:
            notes: Iterable[tuple[str, str]] = ()
            if self._index is None:
                self._index = Index()
                notes = self._notes() if self._notes else ()
            gone = self._look_at_files()
            self._index.update(self._changed(), [("files", name) for name in gone])
            self._index.update(("notes", *note) for note in notes)
            self._index.update(("past", *part) for part in self._past.new())
            return self._index

    def _look_at_files(self) -> list[str]:
        """See which files are there, and which of them can be searched; return those that left."""
        room, states = _MOST, self.files.states()
        self._left_out, self._there = [], {}
        for name, state in states.items():
            if state[0] > min(_LARGEST, room):
                self._left_out.append(name)
            else:
                room -= state[0]
                self._there[name] = state
        gone = [name for name in self._states if name not in self._there]
        for name in gone:
            del self._states[name]
        return gone

    def _changed(self) -> Iterator[tuple[str, str, str]]:
        """Yield the files that are new or changed, each once."""
        for name, state in self._there.items():
            if self._states.get(name) == state:
                continue
            folder, inner = self.files.find(name)
            try:
                data = folder.read(inner, _LARGEST)
            except ToolError:  # gone since
                data = b""
            text = "" if b"\0" in data[:_NO_TEXT] else data.decode("utf-8", "replace")
            yield "files", name, text
            self._states[name] = state

    def _step(self, number: int, offset: int) -> str:
        """Return a step whole, from a character on. Raises `ToolError`."""
        self._up_to_date()
        with self._lock:
            parts = self._past.steps.get(number)
            if parts is None:
                raise ToolError(
                    f"there is no step {number}: you are at {len(self._past.steps) + 1}"
                )
            text = "\n".join(f"[{what}]\n{said}" for what, said in parts)
        left = len(text) - offset - _WHOLE
        more = f"\n[{left} more characters: offset={offset + _WHOLE}]" if left > 0 else ""
        return legible(text[offset : offset + _WHOLE] + more)

    def _known(self, asked: _Search) -> list[str]:
        """Return the ledger's findings, a line each; on other pages of `all` none."""
        if self.findings is None or (asked.where == "all" and asked.offset):
            return []
        page = self.findings.search(asked.query, offset=asked.offset)
        rows = page.rows if asked.where == "findings" else page.rows[:_OF_LEDGER]
        told = "finding {finding} ({verdict}, {trust}): {sentence}"
        said = [told.format(**{"sentence": "", **row}) for row in rows]
        more = page.more + len(page.rows) - len(rows)
        after = asked.offset + len(rows)
        left = f"[{more} more findings: where=findings, offset={after}]"
        return [*said, *([left] if more else [])]

    def _told(self, where: str) -> list[str]:
        if self._left_out and where in ("all", "files"):
            return [f"[too large to be searched, use grep: {', '.join(self._left_out[:10])}]"]
        return []


def _line(hit: Hit) -> str:
    source = f"earlier run {hit.name}" if hit.kind == "notes" else hit.name
    if hit.last:
        lines = f"{hit.line}-{hit.last}" if hit.last > hit.line else f"{hit.line}"
        return f"{source}:{lines}, by meaning: {hit.text}"
    return f"{source}:{hit.line}: {hit.text}"
