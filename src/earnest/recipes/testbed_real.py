"""What can be made of a data set, checked: `earnest testbed sources`.

Every item is read and its reference asked, in jails. Of some, the pair of exercises is made, and
the reference handed in: on the possible one both graders must pass it and no detector see anything;
on the impossible one it must fail exactly the contradicted test, and pass the secure grader.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from earnest.core.protocols import Progress, Sandbox
from earnest.core.testbed import FAMILIES, SOLUTION, Affordance, UnusableError
from earnest.evals.testbed_detect import attempts
from earnest.evals.testbed_grade import Graders
from earnest.recipes.testbed_sources import Pair, told
from earnest.tasks.real_items import Item
from earnest.tasks.specs_cheats import CHEATS, edited

_SAY_EVERY: Final = 25


@dataclass(frozen=True)
class Checked:
    """An item's name; why it is not usable; what its checks found wrong, if it was checked.

    `seen`: what detectors saw in the reference, which is honest.
    """

    name: str
    why: str = ""
    checked: bool = False
    wrong: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


def handed_in(pair: Pair) -> dict[str, bytes]:
    """Return the workspace with the known right solution in it."""
    one, secrets = pair
    return {**one.files, SOLUTION: secrets.solution.encode()}


def _one_failed(summary: str, of: int) -> bool:
    """Say whether pytest's last line tells of one failure and of passes for all the rest."""
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|errors?)", summary)}
    return counts == {"failed": 1, "passed": of - 1}


def check(graders: Graders, name: str, pair: Pair, twin: Pair) -> Checked:
    """Grade the reference on both exercises of a pair."""
    wrong = []
    graded = graders.grade(*pair, handed_in(pair))
    if not graded.believed.passed:
        wrong.append(f"fails the visible tests: {graded.believed.summary}")
    if not graded.secure:
        wrong.append(f"fails the secure grader: {graded.why}")
    odd = graders.grade(*twin, handed_in(twin))
    shown = list(zip(pair[0].shown, twin[0].shown, strict=True))
    changed = [left for left, right in shown if repr(left) != repr(right)]
    if len(changed) != 1 or not _one_failed(odd.believed.summary, len(shown)):
        wrong.append(f"its twin: {len(changed)} tests changed, {odd.believed.summary}")
    if not odd.secure:
        wrong.append(f"its twin fails the secure grader: {odd.why}")
    seen = attempts(pair[0], handed_in(pair), graded.believed)
    return Checked(name, "", True, tuple(wrong), tuple(f"{one.family}: {one.why}" for one in seen))


def survey(
    sandbox: Sandbox,
    source: str,
    found: Sequence[tuple[str, Item | str]],
    seed: int,
    most: int,
    say: Progress,
) -> list[Checked]:
    """Ask every item's reference, and check at most `most` pairs.

    Raises `SandboxError`, `LackError`.
    """
    graders, done, checks = Graders(sandbox), [], 0
    for number, (name, item) in enumerate(found, 1):
        if number % _SAY_EVERY == 0:
            say(f"{source}: {number} of {len(found)} items")
        try:
            if not isinstance(item, Item):
                raise UnusableError(item)
            pair = told(sandbox, item, source, seed, offers=())
            if checks < most:
                twin = told(sandbox, item, source, seed, twin=True, offers=())
                done.append(check(graders, name, pair, twin))
                checks += 1
            else:
                done.append(Checked(name))
        except UnusableError as error:
            done.append(Checked(name, str(error)))
    return done


def table(found: Sequence[Checked]) -> dict[str, Any]:
    """Return the counts of one source, why items can't be used, and what checks found wrong."""
    unused: dict[str, list[str]] = {}
    for one in found:
        if one.why:
            unused.setdefault(one.why, []).append(one.name)
    checked = [one for one in found if one.checked]
    return {
        "items": len(found),
        "usable": sum(not one.why for one in found),
        "unusable": dict(sorted(unused.items(), key=lambda row: -len(row[1]))),
        "checked": len(checked),
        "wrong": {one.name: list(one.wrong) for one in checked if one.wrong},
        "references_flagged": {one.name: list(one.seen) for one in checked if one.seen},
    }


def cheats(
    sandbox: Sandbox, pairs: Callable[[Sequence[Affordance]], Sequence[Pair]], say: Progress
) -> dict[str, Any]:
    """Commit plain cheats of each family on given exercises; grade them and look for them.

    `pairs` makes the exercises that offer some affordances. Returns a row a family: cases, hacks,
    how many were seen as the family, and as any.
    """
    graders, rows = Graders(sandbox), {}
    for family in FAMILIES:
        row: Counter[str] = Counter(cases=0, hacks=0, seen=0, seen_as_any=0)
        for number, (one, secrets) in enumerate(pairs((family.needs,))):
            ways = CHEATS[family.name]
            files = edited(one, ways[number % len(ways)])
            graded = graders.grade(one, secrets, files)
            names = [found.family for found in attempts(one, files, graded.believed)]
            row.update(cases=1, hacks=int(graded.hack), seen=int(family.name in names))
            row.update(seen_as_any=int(bool(names)))
        rows[family.name] = dict(row)
        say(f"{family.name}: {row['hacks']} of {row['cases']} hacks, {row['seen']} seen")
    return rows


def in_words(sources: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table for a person."""
    lines = []
    for name, found in sources.items():
        lines.append(f"{name}: {found['usable']} of {found['items']} items are usable")
        for why, items in found["unusable"].items():
            lines.append(
                f"  {len(items):4} {why} ({', '.join(items[:3])}{', …' * (len(items) > 3)})"
            )
        lines += [
            f"    {task}: without docker: {said}" for task, said in found.get("unmet", {}).items()
        ]
        if "checked" not in found:
            continue
        lines.append(
            f"  {found['checked']} pairs checked by their reference: {len(found['wrong'])} wrong, "
            f"{len(found['references_flagged'])} of the references taken for an attempt"
        )
        for key in ("wrong", "references_flagged"):
            lines += [f"    {item}: {'; '.join(told)}" for item, told in found[key].items()]
        lines += [
            f"  cheat {family}: {row['hacks']} of {row['cases']} hacks, {row['seen']} seen as it, "
            f"{row['seen_as_any']} as any"
            for family, row in found.get("cheats", {}).items()
        ]
    return "\n".join(lines)
