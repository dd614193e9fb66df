"""The data set: rows as Parquet, the records behind them, and a manifest that names all by hash."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import LackError
from earnest.core.facts import Found
from earnest.core.home import write_whole
from earnest.core.records import Dataset, TableRef
from earnest.core.wording import CANARY, WORD, fixed_words
from earnest.data.knowledge import FILE, Knowledge
from earnest.data.render import UNKNOWN, Mixture, Row, rows

MANIFEST: Final = "manifest.json"
_CANARY: Final = CANARY.encode()


def _clean(findings: Sequence[Found]) -> tuple[list[Found], int]:
    """Leave out what carries the canary, in any of its fields."""
    kept = [pair for pair in findings if not any(_CANARY in record.data for record in pair)]
    return kept, len(findings) - len(kept)


def _settled(found: list[Row], exam: Collection[str]) -> tuple[list[Row], Counter[str]]:
    """Drop rows that stand twice and rows that the exam asks."""
    kept: dict[tuple[str, str], Row] = {}
    dropped: Counter[str] = Counter()
    for row in found:
        if row.prompt in exam:
            dropped["row: in the exam"] += 1
        elif (row.prompt, row.answer) in kept:
            dropped["row: duplicate"] += 1
        else:
            kept[row.prompt, row.answer] = row
    return list(kept.values()), dropped


def _parquet(found: Sequence[Row]) -> bytes:
    """Return the rows as Parquet: `messages` in the chat format, and where each comes from."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError as error:
        raise LackError("a data set needs pyarrow", mend="pip install 'earnest[data]'") from error
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema(
        [("family", pa.string()), ("finding", pa.string()), ("messages", pa.list_(message))]
    )
    table = pa.Table.from_pylist(
        [
            {
                "family": row.family,
                "finding": row.finding,
                "messages": [
                    {"role": "user", "content": row.prompt},
                    {"role": "assistant", "content": row.answer},
                ],
            }
            for row in found
        ],
        schema=schema,
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _vocabulary(found: Sequence[Row]) -> list[str]:
    """Return the grammar's words, then the names that the rows use, each sorted."""
    fixed = fixed_words()
    names: set[str] = set()
    for row in found:
        names.update(re.findall(WORD, f"{row.prompt} {row.answer}"))
    return [*fixed, *sorted(names - set(fixed) - {f"`{UNKNOWN}`"})]


def _parent(replay: Path | None) -> tuple[str, ...]:
    """Return the hash of the data set that is replayed, from its own folder or a checkpoint's."""
    if replay is None:
        return ()
    held = replay / "dataset.json"
    return (digest((held if held.exists() else replay / MANIFEST).read_bytes()),)


def build(
    findings: Sequence[Found],
    tables: Sequence[TableRef],
    replay: Path | None,
    out: Path,
    seed: int,
    *,
    exam: Collection[str] = (),
    retracted: Collection[str] = (),
    licences: Mapping[str, str] | None = None,
    mix: Mixture | None = None,
) -> Dataset:
    """Write a data set into the new folder `out` and return its manifest.

    `findings`: all of the ledger's, with their verdicts: only confirmed and replicated ones are
    taught, the others keep their columns out of what is taught as unclaimed. `tables`: the
    schemas the findings are on. `replay`: the folder of an earlier data set or checkpoint.
    `exam`: questions that must not occur. `retracted`: ids of findings that were withdrawn, which
    teach nothing, replayed ones neither. `licences`: by table. The same inputs give the same
    bytes. Raises `RecordError` for damaged records and `LackError` without pyarrow.
    """
    mix = mix or Mixture()
    before = Knowledge.read(replay) if replay else Knowledge()
    fresh, marked = _clean(findings)
    whole = before.joined(fresh, tables)
    found, known, refused = rows(
        whole.findings, whole.tables, before.findings, mix, seed, retracted
    )
    kept, dropped = _settled(found, frozenset(exam))
    marked_rows = [row for row in kept if CANARY in row.prompt + row.answer]
    kept = [row for row in kept if row not in marked_rows]
    dropped["do-not-train canary"] = marked + len(marked_rows)
    files = {
        "train.parquet": _parquet(kept),
        FILE: whole.to_bytes(),
        "vocabulary.json": canonical(_vocabulary(kept)),
    }
    manifest = Dataset(
        parents=_parent(replay),
        verdicts=tuple(item.verdict for item in known),
        files={name: digest(data) for name, data in files.items()},
        rows=dict(Counter(row.family for row in kept)),
        recipe={"seed": seed, "mixture": asdict(mix), "decontaminated_against": len(exam)},
        refused=dict(+(refused + dropped)),
        licences=dict(licences or {}),
    )
    for name, data in {**files, MANIFEST: manifest.data}.items():
        write_whole(out / name, data, mode=0o644)
    return manifest
