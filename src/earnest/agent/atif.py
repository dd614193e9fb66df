"""ATIF v1.7, Harbor's Agent Trajectory Interchange Format (RFC 0001): a run as others read it.

The format forbids keys of one's own except in `extra`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import earnest
from earnest.agent.replay import CUT_OFF, State, Turn
from earnest.core.canon import parse
from earnest.core.events import Event
from earnest.core.messages import Message

SCHEMA: Final = "ATIF-v1.7"
REFS: Final = "trajectories"  # in an observation's data: what refers to sub-agents'
_STEPS: Final = ("step", "compact")


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def prompt_step(number: int, message: Message, at: str) -> dict[str, Any]:
    """Return the step (numbered from 1) of a system or user message."""
    return {
        "step_id": number,
        "timestamp": at,
        "source": message.role,
        "message": message.content,
    }


def agent_step(number: int, turn: Turn, model: str) -> dict[str, Any]:
    """Return the step (numbered from 1) of one turn of the model with its observations."""
    calls = [
        {"tool_call_id": call.id, "function_name": call.name, "arguments": dict(call.arguments)}
        for call in turn.message.calls
    ]
    results: list[dict[str, Any]] = [
        _present(
            source_call_id=call.id,
            content=seen.content,
            subagent_trajectory_ref=seen.data.get(REFS),
        )
        for call, seen in turn.done
    ]
    if not turn.over and not turn.message.calls:
        results = [{"content": CUT_OFF}]
    if turn.warning:
        results.append({"content": turn.warning})
    failed = [call.id for call, seen in turn.done if seen.failed]
    return _present(
        step_id=number,
        timestamp=turn.at,
        source="agent",
        model_name=model,
        message=turn.message.content,
        reasoning_content=turn.message.thoughts or None,
        tool_calls=calls or None,
        observation={"results": results} if results else None,
        metrics=_metrics(turn),
        llm_call_count=1,
        extra={"stop": turn.stop, "failed_calls": failed},
    )


def _metrics(turn: Turn) -> dict[str, Any]:
    """Return what a turn used, and its very tokens where the model gave them."""
    tokens = turn.message.tokens
    return _present(
        prompt_tokens=turn.usage.prompt_tokens,
        completion_tokens=turn.usage.completion_tokens,
        cached_tokens=turn.usage.cached_tokens,
        cost_usd=turn.usage.cost_usd,
        prompt_token_ids=list(tokens.prompt) if tokens else None,
        completion_token_ids=list(tokens.sampled) if tokens else None,
        logprobs=list(tokens.logprobs) if tokens else None,
    )


def compact_step(number: int, upto: int, by: str, summary: str, at: str) -> dict[str, Any]:
    """Return the step (numbered from 1) that says what took the place of the oldest turns.

    The turns themselves stay in the trajectory where they are; a reader who wants what the model
    saw leaves out the agent's first `upto` steps from here on.
    """
    return {
        "step_id": number,
        "timestamp": at,
        "source": "system",
        "message": f"The agent's steps 1 to {upto} no longer stand in its context:\n{summary}",
        "extra": {"compaction": {"upto": upto, "by": by}},
    }


def trajectory(events: Iterable[Event], state: State, folder: Path) -> dict[str, Any]:
    """Return the whole trajectory of a run from its log, whatever its context held.

    A turn that is still open stands at its end with what is known of it. Those of sub-agents
    that its steps refer to are in it, as they lie below `folder`, the run's.
    """
    events = list(events)
    start: Mapping[str, Any] = events[0].payload
    steps = [
        e.payload if e.kind == "step" else e.payload["step"] for e in events if e.kind in _STEPS
    ]
    if state.open is not None:
        steps = [*steps, agent_step(len(steps) + 1, state.open, start["model"])]
    tools = [{"type": "function", "function": spec} for spec in start["tools"]]
    refs = [one for _, seen in state.calls for one in seen.data.get(REFS, ())]
    paths = [folder / one["trajectory_path"] for one in refs]
    below = [parse(path.read_bytes()) for path in paths if path.exists()]
    return {
        "schema_version": SCHEMA,
        "session_id": start["run"],
        "trajectory_id": start["run"],
        "agent": {
            "name": "earnest",
            "version": earnest.__version__,
            "model_name": start["model"],
            "tool_definitions": tools,
        },
        "steps": steps,
        **({"subagent_trajectories": below} if below else {}),
        "final_metrics": _present(
            total_prompt_tokens=state.prompt_tokens,
            total_completion_tokens=state.completion_tokens,
            total_cost_usd=state.cost_usd,
            total_steps=len(steps),
        ),
        "extra": {
            "task": start["task"],
            "status": state.status,
            "seconds": state.spent_s,
            "findings": [finding.id for finding in state.findings],
            "log": events[-1].chain,
        },
    }
