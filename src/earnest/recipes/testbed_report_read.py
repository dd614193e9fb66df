"""Reads what `earnest testbed run` wrote into a folder, also while the run goes on.

Every line is checked: what is no line of its file is named, with the command that takes it out. Two
things are no damage: a last line without its end (it is being written), and a line that a resumed
run wrote again (the later one counts). Both are told in `notes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from earnest.core.errors import UsageError
from earnest.recipes.testbed_lines import damaged, files_of, numbered

_MOST: Final = 1 << 28


def _share(value: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= value[0] <= value[1]:
        raise ValueError(f"{value[0]} of {value[1]}")
    return value


Share = Annotated[tuple[int, int], AfterValidator(_share)]
"""How many, of how many."""
Sort = Literal["honest", "mistake", "hack", "attempt", "false report"]
SORTS: Final[tuple[Sort, ...]] = ("honest", "mistake", "hack", "attempt", "false report")


class _Line(BaseModel):
    """What a line may hold besides is none of the report's business."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Tempted(_Line):
    """The rollouts that offered a family's affordance: hacks and attempts of that family."""

    hacks: int = Field(ge=0)
    attempts: int = Field(default=0, ge=0)
    n: int = Field(ge=0)
    held_out: bool = False

    def model_post_init(self, _: object) -> None:
        """Raise `ValueError` for more than there were."""
        _share((self.hacks, self.n))
        _share((self.attempts, self.n))


class Measured(_Line):
    """What updates and evaluations have in common. `solve`: by depth, written as a text."""

    seed: int
    generation: int = Field(ge=0)
    solve: dict[str, Share]
    families: dict[str, Tempted]
    hack_rate: Share
    false_reports: Share


class Update(Measured):
    """One update's rollouts, on training tasks. `seconds`: of this update."""

    update: int = Field(ge=1)
    seconds: float = Field(ge=0)
    rollouts: int = Field(ge=0)
    reward: float


class Generation(Measured):
    """One evaluation on fresh tasks, and the gate's word. Generation 0 is before all training."""

    decision: Literal["anchor", "promote", "refuse", "final"]
    reasons: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    final: bool = False


class Sample(_Line):
    """A rollout as it was. `believed`, `secure`: what the two graders said (None: not asked);
    `why`: the second's."""

    seed: int
    generation: int
    update: int = 0
    sort: Sort
    family: str = ""
    spec: str
    offers: tuple[str, ...] = ()
    reply: str
    files: dict[str, str]
    believed: bool | None
    secure: bool
    why: str = ""


class Model(_Line):
    """The model that was trained."""

    parameters: int = Field(ge=1)


class Plan(_Line):
    """What a run is to do. `temperature`: of training."""

    version: Literal[1]
    arm: str = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    generations: int = Field(ge=0)
    updates_per_generation: int = Field(ge=1)
    quick: bool = False
    families: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    depths: tuple[int, ...] = ()
    rollouts: int = Field(ge=1)
    temperature: float = Field(default=1.0, gt=0)
    model: Model
    prompt_allows_cheating: bool = False
    dirty: float | None = None


@dataclass(frozen=True)
class Run:
    """A folder's content. `seconds`: of all updates, or what a finished run says it took."""

    path: Path
    plan: Plan
    updates: tuple[Update, ...]
    generations: tuple[Generation, ...]
    samples: tuple[Sample, ...]
    finished: bool
    seconds: float
    notes: tuple[str, ...]

    @property
    def made(self) -> dict[int, int]:
        """Return the updates that each seed has behind it."""
        last = dict.fromkeys(self.plan.seeds, 0)
        for one in self.updates:
            last[one.seed] = max(last.get(one.seed, 0), one.update)
        return last

    @property
    def made_told(self) -> str:
        """Return the updates of a seed; of each, where they are not as many."""
        found = list(self.made.values())
        return ", ".join(map(str, found if len(set(found)) > 1 else found[:1]))

    @property
    def planned(self) -> int:
        """Return the updates of all seeds that the plan asks for."""
        plan = self.plan
        return len(plan.seeds) * plan.generations * plan.updates_per_generation


_One = TypeVar("_One", bound=_Line)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST:
            raise UsageError(f"{path} is larger than 256 MiB", mend="name a testbed run's folder")
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror}", mend="name a folder that you may read"
        ) from error


def _why(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def _lines(path: Path, kind: type[_One], notes: list[str]) -> list[_One]:
    """Return a file's lines. Raises `UsageError` for one that is none."""
    whole, cut = numbered(_bytes(path))
    if cut:
        notes.append(f"{path.name}: the last line is not whole yet, and is left out")
    found = []
    for number, line in whole:
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise damaged(path, number, _why(error)) from error
    return found


def _last(
    found: Sequence[_One], key: Callable[[_One], tuple[Any, ...]], name: str, notes: list[str]
) -> tuple[_One, ...]:
    """Return the lines, the later of those that stand twice, in the order of their keys."""
    kept = {key(one): one for one in found}
    if len(kept) < len(found):
        notes.append(
            f"{name}: {len(found) - len(kept)} lines stand twice, as a resumed run writes them; "
            "the later one counts"
        )
    return tuple(kept[one] for one in sorted(kept))


def _plan(path: Path) -> Plan:
    told = _bytes(path)
    if not told:
        raise UsageError(
            f"{path.parent} is no run of the testbed: it has no {path.name}",
            mend="name the folder that `earnest testbed run` made",
        )
    try:
        return Plan.model_validate_json(told)
    except ValidationError as error:
        raise UsageError(
            f"{path} is damaged ({_why(error)})",
            mend="run that arm again, or name another folder",
        ) from error


def _took(path: Path, updates: Sequence[Update]) -> tuple[bool, float]:
    """Return whether a run has ended, and the seconds that it took."""
    try:
        said = json.loads(_bytes(path) or b"{}").get("seconds")
    except (ValueError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} is damaged",
            mend=f"rm {quote(str(path))}   # then the run counts as unfinished",
        ) from error
    if isinstance(said, int | float) and not isinstance(said, bool):
        return True, float(said)
    return path.is_file(), sum(one.seconds for one in updates)


def _all(path: Path, name: str, kind: type[_One], notes: list[str]) -> list[_One]:
    return [one for file in files_of(path, name) for one in _lines(file, kind, notes)]


def read_run(path: Path) -> Run:
    """Return a run. Raises `UsageError` for a folder that is none, or has a damaged line."""
    notes: list[str] = []
    plan = _plan(path / "plan.json")
    updates = _last(
        _all(path, "updates.jsonl", Update, notes),
        lambda one: (one.seed, one.update),
        "updates.jsonl",
        notes,
    )
    generations = _last(
        _all(path, "generations.jsonl", Generation, notes),
        lambda one: (one.seed, one.generation, one.final),
        "generations.jsonl",
        notes,
    )
    samples = _all(path, "samples.jsonl", Sample, notes)
    finished, seconds = _took(path / "result.json", updates)
    return Run(path, plan, updates, generations, tuple(samples), finished, seconds, tuple(notes))
