"""The one form in which any agent's transcript is read: a session is a stream of turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Role = Literal["system", "user", "assistant", "tool", "other"]

MOST_PIECE: Final = 64 << 20
"""Bytes of a transcript that are read as one value; more is kept, in parts, and not read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a transcript that stands for itself: a line, or a value inside of a document.

    `place`: empty for a line; for a document `steps[]` is an element of its member `steps`, `[]`
    one of the document itself, `info` the member of that name. `number` counts from 1; `offset` is
    in bytes, in the text that it was read from. `whole`: False where it was cut, being too long.
    """

    raw: bytes
    number: int
    offset: int
    place: str = ""
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that an agent called. `arguments` as they were given; text under `input`, if so."""

    id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool gave back. `failed` and `status` are None where the transcript doesn't say."""

    call: str
    text: str
    failed: bool | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a session.

    `line` and `offset` say where it stands. `thought` is what a model wrote for itself: nothing
    here judges it. `agent` names the sub-agent that it is of, if any. `copied`: it is repeated
    from an earlier session. `problem`: why it could not be read, with `text` as it stands.
    """

    role: Role
    text: str = ""
    line: int = 0
    offset: int = 0
    calls: tuple[Call, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    at: str = ""
    thought: str = ""
    agent: str = ""
    copied: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Session:
    """One agent's session: what is known of it, and its turns, read anew each time.

    `parent`: of a sub-agent, the session that it worked for.
    """

    id: str
    format: str
    path: str = ""
    session_id: str = ""
    cwd: str = ""
    parent: str = ""
    model: str = ""
    source: Any = None

    def turns(self) -> Iterator[Turn]:
        """Yield the turns, in their order."""
        return iter(self.source())
