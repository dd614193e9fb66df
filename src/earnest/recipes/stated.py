"""What agents stated for Earnest in captured sessions goes to the desk, as if they had called it.

A session that began before a table was registered may have seen all of it, and so may one that
does not say when it began, in which zone of time, or whose sub-agent it is: what such a one finds
there is reproduced at most. Of a table that was sealed before, the agent's own word counts
(`saw_all`).

Each stated finding is handed in once, whatever becomes of it; importing its session again does
nothing. How far a session was dealt with is noted with it, so what an import did not come to (it
was killed, the desk could not be had) the next one does, whether the session has grown or not.

Not covered: a session that had read the table's file before another one that it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import (
    CaptureError,
    EarnestError,
    LackError,
    QuotaError,
    RecordError,
    ToolError,
    UsageError,
)
from earnest.core.home import Home, write_whole
from earnest.core.protocols import Progress
from earnest.core.quoted import plain
from earnest.recipes.research import PRINCIPAL

if TYPE_CHECKING:
    from earnest.capture.store import Captured
    from earnest.capture.turns import Session
    from earnest.recipes.desk import OutsideDesk

USE: Final = "stated"
"""What a session was dealt with for (`Captured.deal`): what it stated was handed in."""

_FOR_ALL: Final = (QuotaError, LackError, UsageError)  # so it would be with the next one
_HANDED: Final = "handed-in.json"
_PAUSE_S: Final = 0.2
_PATIENCE_S: Final = 1800.0


@dataclass(frozen=True)
class Handed:
    """A stated finding that was handed in: the finding's id, or why it was refused."""

    session: str
    finding: str = ""
    problem: str = ""


def hand_in(home: Home, sessions: Iterable[Captured], say: Progress) -> list[Handed]:
    """Hand in what sessions stated and has not been handed in; wait for the verdicts.

    What the desk did not take is said, and stays to be handed in. Raises `EarnestError` where there
    is no desk.
    """
    new = []
    for one in sessions:
        upto = one.upto  # it may grow while it is read
        if _new(one):
            new.append(one)
        else:
            one.deal(USE, upto)
    if not new:
        return []
    from earnest.recipes.desk import OutsideDesk

    desk = OutsideDesk(home, say)
    desk.open()
    try:
        told = []
        for one in new:
            try:
                told += _handed(desk, home, one, say)
            except EarnestError as error:
                say(f"{one.id}: not handed in yet: {plain(str(error))}" + _mend(error))
                if isinstance(error, _FOR_ALL):
                    break  # one session that is damaged keeps no other back
        _await(home, [one.finding for one in told if one.finding])
    finally:
        desk.close()
    return told


def _handed(desk: OutsideDesk, home: Home, one: Captured, say: Progress) -> list[Handed]:
    """Hand in what is new of a session, by one process at a time: each finding once."""
    from earnest.recipes.desk_batches import locked

    with locked(one.folder / "handing-in.lock"):
        upto, found = one.upto, _new(one)
        told = _of(desk, home, one, found, say) if found else []
        one.deal(USE, upto)
    return told


def _mend(error: EarnestError) -> str:
    return f" ({plain(error.mend)})" * bool(error.mend)


def _noted(one: Captured) -> list[str]:
    try:
        found = parse((one.folder / _HANDED).read_bytes())
    except (OSError, RecordError):
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


def _new(one: Captured) -> dict[str, dict[str, Any]]:
    """Return a session's stated findings that were not handed in yet, by their digests."""
    from earnest.capture.stated import stated_findings

    try:
        found = {_name(stated): stated for stated in stated_findings(one.session())}
    except CaptureError:
        return {}
    return {name: found[name] for name in found.keys() - {*_noted(one)}} if found else {}


def _name(stated: Mapping[str, Any]) -> str:
    try:
        return digest(canonical(dict(stated)))
    except (RecordError, TypeError, ValueError, RecursionError):
        return digest(repr(stated).encode("utf-8", "replace"))


def _of(
    desk: OutsideDesk,
    home: Home,
    one: Captured,
    found: Mapping[str, Mapping[str, Any]],
    say: Progress,
) -> list[Handed]:
    """Hand in a session's findings as one batch."""
    session, told = one.session(), list[Handed]()
    named = f"{session.format}:{session.session_id or one.id}"
    began = _began(home, session)
    for stated in found.values():
        try:
            asked = {**stated, **_about(home, session, began, stated)}
            made = desk.submit(PRINCIPAL, named, asked)
            told.append(Handed(one.id, finding=made.id))
            say(f"{one.id}: queued {made.id}")
        except QuotaError:
            raise  # not yet: it is handed in by a later import
        except ToolError as error:
            problem = plain(str(error)) + _mend(error)
            told.append(Handed(one.id, problem=problem))
            say(f"{one.id}: refused: {problem}")
    desk.settle(PRINCIPAL, named)
    write_whole(one.folder / _HANDED, canonical(sorted({*_noted(one), *found})))
    return told


def _about(
    home: Home, session: Session, began: datetime | None, stated: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the desk is told of a submission's author."""
    from earnest.recipes.desk_asked import find_table
    from earnest.tasks.registry import Registry

    registry, saw = Registry(home), stated.get("saw_all") is True
    if isinstance(table := stated.get("table"), str) and table:
        sealed = registry.registered_at(find_table(registry.list(), table).table)
        saw = saw or began is None or sealed is None or began < sealed
    return {"saw_all": saw, "model": session.model}


def _began(home: Home, session: Session) -> datetime | None:
    """Return when a session began, or the one that it is a sub-agent of; None: that is not told.

    The earliest time that is named: turns that were taken over from before may stand anywhere.
    """
    from earnest.capture.store import Captured, Store

    first: datetime | None = None
    for one in (session, *_parents(session, lambda name: Captured(Store(home.root).root / name))):
        if not one.format:
            return None  # it was not captured
        try:
            earliest = min((at for turn in one.turns() if (at := _time(turn.at))), default=None)
        except (CaptureError, _NoZoneError):
            return None
        if earliest is None:
            return None
        first = min(first or earliest, earliest)
    return first


def _parents(session: Session, find: Callable[[str], Captured]) -> Iterator[Session]:
    """Yield the sessions that a session worked for, the nearest first."""
    seen = {session.id}
    while session.parent and session.parent not in seen:
        seen.add(session.parent)
        session = find(session.parent).session()
        yield session


class _NoZoneError(ValueError):
    """A time without its zone may be hours earlier than it looks."""


def _time(text: str) -> datetime | None:
    """Return the time that a text is; None: it is none. Raises `_NoZoneError`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        raise _NoZoneError(text)
    return found


def _await(home: Home, names: list[str]) -> None:
    """Wait for verdicts, not for ever; where another account gives them, don't."""
    from earnest.core.sign import KeyFolder
    from earnest.ledger.ledger import Ledger

    if KeyFolder(home.verifier).elsewhere():
        return
    until = time.monotonic() + _PATIENCE_S
    with Ledger(home.ledger) as ledger:
        while not all(ledger.verdict(name) for name in names) and time.monotonic() < until:
            time.sleep(_PAUSE_S)


def told(handed: Iterable[Handed]) -> list[dict[str, str]]:
    """Return what was handed in, a row each."""
    return [
        {"session": one.session, "finding": one.finding, "problem": one.problem} for one in handed
    ]


def hand_in_quietly(home: Home, sessions: Iterable[Captured], say: Progress) -> list[Handed]:
    """Hand in, and say what is in the way instead of raising it: the import itself is done."""
    try:
        return hand_in(home, sessions, say)
    except EarnestError as error:
        say(f"nothing was handed in: {plain(str(error))}" + _mend(error))
        return []
