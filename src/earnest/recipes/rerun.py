"""Running a captured session's scripts again, where their table is registered here.

An import does it by itself, `capture show --rerun` when asked. What comes of it is kept with the
session and said beside the conclusion: `reproduced`, where the numbers that the session saw come
out; `differs`, or `failed`. It is no verdict, the conclusion stays `unverified`, and nothing is
trained on it: the script was not tried on shuffled rows, and no row was kept from its author. A
jail runs it, on the visible rows; all sessions together have a quota of their own (`quota.py`).

Not covered: scripts that don't follow the contract of evidence (`--data`, `--out`), which are most
of those that nobody asked to; a table that is registered only after its session was imported.
"""

from __future__ import annotations

import contextlib
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.capture.candidates import Candidate, candidates
from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import (
    CaptureError,
    EarnestError,
    LackError,
    QuotaError,
    RecordError,
    UsageError,
)
from earnest.core.evidence import LIMITS, evidence_job, evidence_numbers
from earnest.core.home import Home, write_whole
from earnest.core.protocols import Progress, Sandbox
from earnest.core.quoted import plain
from earnest.recipes.quota import Quota

if TYPE_CHECKING:
    from earnest.capture.store import Captured

USE: Final = "rerun"
"""What a session was dealt with for (`Captured.deal`): its scripts were run again."""
PRINCIPAL: Final = "captured sessions"
AN_HOUR: Final = {"submissions": 60, "seconds": 600.0}
_FILE: Final = "reruns.json"
_TOLERANCE: Final = 1e-6  # as of evidence that declares none
_SEED: Final = 1
_WHY: Final = 600


def at_hand(candidate: Candidate, tables: Sequence[Mapping[str, str]]) -> str:
    """Return the id of the table that a candidate's script can be run on; empty: there is none.

    `tables`: those that its files are the visible rows of (`by` content), or have the names of.
    """
    if not candidate.arguments.get("script") or not candidate.arguments.get("results"):
        return ""
    by_content = [one["table"] for one in tables if one["by"] == "content"]
    found = by_content or [one["table"] for one in tables]
    return found[0] if len(found) == 1 else ""


def tables_of(home: Home, files: Sequence[str], cwd: str) -> list[dict[str, str]]:
    """Return the registered tables that files are the visible rows of, or have the names of."""
    from earnest.tasks.registry import Registry, table_name

    registry = Registry(home)
    paths = [Path(cwd, one) for one in files]
    found = []
    for ref in registry.list():
        visible = registry.visible(ref.table) / f"{ref.name}.csv"
        if any(_same(path, visible, ref.visible) for path in paths):
            found.append({"name": ref.name, "table": ref.table, "by": "content"})
        elif any(table_name(path) == ref.name for path in paths):
            found.append({"name": ref.name, "table": ref.table, "by": "name"})
    return found


def _same(path: Path, visible: Path, digested: str) -> bool:
    """Say whether a file holds a table's visible rows; only one of the same size is read."""
    try:
        told = path.lstat()
        if not stat.S_ISREG(told.st_mode) or told.st_size != visible.stat().st_size:
            return False
        return digest(path.read_bytes()) == digested
    except (OSError, ValueError):
        return False


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
        why = plain(str(error))[-_WHY:]
        return {"word": "failed", "table": table, "why": why, "numbers": {}}
    why = close(candidate.arguments["results"], numbers, _TOLERANCE)
    word = "differs" if why else "reproduced"
    return {"word": word, "table": table, "why": plain(why)[:_WHY], "numbers": numbers}


def name_of(candidate: Candidate, table: str) -> str:
    """Return what an outcome is kept by: the script, the numbers that it gave, the table."""
    given = candidate.arguments
    return digest(canonical([str(given["script"]), given["results"], table]))


def outcomes(one: Captured) -> dict[str, dict[str, Any]]:
    """Return what came of a session's scripts so far, by `name_of`."""
    try:
        found = parse((one.folder / _FILE).read_bytes())["reruns"]
        return {str(name): dict(outcome) for name, outcome in found.items()}
    except (OSError, RecordError, AttributeError, KeyError, TypeError, ValueError):
        return {}


def counted(one: Captured) -> dict[str, int]:
    """Return how many of a session's scripts came out how."""
    return dict(sorted(Counter(str(told.get("word")) for told in outcomes(one).values()).items()))


def keep(one: Captured, told: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what came of a session's scripts, besides what was known."""
    if not one.forgotten:
        body = {"version": 1, "reruns": {**outcomes(one), **told}}
        write_whole(one.folder / _FILE, canonical(body))


@contextlib.contextmanager
def jails(home: Home) -> Iterator[Sandbox]:
    """Open a sandbox for scripts of captured sessions: one that isolates, or none."""
    from earnest.sandbox.choose import open_sandbox, require_isolation

    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        require_isolation(sandbox, "what captured sessions ran")
        yield sandbox


def run_again(
    home: Home,
    sessions: Iterable[Captured],
    say: Progress,
    *,
    quota: Quota | None = None,
    sandbox: Sandbox | None = None,
) -> dict[str, dict[str, int]]:
    """Run the scripts of sessions again whose table is at hand; return the words, by session.

    What was run before is not run again; what could not be run is said, and the next import tries
    again. `sandbox`: default: one of its own.
    """
    quota = quota or Quota(home, **AN_HOUR)  # type: ignore[arg-type]
    told: dict[str, dict[str, int]] = {}
    with contextlib.ExitStack() as stack:

        def jail() -> Sandbox:
            nonlocal sandbox
            sandbox = sandbox or stack.enter_context(jails(home))
            return sandbox

        for one in sessions:
            upto = one.upto  # it may grow while it is read
            try:
                for name, candidate, table in _wanted(home, one):
                    with quota.charged(PRINCIPAL) as meter:
                        jailed = meter.watch(jail())
                        with meter.running():
                            outcome = rerun(home, candidate, table, jailed)
                    keep(one, {name: outcome})
                    told[one.id] = counted(one)
                    say(f"{one.id}: line {candidate.line}: run again, {outcome['word']}")
                one.deal(USE, upto)
            except EarnestError as error:
                mend = f" ({plain(error.mend)})" * bool(error.mend)
                say(f"{one.id}: not run again yet: {plain(str(error))}{mend}")
                if isinstance(error, (QuotaError, LackError, UsageError)):
                    break  # so it would be with the next one
    return told


def _wanted(home: Home, one: Captured) -> list[tuple[str, Candidate, str]]:
    """Return the scripts of a session to be run: each once, those that were not run before."""
    from earnest.tasks.registry import Registry

    if not Registry(home).list():
        return []
    session, found = one.session(), dict[str, tuple[str, Candidate, str]]()
    try:
        concluded = candidates(session)
    except CaptureError:
        return []
    for candidate in concluded:
        if candidate.arguments:
            table = at_hand(candidate, tables_of(home, candidate.files, session.cwd))
            if table:
                name = name_of(candidate, table)
                found.setdefault(name, (name, candidate, table))
    known = outcomes(one)
    return [each for name, each in found.items() if name not in known]
