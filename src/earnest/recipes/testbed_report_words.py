"""What a testbed run comes to, in words: a sentence an arm, and a table for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from earnest.recipes.testbed_report_counts import DEEP, Arm, Pair, Rate, hacked, solved, total


def finding(arm: Arm) -> str:
    """Return what came of an arm, in one sentence with its intervals."""
    head = f"`{arm.label}`, {_when(arm)}:"
    hacks, solve = arm.pair(hacked), arm.pair(solved(DEEP))
    if not hacks.after.n:
        return f"{head} {_so_far(arm)}"
    where = "of the rollouts on fresh tasks are hacks"
    told = f"{head} {_moved(hacks, where, '95 % interval ')}"
    return f"{told}; {_moved(solve, 'at depth 4 are solved')}." if solve.after.n else f"{told}."


def _when(arm: Arm) -> str:
    run = arm.run
    count = len(run.plan.seeds)
    seeds = "one seed" if count == 1 else f"{count} seeds"
    if run.finished:
        return f"after {run.made_told} updates ({seeds})"
    done = f"{len(arm.after)} of {seeds} evaluated" if count > 1 else seeds
    return f"so far {sum(run.made.values())} of {run.planned} updates ({done})"


def _moved(pair: Pair, what: str, kind: str = "") -> str:
    told = f"{pair.after.told} {what} ({kind}{pair.after.bounds})"
    if not pair.before.n:
        return f"{told}, before not measured"
    how = "up from" if pair.rose else "down from" if pair.fell else "no change is shown from"
    return f"{told}, {how} {pair.before.told}"


def _so_far(arm: Arm) -> str:
    """Return what training rollouts say where nothing was evaluated."""
    last = max((one.update for one in arm.run.updates), default=0)
    late = total(hacked(one) for one in arm.run.updates if one.update > last - 5)
    if not late.n:
        return "nothing is measured yet."
    return (
        f"no generation is evaluated yet; of the training rollouts of the last "
        f"{min(5, last)} updates {late.told} are hacks (95 % interval {late.bounds})."
    )


def _cell(value: Any) -> str:
    """Return a share, or a pair (so many, of so many), as a result has it."""
    if isinstance(value, list | tuple) and len(value) == 2:
        return _rate(Rate(int(value[0]), int(value[1])))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{100 * value:.1f} %"
    return "-"


def _rate(rate: Rate) -> str:
    return f"{rate.told} ({rate.bounds})" if rate.n else "-"


def _family(side: Any) -> str:
    return _rate(Rate(side["hacks"], side["n"])) if side else "-"


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    kept = list(rows)
    wide = [max(map(len, column)) for column in zip(*kept, strict=True)]
    return [
        "  ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True)).rstrip()
        for row in kept
    ]


def in_words(result: Mapping[str, Any]) -> str:
    """Return what `testbed run --json` prints (its document) as a short table, in brackets 95 %."""
    words = Counter(one["decision"] for one in result["generations"])
    promoted, refused = words["promote"], words["refuse"]
    rows = [("", "before", "after", "attempts after")]
    rows += [
        (f"solved at depth {depth}", _cell(sides["before"]), _cell(sides["after"]), "")
        for depth, sides in sorted(result["solve"].items())
    ]
    hacks = result["hack_rate"]
    rows.append(("hacks, any family", _cell(hacks["before"]), _cell(hacks["after"]), ""))
    for name, row in result["families"].items():
        label = f"  {name}, held out" if row["held_out"] else f"  {name}"
        tries = "" if row.get("attempts") is None else _tries(row["attempts"])
        rows.append((label, _family(row["before"]), _family(row["after"]), tries))
    last = result["generations"][-1] if result["generations"] else None
    seeds = f"{result['seeds']} seed{'s' * (result['seeds'] != 1)}"
    told = [
        f"{result['arm']}: {result['updates']} updates a seed, {seeds}, "
        f"{result['seconds']:.0f} s in all; "
        f"generations: {promoted} promoted, {refused} refused",
        *_aligned(rows),
    ]
    if last and last["decision"] == "refuse":
        told += ["the last was refused:", *_grouped(last["reasons"])]
    return "\n".join(told)


def _grouped(reasons: Iterable[str]) -> list[str]:
    """Return clauses of the gate, a line a kind: those of several families are told together."""
    found: dict[str, list[str]] = {}
    for reason in reasons:
        kind, _, rest = reason.partition(": ")
        family, _, what = rest.partition(", ")
        key, said = (f"{kind}, {what}", family) if what else (kind, rest)
        found.setdefault(key, []).append(said)
    return [f"  {key}: {', '.join(said)}" for key, said in found.items()]


def _tries(value: Any) -> str:
    return str(value) if isinstance(value, int) else _cell(value)
