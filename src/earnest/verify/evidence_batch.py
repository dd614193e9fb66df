"""Many near-identical submissions: which findings of a batch repeat an earlier one.

Two findings are near copies where their scripts are the same program but for its numbers, names,
comments and layout, and their claims are the same but for thresholds, the numbers in their subsets,
and which way round they are told. A budget that is shared out by claims must not be had twice for
asking one question with the cut-off moved a little.

Not covered: a script that is written anew; columns that are copies of each other.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterable, Mapping
from typing import Final

from earnest.core.canon import digest
from earnest.core.likeness import rough
from earnest.core.records import Finding

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


def near_copies(findings: Iterable[Finding], scripts: Mapping[str, bytes]) -> dict[str, str]:
    """Return, for each finding that repeats an earlier one of the batch, the first such one.

    By their ids. `scripts`: the bytes by their hash. Raises `KeyError` where one is missing.
    """
    first: dict[tuple[str, str, str], str] = {}
    found = {}
    for finding in findings:
        text = sketch(scripts[finding.evidence.script])
        key = (finding.table.table, text, rough(finding.claim))
        earlier = first.setdefault(key, finding.id)
        if earlier != finding.id:
            found[finding.id] = earlier
    return found
