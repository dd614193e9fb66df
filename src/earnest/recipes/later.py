"""Later verdicts, apart: on rows, or on inputs, that the first test of a finding had no part in."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.records import STANDING, Check, Finding, TableRef, Verdict
from earnest.core.sign import KeyFolder
from earnest.recipes import apart

if TYPE_CHECKING:
    import pandas as pd

    from earnest.ledger.ledger import Ledger
    from earnest.tasks.registry import Registry


def _whole(registry: Registry, table: str) -> pd.DataFrame:
    import pandas as pd

    from earnest.core.columns import read_cells

    visible = registry.visible(table) / f"{registry.get(table).name}.csv"
    return pd.concat([read_cells(visible), read_cells(registry.sealed(table))])


def _looked_at(ledger: Ledger, finding: Finding) -> list[str]:
    """Return the tables that a finding was tested on, its own first."""
    later = (revision for _, revision in ledger.history(finding.id) if revision is not None)
    return [finding.table.table, *(table for one in later for table in one.tables)]


def _new_rows(ledger: Ledger, registry: Registry, finding: Finding, new: TableRef) -> pd.DataFrame:
    """Return a table's rows that no test of a finding has looked at. Raises `UsageError`."""
    from earnest.verify.replicate import fresh_rows
    from earnest.verify.units import NotTestableError

    tables = [table for table in _looked_at(ledger, finding) if table != new.table]
    seen = (_whole(registry, table) for table in tables)
    try:
        return fresh_rows(_whole(registry, new.table), seen, new.name)
    except NotTestableError as error:
        raise UsageError(str(error), mend="bring rows that are new") from error


def _replicate(root: Path, name: str, new: TableRef) -> Verdict:
    from earnest.ledger.ledger import Ledger
    from earnest.tasks.registry import Registry
    from earnest.verify.replicate import replicated
    from earnest.verify.units import NotTestableError

    home = Home(root)
    registry = Registry(home)
    with Ledger(home.ledger, apart.keys_of(home)) as ledger:
        finding, current = ledger.get(name, Finding), ledger.verdict(name)
        if current is None or current.word not in STANDING:
            raise UsageError(f"{name} is not confirmed, and new rows replicate what is")
        fresh = _new_rows(ledger, registry, finding, new)
        left_out = len(_whole(registry, new.table)) - len(fresh)
        seed = hmac.new(home.secret(), f"{name} {new.table}".encode(), hashlib.sha256).digest()[:6]
        try:
            if finding.claim.given:
                fresh = apart.verifier_of(root).prepared(finding, fresh, int.from_bytes(seed))
            later = replicated(
                finding,
                current,
                fresh,
                name=new.name,
                left_out=left_out,
                seed=int.from_bytes(seed),
            )
        except NotTestableError as error:
            raise UsageError(str(error)) from error
        ledger.revise(later, kind="replication", why=later.reason, tables=[new.table])
        ledger.stamp()
        return later


def _seal_new(root: Path, name: str, new: TableRef) -> TableRef:
    from earnest.ledger.ledger import Ledger
    from earnest.tasks.registry import Registry

    home = Home(root)
    registry = Registry(home)
    with Ledger(home.ledger) as ledger:
        finding = ledger.get(name, Finding)
        fresh = _new_rows(ledger, registry, finding, new)
    # The author's script opens the table by its name.
    return registry.seal_frame(
        fresh.reset_index(drop=True), finding.table.name, design=new.design, series=new.name
    )


def seal_new(home: Home, name: str, new: TableRef) -> TableRef:
    """Split a registered table's rows that a finding was never tested on, as its table's are.

    Raises `UsageError` where there are too few, `TableError`.
    """
    with apart.standing_pool() as pool:
        return pool.submit(_seal_new, home.root, name, new).result()


def _note(root: Path, name: str, again: Check, table: str, other: str) -> Verdict:
    from earnest.ledger.ledger import Ledger

    home = Home(root)
    with Ledger(home.ledger, apart.keys_of(home)) as ledger:
        current = ledger.verdict(name)
        if current is None or again in current.checks:
            raise UsageError(f"{name} is queued, or was tried there before")
        later = _with(current, again)
        if current.word == "refuted" and again.passed:
            later = later.model_copy(update={"word": "inconclusive"})
            standing, because = ledger.verdict(other), f"re-opened: {name} was refuted before"
            if standing is not None and standing.word in STANDING:
                against = Check(name="again", passed=False, detail=because)
                open_ = _with(standing, against).model_copy(update={"word": "inconclusive"})
                ledger.revise(open_, kind="reopened", why=because)
        kind: Literal["replication", "reopened"] = "replication" if table else "reopened"
        ledger.revise(later, kind=kind, why=again.detail, tables=[table] if table else ())
        ledger.stamp()
        return later


def _with(verdict: Verdict, check: Check) -> Verdict:
    reason = f"{verdict.reason}; {check.detail}"
    return verdict.model_copy(update={"reason": reason, "checks": (*verdict.checks, check)})


def note(home: Home, name: str, again: Check, *, table: str = "", other: str = "") -> Verdict:
    """Note on a finding what came of it on other rows; return its later verdict.

    `table`: the one whose sealed rows were tested, `other`: the finding as which they were. Where
    that is confirmed and the finding was refuted, two tests contradict: both are inconclusive.
    """
    with apart.standing_pool() as pool:
        return pool.submit(_note, home.root, name, again, table, other).result()


def _redraw(root: Path, name: str) -> Verdict:
    from earnest.ledger.ledger import Ledger
    from earnest.verify.replicate import redrawn
    from earnest.verify.units import NotTestableError

    home = Home(root)
    with Ledger(home.ledger, apart.keys_of(home)) as ledger:
        finding, current = ledger.get(name, Finding), ledger.verdict(name)
        if current is None or current.word not in STANDING:
            word = "queued" if current is None else current.word
            raise UsageError(f"{name} is {word}, and what is confirmed is tried again")
        told = f"{name} again {len(ledger.history(name))}"
        seed = hmac.new(home.secret(), told.encode(), hashlib.sha256).digest()[:6]
        try:
            later = redrawn(
                finding, current, apart.verifier_of(root).sandbox, seed=int.from_bytes(seed)
            )
        except NotTestableError as error:
            raise UsageError(str(error)) from error
        ledger.revise(later, kind="replication", why=later.reason)
        ledger.stamp()
        return later


def redraw(home: Home, name: str) -> Verdict:
    """Try a confirmed finding of no table on inputs drawn anew; return its later verdict.

    Raises `UsageError` as `replicate` does, and where all inputs were tried before.
    """
    may_sign(home)
    with apart.new_pool(1) as pool:
        return pool.submit(_redraw, home.root, name).result()


def may_sign(home: Home) -> None:
    """Raise `UsageError` where another account keeps the verifier's key."""
    if KeyFolder(home.verifier).elsewhere():
        raise UsageError(
            "another account keeps the verifier's key", mend="run this under that account"
        )


def replicate(home: Home, name: str, new: TableRef) -> Verdict:
    """Test a confirmed finding on another registered table; return its later verdict.

    Raises `UsageError` for a finding that is not confirmed, for rows that can't test it, and where
    another account keeps the verifier's key.
    """
    may_sign(home)
    with apart.new_pool(1) as pool:
        return pool.submit(_replicate, home.root, name, new).result()
