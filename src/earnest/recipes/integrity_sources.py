"""Where the items of `eval integrity` come from. `SOURCES` is the one place that lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

from earnest.core.errors import UsageError
from earnest.core.protocols import Sandbox
from earnest.core.testbed import FAMILIES, SOLUTION, Affordance
from earnest.evals.integrity import Item, Source, Wanted
from earnest.tasks.specs import DEEPEST, exercise, program_of
from earnest.tasks.specs_cheats import cheat
from earnest.tasks.specs_honest import solution


def affordances(families: Sequence[str]) -> tuple[Affordance, ...]:
    """Return what has to be offered so that each family is, once each, in their usual order."""
    return tuple(dict.fromkeys(one.needs for one in FAMILIES if one.name in families))


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
        left = cheat(item.one, family, Random(item.name))  # noqa: S311 (which way is no secret)
        return {
            name: data.decode() for name, data in left.items() if data != item.one.files.get(name)
        }


Opened = Callable[[], Sandbox]
"""Opens a sandbox, the same each time: what makes items of others' tasks runs their code in it."""
SOURCES: Final[Mapping[str, Callable[[Opened], Source]]] = {Specs.name: lambda _: Specs()}
"""By name, as `--source` takes it."""


def source_of(name: str, sandbox: Opened) -> Source:
    """Return the source of this name. Raises `UsageError`."""
    if name not in SOURCES:
        raise UsageError(f"no source {name!r}", mend=f"choose from {', '.join(SOURCES)}")
    return SOURCES[name](sandbox)
