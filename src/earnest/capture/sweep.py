"""Importing transcripts: what is new of each is redacted and kept; what is here is left alone.

Transcripts that grow (lines) go through the spool, whether a hook put them there or a sweep finds
them: so one record says up to where a transcript was taken over, and a crash anywhere neither loses
a line nor keeps one twice. Documents are read as a whole, and kept anew where they changed.

Links are not followed: what is captured lies in the folder that was named.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

from earnest.capture import formats, hook
from earnest.capture.inspect_log import Log
from earnest.capture.lenient import read, word
from earnest.capture.pieces import document, lines
from earnest.capture.redact import Redactor
from earnest.capture.spool import Part, Spooled, importing, spooled, whole_lines
from earnest.capture.store import Captured, Store, wrapped
from earnest.core.errors import CaptureError, EarnestError, LackError
from earnest.core.protocols import Progress
from earnest.core.quoted import plain

_BATCH: Final = 16 << 20
_STEP: Final = 64 << 20
_LONGEST: Final = 1000
ENDINGS: Final = (".jsonl", ".json", ".traj", ".eval")


@dataclass
class Took:
    """What an import did with one transcript."""

    id: str
    path: str
    format: str
    session_id: str = ""
    lines: int = 0
    bytes: int = 0
    waiting: int = 0
    redacted: Counter[str] = field(default_factory=Counter)

    def row(self) -> dict[str, Any]:
        """Return it for a document of JSON."""
        return {**vars(self), "redacted": dict(sorted(self.redacted.items()))}


def agents_folders() -> list[Path]:
    """Return where agents' programs on this machine keep their transcripts."""
    user = Path.home()
    claude = Path(os.environ.get("CLAUDE_CONFIG_DIR") or user / ".claude")
    codex = Path(os.environ.get("CODEX_HOME") or user / ".codex")
    return [claude / "projects", codex / "sessions"]


def files(root: Path, endings: tuple[str, ...] = ENDINGS) -> Iterator[Path]:
    """Yield the regular files below a folder with such names, in a fixed order, links left out."""
    try:
        found = sorted(os.scandir(root), key=lambda one: one.name)
    except OSError:
        return
    for one in found:
        if one.is_dir(follow_symlinks=False):
            yield from files(Path(one.path), endings)
        elif one.is_file(follow_symlinks=False) and one.name.endswith(endings):
            yield Path(one.path)


class Importer:
    """Imports into one home. Raises `LackError` where nothing here can redact."""

    def __init__(self, home: Path, *, dry: bool = False) -> None:
        """`dry`: only say what would be captured."""
        if importlib.util.find_spec("kingfisher_sdk") is None:
            raise LackError(
                "transcripts are kept only with their secrets taken out, and nothing here can",
                mend="pip install 'earnest[capture]'",
            )
        self.home, self.dry = home, dry
        self.store = Store(home)
        self.took: list[Took] = []
        self.left_out: list[str] = []

    @cached_property
    def _rules(self) -> Redactor:
        return Redactor(self.home / "redaction")

    def spooled(self, progress: Progress) -> None:
        """Import what hooks have spooled."""
        with importing(self.home):
            for one in spooled(self.home):
                try:
                    self._spooled(one, progress)
                except (CaptureError, OSError) as error:
                    self.left_out.append(f"{one.folder}: {error}")

    def sweep(self, roots: Iterable[Path], progress: Progress) -> None:
        """Import what is new in agents' own folders, and what was spooled of what is gone there."""
        self.spooled(progress)
        for root in roots:
            for path in files(root, (".jsonl",)):
                self._guarded(path, "", progress)

    def named(self, path: Path, form: str, progress: Progress) -> None:
        """Import a file, or the transcripts in a folder. Raises `CaptureError`."""
        if path.is_dir():
            for one in files(path):
                self._guarded(one, form, progress)
        elif path.is_file() and not path.is_symlink():
            self._file(path.absolute(), form, progress, closing=True)
        else:
            raise CaptureError(f"{path} is no file and no folder", mend="name one: --from FILE|DIR")

    def _guarded(self, path: Path, form: str, progress: Progress) -> None:
        """Import one file of many: what is wrong with it is told, and the others go on."""
        try:
            self._file(path.absolute(), form, progress)
        except LackError:
            raise
        except (EarnestError, OSError) as error:
            self.left_out.append(f"{path}: {error}")

    def _file(self, path: Path, form: str, progress: Progress, *, closing: bool = False) -> None:
        chosen = form or self._known(path) or formats.sniff(path)
        if chosen == "inspect":
            self._log(path, progress)
        elif chosen in formats.LINES:
            self._lines(path, chosen, progress, closing=closing)
        else:
            self._document(path, chosen, progress)

    def _known(self, path: Path) -> str:
        """Return the format of a transcript that grows and was captured before."""
        form = word(self.store.of(str(path)).about.get("format"))
        return form if form in formats.LINES else ""

    def _lines(self, path: Path, form: str, progress: Progress, *, closing: bool) -> None:
        here = Spooled(Path(hook.place(str(self.home), str(path))))
        if self.dry:
            self._would(path, form, here)
            return
        with importing(self.home):
            while hook.spool(str(self.home), str(path), {}, most=_STEP, patience_s=10):
                self._spooled(here, progress, form=form)
            self._spooled(here, progress, form=form, closing=closing)

    def _spooled(
        self, here: Spooled, progress: Progress, *, form: str = "", closing: bool = False
    ) -> None:
        """Import one folder of the spool."""
        state, parts = here.state, here.parts()
        if not parts or not any(part.size for part in parts):
            return
        path = word(state.get("path")) or str(here.folder)
        captured = self.store.of(path)
        if self.dry:
            self._would(Path(path), form or _sniffed(parts[0].path), here)
            return
        about = {key: word(state.get(key)) for key in ("session_id", "cwd")}
        form = form or word(captured.about.get("format")) or _sniffed(parts[0].path)
        took = Took(captured.id, path, form, about["session_id"])
        told = self._said(_told(form, parts[0].path)) if not captured.about.get("told") else {}
        known = self._said({key: one for key, one in about.items() if one})
        fixed = {"path": path, "format": form, "told": "yes"}
        captured.describe(**{**told, **known, **self._kin(Path(path)), **fixed})
        took.session_id = word(captured.about.get("session_id"))
        for part in parts:
            self._part(captured, here, part, took, closing=closing)
        took.waiting = here.waiting()
        self._done(took, progress)

    def _part(
        self, captured: Captured, here: Spooled, part: Part, took: Took, *, closing: bool
    ) -> None:
        redactor = Redactor(like=self._rules)
        at = max(part.base, captured.end(part.gen))
        while True:
            stop = part.base + whole_lines(part.path, at - part.base, _BATCH)
            if stop == at:
                stop = part.base + self._rest(part, at, closing=closing)
            if stop == at:
                break
            if not captured.forgotten:
                self._chunk(captured, part, at, stop, redactor, took)
            at = stop
        here.taken(part, at)

    def _rest(self, part: Part, at: int, *, closing: bool) -> int:
        """Return up to where an unfinished last line is taken: all of it if no more will come."""
        start = at - part.base
        size = part.size
        if part.last:
            return size
        if closing and size > start:
            with part.path.open("rb") as file:
                file.seek(start)
                value, problem = read(file.read())
            return size if isinstance(value, dict) and not problem else start
        return start

    def _chunk(
        self, captured: Captured, part: Part, start: int, stop: int, redactor: Redactor, took: Took
    ) -> None:
        with part.path.open("rb") as file:
            file.seek(start - part.base)
            data = file.read(stop - start)
        before = [one for one in captured.chunks() if one.gen == part.gen]
        if before and before[-1].head().get("ended") is False and data.startswith(b"\n"):
            data = data[1:]
        found = data.removesuffix(b"\n").split(b"\n") if data else []
        head: dict[str, Any] = {
            "version": 1, "gen": part.gen, "from": start, "to": stop, "lines": len(found),
            "line": captured.next_line(part.gen), "ended": data.endswith(b"\n"),
        }  # fmt: skip
        captured.add(part.gen, start, stop, _redacted(found, redactor, head), head)
        took.lines += len(found)
        took.bytes += stop - start
        took.redacted.update(head["redacted"])

    def _document(self, path: Path, form: str, progress: Progress) -> None:
        with path.open("rb") as file:
            source = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            told = formats.about(form, islice(document(file), 1000))
            file.seek(0)
            raw = (wrapped(piece) for piece in document(file))
            self._whole(path, "", form, told, source, raw, path.stat().st_size, progress)

    def _log(self, path: Path, progress: Progress) -> None:
        log = Log(path)
        try:
            with path.open("rb") as file:
                source = hashlib.file_digest(file, "sha256").hexdigest()
            for name in log.samples():
                told = formats.about("inspect", islice(log.pieces(name), 1000))
                told = {**told, "session_id": told.get("session_id") or name}
                raw = (wrapped(piece) for piece in log.pieces(name))
                size = log.archive.getinfo(name).file_size
                self._whole(path, name, "inspect", told, source, raw, size, progress)
        finally:
            log.close()

    def _whole(
        self, path: Path, member: str, form: str, told: dict[str, str], source: str,
        raw: Iterable[bytes], size: int, progress: Progress,
    ) -> None:  # fmt: skip
        """Keep a document, unless this very version of it is kept."""
        captured = self.store.of(str(path), member)
        chunks = captured.chunks()
        if captured.forgotten or any(one.head().get("source") == source for one in chunks):
            return
        gen, told = chunks[-1].gen + 1 if chunks else 0, self._said(told)
        took = Took(captured.id, str(path), form, told.get("session_id", ""), bytes=size)
        head: dict[str, Any] = {"version": 1, "gen": gen, "line": 1, "source": source}
        fresh = _redacted(raw, Redactor(like=self._rules), head)
        if self.dry:
            for _ in fresh:
                pass
        else:
            captured.describe(path=str(path), member=member, format=form, **told)
            captured.add(gen, 0, size, fresh, head)
        took.lines = head["lines"]
        took.redacted.update(head["redacted"])
        self._done(took, progress)

    def _said(self, told: dict[str, str]) -> dict[str, str]:
        """Return what a transcript says of its session, without secrets and short.

        Its folder stays as it is: data files are found by it.
        """
        redactor, count = Redactor(like=self._rules), Counter[str]()
        return {
            name: text if name == "cwd" else redactor.text(text[:_LONGEST], count)[:_LONGEST]
            for name, text in told.items()
            if name != "cwd" or len(text) <= _LONGEST
        }

    def _would(self, path: Path, form: str, here: Spooled) -> None:
        """Say what an import would keep of a transcript that grows."""
        captured, state = self.store.of(str(path)), here.state
        took = Took(captured.id, str(path), form, word(state.get("session_id")))
        if any(one.id == captured.id for one in self.took):
            return
        redactor = Redactor(like=self._rules)
        gone = not path.is_file()
        sources = (
            [(part.path, 0) for part in here.parts()] if gone else [(path, state.get("base", 0))]
        )
        for source, start in sources:
            with source.open("rb") as file:
                file.seek(start)
                for piece in lines(file):
                    took.lines += 1
                    took.bytes += len(piece.raw)
                    took.redacted.update(redactor.line(piece.raw)[1])
        if took.lines:
            self.took.append(took)

    def _kin(self, path: Path) -> dict[str, str]:
        """Return of a sub-agent's transcript whose it is."""
        if path.parent.name != "subagents" or not path.name.startswith("agent-"):
            return {}
        parent = self.store.of(f"{path.parent.parent}.jsonl")
        return {"parent": parent.id, "agent": path.stem.removeprefix("agent-")}

    def _done(self, took: Took, progress: Progress) -> None:
        self.took.append(took)
        progress(f"captured {took.lines:,} lines of {plain(took.path)}")


def forget(home: Path, one: Captured) -> None:
    """Remove what is kept of a session for good, and what of it waits in the spool."""
    with importing(home):
        one.forget()
        here = Spooled(Path(hook.place(str(home), word(one.about.get("path")))))
        for part in here.parts() if here.folder.is_dir() else ():
            here.taken(part, part.base + part.size)


def _redacted(found: Iterable[bytes], redactor: Redactor, head: dict[str, Any]) -> Iterator[bytes]:
    """Yield lines without their secrets; the head says how many there were, and what was found."""
    total: Counter[str] = Counter()
    head["lines"] = 0
    for line in found:
        fresh, count = redactor.line(line.removesuffix(b"\r"))
        total.update(count)
        head["lines"] += 1
        yield fresh.replace(b"\n", b" ")
    head["redacted"] = dict(sorted(total.items()))


def _sniffed(path: Path) -> str:
    try:
        found = formats.sniff(path)
    except CaptureError:
        return "claude-code"
    return found if found in formats.LINES else "claude-code"


def _told(form: str, path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return formats.about(form, lines(file))
