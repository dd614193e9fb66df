"""What the agent works on in `uplift`: tools that are the task's, there with and without the other.

`InTurn` gives one text a step, in turn: the one given last again, an earlier one never. So what it
gave can only be had from what the agent kept. How far it is lies in a file, so that a resumed run
goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earnest.core.acts import Act, writes
from earnest.core.errors import ToolError
from earnest.core.home import write_whole
from earnest.core.messages import Observation, ToolSpec
from earnest.evals.uplift import Item


def _integer(arguments: Mapping[str, Any], name: str) -> int:
    value = arguments.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ToolError(f"{name}: an integer is needed")
    return value


class InTurn:
    """Gives the texts of a job, one a call, each in its turn. The last has the question with it."""

    repeatable: bool = True

    def __init__(
        self, name: str, what: str, texts: Sequence[str], question: str, progress: Path
    ) -> None:
        """`what`: a text in one word, such as `page`. `progress`: the file that says how far."""
        self.what, self.texts, self.question, self.progress = what, texts, question, progress
        self.spec = ToolSpec(
            name=name,
            description=f"Give the {what} of this number: the next one, or the last one again. "
            f"Earlier ones are not given again. There are {len(texts)}.",
            parameters={
                "type": "object",
                "properties": {"number": {"type": "integer", "minimum": 1}},
                "required": ["number"],
                "additionalProperties": False,
            },
        )

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:  # noqa: ARG002
        """Going on in the job: the eval's own."""
        return writes(f"go on to the next {self.what}")

    @property
    def given(self) -> int:
        """How many were given."""
        return int(self.progress.read_text()) if self.progress.exists() else 0

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Give it. Raises `ToolError`."""
        number, given = _integer(arguments, "number"), self.given
        if number not in (given, given + 1) or not 1 <= number <= len(self.texts):
            after = f"the next is {given + 1}" if given < len(self.texts) else "all were given"
            raise ToolError(f"{self.what} {number} can't be had: {after}")
        write_whole(self.progress, str(number).encode())
        text = f"{self.what} {number} of {len(self.texts)}: {self.texts[number - 1]}"
        last = number == len(self.texts)
        return Observation(content=f"{text}\n{self.question}" if last else text)


def job_tool(item: Item, progress: Path) -> InTurn | None:
    """Return the tool that gives an item's pages or lots; None: it has none."""
    world = item.world
    if "pages" in world:
        return InTurn("briefing", "page", world["pages"], world["question"], progress)
    if "lots" in world:
        texts = [
            f"lot {number} weighs {weight} g. {slip}"
            for number, (weight, slip) in enumerate(world["lots"], 1)
        ]
        return InTurn("weigh", "lot", texts, world["question"], progress)
    return None
