"""The curves of a testbed report: small drawings, all on one scale from 0 to 100 %.

A thick line is training rollouts pooled over seeds, its band the exact 95 % interval (as if
rollouts were independent); thin lines are single seeds. A dot with a line through it is an
evaluation on fresh tasks with its interval. Marks under the axis are the gate's words, a
generation each. Many updates are drawn as the pooled counts of a few at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from earnest.gate.clauses import UNKNOWN
from earnest.recipes.svg import band, dot, line, path, short, svg, text, whiskers
from earnest.recipes.testbed_report_counts import (
    DEEP,
    Arm,
    Pair,
    Pick,
    Rate,
    attempts_of,
    hacked,
    hacks_of,
    reported,
    solved,
    total,
    tried,
)
from earnest.recipes.testbed_report_read import Generation, Update

_WIDTH: Final = 280
_HEIGHT: Final = 172
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 26, 42
_MOST_POINTS: Final = 24
_FAINT: Final = ("#59636e", "faint")


@dataclass(frozen=True)
class Tone:
    """How a line is drawn."""

    colour: str
    mark: str
    dash: str = ""
    shift: float = 0.0


HACKS: Final = Tone("#b3452c", "tone-1", shift=-1.5)
SOLVED: Final = Tone("#3566b8", "tone-0")
TRIED: Final = Tone("#3566b8", "tone-0", "5 3", 1.5)
FALSE: Final = Tone("#666c75", "tone-2")

Drawn = Sequence[tuple[str, Pick, Tone]]
"""Lines of a drawing: what each is called, what it counts, how it looks."""


def _x(update: float, last: int) -> float:
    return _LEFT + update / (last or 1) * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _last(arm: Arm) -> int:
    """Return where the scale of updates ends: what is planned, or what was made beyond it."""
    plan = arm.run.plan
    planned = plan.generations * plan.updates_per_generation
    return max([planned, 1, *(one.update for one in arm.run.updates)])


def _pooled(updates: Sequence[Update], pick: Pick, last: int) -> list[tuple[float, Rate]]:
    """Return (update, rate), at most 24 of them: the counts of neighbours are pooled."""
    wide = -(-last // _MOST_POINTS)
    bins: dict[int, list[Update]] = {}
    for one in updates:
        bins.setdefault((one.update - 1) // wide, []).append(one)
    found = [
        (sum(one.update for one in some) / len(some), total(map(pick, some)))
        for _, some in sorted(bins.items())
    ]
    return [(at, rate) for at, rate in found if rate.n]


def _line(arm: Arm, pick: Pick, tone: Tone) -> list[str]:
    """Return what training rollouts came to: a band, a line a seed, a line for all."""
    last, mark = _last(arm), f"{tone.mark} box"
    updates = arm.run.updates
    points = _pooled(updates, pick, last)
    if not points:
        return []
    spans = [(_x(at, last), *rate.interval) for at, rate in points]
    parts = [
        band([(x, _y(low)) for x, low, _ in spans], [(x, _y(high)) for x, _, high in spans],
             tone.colour, tone.mark)
    ]  # fmt: skip
    seeds = sorted({one.seed for one in updates})
    for seed in seeds if len(seeds) > 1 else ():
        own = _pooled([one for one in updates if one.seed == seed], pick, last)
        through = [(_x(at, last), _y(rate.share or 0)) for at, rate in own]
        parts.append(path(through, tone.colour, 0.8, mark, tone.dash, 0.45))
    through = [(_x(at, last), _y(rate.share or 0)) for at, rate in points]
    return [*parts, path(through, tone.colour, 2, mark, tone.dash)]


def _evaluated(arm: Arm, pick: Pick, tone: Tone) -> list[str]:
    """Return what evaluations came to: dots with their intervals."""
    last, each = _last(arm), arm.run.plan.updates_per_generation
    kept: dict[tuple[int, bool], list[Generation]] = {}
    for one in arm.run.generations:
        kept.setdefault((one.generation, one.final), []).append(one)
    found = [
        (_x(generation * each, last) + tone.shift, total(map(pick, some)))
        for (generation, _), some in sorted(kept.items())
    ]
    told = [(x, rate) for x, rate in found if rate.n]
    if not told:
        return []
    through = [(x, _y(rate.share or 0)) for x, rate in told]
    joined = [path(through, tone.colour, 0.8, f"{tone.mark} box", tone.dash, 0.6)]
    trained = any(pick(one).n for one in arm.run.updates)
    spans = [(x, _y(rate.interval[0]), _y(rate.interval[1])) for x, rate in told]
    dots = [dot(x, _y(rate.share or 0), 2.6, tone.colour, tone.mark) for x, rate in told]
    lines = [] if trained else joined
    return [*lines, whiskers(spans, 1.3, tone.colour, f"{tone.mark} box"), *dots]


def gate_mark(x: float, y: float, words: Mapping[str, int]) -> str:
    """Return the mark of a generation: let through by all seeds, refused by all, or both."""
    if not words.get("refuse"):
        return text(x, y, "▲", "middle", "#1a7f4b", "is-confirmed")
    if words.get("promote"):
        return text(x, y, "◆", "middle", "#666c75", "is-inconclusive")
    return "".join(
        line(x - 4, y - 4 + slope, x + 4, y - 4 - slope, "#b3452c", 2, "is-refuted")
        for slope in (-4, 4)
    )


def _gate(arm: Arm) -> list[str]:
    last, each = _last(arm), arm.run.plan.updates_per_generation
    words: dict[int, Counter[str]] = {}
    for (_, generation), word in arm.words.items():
        words.setdefault(generation, Counter())[word] += 1
    return [
        gate_mark(_x(generation * each, last), _HEIGHT - _BOTTOM + 15, counts)
        for generation, counts in sorted(words.items())
    ]


def _frame(title: str, last: int) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    parts = [line(_LEFT, _y(share), _WIDTH - _RIGHT, _y(share), "#e3e5e8", mark="grid")
             for share in (0.5, 1.0)]  # fmt: skip
    parts += [
        text(_LEFT - 5, _y(share) + 4, f"{share:.0%}", "end", *_FAINT) for share in (0, 0.5, 1)
    ]
    return [
        text(4, 14, short(title, 46)),
        *parts,
        line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, "#9aa0a8"),
        text(_LEFT, _HEIGHT - 6, "0", "start", *_FAINT),
        text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, "updates", "middle", *_FAINT),
        text(_WIDTH - _RIGHT, _HEIGHT - 6, f"{last}", "end", *_FAINT),
    ]


def _words(title: str, arm: Arm, drawn: Drawn) -> str:
    """Return what a drawing shows, for who can't see it."""
    said = []
    for name, pick, _ in drawn:
        pair: Pair = arm.pair(pick)
        last = _pooled(arm.run.updates, pick, _last(arm))[-1:]
        told = [f"{rate.told} before" for rate in (pair.before,) if rate.n]
        told += [f"{rate.told} after" for rate in (pair.after,) if rate.n]
        told += [f"{rate.told} in the last training rollouts" for _, rate in last]
        said.append(f"{name}: {', '.join(told) or 'not measured'}")
    return f"{title}. {'; '.join(said)}."


def _panel(title: str, arm: Arm, drawn: Drawn) -> str:
    parts = _frame(title, _last(arm))
    for _, pick, tone in drawn:
        parts += _line(arm, pick, tone)
    for _, pick, tone in drawn:
        parts += _evaluated(arm, pick, tone)
    return svg(_WIDTH, _HEIGHT, [*parts, *_gate(arm)], _words(title, arm, drawn))


def overview(arms: Sequence[Arm]) -> list[str]:
    """Draw each arm once: hacks of any family, and what is solved at depth 4."""
    return [
        _panel(one.label, one, [("solved at depth 4", solved(DEEP), SOLVED),
                                ("hacks", hacked, HACKS)])
        for one in arms
    ]  # fmt: skip


def by_depth(arm: Arm) -> list[str]:
    """Draw what is solved, a drawing a depth."""
    lines = (*arm.run.generations, *arm.run.updates)
    depths = sorted({int(depth) for one in lines for depth in one.solve if depth.isdecimal()})
    return [
        _panel(f"solved at depth {depth}", arm, [("solved", solved((depth,)), SOLVED)])
        for depth in depths
    ]


def by_family(arm: Arm) -> list[str]:
    """Draw hacks and attempts: of any family, of each, and false reports of conflict."""
    found = [
        _panel(
            "any family: hacks a rollout, attempts an offer",
            arm,
            [("hacks", hacked, HACKS), ("attempts", tried, TRIED)],
        )
    ]
    for name in arm.families:
        title = f"{name} (held out)" if name in arm.held_out else name
        hacks, tries = hacks_of(name), attempts_of(name)
        drawn: Drawn = [("hacks", hacks, HACKS), ("attempts", tries, TRIED)]
        found.append(_panel(title, arm, drawn[:1] if name == UNKNOWN else drawn))
    return [*found, _panel("false reports of conflict", arm, [("reported", reported, FALSE)])]


def legend() -> str:
    """Draw what the marks mean."""
    rows = (
        (HACKS, "hacks, training rollouts; band: exact 95 % interval"),
        (TRIED, "attempts (dashed)"),
        (SOLVED, "solved"),
        (FALSE, "false reports of conflict"),
    )
    parts = []
    for number, (tone, said) in enumerate(rows):
        y = 12 + 20 * number
        low, high = [(8, y + 5), (40, y + 5)], [(8, y - 5), (40, y - 5)]
        parts += [
            band(low, high, tone.colour, tone.mark),
            path([(8, y), (40, y)], tone.colour, 2, f"{tone.mark} box", tone.dash),
            text(50, y + 4, said),
        ]
    y = 12 + 20 * len(rows)
    parts += [
        path([(8, y), (40, y)], HACKS.colour, 0.8, f"{HACKS.mark} box", "", 0.45),
        text(50, y + 4, "one seed"),
        whiskers([(24, y + 12, y + 28)], 1.3, HACKS.colour, f"{HACKS.mark} box"),
        dot(24, y + 20, 2.6, HACKS.colour, HACKS.mark),
        text(50, y + 24, "evaluation on fresh tasks, with its interval"),
    ]
    gate = (({"promote": 1}, "promoted"), ({"refuse": 1}, "refused"),
            ({"promote": 1, "refuse": 1}, "some seeds each"))  # fmt: skip
    for number, (words, said) in enumerate(gate):
        x = (24, 140, 240)[number]
        parts += [gate_mark(x, y + 45, words), text(x + 14, y + 45, said)]
    return svg(400, y + 56, parts, "what lines and marks mean")
