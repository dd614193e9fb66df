"""ATIF v1.7 as its RFC (Harbor, 0001) has it, strictly: unknown keys are refused, orders checked.

Written for these tests, from the text of the RFC, and without a look at our own writer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Call(_Part):
    tool_call_id: Annotated[str, Field(min_length=1)]
    function_name: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any]
    extra: dict[str, Any] | None = None


class Result(_Part):
    source_call_id: str | None = None
    content: str | None = None
    subagent_trajectory_ref: list[dict[str, Any]] | None = None
    extra: dict[str, Any] | None = None


class Seen(_Part):
    results: list[Result]


class Metrics(_Part):
    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    completion_tokens: Annotated[int, Field(ge=0)] | None = None
    cached_tokens: Annotated[int, Field(ge=0)] | None = None
    cost_usd: Annotated[float, Field(ge=0)] | None = None
    prompt_token_ids: list[int] | None = None
    completion_token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    extra: dict[str, Any] | None = None


class Step(_Part):
    step_id: Annotated[int, Field(ge=1)]
    timestamp: str | None = None
    source: Literal["system", "user", "agent"]
    model_name: str | None = None
    reasoning_effort: str | float | None = None
    message: str
    reasoning_content: str | None = None
    tool_calls: list[Call] | None = None
    observation: Seen | None = None
    metrics: Metrics | None = None
    is_copied_context: bool | None = None
    llm_call_count: Annotated[int, Field(ge=0)] | None = None
    extra: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if self.timestamp is not None:
            datetime.fromisoformat(self.timestamp.replace("Z", "+00:00"))
        if self.source != "agent":
            own = (self.model_name, self.reasoning_content, self.tool_calls, self.metrics)
            assert own == (None,) * 4, "only an agent's step has these"
        calls = [call.tool_call_id for call in self.tool_calls or []]
        assert len(set(calls)) == len(calls), "two calls of one name"
        for result in self.observation.results if self.observation else []:
            assert result.source_call_id is None or result.source_call_id in calls
        return self


class Agent(_Part):
    name: str
    version: str
    model_name: str | None = None
    tool_definitions: list[dict[str, Any]] | None = None
    extra: dict[str, Any] | None = None


class Final(_Part):
    total_prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    total_completion_tokens: Annotated[int, Field(ge=0)] | None = None
    total_cached_tokens: Annotated[int, Field(ge=0)] | None = None
    total_cost_usd: Annotated[float, Field(ge=0)] | None = None
    total_steps: Annotated[int, Field(ge=0)] | None = None
    extra: dict[str, Any] | None = None


class Trajectory(_Part):
    schema_version: Literal["ATIF-v1.7"]
    session_id: str | None = None
    trajectory_id: str | None = None
    agent: Agent
    steps: Annotated[list[Step], Field(min_length=1)]
    notes: str | None = None
    final_metrics: Final | None = None
    continued_trajectory_ref: str | None = None
    extra: dict[str, Any] | None = None
    subagent_trajectories: list[Trajectory] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        assert [step.step_id for step in self.steps] == list(range(1, len(self.steps) + 1))
        final = self.final_metrics
        if final and final.total_steps is not None and not self.notes:
            assert final.total_steps == len(self.steps)
        below = [one.trajectory_id for one in self.subagent_trajectories or []]
        assert None not in below
        assert len(set(below)) == len(below)
        return self
