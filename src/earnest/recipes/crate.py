"""The folder of an RO-Crate: files with their hashes, and the metadata that says what they are.

Written by the library rocrate, loaded on use. Every file's SHA-256 stands in the metadata.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from earnest import __version__
from earnest.core.canon import digest
from earnest.core.claims import sentence
from earnest.core.errors import LackError
from earnest.core.evidence import OUT
from earnest.core.home import write_whole
from earnest.core.records import Finding

VERSION: Final = "1.2"  # of RO-Crate
SUMS: Final = "SHA256SUMS"
_FORMATS: Final = {
    ".py": "text/x-python",
    ".json": "application/json",
    ".csv": "text/csv",
    ".svg": "image/svg+xml",
    ".md": "text/markdown",
    ".txt": "text/plain",
}


@dataclass
class Crate:
    """The files of a crate before they are written: name → (content, what it is)."""

    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def put(self, name: str, content: bytes | str, what: str) -> None:
        """Add a file."""
        data = content if isinstance(content, bytes) else content.encode()
        self.files[name] = data, what

    def put_json(self, name: str, value: Any, what: str) -> None:
        """Add a value as a file of JSON that people can read."""
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)
        self.put(name, text + "\n", what)

    def sums(self) -> str:
        """Return the lines that `sha256sum -c` checks."""
        return "".join(
            f"{digest(data).removeprefix('sha256:')}  {name}\n"
            for name, (data, _) in sorted(self.files.items())
        )


def rocrate() -> Any:
    """Return the library's module. Raises `LackError`."""
    try:
        return importlib.import_module("rocrate.rocrate")
    except ImportError as error:
        raise LackError(
            "writing an RO-Crate needs rocrate", mend="pip install 'earnest[crate]'"
        ) from error


def write(crate: Crate, finding: Finding, out: Path) -> str:
    """Write the files and their metadata to a new folder, whole or not at all.

    Returns the hash of the metadata, and through it of everything.
    """
    described = rocrate().ROCrate(version=VERSION)
    described.name = " ".join(sentence(finding.claim).split())
    described.description = (
        "A finding with its evidence: script, inputs, declared numbers and verdict. README.md "
        "says how to run it again."
    )
    described.datePublished = datetime.now(UTC).date()
    root = described.root_dataset
    root["identifier"] = finding.id
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as draft:
        source, target = Path(draft) / "files", Path(draft) / "crate"
        entities = {}
        for name, (data, what) in crate.files.items():
            write_whole(source / name, data, mode=0o644)
            entities[name] = described.add_file(
                source / name, dest_path=name, properties=_properties(name, data, what)
            )
        _relate(described, finding, entities)
        described.write(target)
        for path in target.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        metadata = digest((target / "ro-crate-metadata.json").read_bytes())
        target.rename(out)
    return metadata


def _properties(name: str, data: bytes, what: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "description": what,
        "sha256": digest(data).removeprefix("sha256:"),
        "contentSize": str(len(data)),
        "encodingFormat": _FORMATS.get(Path(name).suffix, "application/octet-stream"),
    }
    if name.endswith(".py"):
        found["@type"] = ["File", "SoftwareSourceCode"]
    return found


def _relate(described: Any, finding: Finding, entities: Mapping[str, Any]) -> None:
    """Say who made what out of what."""
    entity = importlib.import_module("rocrate.model.contextentity").ContextEntity
    earnest = described.add(
        entity(
            described,
            "#earnest",
            properties={"@type": "SoftwareApplication", "name": "Earnest", "version": __version__},
        )
    )
    author = described.add(
        entity(
            described,
            "#author",
            properties={"@type": "SoftwareApplication", "name": finding.author.model},
        )
    )
    licence = described.add(
        entity(
            described,
            "#licence",
            properties={
                "@type": "CreativeWork",
                "name": "No licence is stated",
                "description": "The rows belong to whoever gave the table.",
            },
        )
    )
    made = described.add_action(
        entities["evidence.py"],
        identifier="#evidence",
        object=[one for name, one in entities.items() if name.startswith("data/")],
        result=[entities[OUT]],
        properties={"name": "the script gave the declared numbers", "agent": author},
    )
    root = described.root_dataset
    root["mainEntity"] = entities["finding.json"]
    root["creator"], root["license"], root["mentions"] = author, licence, made
    entities["verdict.json"]["creator"] = earnest
    entities["verdict.json"]["about"] = entities["finding.json"]
