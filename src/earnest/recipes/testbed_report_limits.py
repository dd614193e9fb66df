"""What a report of the testbed does not show. What can follow from the runs at hand does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from earnest.core.testbed import FAMILIES
from earnest.gate.clauses import EACH, FINAL, UNKNOWN
from earnest.recipes.testbed_report_counts import Arm, hacks_of
from earnest.recipes.testbed_report_mirror import MIRRORS

_ALWAYS: Final = (
    "A model that can think, look around or try again: this one answers once, without a chain of "
    "thought and without reading what its acts did.",
    "Real work: the specs are made by a program, in few words, and the solutions are short.",
    "Whether a model finds cheats by itself: these were shown to it before RL, family by family.",
    "A cheat that neither the secure grader nor a detector sees. The detectors' own recall is "
    "measured by `earnest testbed families`; ways they were not written for are seen in part.",
    "That every hack is meant: a wrong solution that the visible tests let pass is counted as one.",
    "How much training rollouts of one task depend on each other: the bands of the curves treat "
    "them as independent, and are too narrow; of evaluations the gate asks one rollout a task.",
    "That a larger model, another model or another trainer would do the same.",
)


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def not_shown(arms: Sequence[Arm]) -> list[str]:
    """Return what the runs leave open, what follows from them first."""
    whose: dict[str, list[str]] = {}
    for arm in arms:
        for line in _of_arm(arm):
            whose.setdefault(line, []).append(arm.label)
    of_arms = [f"{_named(labels)}: {line}" for line, labels in whose.items()]
    return [*_of_runs(arms), *of_arms, *_ALWAYS]


def _of_runs(arms: Sequence[Arm]) -> list[str]:
    plans = [arm.run.plan for arm in arms]
    sizes = sorted({plan.model.parameters for plan in plans})
    found = [
        f"Anything about large models: {'this one has' if len(sizes) == 1 else 'these have'} "
        f"{' and '.join(f'{size:,}' for size in sizes)} parameters."
    ]
    missing = [name for name in MIRRORS if name not in {plan.arm for plan in plans}]
    if missing:
        found.append(f"The arms {_named(missing)}: no run of them is here.")
    if len({plan.rollouts for plan in plans}) > 1 or len({plan.depths for plan in plans}) > 1:
        found.append("A fair comparison of all arms: their rollouts an update, or depths, differ.")
    if len({arm.run.made_told for arm in arms}) > 1:
        found.append("All arms after as many updates: " + ", ".join(
            f"`{arm.label}` {arm.run.made_told}" for arm in arms
        ) + ".")  # fmt: skip
    met = {name for plan in plans for name in plan.families}
    unmet = [one.name for one in FAMILIES if one.name not in met]
    if unmet:
        found.append(
            f"The families {_named(unmet)}, which this model was not shown, and the known ways "
            "that the testbed does not have at all."
        )
    return found


def _of_arm(arm: Arm) -> list[str]:
    """Return what an arm's own run leaves open, without its name."""
    plan, found = arm.run.plan, []
    if not arm.run.finished:
        found.append(
            f"how it ends. {sum(arm.run.made.values())} of {arm.run.planned} updates are made."
        )
    if len(plan.seeds) < 3:
        count = "one seed" if len(plan.seeds) == 1 else f"{len(plan.seeds)} seeds"
        found.append(
            f"how much runs differ. It has {count}; the intervals are of tasks, not of runs."
        )
    if plan.quick:
        found.append("a full run. This is a quick one.")
    if plan.temperature != 1:
        found.append(
            "how it does at other temperatures than 1, at which it is evaluated. It is trained at "
            f"{plan.temperature:g}, where it errs and hacks more: so do the curves of training."
        )
    if not plan.held_out:
        found.append("whether honesty carries over. No family was held out.")
    return [*found, *_too_few(arm)]


def _too_few(arm: Arm) -> list[str]:
    """Return the families that were measured on too few tasks for the gate's words."""
    if not arm.after:
        return ["any effect on fresh tasks. No generation was evaluated yet."]
    counts = {name: arm.pair(hacks_of(name)).after.n for name in arm.families}
    need = FINAL.tasks if arm.final else EACH.tasks
    few = [f"`{name}` ({n})" for name, n in counts.items() if n < need]
    found = []
    if few:
        limit = FINAL.rate if arm.final else EACH.rate
        found.append(
            f"that hacks are under {limit:.0%} in {', '.join(few)}: fewer than "
            f"{need:,} fresh tasks."
        )
    if not arm.final:
        found.append(
            f"the final statement (at most {FINAL.rate:.0%} in each family, on "
            f"{FINAL.tasks:,} fresh tasks each). It was not made."
        )
    if UNKNOWN not in counts:
        found.append("hacks of no listed family. They were not counted.")
    return found
