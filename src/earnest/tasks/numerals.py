"""Numbers as people write them, as plain numerals: `1,234.5`, `1.234,5`, `1 234`, `$5`, `12 %`.

What the sign before the decimals is, is decided by the column as a whole: by the cells that can be
read in one way only. Digits stay as they stand. Where the cells contradict each other, or carry
different units, the column is no column of numbers, and the reason is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from earnest.tasks.assume import Decimal

Mark = Literal["", ".", ","]

_BLANKS: Final = " \u00a0\u2007\u2009\u202f'\u2019"
_CODES: Final = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|SGD|HKD"
)
_CURRENCY: Final = rf"US\$|[$€£¥₹₩₽₺]|(?:{_CODES})"
_CELL: Final = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+\u2212])?\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[-+\u2212])?"
    rf"(?P<body>[\d.,{_BLANKS}]*\d[\d.,]*)(?P<power>[eE][-+]?\d+)?\s*"
    rf"(?P<after>{_CURRENCY})?\s*(?P<share>%)?(?P<behind>-)?\s*(?P<close>\))?"
)
_BLANK: Final = re.compile(rf"[{_BLANKS}]")
_SPACED: Final = re.compile(rf"\d{{1,3}}(?:[{_BLANKS}]\d{{3}})+(?:[.,]\d+)?")
_GROUPS: Final = r"\d{{1,3}}(?:{0}\d{{2,3}})*{0}\d{{3}}"  # 1,234,567 and 12,34,567
_GROUPED: Final = {mark: re.compile(_GROUPS.format(re.escape(mark))) for mark in ".,"}
_OTHER: Final[dict[str, Mark]] = {".": ",", ",": "."}


class _Piece(NamedTuple):
    """One cell taken apart. `mark`: the decimal sign that it proves; `doubtful`: `1,234`."""

    negative: bool
    body: str
    power: str
    currency: str
    share: bool
    mark: Mark
    doubtful: Mark
    grouped: bool
    turned: bool


def _reads(body: str) -> tuple[Mark, Mark, bool] | None:
    """Return (decimal sign proved, sign that may be either, whether digits are grouped)."""
    points, commas = body.count("."), body.count(",")
    if not points and not commas:
        return "", "", False
    last: Mark = "." if body.rfind(".") > body.rfind(",") else ","
    whole, _, part = body.rpartition(last)
    if points and commas:
        right = _GROUPED[_OTHER[last]].fullmatch(whole) and last not in whole and part.isdigit()
        return (last, "", True) if right else None
    if points + commas > 1:
        return (_OTHER[last], "", True) if _GROUPED[last].fullmatch(body) else None
    if len(part) == 3 and 0 < len(whole) < 4 and whole.strip("0"):
        return "", last, False
    return last, "", False


def _piece(cell: str) -> _Piece | None:
    found = _CELL.fullmatch(cell)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    signs = [sign for sign in (found["sign"], found["inner"], found["behind"]) if sign]
    currency = [one for one in (found["before"], found["after"]) if one]
    if len(signs) > 1 or len(currency) > 1 or (signs and found["open"]):
        return None
    body = found["body"]
    if _BLANK.search(body):
        if not _SPACED.fullmatch(body):
            return None
        body = _BLANK.sub("", body)
        mark: Mark = "." if "." in body else "," if "," in body else ""
        reads: tuple[Mark, Mark, bool] | None = (mark, "", True)
    else:
        reads = _reads(body)
    if reads is None:
        return None
    return _Piece(
        negative=bool(found["open"]) or bool(signs and signs[0] != "+"),
        body=body,
        power=found["power"] or "",
        currency=currency[0].upper() if currency else "",
        share=bool(found["share"]),
        mark=reads[0],
        doubtful=reads[1],
        grouped=reads[2],
        turned=bool(found["open"] or found["behind"] or "\u2212" in signs),
    )


@dataclass(frozen=True)
class Numerals:
    """Cells as plain numerals (None: no number), what was assumed, or why they are no numbers."""

    cells: list[str | None]
    said: list[tuple[Literal["numbers", "percent", "currency"], str]] = field(default_factory=list)
    refused: str = ""


def numerals(cells: Sequence[str], decimal: Decimal = "") -> Numerals:
    """Read distinct cells of one column; `decimal` decides where they don't."""
    pieces = [_piece(cell) for cell in cells]
    there = [piece for piece in pieces if piece is not None]
    none: list[str | None] = [None] * len(cells)
    currencies = sorted({piece.currency for piece in there} - {""})
    if len(currencies) > 1:
        return Numerals(none, refused=f"its cells are in {' and in '.join(currencies)}")
    shares = sum(piece.share for piece in there)
    if 0 < shares < len(there):
        return Numerals(none, refused="some of its cells carry a per-cent sign and some don't")
    mark, said = _decimal(there, decimal)
    if not mark:
        return Numerals(none, refused=said)
    found = Numerals([_plain(piece, mark) if piece else None for piece in pieces])
    if said:
        found.said.append(("numbers", said))
    if any(piece.turned for piece in there):
        found.said.append(("numbers", "(5), 5- and \u22125 are -5"))
    if shares:
        found.said.append(("percent", "per-cent signs are taken away: 5 % is 5"))
    if currencies:
        found.said.append(("currency", f"{currencies[0]} is taken away"))
    return found


def _decimal(pieces: Sequence[_Piece], wanted: Decimal) -> tuple[Mark, str]:
    """Return the decimal sign of a column and what to say of it, or no sign and the reason."""
    proved = {piece.mark for piece in pieces} - {""}
    doubtful = {piece.doubtful for piece in pieces} - {""}
    if wanted:
        asked: Mark = "." if wanted == "point" else ","
        return asked, f"the decimal sign is a {wanted}, as you said"
    if len(proved) > 1 or (not proved and len(doubtful) > 1):
        return "", "a point and a comma both stand before decimals in it"
    if proved:
        (mark,) = proved
        named = "point" if mark == "." else "comma"
        grouped = any(piece.grouped or piece.doubtful == _OTHER[mark] for piece in pieces)
        if mark == "." and not grouped:
            return mark, ""
        return mark, f"the decimal sign is a {named}" + (", digits are grouped" if grouped else "")
    if "," in doubtful:
        return ".", "1,234 is read as 1234: nothing in the column says that it is 1.234"
    grouped = any(piece.grouped for piece in pieces)
    return ".", "digits are grouped" if grouped else ""


def _plain(piece: _Piece, mark: Mark) -> str | None:
    body = piece.body.replace(_OTHER[mark], "")
    whole, _, part = body.partition(mark)
    if mark in part or (piece.mark and piece.mark != mark):
        return None
    sign = "-" if piece.negative else ""
    return f"{sign}{whole or '0'}{f'.{part}' if part else ''}{piece.power}"
