"""Exchange by folder: two people, no server. A shared disk, a USB stick, a git repository.

`FOLDER/KEY/items/PLACE-FINDING.json` is one item each (canonical bytes), `FOLDER/KEY/files/HASH`
what goes beside them; KEY is the fingerprint of who wrote it, and says nothing: what counts is what
is signed. Everything is written whole and under its own name, so an interrupted sync is gone on
with by the same command, and a repeated one changes nothing.

Not covered: who can write the folder can take items out of it, and so withhold a retraction.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, digest, parse
from earnest.core.columns import read_cells
from earnest.core.errors import RecordError, UsageError
from earnest.core.home import Home, write_whole
from earnest.core.quoted import plain
from earnest.core.records import TableRef
from earnest.core.sign import KeyFolder, Signer, fingerprint, need_package
from earnest.core.trusted import read_trusted
from earnest.ledger.ledger import Ledger
from earnest.serve.exchange import MOST_ITEM, MOST_MANIFEST, Manifest, Taken, offered, take

MOST_FILES: Final = 100_000


@dataclass
class Synced:
    """What a sync did. `offered`: how many items are there now for others; `new`: of these, how
    many were not before; `left_out`: what can't be offered, and why."""

    offered: int = 0
    new: int = 0
    left_out: list[dict[str, str]] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)


def manifests(home: Home) -> Manifest:
    """Return what gives the manifest of a registered table's visible rows."""
    from earnest.tasks.manifest import manifest
    from earnest.tasks.registry import Registry

    @lru_cache(maxsize=4)
    def of(ref: TableRef) -> bytes:
        path = Registry(home).visible(ref.table) / f"{ref.name}.csv"
        try:
            kept = digest(path.read_bytes()) == ref.visible
        except OSError as error:
            raise RecordError(f"the visible rows of {ref.name} can't be read") from error
        if not kept:
            raise RecordError(f"the visible rows of {ref.name} are not those that were registered")
        return manifest(read_cells(path), ref.columns, ref.table)

    return of


def signer_of(home: Home) -> Signer | None:
    """Return this ledger's key, to sign offers; None: it has signed nothing yet.

    Raises `LackError` where another account keeps it, or nothing can be signed here.
    """
    need_package()
    keys = KeyFolder(home.verifier)
    return keys.signer() if keys.public() else None


def pages(home: Home, after: int = 0) -> Iterator[dict[str, Any]]:
    """Yield this ledger's offers from a place in its chain on, page by page."""
    signer, manifest = signer_of(home), manifests(home)
    while True:
        with Ledger(home.ledger) as ledger:
            page = offered(ledger, home.blobs, signer, manifest, after=after)
        yield page
        if page["next"] is None:
            return
        after = page["next"]


def _folder(root: Path, key: str) -> Path:
    return root / fingerprint(key).replace(" ", "")


def push_folder(home: Home, root: Path, done: Synced) -> None:
    """Write what this ledger offers into a folder; what is there stays as it is.

    The folder is made, whether there is anything to offer yet or not. Raises `UsageError`.
    """
    from earnest.serve.exchange import files_of

    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"can't make {root}: {error.strerror}", mend="name another") from error
    for page in pages(home):
        done.left_out += page["left_out"]
        if not page["items"]:
            continue
        own, fetch = _folder(root, page["source"]), files_of(page)
        for folder in (own, own / "items", own / "files"):
            if folder.is_symlink():  # others can write here: nothing goes where a link leads
                raise UsageError(f"{folder} is a link", mend="remove it")
        for name in page["blobs"]:
            _put(own / "files" / name.removeprefix("sha256:"), fetch(name) or b"")
        for item in page["items"]:
            data = canonical(item)
            short = digest(item["finding"].encode()).removeprefix("sha256:")[:32]
            path = own / "items" / f"{item['position']:012d}-{short}.json"
            done.new += _put(path, data)
            done.offered += 1
            for before in path.parent.glob(f"*-{short}.json"):
                if before.name < path.name:  # said once, and something else said since
                    before.unlink(missing_ok=True)


def _put(path: Path, data: bytes) -> bool:
    """Write a file unless it is there as it should be; say whether it was written."""
    try:
        if _read(path, len(data)) == data:
            return False
    except RecordError:
        pass
    write_whole(path, data, mode=0o644)
    return True


def _read(path: Path, most: int) -> bytes:
    """Return the bytes of a plain file in a folder that others can write. Raises `RecordError`."""
    try:
        # Neither a link out of the folder, nor a pipe that never ends.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RecordError(f"{path.name} can't be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise RecordError(f"{path.name} is no plain file")
        data = file.read(most + 1)
    if len(data) > most:
        raise RecordError(f"{path.name} has more than {most:,} bytes")
    return data


def _items(root: Path) -> Sequence[Path]:
    found = sorted(root.glob("*/items/[!.]*.json"))
    if len(found) > MOST_FILES:
        raise UsageError(f"{root} holds more than {MOST_FILES:,} items", mend="use a new folder")
    return found


def pull_folder(home: Home, root: Path, done: Synced) -> None:
    """Take what a folder offers, item by item. Raises `UsageError` where it is no folder."""
    need_package()
    if not root.is_dir():
        raise UsageError(f"{root} is no folder", mend="earnest ledger sync FOLDER --push makes one")
    trusted = read_trusted(home.trusted)
    with Ledger(home.ledger) as ledger:
        for path in _items(root):
            files = path.parent.parent / "files"

            def fetch(name: str, files: Path = files) -> bytes | None:
                try:
                    return _read(files / name.removeprefix("sha256:"), MOST_MANIFEST)
                except RecordError:
                    return None

            try:
                data = _read(path, MOST_ITEM)
                item = parse(data)
                if canonical(item) != data:
                    raise RecordError("its bytes are not canonical")
            except RecordError as error:
                done.taken.append(Taken(plain(path.name), "refused", plain(str(error))[:600]))
                continue
            done.taken += take(ledger, home.blobs, [item], trusted, fetch)
