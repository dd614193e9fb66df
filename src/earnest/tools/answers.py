"""What evidence may rest on beside its table: answers of hosts, as the run recorded them.

A file counts as an answer if its bytes are those of one that `http` got and recorded. With them
goes `http/index.json`, made here: which file is the answer to what, and when it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import RecordError, ToolError
from earnest.core.evidence import ANSWERS, recorded_answers
from earnest.core.protocols import Blobs
from earnest.core.records import Finding
from earnest.sandbox.exchanges import Exchange
from earnest.tools.files import Files

INDEX: Final = f"{ANSWERS}index.json"

Answers = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Gives the answers that a script is to find, by their names (`http/…`). Raises `ToolError`."""


def no_answers(names: Sequence[str]) -> Mapping[str, bytes]:
    """Refuse: there are none here."""
    if names:
        raise ToolError("there are no recorded answers here", mend="leave answers out")
    return {}


def of_run(files: Files, recorded: Callable[[], Iterable[Exchange]]) -> Answers:
    """Return what takes files of a workspace that are answers in a run's recording."""

    def found(names: Sequence[str]) -> Mapping[str, bytes]:
        if not names:
            return {}
        came = {
            one.response_body: one
            for one in recorded()
            if one.by == "http" and one.outcome == "answered" and one.status < 300
        }
        answers: dict[str, bytes] = {}
        index = []
        for name in names:
            data = files.workspace.read(files.own(name))
            one, inner = came.get(digest(data)), ANSWERS + PurePosixPath(name).name
            if one is None:
                raise ToolError(
                    f"{name} is not an answer as it came",
                    mend="get it with http and save, and leave the file as it is",
                )
            if inner in answers or inner == INDEX:
                raise ToolError(f"two of the answers would be {inner}", mend="save it as another")
            answers[inner] = data
            index.append(
                {"file": inner, "method": one.method, "url": one.url, "at": one.at,
                 "status": one.status, "hash": one.response_body}
            )  # fmt: skip
        return {**answers, INDEX: canonical(index)}

    return found


def of_finding(finding: Finding, blobs: Blobs) -> Answers:
    """Return what gives the answers that an earlier finding rests on, all of them."""

    def found(names: Sequence[str]) -> Mapping[str, bytes]:
        try:
            return recorded_answers(finding.evidence.inputs, blobs.get) if names else {}
        except RecordError as error:
            raise ToolError(f"an answer that it rests on: {error}", mend=error.mend) from error

    return found


def names_of(finding: Finding) -> tuple[str, ...]:
    """Return the names of the answers that a finding rests on, as its author gave them."""
    inputs = finding.evidence.inputs
    return tuple(
        name.removeprefix(ANSWERS)
        for name in sorted(inputs)
        if name.startswith(ANSWERS) and name != INDEX
    )
