"""Registered tables: the visible rows, at the agents' hand, and the sealed ones, out of it.

A registered table is a folder below `tables` (what may be seen) and one below `sealed` (what may
not), both named by the table's id. Jails mount the visible folder and nothing else; the process
that reads sealed rows is the verifier's. The user's own file is never mounted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import RecordError, UsageError
from earnest.core.home import Home, write_whole
from earnest.core.records import TableRef
from earnest.tasks.read import read_table
from earnest.tasks.split import Design, guess_design, sealed_rows

if TYPE_CHECKING:
    import pandas as pd


def table_name(path: Path) -> str:
    """Return a table's name from its file's: lower case, words joined by underscores."""
    stem = path.name.split(".")[0].lower()
    return re.sub(r"\W+", "_", stem).strip("_") or "table"


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
        """Return all registered tables, by name."""
        found = [self.get(path.parent.name) for path in self.home.tables.glob("*/table.json")]
        return sorted(found, key=lambda ref: (ref.name, ref.table))

    def seal(
        self, path: Path, *, design: str = "", fraction: float = 0.4, key: str = ""
    ) -> TableRef:
        """Split a file once and for all and register it; the same file again gives the same rows.

        An empty `design` is guessed. Raises `TableError` or `UsageError`, naming the mend.
        """
        frame = read_table(path)
        return self.seal_frame(frame, table_name(path), design=design, fraction=fraction, key=key)

    def seal_frame(
        self,
        frame: pd.DataFrame,
        name: str,
        *,
        design: str = "",
        fraction: float = 0.4,
        key: str = "",
    ) -> TableRef:
        """Split a frame of text cells; see `seal`."""
        secret = self.home.secret()
        chosen = Design.parse(design) if design else guess_design(frame)
        with self._cut_offs(name, frame, chosen) as cut_offs:
            mask, cut = sealed_rows(
                frame, chosen, secret, fraction, key=key, cut_off=cut_offs.get("cut_off")
            )
            cut_offs["cut_off"] = cut
        visible, hidden = (
            part.to_csv(index=False, lineterminator="\n").encode("utf-8", "surrogatepass")
            for part in (frame[~mask], frame[mask])
        )
        # Keyed, so that the id is no test for a guess at the sealed rows.
        commitment = hmac.new(secret, hidden, hashlib.sha256).hexdigest()
        table = digest(canonical([name, str(chosen), digest(visible), commitment]))
        ref = TableRef(
            name=name,
            table=table,
            visible=digest(visible),
            design=str(chosen),
            rows=int((~mask).sum()),
            columns=tuple(frame.columns),
        )
        self._write(ref, visible, hidden)
        return ref

    def _write(self, ref: TableRef, visible: bytes, hidden: bytes) -> None:
        bare = ref.table.removeprefix("sha256:")
        sealed = self.home.sealed / bare
        sealed.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home.sealed.chmod(0o700)
        write_whole(sealed / f"{ref.name}.csv", hidden)
        folder = self.home.tables / bare / "visible"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{ref.name}.csv", visible, mode=0o644)
        write_whole(folder.parent / "table.json", canonical({"ref": ref.model_dump(mode="json")}))

    @contextlib.contextmanager
    def _cut_offs(self, name: str, frame: pd.DataFrame, design: Design) -> Iterator[dict[str, Any]]:
        """Hold the cut-off of a time series across later versions of its file."""
        if design.kind != "time":
            yield {}
            return
        series = digest(canonical([name, design.column, sorted(frame.columns)]))
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
