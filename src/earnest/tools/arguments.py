"""A tool's arguments: one pydantic model is both the schema that a model sees and the check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from earnest.core.canon import canonical
from earnest.core.errors import ArgumentsError, RecordError
from earnest.core.messages import ToolSpec

_EXACT: Final = 2**53
_LARGEST: Final = 10**308


class Arguments(BaseModel):
    """The arguments of one tool. Nothing is coerced: a wrong type is told, not guessed at."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def read(cls, arguments: Mapping[str, Any]) -> Self:
        """Check a call's arguments. Raises `ArgumentsError`, which says what is wrong with each."""
        try:
            return cls.model_validate_json(canonical(cls._numbers(arguments)))
        except RecordError as error:
            raise ArgumentsError(f"the arguments can't be read: {error}") from error
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}"
                for item in error.errors()
            )
            raise ArgumentsError(f"the arguments are wrong: {wrong}") from error

    @classmethod
    def _numbers(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments with large integers as floats, where a float is asked for.

        The canonical form has texts in their place, which would be refused as no number.
        """
        kinds = {name: field.annotation for name, field in cls.model_fields.items()}
        floats = {name for name, kind in kinds.items() if float in (kind, *get_args(kind))}
        return {
            name: float(value)
            if name in floats and type(value) is int and _EXACT <= abs(value) <= _LARGEST
            else value
            for name, value in arguments.items()
        }

    @classmethod
    def spec(cls, name: str, description: str) -> ToolSpec:
        """Return the tool's specification with these arguments."""
        schema = cls.model_json_schema()
        schema.pop("title", None)
        schema.pop("description", None)
        return ToolSpec(name=name, description=description, parameters=schema)


def legible(text: str) -> str:
    """Return text without what can't be written down as UTF-8 (lone surrogates)."""
    return text.encode("utf-8", "replace").decode("utf-8")
