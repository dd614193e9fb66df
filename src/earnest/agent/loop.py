"""The loop: model, tool calls, observations, until the model ends it or a budget does.

What a step will do is on disk before it is done, and what it did before the next begins; so a
run that was killed goes on where it was. The loop decides that it is over: the model answered
without a tool call. Not covered: two calls of one message at the same time (they run in order),
and a conversation longer than the model's context (no compaction yet).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from earnest.agent.atif import agent_step, prompt_step, trajectory
from earnest.agent.guard import Ask, Question, classed, decide, harmless, refusal
from earnest.agent.prompt import RULES, opening
from earnest.agent.replay import State, Turn, logged_used, replay
from earnest.core.acts import Policy
from earnest.core.budget import Budget, Purse
from earnest.core.canon import canonical
from earnest.core.errors import EarnestError, LackError, LogError, ToolError, UsageError
from earnest.core.events import EventLog
from earnest.core.home import write_whole
from earnest.core.messages import Completion, Observation, Sampling, ToolCall, Usage
from earnest.core.protocols import Model, Progress, Tool
from earnest.core.quoted import plain
from earnest.core.records import Finding, Task

Status = Literal["done", "over-budget", "stuck", "failed", "stopped"]
_CHARACTERS_A_TOKEN: Final = 4
UNKNOWN: Final = (
    "The run was interrupted during this call: whether it took effect is not known, and it was "
    "not made again. Look at the state of things before you go on."
)
NOT_MADE: Final = "This call was not made: "


@dataclass(frozen=True)
class RunResult:
    """How a run ended. `final` is the model's last words where it ended the run itself.

    `stopped` and `over-budget` runs, and `failed` ones, can be resumed with the same log.
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
        policy: Policy,
        progress: Progress,
        sampling: Sampling,
    ) -> None:
        self.task, self.model, self.log, self.purse = task, model, log, purse
        self.policy, self.budget = policy, purse.budget
        self.ask: Ask = lambda _: False
        self.stop: Callable[[], bool] = lambda: False
        self.tools = {tool.spec.name: tool for tool in tools}
        self.specs = [tool.spec for tool in tools]
        self.progress, self.sampling = progress, sampling
        self.state: State = replay(log.events)
        self.began = time.monotonic() - self.state.spent_s

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began

    def write(self, kind: str, **payload: Any) -> None:
        self.log.append(kind, {**payload, "at": _now(), "spent_s": round(self.spent, 3)})

    def start(self, run: str, rules: str, known: str) -> None:
        """Begin the log, or check that it is this task's."""
        if not self.log.events:
            messages = opening(self.task, rules, known)
            self.write(
                "start",
                run=run,
                task=self.task.id,
                prompt=self.task.prompt,
                model=self.model.name,
                budget=asdict(self.budget),
                tools=[spec.model_dump(mode="json") for spec in self.specs],
                messages=[message.model_dump(mode="json") for message in messages],
            )
            self.state.task, self.state.messages = self.task.id, list(messages)
        elif self.state.task != self.task.id:
            raise UsageError(
                f"{self.log.path} is the log of another task", mend="give each run its own folder"
            )
        else:
            self.write("resume", model=self.model.name, budget=asdict(self.budget))
            self.state.status = ""
        for message in self.state.messages[self.state.steps : 2]:
            self.log.append("step", prompt_step(self.state.steps + 1, message, _now()))
            self.state.step()
        self.announce()

    def announce(self) -> None:
        """Write the `finding` events that are owed: an effect is what makes a finding count."""
        for finding in self.state.findings[self.state.announced :]:
            self.write("finding", id=finding.id, finding=finding.body)
            self.state.announced += 1

    def over_budget(self) -> tuple[str, float, float] | None:
        """Return the budget that has ended, its limit and what was used; None: go on."""
        used = {
            "steps": float(self.state.turns),
            "wall_s": self.spent,
            "tokens": float(self.state.tokens),
            "cost_usd": self.state.cost_usd,
        }
        for name, amount in used.items():
            limit: float | None = asdict(self.budget)[name]
            if limit is None:
                continue
            if amount is None:
                raise EarnestError(
                    "the model reports no cost, so a cost budget can't be held",
                    mend="give the model its prices, or set a budget of tokens",
                )
            if amount >= limit:
                return name, float(limit), amount
        return None

    def go(self) -> tuple[Status, str]:
        """Run until the model ends it, a budget does, or someone stops it."""
        if self.state.open is not None:
            self.act(self.state.open, resumed=True)
        while not self.state.over:
            if self.stop():
                return "stopped", "asked to stop"
            ended = self.over_budget()
            if ended is not None:
                name, limit, used = ended
                self.write("budget", budget=name, limit=limit, used=used)
                return "over-budget", f"the budget of {limit:g} {name} is used up"
            self.act(self.turn())
        return "done", ""

    def turn(self) -> Turn:
        """Ask the model, and write its intent down."""
        completion = self.model.generate(self.state.messages, self.specs, self.left())
        turn = Turn(completion.message, completion.usage, completion.stop, _now())
        tokens = self.tokens(completion)
        self.state.begin(turn, tokens)
        self.write(
            "intent",
            message=completion.message.model_dump(mode="json"),
            usage=completion.usage.model_dump(mode="json"),
            stop=completion.stop,
            tokens=tokens,
        )
        return turn

    def left(self) -> Sampling:
        """Return the sampling, its length cut to what the token budget has left."""
        if self.budget.tokens is None:
            return self.sampling
        rest = max(1, self.budget.tokens - self.state.tokens)
        return self.sampling.model_copy(
            update={"max_tokens": min(self.sampling.max_tokens, rest)},
        )

    def tokens(self, completion: Completion) -> int:
        usage = completion.usage
        if usage.prompt_tokens is not None and usage.completion_tokens is not None:
            return usage.prompt_tokens + usage.completion_tokens
        written = [*self.state.messages, completion.message]
        characters = sum(len(message.model_dump_json()) for message in written)
        return characters // _CHARACTERS_A_TOKEN

    def act(self, turn: Turn, *, resumed: bool = False) -> None:
        """Make the calls of a turn that have no effect on record yet, then write its step."""
        unknown = resumed
        for index, call in enumerate(turn.message.calls):
            if index in turn.effects:
                continue
            observation = self.call(call, unknown)
            unknown = False
            self.state.effect(index, observation)
            self.write(
                "effect",
                call=call.id,
                index=index,
                tool=call.name,
                observation=observation.model_dump(mode="json"),
            )
            self.announce()
            note = str(observation.data.get("sentence", observation.content)).strip()
            first = plain(note.partition("\n")[0][:120])
            self.progress(f"step {self.state.turns}: {plain(call.name[:60])}: {first}")
        self.log.append("step", agent_step(self.state.steps + 1, turn, self.model.name))
        self.state.step()

    def call(self, call: ToolCall, unknown: bool) -> Observation:
        """Make one call; what the model got wrong is told to it, never guessed."""
        tool = self.tools.get(call.name)
        if call.problem:
            return Observation(content=NOT_MADE + call.problem, failed=True)
        if tool is None:
            names = ", ".join(self.tools)
            text = f"{NOT_MADE}there is no tool {call.name!r}; there are {names}"
            return Observation(content=text, failed=True)
        acts = classed(tool, call)
        decision = decide(self.policy, acts)
        if decision == "deny" or (
            decision == "ask" and not self.ask(Question(call, acts, "permission"))
        ):
            text = NOT_MADE + refusal(self.policy, acts, decision == "ask")
            return Observation(content=text, failed=True)
        if unknown and not (tool.repeatable or harmless(acts)):
            again = self.ask(Question(call, acts, "unknown-outcome"))
            if not again:
                return Observation(content=UNKNOWN, failed=True)
        most = self.budget.wall_s
        if self.stop() or (most is not None and self.spent >= most):
            return Observation(content=NOT_MADE + "the run is at its end", failed=True)
        try:
            return tool.call(call.arguments)
        except ToolError as error:
            mend = f"\n{error.mend}" if error.mend else ""
            return Observation(content=f"{error}{mend}", failed=True)

    def close(self, status: Status, reason: str, *, write: bool = True) -> RunResult:
        """Write the end and the trajectory; return the result."""
        if write:
            self.write("end", status=status, reason=reason)
        self.state.status = status
        self.state.spent_s = round(self.spent, 3)
        if self.log.events:
            document = trajectory(self.log.events, self.state)
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
    notes: Callable[[], str] = lambda: "",  # noqa: ARG001 (next)
    window: int | None = None,  # noqa: ARG001 (next)
    run: str = "",
    rules: str = RULES,
    known: str = "",
    sampling: Sampling | None = None,
    progress: Progress = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Run a task to its end, or resume it from its log; write `trajectory.json` beside the log.

    `purse`: what the run may use, shared with its tools and sub-agents; where the log is one to
    go on with, made with `Purse(budget, logged_used(log.events))` (default: so, of `budget`).
    `policy`: what the guard allows. `ask` asks a person, where the policy says so, and about a call
    whose outcome a crash left unknown, where its tool is not repeatable.
    `run` names the run (default: the name of the log's folder); `known` is what the ledger knows,
    marked, and read where the log begins only. `notes` gives the model's own notes, read again
    when steps are summarised and on resume. `window`: most tokens that the model is given at once
    (default: the model's own `window`). `stop` is looked at before each act. A log whose run is
    done is not run again: its result is returned.

    A failing model or sandbox (`EarnestError`) ends the run as `failed`, recorded once. Ctrl-C
    gives `stopped`; it writes nothing more, since it may have struck in the middle of a write.
    Raises `UsageError` where the log is another task's, `LackError` where the model lacks
    something on this machine (a key, a package), `LogError` where the log can't be written.
    """
    purse = purse or Purse(budget or Budget(), logged_used(log.events))
    sitting = _Run(task, model, tools, log, purse, policy, progress, sampling or Sampling())
    sitting.ask, sitting.stop = ask, stop
    if sitting.state.status == "done" and sitting.state.task == task.id:
        sitting.began = time.monotonic() - sitting.state.spent_s
        return sitting.close("done", "", write=False)
    try:
        sitting.start(run or log.path.parent.name, rules, known)
        return sitting.close(*sitting.go())
    except KeyboardInterrupt:
        return _result(sitting.state, "stopped", "interrupted")
    except (UsageError, LackError, LogError):
        raise
    except EarnestError as error:
        mend = f" ({error.mend})" if error.mend else ""
        return sitting.close("failed", f"{type(error).__name__}: {error}{mend}")
