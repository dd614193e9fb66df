"""What ledgers say to each other: a page of offers out, and what is taken of one in.

Pure functions on JSON-able values: a folder, HTTP or a test carries them. An *item* is one finding
with its verdict, both as the very bytes that were signed, and the offer; its script and the
manifest of the rows that its author saw go beside it, by hash. Nothing in an item is run, obeyed or
shown unmarked here: it is checked, kept, and told of in one line.

Offered is what this ledger's own key signed and `earnest.core.shown` withholds nothing of; so no
import is passed on. Taken is what a trusted source signed, word for word (`check_import`), whose
script and manifest are the ones that were signed. What is refused is told with its reason, and the
rest goes on. Not covered: that a source offers all it has, see `earnest.ledger.imports`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from pydantic import ValidationError

from earnest.core.canon import canonical, digest
from earnest.core.errors import EarnestError, LedgerError, RecordError, UsageError
from earnest.core.history import MOST_TEXT, Import
from earnest.core.protocols import Blobs
from earnest.core.quoted import plain
from earnest.core.records import Finding, TableRef
from earnest.core.sign import Signer, fingerprint
from earnest.ledger.imports import Offer, check_import, offer, unsupported
from earnest.ledger.ledger import Ledger

MOST_ITEMS: Final = 100
MOST_ITEM: Final = 4 * MOST_TEXT
MOST_SCRIPT: Final = 2**20
MOST_MANIFEST: Final = 2**23
MOST_PAGE: Final = 2**25
"""Bytes of a page: of its items, and of the files beside them in base64."""

_FULL: Final = MOST_PAGE // 4  # where a page ends; one more item and its files fit in
_HASH_BYTES: Final = 8
_TOLD: Final = 600
_FIELDS: Final = frozenset(Import.model_fields) - {"of", "name"} | {"version"}

Outcome = Literal["taken", "known", "withdrawn", "own", "refused"]
Manifest = Callable[[TableRef], bytes]
"""Returns the manifest of a table's visible rows."""
Fetch = Callable[[str], bytes | None]
"""Returns the bytes with this hash, unchecked; None: they are not there."""


@dataclass(frozen=True)
class Taken:
    """What became of an item. `known`: it is here already; `own`: this ledger offered it itself."""

    id: str
    outcome: Outcome
    reason: str = ""
    mend: str = ""

    def told(self) -> dict[str, str]:
        """Return it as JSON."""
        return asdict(self)


def _beside(
    ledger_offer: Offer, blobs: Blobs, manifest: Manifest
) -> tuple[str | None, list[bytes]]:
    """Return an offer's manifest by hash, and what goes beside it. Raises `EarnestError`."""
    finding = ledger_offer.finding
    if wrong := unsupported(finding, ledger_offer.verdict):
        raise RecordError(wrong)
    if max(len(finding.data), len(ledger_offer.verdict.data)) > MOST_TEXT:
        raise RecordError("the finding or its verdict is too long")
    rows = None if finding.claim.formal else manifest(finding.table)
    if rows is not None and len(rows) > MOST_MANIFEST:
        raise RecordError(f"its author saw more than {MOST_MANIFEST // _HASH_BYTES:,} rows")
    script = blobs.get(finding.evidence.script)
    if len(script) > MOST_SCRIPT:
        raise RecordError("its script is too long")
    return (None, [script]) if rows is None else (digest(rows), [script, rows])


def item_of(said: Offer, manifest: str | None, signer: Signer) -> dict[str, Any]:
    """Return an item: an offer with this ledger's signature on it."""
    told = {"position": said.position, "withdrawn": said.withdrawn, "why": said.why[:5000]}
    envelope = offer(signer, said.verdict, manifest=manifest, **told)  # type: ignore[arg-type]
    return {
        "version": 1,
        "source": signer.public,
        "finding": said.finding.data.decode(),
        "verdict": said.verdict.data.decode(),
        "signature": dict(said.signature.envelope),
        "offer": envelope,
        "manifest": manifest,
        **told,
    }


def offered(
    ledger: Ledger,
    blobs: Blobs,
    signer: Signer | None,
    manifest: Manifest,
    *,
    after: int = 0,
    limit: int = MOST_ITEMS,
) -> dict[str, Any]:
    """Return a page of what this ledger offers from a place in its chain on, in order.

    `signer`: its key; None: nothing was signed here yet. `next`: where the next page begins; None:
    there is none. What can't be offered is left out, with the reason. Raises `LedgerError`.
    """
    page: dict[str, Any] = {"version": 1, "source": signer.public if signer else "", "next": None}
    items: list[dict[str, Any]] = []
    files: dict[str, str] = {}
    left_out: list[dict[str, str]] = []
    size = 0
    limit = max(1, min(limit, MOST_ITEMS))
    found = ledger.offers(after=after, limit=limit + 1) if signer else []
    for number, said in enumerate(found):
        if signer is None or number == limit or size > _FULL:
            page["next"] = found[number - 1].position
            break
        try:
            hash_, beside = _beside(said, blobs, manifest)
        except EarnestError as error:
            left_out.append({"id": said.finding.id, "reason": plain(str(error))[:_TOLD]})
            continue
        items.append(item_of(said, hash_, signer))
        new = {digest(data): base64.b64encode(data).decode() for data in beside}
        size += len(canonical(items[-1])) + sum(
            len(data) for name, data in new.items() if name not in files
        )
        files |= new
    return {**page, "items": items, "blobs": files, "left_out": left_out}


def files_of(page: Mapping[str, Any]) -> Fetch:
    """Return what finds the files that came with a page."""
    files = page.get("blobs")

    def fetch(name: str) -> bytes | None:
        text = files.get(name) if isinstance(files, Mapping) else None
        try:
            return base64.b64decode(text, validate=True) if isinstance(text, str) else None
        except (binascii.Error, ValueError):
            return None

    return fetch


def take(
    ledger: Ledger,
    blobs: Blobs,
    items: Iterable[object],
    trusted: Mapping[str, str],
    fetch: Fetch,
) -> list[Taken]:
    """Take what holds of some items, each by itself; say what became of each, and why.

    `trusted`: public keys by the names that they have here. The same again changes nothing.
    """
    own, names = ledger.key(), {key: name for name, key in trusted.items()}
    return [_take(ledger, blobs, item, own, names, fetch) for item in items]


def _take(
    ledger: Ledger,
    blobs: Blobs,
    item: object,
    own: str,
    names: Mapping[str, str],
    fetch: Fetch,
) -> Taken:
    name = _called(item)
    try:
        if isinstance(item, Mapping) and own and item.get("source") == own:
            return Taken(name, "own")
        record = _read(item, names)
        finding, _ = check_import(record)
        if not ledger.news(record):
            return Taken(record.of, "known")
        if not record.withdrawn:
            for data in _files(record, finding, fetch):
                blobs.put(data)
        ledger.take_in(record)
    except (RecordError, LedgerError, UsageError) as error:
        return Taken(name, "refused", plain(str(error))[:_TOLD], plain(error.mend)[:_TOLD])
    return Taken(record.of, "withdrawn" if record.withdrawn else "taken", plain(record.why)[:_TOLD])


def _called(item: object) -> str:
    """Return what to call an item in a message: the id that its finding would have."""
    text = item.get("finding") if isinstance(item, Mapping) else None
    return digest(text.encode("utf-8", "replace")) if isinstance(text, str) else "not an item"


def _read(item: object, names: Mapping[str, str]) -> Import:
    """Read an item of a trusted source. Raises `RecordError`, `UsageError`."""
    if not isinstance(item, Mapping) or set(item) != _FIELDS:
        there = {str(name) for name in item} if isinstance(item, Mapping) else set(_FIELDS)
        odd = ", ".join(sorted(there ^ _FIELDS)) or "it is no object"
        raise RecordError(f"not an item, which has just its fields: {odd[:200]}")
    if item["version"] != 1 or isinstance(item["version"], bool):
        raise RecordError("an item of another version")
    if len(canonical(item)) > MOST_ITEM:
        raise RecordError(f"an item has at most {MOST_ITEM:,} bytes")
    fields = {field: value for field, value in item.items() if field != "version"}
    source = fields["source"]
    if not isinstance(source, str):
        raise RecordError("its source is no key")
    told = fingerprint(source)
    if source not in names:
        raise UsageError(
            f"its source is not trusted here: {source}, fingerprint {told}",
            mend="compare the fingerprint with its owner's (there: earnest verifier show); then "
            f"earnest ledger trust add NAME {source}",
        )
    of = digest(fields["finding"].encode()) if isinstance(fields["finding"], str) else ""
    try:
        return Import(of=of, name=names[source], **fields)
    except (ValidationError, UnicodeError) as error:
        told = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            told = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise RecordError(f"not an item: {told}") from error


def _files(record: Import, finding: Finding, fetch: Fetch) -> list[bytes]:
    """Return an item's script and manifest, as they were signed. Raises `RecordError`."""
    script = _file(fetch, finding.evidence.script, "script", MOST_SCRIPT)
    if record.manifest is None:
        return [script]
    rows = _file(fetch, record.manifest, "manifest", MOST_MANIFEST)
    hashes = [rows[at : at + _HASH_BYTES] for at in range(0, len(rows), _HASH_BYTES)]
    if len(rows) != _HASH_BYTES * finding.table.rows or hashes != sorted(hashes):
        raise RecordError(f"its manifest does not name the {finding.table.rows} rows that it saw")
    return [script, rows]


def _file(fetch: Fetch, name: str, what: str, most: int) -> bytes:
    data = fetch(name)
    if data is None:
        raise RecordError(f"its {what} is missing")
    if len(data) > most:
        raise RecordError(f"its {what} has more than {most:,} bytes")
    if digest(data) != name:
        raise RecordError(f"its {what} was changed: it hashes to {digest(data)}, not to {name}")
    return data
