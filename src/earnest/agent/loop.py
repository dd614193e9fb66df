"""The loop: model, tool calls, observations, until the model ends it or a budget does.

What a step will do is on disk before it is done, and what it did before the next begins; so a
run that was killed goes on where it was. What the loop knows is the fold of its log
(`replay.State`). The loop decides that it is over: the model answered without a tool call.

Budgets are taken before the act. What can't be known before it, and so may go beyond a limit
once: by how much a prompt is longer than was estimated, and how long an act takes. What a kill
cuts off while it is under way (a call of the model, a tool) is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from earnest.agent import context
from earnest.agent.asking import Asking
from earnest.agent.atif import agent_step, compact_step, prompt_step, trajectory
from earnest.agent.breaker import Alarm, alarm, warning
from earnest.agent.guard import Ask
from earnest.agent.hands import Halt, Hands
from earnest.agent.prompt import RULES, opening
from earnest.agent.replay import OPENING, State, logged_used
from earnest.core.acts import Policy
from earnest.core.budget import Budget, Purse
from earnest.core.canon import canonical
from earnest.core.errors import (
    BudgetError,
    EarnestError,
    LackError,
    LogError,
    ModelError,
    TooLongError,
    UsageError,
)
from earnest.core.events import EventLog
from earnest.core.home import write_whole
from earnest.core.interrupts import guarded, held
from earnest.core.messages import Completion, Message, Sampling, Usage
from earnest.core.protocols import Model, Progress, Tool
from earnest.core.quoted import plain
from earnest.core.records import Finding, Task

# What has to be on the disk before the run goes on. A loss of power in the middle of a step then
# loses outcomes, which are asked about, and never that something was begun. (No kill loses either.)
_FLUSHED: Final = ("start", "resume", "intent", "budget", "end")
Status = Literal["done", "over-budget", "stuck", "failed", "stopped"]


@dataclass(frozen=True)
class RunResult:
    """How a run ended. `final` is the model's last words where it ended the run itself.

    All but `done` runs can be resumed with the same log: `stuck` ones with a fresh memory for
    what they repeat.
    """

    status: Status
    reason: str
    steps: int
    seconds: float
    usage: Usage
    findings: tuple[Finding, ...]
    final: str


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Run:
    """One sitting of a run: the loop's moving parts."""

    def __init__(
        self,
        task: Task,
        model: Model,
        tools: Sequence[Tool],
        log: EventLog,
        purse: Purse,
        sampling: Sampling,
        progress: Progress,
    ) -> None:
        self.task, self.model, self.log, self.purse = task, model, log, purse
        self.sampling, self.progress = sampling, progress
        self.specs = [tool.spec for tool in tools]
        self.asking = Asking(model, purse, self.specs)
        self.notes: Callable[[], str] = str
        self.window = 0
        self.state = State()
        self.hands: Hands
        for event in log.events:
            self.state.take(event)

    def write(self, kind: str, **payload: Any) -> None:
        """Write an event, and take it in."""
        # A sub-agent that was cut off goes on from its own log, and counts what it used again.
        lent = self.purse.lent(settled=kind == "effect")
        cut = lent if payload.get("between") is False else {}
        used = {
            name: round(amount - cut.get(name, 0.0), 9) for name, amount in self.purse.used.items()
        }
        spent = round(used["wall_s"], 3)
        body = {**payload, "at": _now(), "spent_s": spent, "used": {**used, "wall_s": spent}}
        self.state.take(self.log.append(kind, body, flush=kind in _FLUSHED))
        if kind == "effect":
            self.announce()
            seen = payload["observation"]
            note = str(seen["data"].get("sentence", seen["content"])).strip()
            first = plain(note.partition("\n")[0][:120])
            self.progress(f"step {self.state.turns}: {plain(payload['tool'][:60])}: {first}")

    def start(self, run: str, rules: str, known: str) -> None:
        """Begin the log, or check that it is this task's and go on."""
        self.asking.check()
        budget = asdict(self.purse.budget)
        if not self.log.events:
            messages = opening(self.task, rules, known)
            self.write(
                "start",
                run=run,
                task=self.task.id,
                prompt=self.task.prompt,
                model=self.model.name,
                budget=budget,
                policy=self.hands.policy,
                window=self.window,
                tools=[spec.model_dump(mode="json") for spec in self.specs],
                messages=[message.model_dump(mode="json") for message in messages],
            )
        elif self.state.task != self.task.id:
            raise UsageError(
                f"{self.log.path} is the log of another task", mend="give each run its own folder"
            )
        else:
            self.resume(budget)
        while self.state.steps < OPENING:
            message = self.state.messages[self.state.steps]
            self.step(prompt_step(self.state.steps + 1, message, _now()))
        self.announce()

    def resume(self, budget: dict[str, float | None]) -> None:
        """Write that the run goes on; the model is given its notes again."""
        more: dict[str, Any] = {}
        if notes := self.notes():
            message = context.resumed(notes, self.window)
            if message not in (*self.state.messages[-1:], *self.state.later):
                more = {"message": message.model_dump(mode="json")}
        self.write(
            "resume",
            model=self.model.name,
            budget=budget,
            policy=self.hands.policy,
            window=self.window,
            **more,
        )

    def step(self, payload: dict[str, Any]) -> None:
        """Write a step: its payload is exactly an ATIF step."""
        self.state.take(self.log.append("step", payload, flush=False))

    def announce(self) -> None:
        """Write the `finding` events that are owed: an effect is what makes a finding count."""
        for finding in self.state.findings[self.state.announced :]:
            self.write("finding", id=finding.id, finding=finding.body)

    def go(self) -> tuple[Status, str]:
        """Run until the model ends it, a budget or the breaker does, or someone stops it."""
        try:
            while not self.state.over:
                if self.state.open is None:
                    self.hands.look()
                    if (used_up := self.purse.ended()) is not None:
                        raise BudgetError("the budget of {1:g} {0} is used up".format(*used_up))
                    self.compact()
                    self.turn()
                found = self.act()
                if found is not None and found.ends and not self.state.over:
                    return "stuck", f"the run repeats itself: {found.reason}"
        except Halt as halt:
            if reason := str(halt):
                return "stopped", reason
            return self.ended("the budget of time (wall_s) is used up")
        except BudgetError as error:
            return self.ended(str(error))
        return "done", ""

    def ended(self, reason: str) -> tuple[Status, str]:
        """Write down which budget ended the run."""
        name, limit, amount = self.purse.ended() or ("tokens", None, None)
        if limit is None and math.isfinite(self.purse.left("cost_usd")):
            name = "cost_usd"
        self.write("budget", budget=name, limit=limit, amount=amount, reason=reason)
        return "over-budget", reason

    def turn(self) -> None:
        """Ask the model, and write its intent down."""
        self.purse.take("steps")
        try:
            completion, tokens = self.answer()
        except BaseException:
            self.purse.charge("steps", -1)  # it was no turn
            raise
        self.write("intent", **completion.model_dump(mode="json"), tokens=tokens)

    def answer(self) -> tuple[Completion, int]:
        """Ask the model; what it says is too long for it is summarised, until nothing can go."""
        while True:
            try:
                return self.asking.ask(self.state, self.state.messages, self.sampling)
            except TooLongError:
                if (upto := context.half(self.state)) == self.state.upto:
                    raise
                self.summarise(upto)

    def compact(self) -> None:
        """Put a summary in the place of the oldest turns, where the next prompt may not fit."""
        answer = self.sampling.max_tokens
        if not context.full(self.state, self.asking.besides, answer):
            return
        upto = context.to_summarise(self.state, self.asking.besides, answer)
        if upto > self.state.upto:
            self.summarise(upto)

    def summarise(self, upto: int) -> None:
        """Put a summary in the place of the turns up to this one, and of the summary before it."""
        answer = self.sampling.max_tokens
        text, by, usage, tokens = self.summary(context.gone(self.state, upto))
        text, message = context.pinned(
            self.state, upto, text, self.notes(), self.asking.besides, answer
        )
        self.write(
            "compact",
            upto=upto,
            by=by,
            summary=text,
            message=message.model_dump(mode="json"),
            usage=usage.model_dump(mode="json") if usage else None,
            tokens=tokens,
            step=compact_step(self.state.steps + 1, upto, by, text, _now()),
        )
        self.progress(f"steps 1 to {upto} are summarised")

    def summary(self, old: Sequence[Message]) -> tuple[str, str, Usage | None, int]:
        """Return a summary of messages, who made it, and what that cost."""
        if self.model.speaks is not None:
            asked = context.request(self.state, old)
            most = context.longest_summary(
                self.state, self.asking.besides, self.sampling.max_tokens
            )
            how = self.sampling.model_copy(update={"max_tokens": most})
            try:
                completion, tokens = self.asking.ask(self.state, asked, how)
            except (ModelError, BudgetError):
                return context.digest(self.state, old), "rules", None, 0
            text = completion.message.content.strip()
            if text and not completion.message.calls:
                return text, "model", completion.usage, tokens
            return context.digest(self.state, old), "rules", completion.usage, tokens
        return context.digest(self.state, old), "rules", None, 0

    def act(self) -> Alarm | None:
        """Make the open turn's calls, and write its step; return what the breaker says of it."""
        turn = self.state.open
        if turn is None:
            return None
        self.hands.act(turn)
        found = alarm([*self.state.trail, self.state.traced(turn)])
        if found is not None and not found.ends and not turn.warning:
            self.write("warning", text=warning(found), reason=found.reason)
        self.step(agent_step(self.state.steps + 1, turn, self.model.name))
        return found

    def close(self, status: Status, reason: str, *, between: bool = True) -> RunResult:
        """Write the end and the trajectory; return the result.

        `between`: the run ended between two calls, so that none has an unknown outcome.
        """
        between = between and not self.hands.unknown
        self.write("end", status=status, reason=reason, between=between)
        return self.result(status, reason)

    def result(self, status: Status, reason: str) -> RunResult:
        """Write the trajectory, and return the result."""
        if self.log.events:
            document = trajectory(self.log.events, self.state, self.log.path.parent)
            write_whole(self.log.path.with_name("trajectory.json"), canonical(document))
        return _result(self.state, status, reason)


def _result(state: State, status: Status, reason: str) -> RunResult:
    usage = Usage(
        prompt_tokens=state.prompt_tokens,
        completion_tokens=state.completion_tokens,
        cost_usd=state.cost_usd,
    )
    return RunResult(
        status=status,
        reason=reason,
        steps=state.turns,
        seconds=state.spent_s,
        usage=usage,
        findings=tuple(state.findings),
        final=state.final,
    )


def run_agent(
    task: Task,
    model: Model,
    tools: Sequence[Tool],
    log: EventLog,
    budget: Budget | None = None,
    *,
    purse: Purse | None = None,
    policy: Policy = "auto",
    ask: Ask = lambda _: False,
    notes: Callable[[], str] = str,
    window: int | None = None,
    run: str = "",
    rules: str = RULES,
    known: str = "",
    sampling: Sampling | None = None,
    progress: Progress = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run a task to its end, or resume it from its log; write `trajectory.json` beside the log.

    `purse`: what the run may use, shared with its tools and sub-agents (default: a new one, of
    `budget`); it is told what the log says was used. A sub-agent's that goes on is made with
    `Purse.child(budget, logged_used(log.events))`, so that its parent is told as well.
    `policy`: what the guard allows. `ask` asks a person, where the policy says so, and about a call
    whose outcome a crash left unknown, where its tool is not repeatable.
    `run` names the run (default: the name of the log's folder); `known` is what the ledger knows,
    marked, and read where the log begins only. `notes` gives the model's own notes, read again
    when steps are summarised and on resume. `window`: most tokens that the model is given at once
    (default: the model's own `window`). `stop` is looked at before each act. A log whose run is
    done is not run again: its result is returned.

    A failing model or sandbox (`EarnestError`) ends the run as `failed`, recorded once. Ctrl-C
    gives `stopped`; where someone else handles it, nothing more is written, since it may have
    struck in the middle of a write. Raises `UsageError` where the log is another task's, or
    dollars are limited and the model's price isn't known, `LackError` where the model lacks
    something on this machine (a key, a package), `LogError` where the log can't be written.
    """
    purse = purse or Purse(budget or Budget())
    purse.at_least(logged_used(log.events))
    sitting = _Run(task, model, tools, log, purse, sampling or Sampling(), progress)
    sitting.hands = Hands(tools, policy, purse, ask, sitting.write)
    sitting.hands.stop, sitting.notes = stop, notes
    sitting.hands.unknown = sitting.state.open is not None and not sitting.state.between
    sitting.hands.before = sitting.state.policy
    sitting.window = window or model.window or context.default(model.speaks)
    if sitting.state.status == "done" and sitting.state.task == task.id:
        return sitting.result("done", "")

    def sit() -> RunResult:
        try:
            sitting.start(run or log.path.parent.name, rules, known)
            return sitting.close(*sitting.go())
        except KeyboardInterrupt:
            if guarded() and log.events:
                return sitting.close("stopped", "interrupted", between=False)
            return _result(sitting.state, "stopped", "interrupted")
        except (UsageError, LackError, LogError):
            raise
        except EarnestError as error:
            mend = f" ({error.mend})" if error.mend else ""
            reason = f"{type(error).__name__}: {error}{mend}"
            return sitting.close("failed", reason, between=False)

    return held(sit)
