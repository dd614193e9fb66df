"""The rules of ATIF v1.7 that a document of ours can break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROOT = {"schema_version", "session_id", "trajectory_id", "agent", "steps", "final_metrics", "extra"}
STEP = {"step_id", "timestamp", "source", "message", "extra"}
AGENT = {"model_name", "tool_calls", "observation", "metrics", "llm_call_count"}
METRICS = {"prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"}
FINAL = {"total_prompt_tokens", "total_completion_tokens", "total_cost_usd", "total_steps"}


def check_atif(document: Mapping[str, Any]) -> None:
    """The rules of ATIF v1.7 that a document of ours can break."""
    assert document["schema_version"] == "ATIF-v1.7"
    assert set(document) <= ROOT
    assert {"name", "version"} <= set(document["agent"])
    assert set(document["agent"]) <= {"name", "version", "model_name", "tool_definitions", "extra"}
    assert set(document["final_metrics"]) <= FINAL
    assert [step["step_id"] for step in document["steps"]] == [
        number + 1 for number in range(len(document["steps"]))
    ]
    for step in document["steps"]:
        agent = step["source"] == "agent"
        assert set(step) <= (STEP | AGENT if agent else STEP)
        assert isinstance(step["message"], str)
        assert set(step.get("metrics", {})) <= METRICS
        calls = {call["tool_call_id"] for call in step.get("tool_calls", [])}
        for call in step.get("tool_calls", []):
            assert set(call) == {"tool_call_id", "function_name", "arguments"}
        for result in step.get("observation", {}).get("results", []):
            assert set(result) <= {"source_call_id", "content"}
            assert result.get("source_call_id") in calls | {None}
