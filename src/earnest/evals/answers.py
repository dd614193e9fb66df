"""A final answer in a stated form, and its grade: exact, or not right.

The last line that is not blank is `ANSWER: ` and the value; `ANSWER: unknown` abstains. What has
another form is not right, whatever it says elsewhere, and is counted apart.
"""

from __future__ import annotations

from typing import Final, Literal

Grade = Literal["right", "wrong", "abstained", "wrong form", "no answer"]
UNKNOWN: Final = "unknown"
FORM: Final = (
    "When you know the answer, reply without a tool call; the last line of the reply is exactly\n"
    "ANSWER: VALUE\n"
    f"with the value alone in place of VALUE. If you can't find out, it is ANSWER: {UNKNOWN}"
)
_MARK: Final = "ANSWER: "


def answered(value: str) -> str:
    """Return an answer's line."""
    return f"{_MARK}{value}"


def grade(final: str, expected: str) -> Grade:
    """Grade a model's last words. `expected` is compared as text, blanks around it aside."""
    lines = [line.strip() for line in final.splitlines() if line.strip()]
    if not lines:
        return "no answer"
    last = lines[-1]
    value = last.removeprefix(_MARK).strip()
    if not last.startswith(_MARK) or not value or sum(_MARK in line for line in lines) > 1:
        return "wrong form"
    if value == expected:
        return "right"
    return "abstained" if value == UNKNOWN else "wrong"
