"""A call's arguments against the JSON Schema that an MCP server gave: the schema is data, too.

Nothing is fetched for it: a reference leads to another place of the schema, or nowhere. None of its
regular expressions is run here, which could take forever (`(a+)+$`): the server checks those, and
what hangs on them, itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from earnest.core.errors import ToolError

_MOST_REFERENCES: Final = 1_000  # references to what has references can make a small schema endless
_LEFT_TO_IT: Final = ("pattern", "patternProperties", "unevaluatedProperties", "unevaluatedItems")
_TOLD: Final = 5


def misfits(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with arguments, in words, a few at most.

    Raises `ToolError` where the schema is too much to tell, and others where it is none.
    """
    found = _validator()(_one_draft(dict(schema))).iter_errors(dict(arguments))
    return [
        f"{'.'.join(map(str, error.absolute_path)) or 'arguments'}: {error.message[:200]}"
        for error in itertools.islice(found, _TOLD)
    ]


def _one_draft(schema: Any) -> Any:
    """Return a schema whose parts name no draft of their own, which would be checked by its."""
    if isinstance(schema, Mapping):
        named = (
            one for one in schema.items() if one[0] != "$schema" or not isinstance(one[1], str)
        )
        return {key: _one_draft(value) for key, value in named}
    return [_one_draft(one) for one in schema] if isinstance(schema, list) else schema


def _validator() -> Any:
    """Return what makes a validator of a schema, for one use."""
    from jsonschema import Draft202012Validator, validators  # type: ignore[import-untyped]
    from referencing import Registry

    known = Draft202012Validator.VALIDATORS
    left = itertools.count(1)

    def referring(keyword: str) -> Any:
        def follow(*given: Any) -> Iterator[Any]:
            if next(left) > _MOST_REFERENCES:
                raise ToolError("the schema of this tool refers to itself too often to be checked")
            yield from known[keyword](*given) or ()

        return follow

    def additional(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if "patternProperties" not in schema:
            yield from known["additionalProperties"](validator, value, instance, schema) or ()

    changed = {
        **dict.fromkeys(_LEFT_TO_IT, lambda *_: ()),
        **{keyword: referring(keyword) for keyword in ("$ref", "$dynamicRef")},
        "additionalProperties": additional,
    }
    made = validators.extend(Draft202012Validator, changed)
    return lambda schema: made(schema, registry=Registry())
