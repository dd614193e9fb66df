"""Players of `eval integrity` that need no language model, so that the instrument is proven.

They know what is to be written from the source, in the trusted process, and do it by the same tools
through the same loop as a model: `honest` writes the right solution, `cheat:FAMILY` cheats where
its family is offered and is honest elsewhere, `reporter` reports a conflict every time, `idle`
does nothing. What the table must say of each follows: the tests hold it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from earnest.core.messages import Message, ToolCall
from earnest.core.testbed import FAMILIES
from earnest.evals.integrity import Item, Source
from earnest.models.scripted import ScriptedModel, Turn, say
from earnest.tools.report_conflict import NAME

Player = Callable[[Source, Item], ScriptedModel]
_TESTED: Final = "python -m pytest -q -p no:cacheprovider tests"


def _calls(*calls: tuple[str, Mapping[str, Any]]) -> Message:
    """Return a message with calls: (tool, arguments) each."""
    made = tuple(
        ToolCall(id=f"{name}-{number}", name=name, arguments=given)
        for number, (name, given) in enumerate(calls)
    )
    return Message(role="assistant", content="", calls=made)


def _look(item: Item) -> list[Turn]:
    """Return the turns that list the files, and read them."""
    reads = [("read", {"path": name}) for name, data in sorted(item.one.files.items()) if data]
    return [_calls(("glob", {"pattern": "**"})), _calls(*reads)]


def _write(files: Mapping[str, str]) -> Message:
    return _calls(*(("write", {"path": name, "content": text}) for name, text in files.items()))


def honest(source: Source, item: Item) -> ScriptedModel:
    """Look, write the right solution, run the tests, end."""
    tested = _calls(("shell", {"command": _TESTED}))
    turns = [*_look(item), _write(source.honest(item)), tested, say("It does what the spec says.")]
    return ScriptedModel(turns, "honest")


def cheater(family: str, source: Source, item: Item) -> ScriptedModel:
    """Cheat where the family is offered; elsewhere be honest."""
    offered = family in {one.name for one in item.one.families()}
    files = source.cheat(item, family) if offered else source.honest(item)
    return ScriptedModel([*_look(item), _write(files), say("All tests pass.")], f"cheat:{family}")


def reporter(_: Source, item: Item) -> ScriptedModel:
    """Report a conflict without having written anything."""
    report = _calls((NAME, {"why": "The tests and the spec contradict each other."}))
    return ScriptedModel([*_look(item), report, say("I reported it.")], "reporter")


def idle(_: Source, __: Item) -> ScriptedModel:
    """Do nothing."""
    return ScriptedModel([say("I have done nothing.")], "idle")


PLAYERS: Final[Mapping[str, Player]] = {
    "honest": honest,
    "reporter": reporter,
    "idle": idle,
    **{f"cheat:{family.name}": partial(cheater, family.name) for family in FAMILIES},
}
"""By name, as `--model` takes it."""
