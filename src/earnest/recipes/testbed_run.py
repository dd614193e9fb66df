"""One seed of a testbed run: generations of updates, each evaluated on fresh tasks and gated.

A generation starts from the incumbent's weights, takes its updates, and is compared with the
incumbent and the anchor (generation 0) on tasks that nobody saw. Promoted, it is the incumbent;
refused, all that it produced goes to `quarantine/`, and the next one starts from the incumbent
again. Everything follows from (plan, seed): a killed run goes on where its last saved state was
and ends with the same weights (grades of fresh inputs aside, which are drawn anew).

The folder of a seed:

    zero/ incumbent/            policies, with a manifest
    state.pt                    the generation being trained, after its last saved update
    updates.jsonl generations.jsonl samples.jsonl decisions/
    quarantine/generation-N/    what a refused generation produced
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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
from earnest.recipes.testbed_lines import append, lines, rewrite
from earnest.recipes.testbed_play import (
    MOST,
    Believes,
    Outcome,
    Pair,
    fresh_pairs,
    graded,
    replies,
    training_pairs,
)
from earnest.recipes.testbed_tally import report, samples, tally
from earnest.recipes.testbed_watch import Watch
from earnest.tasks.specs_talk import prompt

if TYPE_CHECKING:
    from earnest.train.grpo import Learner
    from earnest.train.policy import Policy

TASK_SEEDS: Final = (1, 2, 3)
_SAVE_S: Final = 20.0


@dataclass(frozen=True)
class Plan:
    """What is run. `prompts` x `each`: rollouts an update; `tasks`: fresh ones a task seed.

    `final`: fresh tasks a family for the last statement; 0: none. `zero`: generation 0's hash.
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
    threads: int = 1

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self.__dict__, "seeds": list(self.seeds)}


class SeedRun:
    """A run of one seed in a folder of its own. `zero`: generation 0's folder."""

    def __init__(
        self, plan: Plan, seed: int, folder: Path, zero: Path, graders: Graders, say: Progress
    ) -> None:
        self.plan, self.seed, self.folder, self.zero = plan, seed, folder, zero
        self.graders, self.say, self.arm = graders, say, arm_of(plan.arm)
        self.updates, self.generations = folder / "updates.jsonl", folder / "generations.jsonl"
        self.samples, self.state = folder / "samples.jsonl", folder / "state.pt"

    # What is on disk.

    @property
    def incumbent(self) -> Path:
        """The folder of the policy that the next generation starts from."""
        return self.folder / "incumbent" if (self.folder / "incumbent").exists() else self.zero

    @cached_property
    def seen(self) -> set[str]:
        """The tasks that training or an earlier gate has used."""
        path = self.folder / "seen.txt"
        return set(path.read_text().split()) if path.exists() else set()

    def _mark_seen(self, tasks: Sequence[str]) -> None:
        self.seen.update(tasks)
        with (self.folder / "seen.txt").open("a") as file:
            file.writelines(f"{task}\n" for task in tasks)

    def _policy(self, folder: Path) -> Policy:
        from earnest.train.policy import load_policy

        return load_policy(folder, self.plan.threads)

    def _hash(self, folder: Path) -> str:
        from earnest.train.sft import read_checkpoint

        return read_checkpoint(folder).id

    # Evaluation and gate.

    def _evaluated(
        self, policy: Policy, name: str, key: str, count: int, believed: Believes = "failed"
    ) -> list[Outcome]:
        begun = time.monotonic()
        pairs = fresh_pairs(key, count)
        self.say(f"{name}: asks {count} fresh tasks")
        said = replies(policy, pairs, int(digest(key.encode())[7:15], 16))
        found = graded(self.graders, pairs, said, believed=believed)
        self.say(f"{name}: graded in {time.monotonic() - begun:.0f} s")
        return found

    def _sides(self, number: int, sides: dict[str, Policy]) -> dict[str, list[list[Outcome]]]:
        """Evaluate policies on the same fresh tasks, those of each task seed apart.

        Hacks are asked of the candidate, and of the anchor before all training.
        """
        return {
            name: [
                self._evaluated(
                    policy,
                    f"seed {self.seed}, generation {number}, {name}",
                    f"{self.seed} {number} {task_seed}",
                    self.plan.tasks,
                    "failed" if name == "candidate" or not number else "none",
                )
                for task_seed in TASK_SEEDS
            ]
            for name, policy in sides.items()
        }

    def _line(self, number: int, found: Sequence[Sequence[Outcome]], **more: Any) -> None:
        flat = [one for part in found for one in part]
        line = {"seed": self.seed, "generation": number, **tally(flat), **more}
        done = sum(1 for _ in lines(self.updates))
        for one in samples(flat):
            append(
                self.samples,
                {"seed": self.seed, "generation": number, "update": done, **one},
            )
        append(self.generations, line)

    def _anchor(self) -> None:
        """Evaluate generation 0, once."""
        if any(True for _ in lines(self.generations)):
            return
        found = self._sides(0, {"anchor": self._policy(self.zero)})["anchor"]
        self._line(
            0,
            found,
            decision="anchor",
            reasons=[],
            checkpoint=self._hash(self.zero),
            incumbent=self._hash(self.zero),
            quarantined=[],
        )

    def _decide(self, number: int, candidate: Path) -> tuple[Decision, list[list[Outcome]]]:
        policies = {"candidate": self._policy(candidate), "anchor": self._policy(self.zero)}
        if self.incumbent != self.zero:
            policies["incumbent"] = self._policy(self.incumbent)
        found = self._sides(number, policies)
        found.setdefault("incumbent", found["anchor"])
        hashes = {
            "candidate": self._hash(candidate),
            "incumbent": self._hash(self.incumbent),
            "anchor": self._hash(self.zero),
        }
        made = {
            name: [
                report(hashes[name], seed, part, hacks=name == "candidate")
                for seed, part in zip(TASK_SEEDS, found[name], strict=True)
            ]
            for name in hashes
        }
        offered = {family.name for part in found["anchor"] for one in part
                   for family in one.one.families()}  # fmt: skip
        decision = decide_generation(
            made["candidate"],
            made["incumbent"],
            made["anchor"],
            [family.name for family in FAMILIES if family.name in offered],
            seen=self.seen,
        )
        self._mark_seen([one.one.task.id for part in found["anchor"] for one in part])
        return decision, found["candidate"]

    # Training.

    def _learner(self, number: int) -> Learner:
        from earnest.train.grpo import Learner

        learner = Learner(self._policy(self.incumbent))
        if self.state.exists():
            learner.restore(self.state)
        kept = (number - 1) * self.plan.updates + learner.updates
        rewrite(self.updates, lambda line: line["update"] <= kept)
        return learner

    def _drawn(self, number: int, at: int) -> tuple[list[Pair], int]:
        """Return a generation's exercises of an update, counted from 0, and a seed to sample by."""
        key = f"{self.seed} {number} {at}"
        return training_pairs(key, self.plan.prompts), int(digest(key.encode())[7:15], 16)

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
        append(self.updates, line)
        self._mark_seen(list(dict.fromkeys(one.one.task.id for one in found)))

    def _train(self, number: int) -> Path:
        """Train a generation; return its folder."""
        learner, saved = self._learner(number), time.monotonic()
        while learner.updates < self.plan.updates:
            self._update(learner, number)
            self._told(number)
            if time.monotonic() - saved > _SAVE_S:
                learner.save(self.state)
                saved = time.monotonic()
        learner.save(self.state)
        folder = self.folder / "candidate"
        shutil.rmtree(folder, ignore_errors=True)
        save_policy(
            learner.policy,
            folder,
            parent=self._hash(self.incumbent),
            recipe={**self.plan.document(), "seed": self.seed, "generation": number},
        )
        return folder

    def _told(self, number: int) -> None:
        last = list(lines(self.updates))[-1]
        hacks, of = last["hack_rate"]
        solved = [sum(counts) for counts in zip(*last["solve"].values(), strict=True)]
        self.say(
            f"seed {self.seed}, generation {number}, update {last['update']}: reward "
            f"{last['reward']:.2f}, solved {solved[0] / solved[1]:.0%}, hacks {hacks / of:.1%}, "
            f"{last['seconds']:.1f} s"
        )

    def _settle(self, number: int, decision: Decision, candidate: Path) -> list[str]:
        """Promote or quarantine; return what was quarantined, relative to the seed's folder."""
        if decision.word == "promote":
            shutil.rmtree(self.folder / "incumbent", ignore_errors=True)
            candidate.rename(self.folder / "incumbent")
            self.state.unlink(missing_ok=True)
            return []
        place = self.folder / "quarantine" / f"generation-{number}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        candidate.rename(place / "policy")
        self.state.unlink(missing_ok=True)
        return [str(place.relative_to(self.folder))]

    def _generation(self, number: int) -> None:
        candidate = self._train(number)
        decision, found = self._decide(number, candidate)
        write_whole(self.folder / "decisions" / f"{number}.json", decision.data)
        moved = self._settle(number, decision, candidate)
        self._line(
            number,
            found,
            decision=decision.word,
            reasons=[bound.clause for bound in decision.bounds if not bound.held],
            checkpoint=decision.candidate,
            incumbent=self._hash(self.incumbent),
            quarantined=moved,
        )
        self.say(f"seed {self.seed}, generation {number}: {decision.word}")

    def run(self) -> None:
        """Run what is left of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._anchor()
        done = max(line["generation"] for line in lines(self.generations))
        for number in range(done + 1, self.plan.generations + 1):
            self._generation(number)
        self._last()

    def _last(self) -> None:
        """Make the last statement: what the incumbent at the end does, on more fresh tasks.

        Where no generation was promoted there is nothing to state: that is generation 0.
        """
        if not self.plan.final or self.incumbent == self.zero:
            return
        if any(line.get("final") for line in lines(self.generations)):
            return
        count = 3 * self.plan.final  # each affordance is in a third
        found = self._evaluated(
            self._policy(self.incumbent), f"seed {self.seed}, at the end", f"{self.seed} end", count
        )
        self._line(
            self.plan.generations,
            [found],
            final=True,
            decision="final",
            reasons=[],
            checkpoint=self._hash(self.incumbent),
            incumbent=self._hash(self.incumbent),
            quarantined=[],
            budget={"tasks": FINAL.tasks, "rate": FINAL.rate},
        )


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
