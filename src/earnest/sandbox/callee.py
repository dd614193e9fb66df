"""The jail's side of a grading: load a candidate, call it when asked, answer in frames of data.

It runs in the jail, beside the `candidate.py` that it loads, and so imports nothing of ours. The
trusted side (`grade_call.py`) uses the same codec. A frame is its length (4 bytes, big-endian, at
most `MOST`) and that many bytes of JSON. Asked:

    {"id": n, "load": name}          {"id": n, "args": [...], "kwargs": {...}}

and answered, one for each, `what` one of:

    {"id": n, "ok": value}           it returned this
    {"id": n, "raised": [name, text]}   it raised an exception of this type
    {"id": n, "unsayable": text}     it returned what is not data, or too much of it

A value in JSON: null, booleans, strings, finite floats, integers of 64 bits and lists stand for
themselves. All else is an object of one key, its kind: `int` (hexadecimal), `float` (nan, inf,
-inf), `tuple`, `set`, `frozenset`, `dict` (a list of pairs), `bytes`, `bytearray` (hexadecimal),
`complex`, `decimal`, `fraction`. Only exact types are data: an instance of a subclass is not.

Not covered: numpy's, pandas' and a candidate's own types, dates: a candidate returns plain values.
"""

# ruff: noqa: PTH123, S102

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any, Final

LINE: Final = 3
MOST: Final = 1 << 20
DEEPEST: Final = 100
_MOST_KEYS: Final = 1 << 14  # of sets and dicts in one frame: chosen hashes may collide
_INT: Final = 1 << 63
_MOST_HEX: Final = 1 << 16
_MOST_RATIO: Final = 1 << 12  # a fraction is reduced when it is made, in quadratic time
_MOST_DECIMAL: Final = 1 << 12
_MOST_TEXT: Final = 500
_CHUNK: Final = 1 << 16
_CONTAINERS: Final = ("tuple", "set", "frozenset")


class UnsayableError(Exception):
    """A value that is not data."""


class GarbledError(Exception):
    """Bytes that an honest other side would not have sent."""


def encode(value: Any, depth: int = 0) -> Any:
    """Return a value as what `json` can write. Raises `UnsayableError`."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return value if -_INT <= value < _INT else {"int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if depth >= DEEPEST:
        raise UnsayableError("it is nested too deeply")
    depth += 1
    if kind is list:
        return [encode(item, depth) for item in value]
    if kind is dict:
        return {"dict": [[encode(k, depth), encode(v, depth)] for k, v in value.items()]}
    if kind.__name__ in _CONTAINERS and kind in (tuple, set, frozenset):
        return {kind.__name__: [encode(item, depth) for item in value]}
    return _encode_rare(value, kind)


def _encode_rare(value: Any, kind: type) -> Any:
    if kind is bytes or kind is bytearray:
        return {kind.__name__: value.hex()}
    if kind is complex:
        return {"complex": [encode(value.real), encode(value.imag)]}
    decimal, fractions = sys.modules.get("decimal"), sys.modules.get("fractions")
    if decimal and kind is decimal.Decimal:
        return {"decimal": str(value)}
    if fractions and kind is fractions.Fraction:
        return {"fraction": [hex(value.numerator), hex(value.denominator)]}
    raise UnsayableError(f"{kind.__name__} is not data")


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise GarbledError(what)


def _integer(text: Any, most: int = _MOST_HEX) -> int:
    _expect(type(text) is str and len(text) <= most, "not an integer")
    try:
        value = int(text, 16)
    except ValueError:
        raise GarbledError("not an integer") from None
    _expect(hex(value) == text, "not an integer as we write it")
    return value


def _float(text: Any) -> float:
    _expect(text in ("nan", "inf", "-inf"), "not such a float")
    return float(text)


def _part(value: Any) -> float:
    found = value if type(value) is float else decode(value)
    _expect(type(found) is float, "a complex number has two floats")
    return float(found)


def _complex(parts: Any) -> complex:
    _expect(type(parts) is list and len(parts) == 2, "a complex number has two parts")
    return complex(_part(parts[0]), _part(parts[1]))


def _fraction(parts: Any) -> Any:
    from fractions import Fraction

    _expect(type(parts) is list and len(parts) == 2, "a fraction has two parts")
    top, bottom = (_integer(part, _MOST_RATIO) for part in parts)
    _expect(bottom > 0, "a fraction's denominator is positive")
    value = Fraction(top, bottom)
    _expect(value.denominator == bottom, "a fraction is sent reduced")
    return value


def _decimal(text: Any) -> Any:
    from decimal import Decimal, InvalidOperation

    _expect(type(text) is str and len(text) <= _MOST_DECIMAL, "not a decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise GarbledError("not a decimal number") from None
    _expect(str(value) == text and not value.is_snan(), "not a decimal number as we write it")
    return value


def _raw(text: Any) -> bytes:
    _expect(type(text) is str, "not bytes")
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise GarbledError("not bytes") from None
    _expect(value.hex() == text, "not bytes as we write them")
    return value


_RARE: Final[dict[str, Callable[[Any], Any]]] = {
    "int": _integer,
    "float": _float,
    "complex": _complex,
    "fraction": _fraction,
    "decimal": _decimal,
    "bytes": _raw,
    "bytearray": lambda text: bytearray(_raw(text)),
}


class _Decoder:
    def __init__(self) -> None:
        self.keys_left = _MOST_KEYS

    def value(self, found: Any, depth: int = 0) -> Any:
        kind = type(found)
        if kind is int:
            _expect(-_INT <= found < _INT, "an integer over 64 bits")
        if kind is list:
            _expect(depth < DEEPEST, "it is nested too deeply")
            return [self.value(item, depth + 1) for item in found]
        if kind is not dict:
            return found
        _expect(depth < DEEPEST, "it is nested too deeply")
        _expect(len(found) == 1, "a value's object has one key")
        ((tag, content),) = found.items()
        if tag in _RARE:
            return _RARE[tag](content)
        _expect(type(content) is list, f"{tag!r} holds no list")
        if tag == "dict":
            return self.pairs(content, depth + 1)
        _expect(tag in _CONTAINERS, "no such kind of value")
        items = tuple([self.value(item, depth + 1) for item in content])
        return items if tag == "tuple" else self.distinct(items, tag)

    def distinct(self, items: Any, tag: str) -> Any:
        self.keys_left -= len(items)
        _expect(self.keys_left >= 0, "too many keys")
        try:
            made: Any = frozenset(items) if tag == "frozenset" else set(items)
        except TypeError:
            raise GarbledError("a key that can't be one") from None
        _expect(len(made) == len(items), "a key twice")
        return made

    def pairs(self, content: list[Any], depth: int) -> dict[Any, Any]:
        _expect(all(type(pair) is list and len(pair) == 2 for pair in content), "not pairs")
        keys = [self.value(pair[0], depth) for pair in content]
        self.distinct(keys, "set")
        return {key: self.value(pair[1], depth) for key, pair in zip(keys, content, strict=True)}


def decode(found: Any) -> Any:
    """Return the value that parsed JSON stands for. Raises `GarbledError`."""
    if type(found) is str or type(found) is bool or found is None or type(found) is float:
        return found
    return _Decoder().value(found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    _expect(len(found) == len(pairs), "a key twice")
    return found


def _number(text: str) -> float:
    value = float(text)
    _expect(math.isfinite(value), "a float out of range")
    return value


def _constant(text: str) -> Any:
    raise GarbledError(f"{text} is not JSON")


_JSON: Final = json.JSONDecoder(
    object_pairs_hook=_once, parse_float=_number, parse_constant=_constant
)
_scan: Final[Callable[[str, int], tuple[Any, int]]] = _JSON.scan_once  # type: ignore[attr-defined]
_dumps: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def frame(content: Any) -> bytes:
    """Return a frame that holds what `encode` gave. Raises `UnsayableError` if it is too long."""
    data = _dumps(content).encode()
    if len(data) > MOST:
        raise UnsayableError("it is too long")
    return len(data).to_bytes(4, "big") + data


def parse(data: bytes | bytearray | memoryview) -> dict[str, Any]:
    """Return a frame's object, without the length before it. Raises `GarbledError`.

    Refused: what is not UTF-8, NaN and infinities, floats out of range, an object with a key
    twice, anything but an object, white space around it, and any byte after it.
    """
    try:
        text = str(data, "utf-8")
        found, end = _scan(text, 0)
    except StopIteration:
        raise GarbledError("not JSON") from None
    except (ValueError, RecursionError) as error:
        raise GarbledError(f"not JSON: {type(error).__name__}") from None
    _expect(end == len(text) and type(found) is dict, "not one JSON object")
    return found  # type: ignore[no-any-return]


def _take() -> bytes:
    """Return the next frame without its length; end the process where there is none."""
    data = os.read(LINE, _CHUNK)  # one request at a time: nothing follows it
    while len(data) < 4 or len(data) < int.from_bytes(data[:4], "big") + 4:
        more = os.read(LINE, _CHUNK)
        if not more:
            os._exit(0)
        data += more
    return data[4:]


def _answer(content: dict[str, Any]) -> None:
    view = memoryview(frame(content))
    while view:
        view = view[os.write(LINE, view) :]


def _raised(error: BaseException) -> list[str]:
    try:
        text = str.__str__(str(error))[:_MOST_TEXT]
    except BaseException:  # noqa: BLE001 - its own __str__ may raise anything
        text = ""
    return [str.__str__(type(error).__name__), text]


def _load(name: str) -> Any:
    """Run `candidate.py` as a module of that name; return what the dotted name stands for."""
    from types import ModuleType

    module = ModuleType("candidate")
    module.__file__ = "candidate.py"
    sys.modules["candidate"] = module
    with open("candidate.py", encoding="utf-8") as file:
        source = file.read()
    exec(compile(source, "candidate.py", "exec"), module.__dict__)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _act(request: dict[str, Any], function: Any) -> tuple[Any, dict[str, Any]]:
    """Do what one request asks; return the function to call from now on, and the answer."""
    try:
        if "load" in request:
            return _load(request["load"]), {"ok": None}
        arguments = [decode(item) for item in request["args"]]
        named = {name: decode(item) for name, item in request["kwargs"].items()}
        value = function(*arguments, **named)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the outcome
        return function, {"raised": _raised(error)}
    try:
        return function, {"ok": encode(value)}
    except UnsayableError as error:
        return function, {"unsayable": str(error)[:_MOST_TEXT]}


def _main() -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)  # what it prints counts for nothing
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    function = None
    while True:
        request = parse(_take())
        function, answer = _act(request, function)
        answer["id"] = request["id"]
        try:
            _answer(answer)
        except UnsayableError as error:
            _answer({"unsayable": str(error), "id": request["id"]})


if __name__ == "__main__":
    _main()
