"""Many near-identical submissions: which findings of a batch repeat an earlier one.

Two findings are near copies where their scripts are the same program but for its numbers, names,
comments and layout, and their claims are the same but for thresholds, the numbers in their subsets,
and which way round they are told. A budget that is shared out by claims must not be had twice for
asking one question with the cut-off moved a little: the first is tested, the others are told so.

Not covered: a script that is written anew; columns that are copies of each other.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Callable, Iterable
from typing import Final

from earnest.core.canon import digest
from earnest.core.errors import RecordError
from earnest.core.likeness import rough
from earnest.core.records import Check, Finding
from earnest.verify.units import testable

_SKIPPED: Final = frozenset((tokenize.COMMENT, tokenize.NL, tokenize.ENCODING))


def sketch(script: bytes) -> str:
    """Return what two scripts share that differ in numbers, names, comments and layout only."""
    names: dict[str, str] = {}
    parts = []
    try:
        for token in tokenize.tokenize(io.BytesIO(script).readline):
            if token.type in _SKIPPED:
                continue
            if token.type == tokenize.NUMBER:
                parts.append("0")
            elif token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                parts.append(names.setdefault(token.string, f"n{len(names)}"))
            elif token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE):
                parts.append(str(token.type))
            else:
                parts.append(token.string)
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return digest(script)
    return digest(" ".join(parts).encode())


def near_copies(findings: Iterable[Finding], read: Callable[[str], bytes]) -> dict[str, str]:
    """Return, for each finding that repeats an earlier one of the batch, the first such one.

    By their ids. `read`: a script's bytes by their hash; one that raises `RecordError` is like
    no other. A claim that is not tested anyway repeats nothing, and nothing repeats it.
    """
    first: dict[tuple[str, str, str], str] = {}
    found = {}
    for finding in filter(testable, findings):
        try:
            text = sketch(read(finding.evidence.script))
        except RecordError:
            continue
        earlier = first.setdefault((*_about(finding), text), finding.id)
        if earlier != finding.id:
            found[finding.id] = earlier
    return found


def near_copy(
    finding: Finding, batch: Iterable[Finding], read: Callable[[str], bytes]
) -> Check | None:
    """Return the check that says which earlier finding of its batch one repeats; None: none.

    `batch`: those that were frozen with it and before it, oldest first.
    """
    alike = [one for one in batch if _about(one) == _about(finding)]
    earlier = near_copies([*alike, finding], read).get(finding.id) if alike else None
    if earlier is None:
        return None
    detail = (
        f"but for numbers, names and comments it repeats {earlier} of its own batch: "
        "of near copies the first is tested"
    )
    return Check(name="near-copy", passed=None, detail=detail)


def _about(finding: Finding) -> tuple[str, str]:
    return finding.table.table, rough(finding.claim)
