"""Fenced blocks in what an agent says, found line by line: no text takes longer than its length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_FENCE: Final = re.compile(r"[ \t]{0,8}(`{3,}|~{3,})[ \t]*([^`\s]*)[ \t]*")


def parts(text: str) -> Iterator[tuple[str | None, str]]:
    """Yield a text's parts: (what a closed block is marked as, its text), (None, text outside).

    A block that is not closed is outside.
    """
    outside: list[str] = []
    inside: list[str] = []
    fence = mark = ""
    for line in text.split("\n"):
        found = _FENCE.fullmatch(line.rstrip("\r")) if "```" in line or "~~~" in line else None
        if fence:
            inside.append(line)
            if found and found[1].startswith(fence) and not found[2]:
                yield mark, "\n".join(inside[1:-1])
                fence = ""
        elif found:
            fence, mark, inside = found[1], found[2], [line]
        else:
            outside.append(line)
    yield None, "\n".join([*outside, *(inside if fence else ())])


def blocks(text: str, *marks: str) -> list[str]:
    """Return the texts of the closed blocks that are marked as one of these."""
    return [inside for mark, inside in parts(text) if mark in marks] if "`" in text else []


def outside(text: str) -> str:
    """Return a text without its closed blocks."""
    return "\n".join(one for mark, one in parts(text) if mark is None)
