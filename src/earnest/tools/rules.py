"""Whether a claimed rule's program can be applied: asked of some visible rows, in a jail.

Only for the author's benefit: what counts is what the verifier sees when it applies the rule.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Final

from earnest.core.columns import read_cells, select
from earnest.core.errors import LackError, ToolError
from earnest.core.protocols import Sandbox
from earnest.core.records import Claim
from earnest.core.rules import RuleColumns
from earnest.sandbox.grade_call import CallTimeoutError, CandidateError, ProtocolError
from earnest.sandbox.grade_many import Answer, answers, differing
from earnest.tools.arguments import legible

_ASKED: Final = 500
_CALL_S: Final = 2.0
_TOTAL_S: Final = 30.0  # for as many rows as a verifier may ask about, of the 60 that it waits
_LEAST_S: Final = 3.0
_MOST_ROWS: Final = 10_000
_SHOWN: Final = 300
_DEFINE: Final = "write a top-level function: def f(row): ..."


def check_program(claim: Claim) -> None:
    """Raise `ToolError` where a rule's program is no Python that defines `f` at its top level."""
    try:
        tree = ast.parse(claim.program, "program")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ToolError(
            f"the program can't be read: {legible(str(error))}", mend=_DEFINE
        ) from error
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if "f" not in defined:
        raise ToolError("the program defines no function f", mend=_DEFINE)


def try_rule(claim: Claim, file: Path, sandbox: Sandbox) -> str:
    """Apply a rule to at most 500 visible rows; return what its author should know, or ''.

    Raises `ToolError` where it can't be loaded, takes too long, is not the same twice, or gives no
    usable answer in half of the rows; `SandboxError`. A sandbox that isolates nothing is not asked.
    """
    check_program(claim)
    if not sandbox.isolates:
        return ""
    visible = read_cells(file)
    columns = RuleColumns.of(visible, claim)
    rows = select(visible, claim.subset).dropna(subset=list(claim.complete))
    every = rows.drop_duplicates(list(claim.given))
    rows = every.iloc[:_ASKED]
    total_s = max(_LEAST_S, _TOTAL_S * len(rows) / max(1, min(_MOST_ROWS, len(every))))
    first, again = _asked(sandbox, claim.program, columns.rows(rows), total_s)
    if apart := differing(first, again):
        raise ToolError(
            f"asked again in another order, f answers differently in {len(apart)} of {len(rows)} "
            "distinct visible rows",
            mend="let it depend on its row alone: no variables that change, no random numbers",
        )
    wanted = "a number" if columns.number else "a text, one of the outcome's levels"
    silent = [
        one.why or f"it returned {type(one.value).__name__}"
        for one in first
        if columns.answer(one.value) is None
    ]
    if not silent:
        return ""
    why, _ = Counter(silent).most_common(1)[0]
    of = f"{len(silent)} of {len(rows)} distinct visible rows"
    told = f"f gives nothing usable in {of}: {why[:_SHOWN]}"
    if 2 * len(silent) > len(rows):
        raise ToolError(legible(told), mend=f"return {wanted}, also where a cell is None")
    return legible(told)


def _asked(
    sandbox: Sandbox,
    program: str,
    inputs: list[dict[str, int | float | str | None]],
    total_s: float,
) -> tuple[list[Answer], list[Answer]]:
    """Ask all inputs in order, and in another jail from the last to the first."""
    forward = range(len(inputs))
    try:
        first, again = (
            answers(sandbox, program, "f", inputs, order, call_s=_CALL_S, total_s=total_s)
            for order in (forward, forward[::-1])
        )
    except CandidateError as error:
        told = legible(f"the program can't be loaded: {error.name}: {error.text}"[:_SHOWN])
        raise ToolError(told, mend="mend it and submit again") from error
    except ProtocolError as error:
        raise ToolError(f"f ended its process: {error}", mend="let it only return") from error
    except CallTimeoutError as error:
        raise ToolError(f"f is too slow: {error}", mend="let it do less for a row") from error
    except LackError as error:
        raise ToolError(f"no rule can be applied here: {error}", mend=error.mend) from error
    return first, again
