"""What an agent outside asks of the desk, and how it is read: nothing here runs anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import ArgumentsError, RecordError, ToolError
from earnest.core.messages import ToolSpec
from earnest.core.quoted import plain
from earnest.core.records import Exposure, TableRef, Task
from earnest.recipes.desk_batches import Sitting
from earnest.tasks.bundled import TABLES

MOST_BYTES: Final = 256 * 1024
NAME: Final = 80
_SAW_ALL: Final = (
    "Set it where you, or the session you work for, have seen more of the table than its visible "
    "part: its file before it was sealed, a copy, a summary. What was seen can be reproduced, but "
    "never confirmed."
)


def submission() -> ToolSpec:
    """Return the tool `submit_finding` as an agent outside is offered it."""
    from earnest.tools.findings import SubmitFinding

    schema = dict(SubmitFinding.spec.parameters)
    named = "The table's id (sha256:…, or its first 12 digits or more), or its name. Never a path."
    properties = {
        **schema["properties"],
        "table": {**schema["properties"]["table"], "description": named},
        "saw_all": {"type": "boolean", "default": False, "description": _SAW_ALL},
        "model": {"type": "string", "default": "", "maxLength": NAME, "description": "Yours."},
    }
    return ToolSpec(
        name="submit_finding",
        description=SubmitFinding.spec.description,
        parameters={**schema, "properties": properties},
    )


def find_table(tables: Sequence[TableRef], said: str) -> TableRef:
    """Return the table of an id, of the beginning of one, or of a name. Raises `ToolError`."""
    bare = said.removeprefix("sha256:")
    mend = "name one by its id: the tool `tables` lists them; earnest seal FILE registers one"
    if re.fullmatch(r"[0-9a-f]{12,64}", bare):
        found = [ref for ref in tables if ref.table.removeprefix("sha256:").startswith(bare)]
    elif said.startswith("sha256:"):
        raise ToolError(f"{plain(said[:NAME])!r} is no id of 12 hex digits or more", mend=mend)
    else:
        found = [ref for ref in tables if ref.name == said]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ToolError(f"no registered table is {plain(said[:NAME])!r}", mend=mend)
    ids = ", ".join(ref.table[:19] for ref in found[:8])
    raise ToolError(f"{len(found)} tables are {plain(said[:NAME])!r}: {ids}", mend=mend)


def read_submission(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a submission's arguments and their digest. Raises `ToolError`."""
    try:
        data = canonical(dict(arguments))
    except (RecordError, RecursionError, ValueError, TypeError) as error:
        raise ArgumentsError(f"the arguments can't be read: {plain(str(error))}") from error
    if len(data) > MOST_BYTES:
        raise ToolError(
            f"the arguments have {len(data)} bytes, and {MOST_BYTES} are the most",
            mend="submit a shorter script",
        )
    return dict(arguments), digest(data)


def take(asked: dict[str, Any], name: str, default: Any) -> Any:
    """Take an argument that is the desk's, not the tool's. Raises `ToolError`."""
    value = asked.pop(name, default)
    if type(value) is not type(default):
        kind = "a boolean" if isinstance(default, bool) else "a text"
        raise ArgumentsError(f"the arguments are wrong: {name}: it should be {kind}")
    return value


def require_room(sitting: Sitting) -> None:
    """Raise `ToolError` where a session's open batch is full."""
    from earnest.tools.findings import MOST_FINDINGS

    if len(sitting.findings) >= MOST_FINDINGS:
        raise ToolError(
            f"{MOST_FINDINGS} findings are queued, the most of one batch",
            mend="ask for the status of one of them: the batch is verified then",
        )


def task_of(ref: TableRef | None) -> Task:
    """Return the task that stands on what agents outside find in a table, or in none."""
    where = f"in {ref.name}" if ref else "of no table"
    return Task(
        kind="research",
        prompt=f"What did agents outside find {where}?",
        tables=(ref,) if ref else (),
        public=ref is not None and ref.name in TABLES,
    )


def exposure_of(ref: TableRef | None, *, saw_all: bool) -> Exposure:
    """Return what an author outside can have seen, by its own word; a published table it has."""
    if ref is None:
        return "sealed"
    if saw_all:
        return "author-saw-all"
    return "public" if ref.name in TABLES else "sealed"
