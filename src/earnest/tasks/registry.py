"""Registered tables: the visible rows, at the agents' hand, and the sealed ones, out of it.

A registered table is a folder below `tables` (what may be seen) and one below `sealed` (what may
not), both named by the table's id. Jails mount the visible folder and nothing else; the process
that reads sealed rows is the verifier's. The user's own file is never mounted.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import RecordError, TableError, UsageError
from earnest.core.home import Home, write_whole
from earnest.core.records import TableRef
from earnest.tasks.assume import Assumed, Assumption, Dates, Reading
from earnest.tasks.read import read_table
from earnest.tasks.split import Design, guess_design, own_names, sealed_rows
from earnest.tasks.tidy import Tidied, tidy

if TYPE_CHECKING:
    import pandas as pd


def table_name(path: Path) -> str:
    """Return a table's name from its file's: lower case, words joined by underscores."""
    stem = path.name.split(".")[0].lower()
    return re.sub(r"\W+", "_", stem).strip("_") or "table"


def _bytes(part: pd.DataFrame) -> bytes:
    """Return the CSV of a part. By default pandas writes 33 rows at a time of 3,000 columns.

    A carriage return in a name or a cell is not quoted by itself, and would end a line.
    """
    how: Any = {"lineterminator": "\n", "chunksize": max(1000, 10**6 // max(1, len(part.columns)))}
    text: str = part.to_csv(index=False, **how)
    if "\r" in text:
        text = part.to_csv(index=False, quoting=csv.QUOTE_ALL, **how)
    return text.encode("utf-8", "surrogatepass")


def _designed(raw: pd.DataFrame, design: str, key: str, reading: Reading) -> tuple[Design, Tidied]:
    """Return a table's design, guessed if it is empty, and its cells in one notation.

    The columns that decide sides stay as they stand: two notations of one group would be one group
    on two sides.
    """
    keep = {key} - {""}
    if design:
        chosen = Design.parse(design)
        keep |= {chosen.column} if chosen.kind == "grouped" else set()
        return chosen, tidy(raw, reading, keep=keep)
    tidied = tidy(raw, reading, keep=keep)
    chosen = guess_design(tidied.cells)
    if chosen.kind == "grouped" and not tidied.cells[chosen.column].equals(raw[chosen.column]):
        return chosen, tidy(raw, reading, keep=keep | {chosen.column})
    return chosen, tidied


def _in_order(
    raw: pd.DataFrame, tidied: Tidied, column: str, reading: Reading, kept: dict[str, Any]
) -> Tidied:
    """Return a time series' cells, its times read in the order that is kept for the series.

    `kept`: what earlier versions left; a date is read as it was then, or the cut-off would seal
    other rows. Raises `TableError` where the order can't be decided, or contradicts.
    """
    before: Dates = kept.get("dates", "")
    order = tidied.orders.get(column, "")
    if column in tidied.doubtful and not before:
        raise TableError(
            f"nothing in {column!r} says whether the day or the month comes first",
            mend="say it: --read dates=day-first, or dates=month-first",
        )
    if column in tidied.doubtful:
        return tidy(raw, reading, before={column: before})
    if before and order and order != before:
        raise TableError(
            f"{column!r} was read {before} when this series was sealed first, and is {order} now",
            mend=f"--read dates={before} keeps the first reading; else give the file another name",
        )
    kept["dates"] = order or before
    return tidied


@dataclass(frozen=True)
class Registry:
    """The registered tables of one home. Implements `earnest.core.protocols.Tables`."""

    home: Home

    def visible(self, table: str) -> Path:
        """Return the folder of the visible rows. Raises `UsageError` for an unknown table."""
        folder = self.home.tables / table.removeprefix("sha256:") / "visible"
        if not folder.is_dir():
            raise UsageError(f"no table {table}", mend="register it: earnest seal FILE")
        return folder

    def sealed(self, table: str) -> Path:
        """Return the file of the sealed rows. Raises `UsageError` for an unknown table."""
        ref = self.get(table)
        return self.home.sealed / table.removeprefix("sha256:") / f"{ref.name}.csv"

    def get(self, table: str) -> TableRef:
        """Return what is registered under an id. Raises `UsageError` or `RecordError`."""
        path = self.visible(table).parent / "table.json"
        try:
            return TableRef.model_validate(parse(path.read_bytes())["ref"])
        except (OSError, KeyError, ValueError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error

    def list(self) -> list[TableRef]:
        """Return all registered tables, by name, but for those that are kept for one use."""
        named = (path.parent.name for path in self.home.tables.glob("*/table.json"))
        found = [self.get(name) for name in named if not self.kept_for(name)]
        return sorted(found, key=lambda ref: (ref.name, ref.table))

    def kept_for(self, table: str) -> str:
        """Return what a table is kept for, where that is one use only; empty: for anything.

        Its split is not this ledger's own: local agents may have seen its sealed rows, so no claim
        of theirs may be tested on them. Raises `UsageError` or `RecordError`.
        """
        path = self.visible(table).parent / "table.json"
        try:
            return str(parse(path.read_bytes()).get("kept_for", ""))
        except (OSError, AttributeError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error

    def registered_at(self, table: str) -> datetime | None:
        """Return when a table was registered first; None: before that was kept.

        Raises `UsageError` or `RecordError`.
        """
        path = self.visible(table).parent / "table.json"
        try:
            told = parse(path.read_bytes()).get("registered")
            return datetime.fromisoformat(told) if told else None
        except (OSError, AttributeError, ValueError, TypeError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error

    def assumed(self, table: str) -> tuple[Assumption, ...]:
        """Return what was assumed in reading a table. Raises `UsageError` or `RecordError`.

        It tells a little of the whole file, sealed rows included: it is for who owns the file.
        """
        path = self.visible(table).parent / "table.json"
        try:
            told = parse(path.read_bytes()).get("assumed", ())
            return tuple(Assumption.model_validate(one) for one in told)
        except (OSError, AttributeError, ValueError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error

    def seal(
        self,
        path: Path,
        *,
        design: str = "",
        fraction: float = 0.4,
        key: str = "",
        reading: Reading | None = None,
    ) -> TableRef:
        """Split a file once and for all and register it; the same file again gives the same rows.

        An empty `design` is guessed; `reading` says of the file what it doesn't say itself.
        Raises `TableError` or `UsageError`, naming the mend.
        """
        reading, assumed = reading or Reading(), Assumed()
        raw = read_table(path, reading, assumed)
        if repeated := int(raw.duplicated().sum()):
            said = "rows that repeat another one are kept"
            assumed.add("duplicates", said, count=repeated)
        chosen, tidied = _designed(raw, design, key, reading)
        if len(tidied.cells.columns) < 2:
            raise TableError(
                f"{path} has {len(tidied.cells.columns)} columns in which anything varies",
                mend="a claim needs two: check what the file holds",
            )
        tidied = replace(tidied, assumed=assumed.all() + tidied.assumed)
        return self._seal(raw, tidied, table_name(path), chosen, fraction, key, reading)

    def read(self, path: Path, *, design: str = "", reading: Reading | None = None) -> pd.DataFrame:
        """Return a file's cells in its own order, as `seal` would write them; registers nothing.

        Of the whole file: it is for the process that may see sealed rows. Raises `TableError`.
        """
        reading = reading or Reading()
        _, tidied = _designed(read_table(path, reading, Assumed()), design, "", reading)
        return tidied.cells

    def seal_frame(
        self,
        frame: pd.DataFrame,
        name: str,
        *,
        design: str = "",
        fraction: float = 0.4,
        key: str = "",
        series: str = "",
    ) -> TableRef:
        """Split a frame of text cells as it stands; see `seal`.

        `series`: the name under which a time series' cut-off is kept (default: the table's).
        """
        chosen = Design.parse(design) if design else guess_design(frame)
        cells = Tidied(frame)
        return self._seal(frame, cells, name, chosen, fraction, key, Reading(), series=series)

    def _seal(
        self,
        raw: pd.DataFrame,
        tidied: Tidied,
        name: str,
        design: Design,
        fraction: float,
        key: str,
        reading: Reading,
        *,
        series: str = "",
    ) -> TableRef:
        """Decide sides by the cells as they stand (times: as they read), write the unified ones."""
        secret, deciding = self.home.secret(), raw
        with self._cut_offs(series or name, raw, design) as kept:
            if design.column in tidied.cells and design.kind == "time":
                tidied = _in_order(raw, tidied, design.column, reading, kept)
                deciding = raw.assign(**{design.column: tidied.cells[design.column]})
            mask, cut = sealed_rows(
                deciding, design, secret, fraction, key=key, cut_off=kept.get("cut_off")
            )
            kept["cut_off"] = cut
        cells = tidied.cells
        return self._register(name, design, cells[~mask], cells[mask], tidied.assumed)

    def keep(
        self, name: str, design: str, visible: pd.DataFrame, hidden: pd.DataFrame, *, use: str
    ) -> TableRef:
        """Register a split that somebody else has decided, for one use; see `kept_for`."""
        return self._register(name, Design.parse(design), visible, hidden, (), use)

    def _register(
        self,
        name: str,
        design: Design,
        seen: pd.DataFrame,
        kept: pd.DataFrame,
        assumed: Sequence[Assumption],
        use: str = "",
    ) -> TableRef:
        visible, hidden = _bytes(seen), _bytes(kept)
        # Keyed, so that the id is no test for a guess at the sealed rows.
        commitment = hmac.new(self.home.secret(), hidden, hashlib.sha256).hexdigest()
        named = [name, str(design), digest(visible), commitment, *([use] if use else [])]
        ref = TableRef(
            name=name,
            table=digest(canonical(named)),
            visible=digest(visible),
            design=str(design),
            rows=len(seen),
            columns=tuple(seen.columns),
        )
        self._write(ref, visible, hidden, assumed, use)
        return ref

    def _write(
        self,
        ref: TableRef,
        visible: bytes,
        hidden: bytes,
        assumed: Sequence[Assumption],
        use: str,
    ) -> None:
        bare = ref.table.removeprefix("sha256:")
        sealed = self.home.sealed / bare
        sealed.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home.sealed.chmod(0o700)
        write_whole(sealed / f"{ref.name}.csv", hidden)
        folder = self.home.tables / bare / "visible"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{ref.name}.csv", visible, mode=0o644)
        try:
            first = parse((folder.parent / "table.json").read_bytes()).get("registered", "")
        except (OSError, AttributeError, RecordError):
            first = datetime.now(UTC).isoformat(timespec="milliseconds")
        note = {
            "registered": first,
            "ref": ref.model_dump(mode="json"),
            "assumed": [one.model_dump(mode="json") for one in assumed],
        } | ({"kept_for": use} if use else {})
        write_whole(folder.parent / "table.json", canonical(note))

    @contextlib.contextmanager
    def _cut_offs(self, name: str, frame: pd.DataFrame, design: Design) -> Iterator[dict[str, Any]]:
        """Hold the cut-off of a time series across later versions of its file."""
        if design.kind != "time":
            yield {}
            return
        series = digest(canonical([name, design.column, own_names(frame)]))
        path = self.home.sealed / "cut-offs" / f"{series.removeprefix('sha256:')}.json"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept: dict[str, Any] = parse(path.read_bytes()) if path.exists() else {}
            yield kept
            write_whole(path, canonical(kept))
        finally:
            os.close(lock)
