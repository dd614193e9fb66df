"""The desk's batches on disk: what agents outside have submitted, and what was frozen of it.

Below `desk` of the home: `open` has a file for each session with findings that are not frozen,
`frozen` one for each frozen batch that waits for verdicts, `done` what a session submitted before.
Each is written whole, and each step can be made again after a crash: a batch that is in the ledger
already is left as it is there. A session's lock is held while its files change, by any process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import RecordError
from earnest.core.home import Home, write_whole
from earnest.core.records import Finding

_LOCKS: Final = 64
_KEY: Final = 24


@dataclass(frozen=True)
class Sitting:
    """One session: its open batch, and what came before.

    `part` counts its batches from 0; `before`: a submission's digest → the finding it became, of
    all batches, this one included. `saw_all`: its agent said that it had seen whole tables.
    """

    principal: str
    session: str
    part: int = 0
    saw_all: bool = False
    findings: tuple[Finding, ...] = ()
    before: dict[str, str] = field(default_factory=dict)
    touched: float = 0.0

    @property
    def key(self) -> str:
        """The name of its files: nothing that an agent wrote is part of a path."""
        return _key(self.principal, self.session)

    @property
    def run(self) -> str:
        """The run that its open batch is in the ledger: the same after a crash."""
        return f"outside-{self.key[:12]}-{self.part}"

    def with_(self, submission: str, finding: Finding, *, saw_all: bool) -> Sitting:
        """Return it with one more finding."""
        return replace(
            self,
            findings=(*self.findings, finding),
            before={**self.before, submission: finding.id},
            saw_all=self.saw_all or saw_all,
            touched=time.time(),
        )


def _key(principal: str, session: str) -> str:
    return digest(canonical([principal, session])).removeprefix("sha256:")[:_KEY]


@contextlib.contextmanager
def locked(path: Path, *, patient: bool = True) -> Iterator[bool]:
    """Hold a lock file; where not `patient`, yield whether it could be had at once."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def read(path: Path) -> Any:
    """Return what a file of the desk holds; None where there is none. Raises `RecordError`."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return None


class Batches:
    """The batches of one home."""

    def __init__(self, home: Home) -> None:
        self.root = home.root / "desk"
        for name in ("open", "frozen", "done", "locks"):
            (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _file(self, folder: str, name: str) -> Path:
        return self.root / folder / f"{name}.json"

    @contextlib.contextmanager
    def held(self, key: str, *, patient: bool = True) -> Iterator[bool]:
        """Hold the lock of the session with this key, among some others."""
        shard = int(key[:8], 16) % _LOCKS
        with locked(self.root / "locks" / str(shard), patient=patient) as got:
            yield got

    def sitting(self, principal: str, session: str) -> Sitting:
        """Return a session as it is on disk. Its lock is held. Raises `RecordError`."""
        one = Sitting(principal, session)
        done = read(self._file("done", one.key)) or {"part": 0, "saw_all": False, "before": {}}
        one = replace(one, part=done["part"], saw_all=done["saw_all"], before=dict(done["before"]))
        note = read(self._file("open", one.key))
        if note is None or note["part"] < one.part:
            return one  # a crash came before the file of a frozen batch was taken away
        return replace(
            one,
            saw_all=one.saw_all or note["saw_all"],
            findings=tuple(Finding.from_body(body) for body in note["findings"]),
            before={**one.before, **note["before"]},
            touched=note["touched"],
        )

    def keep(self, one: Sitting) -> None:
        """Write a session's open batch. Its lock is held."""
        note = {
            "version": 1,
            "principal": one.principal,
            "session": one.session,
            "part": one.part,
            "saw_all": one.saw_all,
            "touched": one.touched,
            "findings": [finding.body for finding in one.findings],
            "before": one.before,
        }
        write_whole(self._file("open", one.key), canonical(note))

    def close(self, one: Sitting) -> None:
        """Note that a session's open batch is in the ledger. Its lock is held."""
        ids = [finding.id for finding in one.findings]
        write_whole(self._file("frozen", one.run), canonical({"version": 1, "findings": ids}))
        done = {
            "version": 1,
            "part": one.part + 1,
            "saw_all": one.saw_all,
            "before": one.before,
        }
        write_whole(self._file("done", one.key), canonical(done))
        self._file("open", one.key).unlink(missing_ok=True)

    def waiting(self) -> list[tuple[str, str, float]]:
        """Return the sessions with open batches: principal, session, when one was last added."""
        found = []
        for path in sorted((self.root / "open").glob("[!.]*.json")):
            with contextlib.suppress(RecordError, KeyError, TypeError):
                note = read(path)
                if note is not None:
                    found.append((note["principal"], note["session"], float(note["touched"])))
        return found

    def frozen(self) -> dict[str, list[str]]:
        """Return the frozen batches that wait for verdicts: the ids of their findings, by run.

        A damaged file is passed over, here and in `waiting`.
        """
        found = {}
        for path in sorted((self.root / "frozen").glob("[!.]*.json")):
            with contextlib.suppress(RecordError, KeyError, TypeError):
                note = read(path)
                if note is not None:
                    found[path.stem] = list(note["findings"])
        return found

    def verified(self, run: str) -> None:
        """Note that all of a frozen batch have verdicts."""
        self._file("frozen", run).unlink(missing_ok=True)
