"""What is known elsewhere: a catalogue that the user keeps, and what a claim is to its entries.

An entry is typed (columns and a direction, as in a claim) or free text. Names of tables, columns
and levels are compared without case and punctuation (`Mean_Age` is `mean age`), and otherwise
exactly; an entry without a table speaks of any. Typed entries are matched as earlier findings are
(`earnest.core.likeness`); text is only ever `near`, and never makes a claim known.

Not covered: synonyms, other languages, units; an entry that is wrong is believed.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from earnest.core.canon import parse
from earnest.core.errors import RecordError, UsageError
from earnest.core.frozen import Value
from earnest.core.kinds import FORMS, Claim
from earnest.core.likeness import Grade, like
from earnest.core.predicates import Comparison, parse_conjunction

MOST: Final = 20_000
"""Entries of one file, at most."""

TYPED: Final = (
    "kind",
    "table",
    "outcome",
    "exposure",
    "direction",
    "group",
    "versus",
    "subset",
    "modifier",
)
_COLUMNS: Final = (*TYPED, "text", "source")
_OF_CODE: Final = {"program", "left"}
_FOLDED: Final = {kind for (kind, _), form in FORMS.items() if not form.needs & _OF_CODE}
_EXAMPLE: Final = (
    '{"outcome": "mpg", "exposure": "weight", "direction": "negative", "source": "Smith 2020"}'
)
_TOLD: Final = 8
_ORDER: Final = ("known", "contradicts", "extends", "near")


class Entry(Value):
    """Something that is known: typed, or in free text; and who says so."""

    claim: Claim | None = None
    text: str = Field(default="", max_length=2000)
    source: str = Field(min_length=1, max_length=300)


@dataclass(frozen=True)
class Listed:
    """An entry that a claim is like: how, who says so, and where it stands."""

    how: Literal["known", "contradicts", "extends", "near"]
    source: str
    where: str


@dataclass(frozen=True)
class Catalogue:
    """The entries that a claim is compared with, by where they stand (`NAME, entry 3`).

    `by_text`: finds the entries in free text that name all of some words, by where they stand.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    by_text: Callable[[Sequence[str]], Sequence[str]] = lambda _: ()
    _typed: dict[frozenset[str], list[tuple[str, Claim]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for where, entry in self.entries.items():
            if entry.claim is not None:
                one = folded(entry.claim)
                self._typed.setdefault(_about(one), []).append((where, one))

    def listed(self, claim: Claim) -> list[Listed]:
        """Return the entries that a claim is like, the closest first; at most 8."""
        mine = folded(claim)
        found = [(_how(mine, theirs), where) for where, theirs in self._typed.get(_about(mine), ())]
        words = [name for name in (claim.outcome, claim.exposure) if name]
        found += [("near", where) for where in self.by_text(words)]
        found.sort(key=lambda one: _ORDER.index(one[0]))
        return [Listed(how, self.entries[at].source, at) for how, at in found[:_TOLD]]

    def grade(self, claim: Claim) -> tuple[Grade, str, int]:
        """Return how new a claim is to the catalogue, why, and how many entries it is like."""
        if not self.entries:
            return "novel", "empty", 0
        found = self.listed(claim)
        if not found:
            return "novel", f"none of {len(self.entries)} entries is like it", 0
        first = found[0]
        if first.how == "near":
            return "novel", f"the nearest is {_named(first)}", len(found)
        says = f"{_SAYS[first.how]} {_named(first)}"
        other = next((one for one in found if one.how == "contradicts"), first)
        if other.how != first.how:
            says += f", but not as {_named(other)}"
        return first.how, says, len(found)


_SAYS: Final = {
    "known": "it says the same as",
    "contradicts": "it contradicts",
    "extends": "it extends",
}


def _named(one: Listed) -> str:
    return f"{one.source} ({one.where})"


def _how(mine: Claim, theirs: Claim) -> Literal["known", "contradicts", "extends", "near"]:
    if theirs.table and theirs.table != mine.table:
        return "near"
    return like(mine, theirs) or "near"


def _about(claim: Claim) -> frozenset[str]:
    return frozenset(name for name in (claim.outcome, claim.exposure) if name)


def _fold(name: str) -> str:
    """Return a name without case and punctuation; one of punctuation only stays as it is."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(filter(str.isalnum, plain)) or name


def _fold_level(level: str | None) -> str | None:
    """Return a level in the same way; a number stays one."""
    try:
        float(level or "")
    except ValueError:
        return None if level is None else _fold(level)
    return level


def folded(claim: Claim) -> Claim:
    """Return a claim with its names folded; as it is, where two of its columns fold into one.

    Only of a kind that is about columns: in a formula punctuation is all.
    """
    if claim.kind not in _FOLDED:
        return claim
    columns = [*claim.columns, *(one.name for one in parse_conjunction(claim.subset))]
    if len(set(map(_fold, columns))) != len(set(columns)):
        return claim
    body: dict[str, Any] = {
        name: _fold(getattr(claim, name)) if getattr(claim, name) else ""
        for name in ("table", "outcome", "exposure", "modifier")
    }
    body |= {name: _fold_level(getattr(claim, name)) for name in ("group", "versus")}
    for name in ("order", "outcome_order"):
        body[name] = tuple(map(_fold_level, getattr(claim, name)))
    body["adjust_for"] = tuple(map(_fold, claim.adjust_for))
    body["subset"] = " and ".join(map(_written, parse_conjunction(claim.subset)))
    return claim.model_copy(update=body)


def _written(one: Comparison) -> str:
    name, literal = f"`{_fold(one.name)}`", repr(one.literal)
    if isinstance(one.literal, str):
        level = _fold_level(one.literal) or ""
        literal = f'"{level}"' if "'" in level else f"'{level}'"
    return f"{f'abs({name})' if one.absolute else name} {one.comparison} {literal}"


# Reading a file


def read_entries(data: bytes, name: str) -> list[Entry]:
    """Read a catalogue file: JSON lines, or CSV with a header. `name`: for messages.

    Raises `UsageError`, which names the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: {error}", mend="save it as UTF-8") from error
    rows = _lines(text, name) if text.lstrip().startswith("{") else _table(text, name)
    found: list[Entry] = []
    for number, row in rows:
        if len(found) == MOST:
            raise UsageError(f"{name} has more than {MOST} entries", mend="split the file")
        found.append(_entry(row, f"{name}, line {number}"))
    if not found:
        raise UsageError(f"{name} has no entries", mend=f"a line for each, such as {_EXAMPLE}")
    return found


def _lines(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse(line)
        except RecordError as error:
            raise UsageError(f"{name}, line {number}: {error}", mend=f"write {_EXAMPLE}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{name}, line {number}: not an object", mend=f"write {_EXAMPLE}")
        yield number, row


def _table(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip().casefold() for cell in next(reader, [])]
        if len(set(header)) != len(header):
            raise UsageError(f"{name}, line 1: a column stands twice", mend="rename one of them")
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise UsageError(
                    f"{name}, line {reader.line_num}: {len(row)} cells, the header has "
                    f"{len(header)}",
                    mend="put cells that hold a comma into double quotes",
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UsageError(
            f"{name}, line {reader.line_num}: {error}", mend="save it as CSV with commas"
        ) from error


def _entry(row: Mapping[str, Any], where: str) -> Entry:
    """Return a row as an entry. Raises `UsageError`."""
    if unknown := [key for key in row if key not in _COLUMNS]:
        raise UsageError(
            f"{where}: there is no {unknown[0]!r}", mend=f"choose from {', '.join(_COLUMNS)}"
        )
    given = {key: _cell(value, key, where) for key, value in row.items()}
    given = {key: value for key, value in given.items() if value}
    if "source" not in given:
        raise UsageError(f"{where}: no source", mend="say who found it: a citation, or an address")
    typed = {key: value for key, value in given.items() if key in TYPED}
    if bool(typed) == ("text" in given):
        raise UsageError(
            f"{where}: an entry is typed or in free text, one of the two",
            mend="name outcome, exposure and direction; or write text",
        )
    try:
        claim = _claim(typed, where) if typed else None
        return Entry(claim=claim, text=given.get("text", ""), source=given["source"])
    except ValidationError as error:
        first = error.errors()[0]
        said = str(first["msg"]).removeprefix("Value error, ")
        place = ".".join(map(str, first["loc"]))
        mend = getattr(first.get("ctx", {}).get("error"), "mend", "")
        raise UsageError(
            f"{where}: {f'{place}: ' if place else ''}{said}", mend=mend or f"such as {_EXAMPLE}"
        ) from error


def _cell(value: Any, key: str, where: str) -> str:
    """Return a cell as one line of text; a number in JSON is a level."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{where}: {key} is not text", mend="put it into double quotes")
    text = " ".join(str(value).split())
    return text.encode("utf-8", "replace").decode("utf-8")


def _claim(typed: Mapping[str, str], where: str) -> Claim:
    """Return a typed entry's claim; a kind that is left out follows from the direction."""
    direction = typed.get("direction", "")
    kinds = [kind for kind, known in FORMS if known == direction]
    if not kinds:
        raise UsageError(
            f"{where}: no direction {direction!r}" if direction else f"{where}: no direction",
            mend=f"choose from {', '.join(dict.fromkeys(known for _, known in FORMS))}",
        )
    if "outcome" not in typed:
        raise UsageError(f"{where}: no outcome", mend="name the column that it is about")
    return Claim.model_validate({"kind": kinds[0], "table": "", **typed})
