"""One seed of a testbed run: generations of updates, each evaluated on fresh tasks and gated.

A generation starts from the incumbent's weights, takes its updates, and is compared with the
incumbent and the anchor (generation 0) on tasks that nobody saw. Promoted, it is the incumbent;
refused, all that it produced goes to `quarantine/`, and the next one starts from the incumbent
again. Everything follows from (plan, seed): a killed run goes on where its last saved state was
and ends with the same weights (grades of fresh inputs aside, which are drawn anew). What lies where
is told in `testbed_folder`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.home import write_whole
from earnest.core.protocols import Progress
from earnest.core.records import Checkpoint, Decision
from earnest.core.testbed import FAMILIES
from earnest.evals.testbed_grade import Graders
from earnest.gate.clauses import FINAL
from earnest.gate.generation import decide_generation
from earnest.recipes.testbed_arms import arm_of, reward
from earnest.recipes.testbed_folder import SeedFolder
from earnest.recipes.testbed_lines import append, rewrite
from earnest.recipes.testbed_play import (
    MOST,
    TEMPERATURE,
    Believes,
    Outcome,
    Pair,
    fresh_pairs,
    graded,
    replies,
    training_pairs,
)
from earnest.recipes.testbed_tally import cluster_of, report, samples, tally
from earnest.recipes.testbed_watch import Watch
from earnest.tasks.specs_talk import prompt

if TYPE_CHECKING:
    from earnest.train.grpo import Grpo, Learner
    from earnest.train.policy import Policy

TASK_SEEDS: Final = (1, 2, 3)
_SAVE_S: Final = 20.0


@dataclass(frozen=True)
class Plan:
    """What is run. `prompts` x `each`: rollouts an update; `tasks`: fresh ones a task seed.

    `final`: fresh tasks a family for the last statement; 0: none. `zero`: generation 0's hash.
    `rate`: the learning rate at the start of the first generation; `temperature`: of training.
    """

    arm: str
    seeds: tuple[int, ...]
    generations: int
    updates: int
    zero: str
    prompts: int = 32
    each: int = 8
    tasks: int = 600
    final: int = 2000
    rate: float = 1e-3
    temperature: float = TEMPERATURE
    threads: int = 1

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self.__dict__, "seeds": list(self.seeds)}

    def how(self, number: int) -> Grpo:
        """Return how a generation is trained, counted from 1.

        Its rate falls to nothing by its end, and begins the lower the later it is: the first has to
        unlearn, the last to settle.
        """
        from earnest.train.grpo import Grpo

        left = (self.generations + 1 - number) / self.generations
        return Grpo(rate=self.rate * left, over=self.updates, temperature=self.temperature)


class SeedRun:
    """A run of one seed in a folder of its own. `zero`: generation 0's folder."""

    def __init__(
        self, plan: Plan, seed: int, folder: Path, zero: Path, graders: Graders, say: Progress
    ) -> None:
        self.plan, self.seed, self.folder = plan, seed, SeedFolder(folder, zero)
        self.graders, self.say, self.arm = graders, say, arm_of(plan.arm)

    def _policy(self, folder: Path) -> Policy:
        """Read a policy. Raises `RecordError` where it has changed since it was written."""
        from earnest.train.policy import load_policy

        _hash(folder)
        return load_policy(folder, self.plan.threads)

    # Evaluation and gate.

    def _asked(self, name: str, policy: Policy, fresh: Fresh, believed: Believes) -> list[Outcome]:
        begun = time.monotonic()
        self.say(f"seed {self.seed}, {name}: asks {len(fresh.pairs)} fresh tasks")
        said = replies(policy, fresh.pairs, chance(f"fresh {fresh.key}"))
        found = graded(self.graders, fresh.pairs, said, believed=believed)
        self.say(f"seed {self.seed}, {name}: graded in {time.monotonic() - begun:.0f} s")
        return found

    def _sides(self, number: int, sides: dict[str, Policy]) -> dict[str, list[list[Outcome]]]:
        """Evaluate policies on the same fresh tasks, by the same chance, each task seed apart.

        Hacks are asked of the candidate, and of the anchor before all training.
        """
        found: dict[str, list[list[Outcome]]] = {name: [] for name in sides}
        for task_seed in TASK_SEEDS:
            fresh = Fresh.of(f"{self.seed} {number} {task_seed}", self.plan.tasks)
            for name, policy in sides.items():
                believed: Believes = "failed" if name == "candidate" or not number else "none"
                found[name].append(
                    self._asked(f"generation {number}, {name}", policy, fresh, believed)
                )
        return found

    def _line(
        self, number: int, found: Sequence[Sequence[Outcome]], begun: float, **more: Any
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return an evaluation's line, and the lines of its samples."""
        flat = [one for part in found for one in part]
        where = {"seed": self.seed, "generation": number}
        if more["decision"] == "final":
            where["final"] = True
        seconds = round(time.monotonic() - begun, 3)
        update = number * self.plan.updates
        shown = [{**where, "update": update, **one} for one in samples(flat)]
        return {**where, "seconds": seconds, **tally(flat), **more}, shown

    def _anchor(self) -> None:
        """Evaluate generation 0, once."""
        if (0, False) in self.folder.evaluated:
            return
        begun, zero = time.monotonic(), self.folder.zero
        found = self._sides(0, {"anchor": self._policy(zero)})["anchor"]
        line, shown = self._line(
            0,
            found,
            begun,
            decision="anchor",
            reasons=[],
            checkpoint=_hash(zero),
            incumbent=_hash(zero),
            quarantined=[],
        )
        self.folder.settle(line, shown, tasks=_tasks(found))

    def _decide(self, number: int) -> tuple[Decision, list[list[Outcome]]]:
        """Ask the gate about the candidate; return its word, and the candidate's rollouts."""
        own = self.folder
        places = {"candidate": own.candidate, "incumbent": own.incumbent, "anchor": own.zero}
        asked = [name for name in places if name != "incumbent" or own.incumbent != own.zero]
        found = self._sides(number, {name: self._policy(places[name]) for name in asked})
        found.setdefault("incumbent", found["anchor"])
        made = {
            name: [
                report(_hash(place), seed, part, hacks=name == "candidate")
                for seed, part in zip(TASK_SEEDS, found[name], strict=True)
            ]
            for name, place in places.items()
        }
        offered = {family.name for part in found["anchor"] for one in part
                   for family in one.one.families()}  # fmt: skip
        decision = decide_generation(
            made["candidate"],
            made["incumbent"],
            made["anchor"],
            [family.name for family in FAMILIES if family.name in offered],
            seen=own.seen,
        )
        return decision, found["candidate"]

    # Training.

    def _learner(self, number: int) -> Learner:
        from earnest.train.grpo import Learner

        learner = Learner(self._policy(self.folder.incumbent), self.plan.how(number))
        state = self.folder.state(number)
        if state.exists():
            learner.restore(state)
        kept = (number - 1) * self.plan.updates + learner.updates
        rewrite(self.folder.updates, lambda line: line["update"] <= kept)
        return learner

    def _drawn(self, number: int, at: int) -> tuple[list[Pair], int]:
        """Return a generation's exercises of an update, counted from 0, and a seed to sample by."""
        key = f"{self.seed} {number} {at}"
        return training_pairs(key, self.plan.prompts), chance(f"training {key}")

    def _update(self, learner: Learner, number: int) -> None:
        watch, arm, plan = Watch(), self.arm, self.plan
        at = learner.updates
        pairs, seed = self._drawn(number, at)
        asked = [prompt(one, allowed=arm.allowed) for one, _ in pairs]
        said = learner.sample(asked, plan.each, MOST, seed)
        with watch.grading():
            found = graded(
                self.graders,
                [pair for pair in pairs for _ in range(plan.each)],
                [learner.policy.said(one.tokens) for one in said],
                believed=arm.believed,
            )
        learner.update(asked, said, [reward(arm, one) for one in found])
        tokens = sum(len(one.tokens) for one in said)
        self._note(number, at, found, tokens, watch)

    def _note(
        self, number: int, at: int, found: Sequence[Outcome], tokens: int, watch: Watch
    ) -> None:
        """Write the line of an update that was taken, counted from 0."""
        kept = [worth for one in found if (worth := reward(self.arm, one)) is not None]
        line = {
            "seed": self.seed,
            "generation": number,
            "update": (number - 1) * self.plan.updates + at + 1,
            **watch.told(),
            "rollouts": len(found),
            "tokens": tokens,
            "reward": round(sum(kept) / max(1, len(kept)), 4),
            "dropped": len(found) - len(kept),
            **tally(found),
        }
        self.folder.mark_seen(_tasks([found]))
        append(self.folder.updates, line)
        self._told(line)

    def _train(self, number: int) -> None:
        """Train a generation; its policy is the candidate."""
        learner, saved = self._learner(number), time.monotonic()
        while learner.updates < self.plan.updates:
            self._update(learner, number)
            if time.monotonic() - saved > _SAVE_S:
                learner.save(self.folder.state(number))
                saved = time.monotonic()
        learner.save(self.folder.state(number))
        shutil.rmtree(self.folder.candidate, ignore_errors=True)
        save_policy(
            learner.policy,
            self.folder.candidate,
            parent=_hash(self.folder.incumbent),
            recipe={**self.plan.document(), "seed": self.seed, "generation": number},
        )

    def _told(self, line: dict[str, Any]) -> None:
        hacks, of = line["hack_rate"]
        solved = [sum(counts) for counts in zip(*line["solve"].values(), strict=True)]
        self.say(
            f"seed {self.seed}, generation {line['generation']}, update {line['update']}: reward "
            f"{line['reward']:.2f}, solved {solved[0] / solved[1]:.0%}, hacks {hacks / of:.1%}, "
            f"{line['seconds']:.1f} s"
        )

    def _generation(self, number: int) -> None:
        self._train(number)
        begun, own = time.monotonic(), self.folder
        decision, found = self._decide(number)
        refused = decision.word == "refuse"
        place = own.quarantine(number).relative_to(own.root.parent)
        line, shown = self._line(
            number,
            found,
            begun,
            decision=decision.word,
            reasons=[bound.clause for bound in decision.bounds if not bound.held],
            checkpoint=decision.candidate,
            incumbent=decision.incumbent if refused else decision.candidate,
            quarantined=[str(place)] if refused else [],
        )
        own.settle(line, shown, decision=decision, tasks=_tasks(found))
        self.say(f"seed {self.seed}, generation {number}: {decision.word}")

    def run(self) -> None:
        """Run what is left of it. Raises `EarnestError` where another process works in it."""
        with self.folder.held():
            self._anchor()
            done = max(number for number, _ in self.folder.evaluated)
            for number in range(done + 1, self.plan.generations + 1):
                self._generation(number)
            self._last()

    def _last(self) -> None:
        """Make the last statement: what the incumbent at the end does, on more fresh tasks.

        Where no generation was promoted there is nothing to state: that is generation 0.
        """
        plan, incumbent = self.plan, self.folder.incumbent
        if not plan.final or incumbent == self.folder.zero:
            return
        if (plan.generations, True) in self.folder.evaluated:
            return
        begun = time.monotonic()
        fresh = Fresh.of(f"{self.seed} end", 3 * plan.final)  # each affordance is in a third
        found = [self._asked("at the end", self._policy(incumbent), fresh, "failed")]
        line, shown = self._line(
            plan.generations,
            found,
            begun,
            decision="final",
            reasons=[],
            checkpoint=_hash(incumbent),
            incumbent=_hash(incumbent),
            quarantined=[],
            budget={"tasks": FINAL.tasks, "rate": FINAL.rate},
        )
        self.folder.settle(line, shown, tasks=_tasks(found))


@dataclass(frozen=True)
class Fresh:
    """Exercises for evaluation, drawn once for all that are asked. `key`: what they follow from."""

    key: str
    pairs: list[Pair]

    @classmethod
    def of(cls, key: str, count: int) -> Fresh:
        """Draw them."""
        return cls(key, fresh_pairs(key, count))


def chance(what: str) -> int:
    """Return the seed of a batch's samples. Training and evaluation never draw by the same."""
    return int(digest(what.encode())[7:15], 16)


def _tasks(found: Sequence[Sequence[Outcome]]) -> list[str]:
    """Return the names of tasks as the gate has them."""
    return sorted({cluster_of(one.one) for part in found for one in part})


def _hash(folder: Path) -> str:
    """Return a policy's hash, its files re-verified. Raises `RecordError`."""
    from earnest.train.sft import read_checkpoint

    return read_checkpoint(folder).id


def save_policy(policy: Policy, folder: Path, *, parent: str | None, recipe: dict[str, Any]) -> str:
    """Write a policy's folder with its manifest, whole or absent; return its hash."""
    from earnest.train.sft import MANIFEST

    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    policy.save(draft)
    files = {path.name: digest(path.read_bytes()) for path in sorted(draft.iterdir())}
    manifest = Checkpoint(
        parent=parent,
        dataset=digest(canonical(recipe)),
        files=files,
        parameters=policy.size,
        recipe=recipe,
    )
    write_whole(draft / MANIFEST, manifest.data, mode=0o644)
    draft.rename(folder)
    return manifest.id
