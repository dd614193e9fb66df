"""What agents stated for Earnest in captured sessions goes to the desk, as if they had called it.

A session that began before a table was registered may have seen all of it, and one that does not
say when it began as well: what such a one finds there is reproduced at most. Of a table that was
sealed before, the agent's own word counts (`saw_all`).

Each stated finding is handed in once, whatever becomes of it; importing its session again does
nothing. What could not be handed in, or was not before its import was killed, waits for
the next.

Not covered: a session that had read the table's file before another one that it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import CaptureError, EarnestError, RecordError, ToolError
from earnest.core.home import Home, write_whole
from earnest.core.protocols import Progress
from earnest.core.quoted import plain
from earnest.recipes.research import PRINCIPAL

if TYPE_CHECKING:
    from earnest.capture.store import Captured, Chunk
    from earnest.capture.turns import Session
    from earnest.recipes.desk import OutsideDesk

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

    Raises `EarnestError` where the desk can't be had: nothing counts as handed in then.
    """
    waiting = [one for one in sessions if _stated_more(one)]
    if not waiting:
        return []
    from earnest.recipes.desk import OutsideDesk

    desk = OutsideDesk(home, say)
    desk.open()
    try:
        told = [handed for one in waiting for handed in _handed(desk, home, one, say)]
        _await(home, [one.finding for one in told if one.finding])
    finally:
        desk.close()
    return told


def _stated_more(one: Captured) -> bool:
    """Say whether a session stated what was not handed in; where it did not, it waits no more."""
    kept = one.chunks()
    if _new(one):
        return True
    _done_with(one, kept)
    return False


def _handed(desk: OutsideDesk, home: Home, one: Captured, say: Progress) -> list[Handed]:
    """Hand in what is new of a session, by one process at a time: each finding once."""
    from earnest.recipes.desk_batches import locked

    with locked(one.folder / "handing-in.lock"):
        kept, found = one.chunks(), _new(one)
        told = _of(desk, home, one, found, say) if found else []
        _done_with(one, kept)
    return told


def _done_with(one: Captured, kept: list[Chunk]) -> None:
    """Note that nothing waits, unless more was kept while what there was then was read."""
    if one.chunks() == kept:
        one.wait_no_more()


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
    for stated in found.values():
        try:
            asked = {**stated, **_about(home, session, stated)}
            made = desk.submit(PRINCIPAL, named, asked)
            told.append(Handed(one.id, finding=made.id))
            say(f"{one.id}: queued {made.id}")
        except ToolError as error:
            problem = plain(f"{error}" + f" ({error.mend})" * bool(error.mend))
            told.append(Handed(one.id, problem=problem))
            say(f"{one.id}: refused: {problem}")
    desk.settle(PRINCIPAL, named)
    write_whole(one.folder / _HANDED, canonical(sorted({*_noted(one), *found})))
    return told


def _about(home: Home, session: Session, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the desk is told of a submission's author."""
    from earnest.recipes.desk_asked import find_table
    from earnest.tasks.registry import Registry

    saw = stated.get("saw_all") is True
    if isinstance(table := stated.get("table"), str) and table:
        ref = find_table(Registry(home).list(), table)
        saw = saw or not _sealed_before(home, ref.table, session)
    return {"saw_all": saw, "model": session.model}


def _sealed_before(home: Home, table: str, session: Session) -> bool:
    from earnest.tasks.registry import Registry

    sealed, began = Registry(home).registered_at(table), _began(session)
    return sealed is not None and began is not None and sealed <= began


def _began(session: Session) -> datetime | None:
    """Return when a session began: the first time that it names."""
    for turn in session.turns():
        try:
            found = datetime.fromisoformat(turn.at)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


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
        say(f"nothing was handed in: {error}" + f" ({error.mend})" * bool(error.mend))
        return []
