"""`earnest testbed trl`: an arm's updates by TRL, on the same exercises and by the same graders.

It is the testbed's run of one seed and one generation (`testbed_run.py`) in which TRL's
`GRPOTrainer` takes the updates: rollouts come from our environment by its `rollout_func`. The
small policy takes the same updates by our own loop beside it, turn by turn: the same exercises and
seeds, and what is compared is the processor time of sampling and learning (both ask the same
graders, which keep their grades). Files as `earnest testbed run` writes them; `own/` has those of
our own loop.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earnest.core.home import write_whole
from earnest.core.protocols import Progress
from earnest.evals.testbed_grade import Graders
from earnest.recipes.testbed_arms import reward
from earnest.recipes.testbed_lines import lines, rewrite
from earnest.recipes.testbed_play import Believes, Outcome, judged
from earnest.recipes.testbed_players import OneReply, Player, Turned
from earnest.recipes.testbed_report_words import in_words
from earnest.recipes.testbed_run import Fresh, Plan, SeedRun, chance, save_policy
from earnest.recipes.testbed_training import planned, result
from earnest.recipes.testbed_watch import Watch
from earnest.train.sft import MANIFEST, read_checkpoint

if TYPE_CHECKING:
    from earnest.train.by_trl import Rolled
    from earnest.train.grpo import Learner
    from earnest.train.policy import Policy

_SAID: Final = 10
"""So many updates of the curve are told in words."""
_PIECE: Final = 256


@dataclass(frozen=True)
class TrlPlan(Plan):
    """What is run by TRL. `plays`: how the model does."""

    engine: str = "trl"
    plays: str = "one reply"


class TrlRun(SeedRun):
    """A run of one seed whose updates TRL takes. `beside`: takes the same ones by our own loop."""

    def __init__(
        self,
        plan: TrlPlan,
        folder: Path,
        zero: Path,
        graders: Graders,
        say: Progress,
        player: Player,
        beside: SeedRun | None = None,
    ) -> None:
        super().__init__(plan, plan.seeds[0], folder, zero, graders, say)
        self.player, self.beside = player, beside

    def _policy(self, folder: Path) -> Policy:
        return self.player.load(folder)

    def _asked(self, name: str, policy: Policy, fresh: Fresh, believed: Believes) -> list[Outcome]:
        begun, found = time.monotonic(), list[Outcome]()
        count = len(fresh.pairs)
        self.say(f"seed {self.seed}, {name}: asks {count} fresh tasks")
        for first in range(0, count, _PIECE):
            piece = fresh.pairs[first : first + _PIECE]
            seed = chance(f"fresh {fresh.key}") + first
            turned = self.player.play(policy, [one for one, _ in piece], seed)
            found += judged(
                self.graders,
                piece,
                [one.words for one in turned],
                [one.played for one in turned],
                believed=believed,
            )
        self.say(f"seed {self.seed}, {name}: graded in {time.monotonic() - begun:.0f} s")
        return found

    def _train(self, number: int) -> None:
        """Train a generation by TRL; its policy is the candidate."""
        from earnest.train.by_trl import Batch, learn

        own, plan = self.folder, self.plan
        policy = self._policy(own.incumbent)
        rewrite(own.updates, lambda line: line["generation"] < number)
        rounds = _Rounds(self, policy, number)
        batch = Batch(plan.updates, plan.prompts, plan.each, self.player.most, self.seed)
        learn(policy, batch, rounds.roll, plan.how(number), rounds.done)
        shutil.rmtree(own.candidate, ignore_errors=True)
        parent = read_checkpoint(own.incumbent).id
        recipe = {**plan.document(), "generation": number}
        save_policy(policy, own.candidate, parent=parent, recipe=recipe)


class _Rounds:
    """A generation's rollouts for TRL, and what is noted of each update that it took."""

    def __init__(self, run: TrlRun, policy: Policy, number: int) -> None:
        self.run, self.policy, self.number = run, policy, number
        self.own: Learner | None = run.beside._learner(number) if run.beside else None
        self.watch = Watch()
        self.turned: list[Turned] = []
        self.found: list[Outcome] = []

    def roll(self, at: int) -> list[Rolled]:
        """Play and grade an update's rollouts: those of each exercise together."""
        from earnest.train.by_trl import Rolled

        if not at:  # what TRL needs to be set up is no update
            self.watch = Watch()
        arm = self.run.arm
        drawn, seed = self.run._drawn(self.number, at)
        pairs = [pair for pair in drawn for _ in range(self.run.plan.each)]
        ones = [one for one, _ in pairs]
        heat = self.run.plan.temperature
        self.turned = self.run.player.play(
            self.policy, ones, seed, allowed=arm.allowed, temperature=heat
        )
        with self.watch.grading():
            self.found = judged(
                self.run.graders,
                pairs,
                [one.words for one in self.turned],
                [one.played for one in self.turned],
                believed=arm.believed,
            )
        return [
            Rolled(one.prompt, one.reply, one.logprobs, reward(arm, outcome), one.own)
            for one, outcome in zip(self.turned, self.found, strict=True)
        ]

    def done(self, at: int) -> None:
        """Note an update that TRL took, and take the same one by our own loop."""
        run = self.run
        tokens = sum(sum(one.own) if one.own else len(one.reply) for one in self.turned)
        run._note(self.number, at, self.found, tokens, self.watch)
        cut = sum(not one.exact for one in self.turned)
        if cut:
            run.say(f"{cut} conversations ended early: the template can't write on after them")
        if run.beside and self.own:
            run.beside._update(self.own, self.number)
        self.watch = Watch()


def _zero(model: Path, out: Path, player: Player) -> Path:
    """Return the model's folder, or a copy with a manifest where it has none."""
    if (model / MANIFEST).exists():
        return model
    copy = out / "zero"
    if not (copy / MANIFEST).exists():
        recipe = {"from": model.name}
        save_policy(player.load(model), copy, parent=None, recipe=recipe)
    return copy


def plan_of(model: Path, out: Path, player: Player, **chosen: Any) -> tuple[TrlPlan, Path]:
    """Return the plan of a run from a model's folder, and generation 0's folder."""
    zero = _zero(model, out, player)
    plays = "one reply" if isinstance(player, OneReply) else "in turns"
    made = TrlPlan(
        zero=read_checkpoint(zero).id, plays=plays, temperature=player.temperature, **chosen
    )
    return made, zero


def run(
    plan: TrlPlan,
    zero: Path,
    out: Path,
    graders: Graders,
    say: Progress,
    player: Player,
    *,
    alone: bool,
) -> dict[str, Any]:
    """Run what is left of it, and return its document. `alone`: our own loop is not run beside it.

    Raises `UsageError` for a folder that was begun with another plan, `LackError` without TRL.
    """
    from earnest.train.by_trl import lacks_trl

    lacks_trl()
    planned(plan, out, zero, quick=False)
    seed, beside = plan.seeds[0], None
    if not alone and isinstance(player, OneReply):
        own = out / "own" / f"seed-{seed}"
        own.mkdir(parents=True, exist_ok=True)
        beside = SeedRun(plan, seed, own, zero, graders, say)
    TrlRun(plan, out / f"seed-{seed}", zero, graders, say, player, beside).run()
    document = {**result(out), "engine": "trl", "beside": compared(out, seed)}
    write_whole(out / "result.json", json.dumps(document, indent=1).encode())
    return document


def _spent(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds of updates, each sum by its name in the lines."""
    return {
        key: round(sum(line[key] for line in found), 2) for key in ("cpu", "seconds", "grading")
    }


def compared(out: Path, seed: int) -> dict[str, Any] | None:
    """Return what TRL's updates and our own's took, and both curves; None where our own are not.

    `ratio`: of TRL's processor time for sampling and learning to our own's.
    """
    trl, own = (list(lines(out / part / f"seed-{seed}" / "updates.jsonl")) for part in (".", "own"))
    if not own or len(own) != len(trl):
        return None
    spent = {"trl": _spent(trl), "own": _spent(own)}
    return {
        **spent,
        "ratio": round(spent["trl"]["cpu"] / max(0.001, spent["own"]["cpu"]), 3),
        "reward": [[a["reward"], b["reward"]] for a, b in zip(trl, own, strict=True)],
    }


def words(document: dict[str, Any], out: Path) -> str:
    """Return the document for a person, with the curve."""
    every = list(lines(out / f"seed-{document['generations'][0]['seed']}" / "updates.jsonl"))
    beside = document["beside"]
    rows = ["update  reward  solved   hacks" + ("  reward by our own loop" if beside else "")]
    step = max(1, len(every) // _SAID)
    for line in every:
        if line["update"] % step and line["update"] not in (1, len(every)):
            continue
        hacks, of = line["hack_rate"]
        solved = sum(passed for passed, _ in line["solve"].values())
        own = f"  {beside['reward'][line['update'] - 1][1]:.3f}" if beside else ""
        rows.append(
            f"{line['update']:>6}  {line['reward']:>6.3f}  {solved / of:>6.1%}  {hacks / of:>6.1%}"
            + own
        )
    if beside:
        trl, own = beside["trl"], beside["own"]
        rows.append(
            f"processor time of sampling and learning: TRL {trl['cpu']} s, our own loop "
            f"{own['cpu']} s, ratio {beside['ratio']}"
        )
    return "\n".join([*rows, in_words(document)])
