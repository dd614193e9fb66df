"""Where the items of `eval integrity` come from. `SOURCES` is the one place that lists them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from earnest.core.errors import UsageError
from earnest.core.protocols import Sandbox
from earnest.core.testbed import FAMILIES, SOLUTION, Affordance, UnusableError
from earnest.evals.integrity import Item, Source, Wanted
from earnest.recipes.testbed_sources import exercises, real_items, told
from earnest.tasks.specs import DEEPEST, exercise, program_of
from earnest.tasks.specs_cheats import cheat
from earnest.tasks.specs_honest import solution

Opened = Callable[[], Sandbox]
"""Opens a sandbox, the same each time: what makes items of others' tasks runs their code in it."""
NAMED: Final = ("made", "humaneval", "mbpp")
"""Sources of `testbed_sources.py` beside `specs`: the project's own small set, two data sets."""


def affordances(families: Sequence[str]) -> tuple[Affordance, ...]:
    """Return what has to be offered so that each family is, once each, in their usual order."""
    return tuple(dict.fromkeys(one.needs for one in FAMILIES if one.name in families))


def cheated(item: Item, family: str) -> Mapping[str, str]:
    """Return what a cheat of a family writes, one of its ways drawn by the item's name."""
    left = cheat(item.one, family, Random(item.name))  # noqa: S311 (which way is no secret)
    return {name: data.decode() for name, data in left.items() if data != item.one.files.get(name)}


class Specs:
    """Items of the environment `specs`, of its split `eval`: one affordance beside the tests.

    Eight of the families need no more than the visible tests, so that every item offers them.
    """

    name = "specs"

    def items(self, wanted: Wanted) -> Sequence[Item]:
        """Return `tasks` items for each affordance that is needed, their depths in turn.

        Raises `UsageError` for a depth that isn't.
        """
        if wrong := [depth for depth in wanted.depths if not 1 <= depth <= DEEPEST]:
            raise UsageError(
                f"no composition of depth {wrong[0]}", mend=f"--depths 1,2,3, up to {DEEPEST}"
            )
        needed = affordances(wanted.families)
        depths = wanted.depths
        return [
            self._item(wanted, needs, number, depths[(number + at) % len(depths)], twin)
            for number in range(wanted.tasks)
            for at, needs in enumerate(needed)
            for twin in ((False, True) if wanted.twins else (False,))
        ]

    def _item(self, wanted: Wanted, needs: Affordance, number: int, depth: int, twin: bool) -> Item:
        key = f"{wanted.seed} integrity {needs} {number}"
        one, secrets = exercise(key, depth, split="eval", twin=twin, offers=[needs])
        pair = f"{needs}-{number:03}-depth-{depth}"
        return Item(f"{pair}-twin" if twin else pair, one, secrets, pair)

    def honest(self, item: Item) -> Mapping[str, str]:
        """Return a right solution."""
        return {SOLUTION: solution(program_of(item.secrets))}

    def cheat(self, item: Item, family: str) -> Mapping[str, str]:
        """Return a cheat: one of the family's ways, drawn by the item."""
        return cheated(item, family)


def _fit(name: str) -> str:
    """Return a name as one of a folder."""
    return re.sub(r"[^\w.-]", "-", name)[:80]


class Others:
    """Items of tasks that others made: a data set, or a folder of Harbor tasks.

    A data set's items come in its order, each with one affordance; there may be fewer than are
    asked for. Harbor tasks are what they are: `families` and `depths` say nothing of them. A
    reference runs in jails.
    """

    def __init__(self, name: str, sandbox: Opened) -> None:
        """`name`: as `testbed_sources.exercises` takes it."""
        self.name, self.sandbox = name, sandbox

    def items(self, wanted: Wanted) -> Sequence[Item]:
        """Return the items that can be used. Raises `UsageError`, `SandboxError`, `LackError`."""
        needed = affordances(wanted.families)
        most = wanted.tasks * len(needed)
        ways = (False, True) if wanted.twins else (False,)
        if self.name in NAMED:
            return list(islice(self._drawn(wanted.seed, needed, ways), most * len(ways)))
        found = [
            pair for twin in ways for pair in exercises(self.name, wanted.seed, twin=twin, n=most)
        ]
        names = [_fit(one.task.metadata.get("item", one.task.id)) for one, _ in found]
        return [
            Item(name, one, secrets, name.removesuffix("-twin"))
            for name, (one, secrets) in zip(names, found, strict=True)
        ]

    def _drawn(
        self, seed: int, needed: Sequence[Affordance], ways: Sequence[bool]
    ) -> Iterator[Item]:
        usable = 0
        for name, item in real_items(self.name):
            offers = [needed[usable % len(needed)]]
            try:
                made = [
                    told(self.sandbox(), item, self.name, seed, twin=twin, offers=offers)
                    for twin in ways
                    if not isinstance(item, str)
                ]
            except UnusableError:
                continue
            usable += bool(made)
            pair = _fit(name)
            for one, secrets in made:
                yield Item(f"{pair}-twin" if secrets.twin else pair, one, secrets, pair)

    def honest(self, item: Item) -> Mapping[str, str]:
        """Return a right solution. Raises `UsageError` where none is known."""
        if not item.secrets.solution:
            raise UsageError(f"no solution of {item.name} is known", mend="--model idle")
        return {SOLUTION: item.secrets.solution}

    def cheat(self, item: Item, family: str) -> Mapping[str, str]:
        """Return a cheat: one of the family's ways, drawn by the item."""
        return cheated(item, family)


SOURCES: Final[Mapping[str, Callable[[Opened], Source]]] = {
    Specs.name: lambda _: Specs(),
    **{name: partial(Others, name) for name in NAMED},
}
"""By name, as `--source` takes it."""


def source_of(name: str, sandbox: Opened) -> Source:
    """Return the source of this name, or of a folder of Harbor tasks. Raises `UsageError`."""
    if name in SOURCES:
        return SOURCES[name](sandbox)
    if Path(name).is_dir():
        return Others(name, sandbox)
    raise UsageError(
        f"no source {name!r}", mend=f"choose from {', '.join(SOURCES)}, or name a folder of tasks"
    )
