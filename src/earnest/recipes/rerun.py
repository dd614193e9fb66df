"""Running a captured session's script again, where its table is registered here.

What comes of it is said beside the conclusion: `reproduced`, where the numbers that the session saw
come out; `differs`, or `failed`. It is no verdict, and nothing is trained on it: the script was not
tried on shuffled rows, and no row was kept from its author. A jail runs it, on the visible rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from earnest.capture.candidates import Candidate
from earnest.core.errors import RecordError
from earnest.core.evidence import LIMITS, evidence_job, evidence_numbers
from earnest.core.home import Home
from earnest.core.protocols import Sandbox

_TOLERANCE = 1e-6  # as of evidence that declares none
_SEED = 1


def at_hand(candidate: Candidate, tables: Sequence[Mapping[str, str]]) -> str:
    """Return the id of the table that a candidate's script can be run on; empty: there is none.

    `tables`: those that its files are the visible rows of (`by` content), or have the names of.
    """
    if not candidate.arguments.get("script") or not candidate.arguments.get("results"):
        return ""
    by_content = [one["table"] for one in tables if one["by"] == "content"]
    found = by_content or [one["table"] for one in tables]
    return found[0] if len(found) == 1 else ""


def rerun(home: Home, candidate: Candidate, table: str, sandbox: Sandbox) -> dict[str, Any]:
    """Run a candidate's script on a registered table's visible rows; compare its numbers.

    Raises `UsageError` for an unknown table, `SandboxError`.
    """
    from earnest.tasks.registry import Registry
    from earnest.tools.python import told
    from earnest.verify.evidence_run import close

    script = str(candidate.arguments["script"]).encode("utf-8", "replace")
    result = sandbox.run(evidence_job(script, Registry(home).visible(table), _SEED))
    try:
        if not result.ok:
            raise RecordError(told(result, LIMITS))
        numbers = evidence_numbers(result)
    except RecordError as error:
        return {"word": "failed", "table": table, "why": str(error), "numbers": {}}
    why = close(candidate.arguments["results"], numbers, _TOLERANCE)
    word = "differs" if why else "reproduced"
    return {"word": word, "table": table, "why": why, "numbers": numbers}
