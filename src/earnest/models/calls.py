"""Tool calls as models write them in their text, read by the form that the chat template shows.

Four forms, which cover the templates that most open models come with:
`<tool_call>{"name": …, "arguments": {…}}</tool_call>` (Hermes, Qwen), the same with
`<function=NAME><parameter=KEY>…` inside (Qwen Coder), `[TOOL_CALLS][…]` or
`[TOOL_CALLS]NAME[ARGS]{…}` (Mistral), and one JSON object with `parameters` as the whole text
(Llama 3). A call that can't be read is kept with what is wrong with it: nothing is guessed, an
end mark that is missing least of all. Not covered: calls written as Python (Llama 4's pythonic).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import RecordError
from earnest.core.messages import ToolCall, ToolSpec

UNREADABLE: Final = "unreadable"
"""The name of a call whose name can't be read."""

_HERMES: Final = re.compile(r"<tool_call>(.*?)(</tool_call>|\Z)", re.DOTALL)
_FUNCTION: Final = re.compile(r"<function=([^>\n]+)>(.*)</function>", re.DOTALL)
_PARAMETER: Final = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_MISTRAL: Final = re.compile(r"\[TOOL_CALLS\](.*?)(?=\[TOOL_CALLS\]|\Z)", re.DOTALL)
_MISTRAL_NEW: Final = re.compile(r"([^\[{]+)(?:\[CALL_ID\][^\[]*)?\[ARGS\](.*)", re.DOTALL)
_PYTHON_TAG: Final = "<|python_tag|>"
_MOST_COUNTED: Final = 2**53  # a record can hold no greater number
_OPENINGS: Final = ("<tool_call>", "[TOOL_CALLS]", _PYTHON_TAG)


def legible(text: str) -> str:
    """Return text without lone surrogates, which JSON can carry and a record can't."""
    return text.encode("utf-8", "replace").decode("utf-8")


def count(told: Any, name: str) -> int | None:
    """Return what a server counted under a name; None where that is no count.

    A count below nothing would be given back to the budget.
    """
    found = getattr(told, name, None)
    return found if type(found) is int and 0 <= found < _MOST_COUNTED else None


def read_call(id_: str, name: str, raw: Any, *, cut: bool = False) -> ToolCall:
    """Return a tool call; arguments that can't be read are kept as its problem.

    `raw`: JSON text, or the object itself. `cut`: the answer ended at its length limit.
    """
    id_, name = legible(id_), legible(name)
    try:
        arguments = parse(raw or "{}") if isinstance(raw, str) else raw
        if not isinstance(arguments, dict):
            raise RecordError("not a JSON object")
        canonical(arguments)
    except RecordError as error:
        why = "cut off at the length limit" if cut else str(error)
        return ToolCall(id=id_, name=name, problem=legible(f"its arguments can't be read: {why}"))
    return ToolCall(id=id_, name=name, arguments=arguments)


@dataclass(frozen=True)
class Written:
    """What a text says besides its calls, and its calls."""

    text: str
    calls: tuple[ToolCall, ...] = ()


Make = Callable[[str, Any], ToolCall]
"""From a call's name and its arguments (or their JSON) to the call."""


def known(template: str) -> bool:
    """Say whether a chat template shows one of the forms that are read here."""
    return any(mark in template for mark in ("<tool_call>", "[TOOL_CALLS]")) or _llama(template)


def _llama(template: str) -> bool:
    return _PYTHON_TAG in template or '"parameters": ' in template


def visible(text: str, *, whole: bool = False) -> str:
    """Return what stands before a text's first call.

    What may be the beginning of a call's mark is left out, unless the text is `whole`.
    """
    for mark in _OPENINGS:
        text = text.partition(mark)[0]
    if whole:
        return text
    for size in range(1, max(map(len, _OPENINGS))):
        if any(text[-size:] == mark[:size] for mark in _OPENINGS if size < len(mark)):
            return text[:-size]
    return text


def read(
    text: str, template: str, tools: Sequence[ToolSpec], id_: str, *, cut: bool = False
) -> Written:
    """Return what a text says, and the calls in it, in the form that the template shows.

    `id_` begins the calls' ids. `cut`: the text ended at its length limit.
    """
    number = iter(range(1, len(text) + 2))

    def make(name: str, raw: Any) -> ToolCall:
        return read_call(f"{id_}-{next(number)}", name, raw, cut=cut)

    if "<tool_call>" in template:
        schemas = {tool.name: tool.parameters for tool in tools}
        return _all(_HERMES, text, lambda found: _hermes(found, make, schemas, cut))
    if "[TOOL_CALLS]" in template:
        return _all(_MISTRAL, text, lambda found: _mistral(found[1], make))
    if _llama(template):
        return _whole(text, make)
    return Written(text)


def _all(
    pattern: re.Pattern[str], text: str, calls: Callable[[re.Match[str]], Iterator[ToolCall]]
) -> Written:
    made = tuple(call for found in pattern.finditer(text) for call in calls(found))
    return Written(pattern.sub("", text).strip(), made)


def _problem(make: Make, why: str, name: str = UNREADABLE) -> ToolCall:
    return make(name, {}).model_copy(update={"problem": legible(why)})


def _hermes(
    found: re.Match[str], make: Make, schemas: Mapping[str, Mapping[str, Any]], cut: bool
) -> Iterator[ToolCall]:
    inside = found[1].strip()
    if not found[2]:
        why = "it was cut off at the length limit" if cut else "its end mark is missing"
        yield _problem(make, why)
    elif inside.startswith("<function="):
        yield _function(inside, make, schemas)
    else:
        yield _object(inside, make, ("arguments",))


def _object(text: str, make: Make, keys: Sequence[str]) -> ToolCall:
    """Return the call that a JSON object with a name and its arguments makes."""
    try:
        body = parse(text)
    except RecordError as error:
        return _problem(make, f"it can't be read: {error}")
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name:
        return _problem(make, "it is no JSON object with a name")
    given = [body[key] for key in keys if key in body]
    if not given or not isinstance(given[0], dict):
        return _problem(make, f"its {keys[0]} are no JSON object", name)
    return make(name, given[0])


def _function(text: str, make: Make, schemas: Mapping[str, Mapping[str, Any]]) -> ToolCall:
    """Return a call whose arguments stand each in a mark of its own.

    What the tool takes as a string is one as it stands; all else is JSON.
    """
    whole = _FUNCTION.fullmatch(text)
    if whole is None:
        return _problem(make, "its end mark is missing")
    name, inside = whole[1].strip(), whole[2]
    if _PARAMETER.sub("", inside).strip():
        return _problem(make, "what stands between its parameters can't be read", name)
    properties = schemas.get(name, {}).get("properties", {})
    arguments: dict[str, Any] = {}
    for key, value in _PARAMETER.findall(inside):
        if properties.get(key, {}).get("type", "string") == "string":
            arguments[key] = value
            continue
        try:
            arguments[key] = parse(value)
        except RecordError as error:
            return _problem(make, f"its {key} can't be read: {error}", name)
    return make(name, arguments)


def _mistral(text: str, make: Make) -> Iterator[ToolCall]:
    text = text.strip()
    if new := _MISTRAL_NEW.fullmatch(text):
        yield make(new[1].strip(), new[2].strip())
        return
    try:
        listed = parse(text)
    except RecordError as error:
        yield _problem(make, f"it can't be read: {error}")
        return
    for one in listed if isinstance(listed, list) else [listed]:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not isinstance(one.get("arguments"), dict):
            yield _problem(make, "it is no JSON object with a name and arguments")
        else:
            yield make(name, one["arguments"])


def _whole(text: str, make: Make) -> Written:
    """Read Llama 3's form: the text is the call, or it is none."""
    said = text.strip()
    bare = said.removeprefix(_PYTHON_TAG).strip()
    if not bare.startswith('{"name"'):
        return Written(said)
    return Written("", (_object(bare, make, ("parameters", "arguments")),))
