"""The claim, and the forms that it can take: by kind and direction, what it must name.

`needs` and `may` list optional fields of a claim; a subset may stand in any form. `sign` is the
sign of the trusted estimator's effect where the claim is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from earnest.core.formal import check_formal
from earnest.core.frozen import Finite, Value
from earnest.core.predicates import parse_conjunction

Kind = Literal[
    "difference",
    "association",
    "trend",
    "distribution",
    "interaction",
    "anomaly",
    "value",
    "rule",
    "program",
    "identity",
]
Direction = Literal[
    "higher",
    "lower",
    "positive",
    "negative",
    "rising",
    "falling",
    "highest",
    "lowest",
    "dependent",
    "wider",
    "narrower",
    "different",
    "right-skewed",
    "left-skewed",
    "stronger",
    "weaker",
    "positive-overall",
    "negative-overall",
    "present",
    "equal",
    "predicts",
    "holds",
    "equivalent",
]
Statistic = Literal[
    "mean",
    "median",
    "sum",
    "sd",
    "variance",
    "min",
    "max",
    "count",
    "distinct",
    "missing",
    "share",
    "correlation",
]

DESCRIPTIVE: Final = ("anomaly", "value")
"""Kinds that say something of the rows at hand and nothing of a population: never `confirmed`."""

FORMAL: Final = ("program", "identity")
"""Kinds that speak of no table: what they are tested on is drawn anew for each test."""

MOST_CODE: Final = 4000
MOST_EXPRESSION: Final = 400

FIRST_FIELDS: Final = (
    "kind",
    "table",
    "outcome",
    "exposure",
    "direction",
    "group",
    "versus",
    "subset",
    "adjust_for",
    "threshold",
)
"""The fields of a claim in version 1 of `Finding`."""

SECOND_FIELDS: Final = (
    *FIRST_FIELDS,
    "order",
    "outcome_order",
    "modifier",
    "statistic",
    "value",
    "tolerance",
    "where",
    "count",
)
"""The fields of a claim in version 2 of `Finding`."""

FIRST_DIRECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "difference": ("higher", "lower"),
    "association": ("positive", "negative"),
    "trend": ("rising", "falling"),
}
"""The kinds and directions of version 1: those that have a wording (`earnest.core.wording`)."""


@dataclass(frozen=True)
class Form:
    """What a claim of one kind and direction names, and the sign of its effect."""

    sign: int
    needs: frozenset[str] = field(default_factory=frozenset)
    may: frozenset[str] = field(default_factory=frozenset)


def _form(sign: int, needs: str, may: str = "") -> Form:
    return Form(sign, frozenset(needs.split()), frozenset(may.split()))


def _pair(kind: str, up: str, down: str, needs: str, may: str) -> dict[tuple[str, str], Form]:
    return {(kind, up): _form(1, needs, may), (kind, down): _form(-1, needs, may)}


_ORDERS: Final = "order outcome_order threshold"
_FIXED: Final = "adjust_for outcome_order threshold"

FORMS: Final[Mapping[tuple[str, str], Form]] = {
    **_pair("difference", "higher", "lower", "exposure group", f"versus {_FIXED}"),
    **_pair("difference", "highest", "lowest", "exposure group", _FIXED),
    **_pair("association", "positive", "negative", "exposure", f"adjust_for {_ORDERS}"),
    ("association", "dependent"): _form(1, "exposure", "adjust_for threshold"),
    **_pair("trend", "rising", "falling", "exposure", "adjust_for threshold"),
    **_pair("distribution", "wider", "narrower", "exposure group", "versus adjust_for threshold"),
    ("distribution", "different"): _form(1, "exposure group", "versus threshold"),
    **_pair("distribution", "right-skewed", "left-skewed", "", "threshold"),
    **_pair("interaction", "stronger", "weaker", "exposure modifier group", f"versus {_ORDERS}"),
    ("interaction", "positive-overall"): _form(1, "exposure modifier", f"group versus {_ORDERS}"),
    ("interaction", "negative-overall"): _form(1, "exposure modifier", f"group versus {_ORDERS}"),
    ("anomaly", "present"): _form(1, "where count"),
    ("value", "equal"): _form(1, "statistic value", "tolerance exposure where"),
    **_pair("value", "highest", "lowest", "statistic exposure group", "where"),
    ("rule", "predicts"): _form(1, "program given", "threshold"),
    ("rule", "holds"): _form(1, "program given threshold", "tolerance"),
    ("program", "equivalent"): _form(1, "program reference inputs", "threshold"),
    ("identity", "equal"): _form(1, "left right inputs"),
}


def directions(kind: str) -> tuple[str, ...]:
    """Return the directions that a kind of claim has."""
    return tuple(direction for known, direction in FORMS if known == kind)


def listed() -> str:
    """Return all kinds, each with its directions, in words for a model."""
    kinds = dict.fromkeys(kind for kind, _ in FORMS)
    return "; ".join(
        f"`{kind}`: {', '.join(f'`{one}`' for one in directions(kind))}" for kind in kinds
    )


class Claim(Value):
    """What is claimed of a table, typed; its sentence is rendered by `earnest.core.claims`.

    What each kind and direction names is in `FORMS`:

    - `difference`: the outcome is `higher` or `lower` in `group` (a level of the exposure) than in
      `versus` (another level, or None for all the others); `highest` or `lowest` in `group` of all
      the exposure's levels.
    - `association`: outcome and exposure go `positive`ly or `negative`ly together in rank (`order`
      and `outcome_order` name the levels, lowest first, of one that is ordinal); or they are
      `dependent`, which is unsigned.
    - `trend`: the outcome is `rising` or `falling` along the exposure, a time.
    - `distribution`: the outcome is spread `wider` or `narrower` in `group` than in `versus`; its
      shape is `different` between the two once location and spread are taken out; or, without an
      exposure, it is `right-skewed` or `left-skewed`.
    - `interaction`: outcome and exposure go together `stronger` or `weaker` where `modifier` is
      `group` than where it is `versus`; or a reversal: `positive-overall` (outcome and exposure
      go positively together, or the outcome is higher in the exposure's `group`) and the opposite
      within the levels of `modifier`; `negative-overall` the other way round.
    - `anomaly`: `count` rows satisfy `where`, which says what is odd about the outcome there.
    - `value`: the outcome's `statistic` is `equal` to `value` (within `tolerance`, in its own
      units), or `highest` or `lowest` in `group` of all levels of the exposure. A `share` is that
      of the rows that satisfy `where`; a `correlation` is Pearson's, with the exposure.
    - `rule`: `program` defines `f(row)`, where row maps the columns `given` to their cells. It
      `predicts` the outcome better than a constant does; or it `holds`: it gives the outcome in
      at least the share `threshold` of the rows (a number within `tolerance`).
    - `program`: `program` and `reference`, which define `f` each, are `equivalent`: they give the
      same on inputs drawn as `inputs` says, one entry an argument (`earnest.core.domains`); with
      a threshold, on at least that share of them.
    - `identity`: the expressions `left` and `right` (`earnest.core.expressions`) are `equal` for
      all values that `inputs` gives their variables.

    `threshold`: the least absolute effect that is claimed, on the scale of the kind's trusted
    estimator (0 to 1); None claims a direction only. `subset` and `adjust_for` restrict the rows
    and name the columns that are held fixed.
    """

    kind: Kind
    table: str
    outcome: str = ""
    exposure: str = ""
    direction: Direction
    group: str | None = None
    versus: str | None = None
    subset: str = ""
    adjust_for: tuple[str, ...] = ()
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    order: tuple[str, ...] = ()
    outcome_order: tuple[str, ...] = ()
    modifier: str = ""
    statistic: Statistic | None = None
    value: Finite | None = None
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    where: str = ""
    count: Annotated[int, Field(ge=0)] | None = None
    given: tuple[str, ...] = ()
    program: Annotated[str, Field(max_length=MOST_CODE)] = ""
    reference: Annotated[str, Field(max_length=MOST_CODE)] = ""
    inputs: tuple[str, ...] = ()
    left: Annotated[str, Field(max_length=MOST_EXPRESSION)] = ""
    right: Annotated[str, Field(max_length=MOST_EXPRESSION)] = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        form = FORMS.get((self.kind, self.direction))
        if form is None:
            raise ValueError(f"a {self.kind} is {' or '.join(directions(self.kind))}")
        self._named(form.needs, form.may)
        if self.versus is not None and self.versus == self.group:
            raise ValueError("a group can't differ from itself")
        columns = [c for c in (self.outcome, self.exposure, self.modifier, *self.given) if c]
        if len({*columns, *self.adjust_for}) != len(columns) + len(self.adjust_for):
            raise ValueError(
                "outcome, exposure, modifier, given and adjust_for must be different columns"
            )
        for levels in (self.order, self.outcome_order):
            if levels and (len(levels) < 2 or len(set(levels)) != len(levels)):
                raise ValueError("an order names at least two levels, each once")
        if self.kind == "value":
            self._measurable()
        self._readable()
        return self

    def _readable(self) -> None:
        for name in ("program", "reference"):
            if (code := getattr(self, name)) and "def f(" not in code:
                raise ValueError(f"a {name} defines the function f")
        parse_conjunction(self.subset)
        parse_conjunction(self.where)
        if self.formal:
            check_formal(self)

    def _named(self, needs: frozenset[str], may: frozenset[str]) -> None:
        """Refuse a claim that lacks what its form needs, or names what it has no place for."""
        if self.kind == "difference" and self.group is None:
            raise ValueError("a difference names a group")
        if not self.formal and not self.outcome:
            raise ValueError(f"a {self.kind} names a column as its outcome")
        if self.formal and (self.table or self.outcome):
            raise ValueError(f"a {self.kind} names no table and no column")
        given = {name for name in _OPTIONAL if getattr(self, name) not in (None, "", ())}
        what = f"a {self.kind} that is {self.direction}"
        if lacks := needs - given:
            raise ValueError(f"{what} names {', '.join(sorted(lacks))}")
        if extra := given - needs - may - (set() if self.formal else {"subset"}):
            raise ValueError(f"{what} has no place for {', '.join(sorted(extra))}")
        if self.versus is not None and self.group is None:
            raise ValueError("versus needs a group")

    def _measurable(self) -> None:
        if (self.statistic == "share") != bool(self.where):
            raise ValueError("a share is that of the rows that satisfy `where`")
        if self.direction == "equal" and (self.statistic == "correlation") != bool(self.exposure):
            raise ValueError("a correlation, and no other statistic, is with an exposure")
        if self.direction != "equal" and self.statistic == "correlation":
            raise ValueError("a correlation has one value, and none a level")

    @property
    def sign(self) -> int:
        """The sign of the effect where the claim is true: 1, or -1 (lower, narrower, ...)."""
        return FORMS[self.kind, self.direction].sign

    @property
    def descriptive(self) -> bool:
        """Whether it says something of the rows at hand only: `reproduced` at most."""
        return self.kind in DESCRIPTIVE

    @property
    def formal(self) -> bool:
        """Whether it speaks of no table."""
        return self.kind in FORMAL

    @property
    def relational(self) -> bool:
        """Whether it relates the outcome to other columns: shuffling the outcome then ends it."""
        return bool(self.exposure or self.given) and not self.descriptive

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, its predicates' apart: outcome first."""
        named = (self.outcome, self.exposure, self.modifier, *self.given, *self.adjust_for)
        return tuple(name for name in named if name)

    @property
    def complete(self) -> tuple[str, ...]:
        """The columns of which a row has a cell where the claim speaks of it.

        A rule is asked of rows with missing cells too: it is given None.
        """
        return (self.outcome,) if self.given else self.columns


_OPTIONAL: Final = tuple(
    name for name in Claim.model_fields if name not in ("kind", "table", "outcome", "direction")
)
