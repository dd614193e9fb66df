"""Findings that an agent stated for Earnest in its session, without a tool of Earnest's at hand.

It states one as the arguments of `submit_finding`: a fenced block ```` ```earnest-finding ```` in
what it says, or a file `NAME.finding.json` that it writes. Its script stands there, or is named as
`script_file`, a file that it wrote in the session. Only an agent's own words and calls are read:
not what a user, a tool or a web page said, so a text that it was shown can't state anything.

What comes out is data to be checked by whoever takes it; nothing here is run or believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from earnest.capture.fenced import blocks
from earnest.capture.lenient import read, word
from earnest.capture.turns import Call, Session, Turn
from earnest.capture.wrote import Wrote, follows_contract

MOST: Final = 24
_MOST_BYTES: Final = 256 << 10
_SUBMITS: Final = re.compile(r"(?:^|__|\.|/)submit_finding$")
_SAME: Final = (
    "kind", "table", "outcome", "exposure", "direction", "group", "versus", "modifier", "statistic",
    "where", "program", "reference", "left", "right", "subset", "adjust_for", "threshold",
)  # fmt: skip


def is_submission(call: Call) -> bool:
    """Say whether a call hands a finding in by Earnest's own tool, over whatever client."""
    return bool(_SUBMITS.search(call.name)) and "kind" in call.arguments


def claim_of(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what two findings with the same claim have in common."""
    return tuple(repr(arguments.get(name) or None) for name in _SAME)


def submitted(session: Session) -> list[Mapping[str, Any]]:
    """Return the arguments of the findings that a session handed in itself."""
    return [
        call.arguments for turn in session.turns() for call in turn.calls if is_submission(call)
    ]


def stated_findings(session: Session) -> list[dict[str, Any]]:
    """Return the findings stated in a session, as arguments of `submit_finding`; at most 24.

    One that was handed in by the tool is left out, one that is stated again counts as it was last.
    Raises `CaptureError` where the session can't be read.
    """
    wrote, found = Wrote(), dict[tuple[str, ...], dict[str, Any]]()
    read_before: dict[str, str] = {}
    handed_in: set[tuple[str, ...]] = set()
    for turn in session.turns():
        if turn.role != "assistant" or turn.copied or turn.problem:
            continue
        for call in turn.calls:
            wrote.take(call)
            if is_submission(call):
                handed_in.add(claim_of(call.arguments))
        for one in _stated(turn, wrote, read_before):
            found.pop(claim_of(one), None)
            found[claim_of(one)] = one
    ready = [_with_script(one, wrote) for key, one in found.items() if key not in handed_in]
    return [one for one in ready if one][-MOST:]


def _stated(turn: Turn, wrote: Wrote, before: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield what a turn states. `before`: the files that were read, as they were then."""
    texts = blocks(turn.text, "earnest-finding")
    for path, text in wrote.files.items() if turn.calls else ():
        if path.endswith(".finding.json") and before.get(path) != text:
            before[path] = text
            texts.append(text)
    for text in texts:
        if len(text) <= _MOST_BYTES:
            value, problem = read(text.encode("utf-8", "replace"))
            if isinstance(value, dict) and not problem and word(value.get("kind")):
                yield value


def _with_script(arguments: Mapping[str, Any], wrote: Wrote) -> dict[str, Any]:
    """Return a finding's arguments with its script's text; empty: there is none."""
    named = word(arguments.get("script_file"))
    rest = {key: one for key, one in arguments.items() if key != "script_file"}
    script = word(rest.get("script"))
    if not script and named:
        script = wrote.text(named)
    if not script and not named:
        fitting = [text for text in wrote.files.values() if follows_contract(text)]
        script = fitting[0] if len(fitting) == 1 else ""
    return {**rest, "script": script} if script else {}
