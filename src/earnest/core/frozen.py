"""What records and their parts are made of: frozen values, and bytes that name themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earnest.core.canon import canonical, digest, parse
from earnest.core.errors import RecordError

Hash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Body = dict[str, Any]


class Value(BaseModel):
    """A frozen value without a name of its own; parts of records are made of these."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Record(Value):
    """A value that is stored: its `id` is the hash of its canonical bytes.

    `upgrades`: for each older version, what makes a body of it one of the next version. A record
    read from older bytes keeps those bytes, and so its id, for good.
    """

    record: ClassVar[str]
    version: ClassVar[int] = 1
    upgrades: ClassVar[Mapping[int, Callable[[Body], Body]]] = {}

    @cached_property
    def data(self) -> bytes:
        """The canonical bytes, as they are stored."""
        body = self.model_dump(mode="json")
        return canonical({**body, "record": self.record, "version": self.version})

    @cached_property
    def id(self) -> str:
        """`sha256:` of the canonical bytes."""
        return digest(self.data)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; a changed record has bytes and an id of its own."""
        copied = super().model_copy(update=update, deep=deep)
        for cached in ("data", "id") if update else ():
            copied.__dict__.pop(cached, None)
        return copied

    @classmethod
    def from_bytes(cls, data: bytes, *, expect: str = "") -> Self:
        """Read a record of this or an older version back; with `expect`, re-verify its hash first.

        Raises `RecordError`.
        """
        if expect and digest(data) != expect:
            raise RecordError(f"the bytes of {expect} have changed: they hash to {digest(data)}")
        body = parse(data)
        if not isinstance(body, dict):
            raise RecordError(f"not a {cls.record}")
        name, version = body.pop("record", None), body.pop("version", None)
        if name != cls.record or version not in (*cls.upgrades, cls.version):
            raise RecordError(f"expected {cls.record} {cls.version}, got {name} {version}")
        try:
            for step in range(version, cls.version):
                body = cls.upgrades[step](body)
            found = cls.model_validate(body)
        except ValidationError as error:
            raise RecordError(f"not a {cls.record}: {error}") from error
        if version != cls.version:
            if canonical(parse(data)) != data:
                raise RecordError(f"the bytes of an older {cls.record} are not canonical")
            found.__dict__["data"] = data
        return found

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a record from parsed JSON; one without a version is of the first.

        Raises `RecordError`.
        """
        return cls.from_bytes(canonical({"record": cls.record, "version": 1, **body}))

    @property
    def body(self) -> Body:
        """The record as JSON, its name and version included: what `from_body` reads."""
        found: Body = parse(self.data)
        return found
