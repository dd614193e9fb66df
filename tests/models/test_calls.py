"""Tool calls in the text of models: each form, and what is wrong with each."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.core.messages import ToolSpec
from earnest.models.calls import UNREADABLE, count, read, visible

HERMES = "… <tool_call> … "
CODER = "… <tool_call>\n<function=… "
MISTRAL = "… [TOOL_CALLS] … "
LLAMA = '… {"name": "x", "parameters": … '
TOOLS = [
    ToolSpec(
        name="count",
        description="",
        parameters={
            "type": "object",
            "properties": {"n": {"type": "integer"}, "of": {"type": "string"}},
        },
    )
]
GOLD = {"n": 2, "of": "é"}


def coder(n: str, of: str) -> str:
    inside = f"<parameter=n>\n{n}\n</parameter>\n<parameter=of>\n{of}\n</parameter>\n"
    return f"<tool_call>\n<function=count>\n{inside}</function>\n</tool_call>"


@pytest.mark.parametrize(
    ("template", "text", "said"),
    [
        (
            HERMES,
            'So:\n<tool_call>\n{"name": "count", "arguments": {"n": 2, "of": "é"}}\n</tool_call>',
            "So:",
        ),
        (CODER, "So:\n" + coder("2", "é"), "So:"),
        (MISTRAL, 'So:[TOOL_CALLS][{"name": "count", "arguments": {"n": 2, "of": "é"}}]', "So:"),
        (MISTRAL, 'So:[TOOL_CALLS]count[ARGS]{"n": 2, "of": "é"}', "So:"),
        (MISTRAL, 'So:[TOOL_CALLS]count[CALL_ID]x[ARGS]{"n": 2, "of": "é"}', "So:"),
        (LLAMA, '{"name": "count", "parameters": {"n": 2, "of": "é"}}', ""),
        (LLAMA, '<|python_tag|>{"name": "count", "parameters": {"n": 2, "of": "é"}}', ""),
    ],
)
def test_each_form_is_read(template: str, text: str, said: str) -> None:
    found = read(text, template, TOOLS, "call-1")
    assert found.text == said
    ((call,), problems) = found.calls, [one.problem for one in found.calls]
    assert (call.id, call.name, call.arguments, problems) == ("call-1-1", "count", GOLD, [""])


def test_parallel_calls_have_ids_of_their_own() -> None:
    one = '<tool_call>{"name": "count", "arguments": {"n": %d}}</tool_call>'
    two = read(one % 1 + "\n" + one % 2, HERMES, TOOLS, "call-3").calls
    assert [(call.id, call.arguments["n"]) for call in two] == [("call-3-1", 1), ("call-3-2", 2)]
    both = '[TOOL_CALLS][{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}]'
    assert [call.name for call in read(both, MISTRAL, TOOLS, "x").calls] == ["a", "b"]
    new = "[TOOL_CALLS]a[ARGS]{}[TOOL_CALLS]b[ARGS]{}"
    assert [call.name for call in read(new, MISTRAL, TOOLS, "x").calls] == ["a", "b"]


@pytest.mark.parametrize(
    ("template", "text", "why"),
    [
        (HERMES, '<tool_call>{"name": "count", "arguments": {"n": 2}}', "end mark is missing"),
        (HERMES, "<tool_call>{'name': 'count'}</tool_call>", "can't be read"),
        (HERMES, '<tool_call>{"name": "count", "arguments": {"n": 2}}}</tool_call>', "can't be"),
        (HERMES, '<tool_call>{"name": "count", "arguments": {"n": NaN}}</tool_call>', "can't be"),
        (HERMES, '<tool_call>{"name": "count", "arguments": "n=2"}</tool_call>', "no JSON object"),
        (HERMES, '<tool_call>{"name": "count"}</tool_call>', "no JSON object"),
        (HERMES, '<tool_call>{"arguments": {}}</tool_call>', "name"),
        (HERMES, "<tool_call>[]</tool_call>", "name"),
        (CODER, coder("two", "é"), "its n can't be read"),
        (CODER, "<tool_call><function=count><parameter=n>2</tool_call>", "end mark"),
        (CODER, "<tool_call><function=count>n=2</function></tool_call>", "between"),
        (MISTRAL, '[TOOL_CALLS][{"name": "count", "arguments": ', "can't be read"),
        (MISTRAL, "[TOOL_CALLS]count[ARGS]{n: 2}", "can't be read"),
        (MISTRAL, '[TOOL_CALLS][{"name": "count"}]', "no JSON object"),
        (LLAMA, '{"name": "count", "parameters": {"n": 2}', "can't be read"),
    ],
)
def test_what_is_malformed_is_a_problem_not_a_guess(template: str, text: str, why: str) -> None:
    (call,) = read(text, template, TOOLS, "call-1").calls
    assert why in call.problem
    assert call.arguments == {}
    assert call.name in ("count", UNREADABLE)


def test_a_call_that_was_cut_off_says_so() -> None:
    (call,) = read('<tool_call>{"name": "co', HERMES, TOOLS, "call-1", cut=True).calls
    assert "length limit" in call.problem


@pytest.mark.parametrize("template", [HERMES, MISTRAL, LLAMA, "no form"])
@pytest.mark.parametrize("text", ["Plain words.", '{"n": 2}', "a < b [c]"])
def test_words_are_no_call(template: str, text: str) -> None:
    found = read(text, template, TOOLS, "call-1")
    assert (found.text, found.calls) == (text, ())


def test_a_form_of_another_template_is_words() -> None:
    text = '<tool_call>{"name": "count", "arguments": {}}</tool_call>'
    assert read(text, MISTRAL, TOOLS, "call-1").calls == ()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=3), st.booleans())
def test_what_is_read_is_what_was_written_or_a_problem(
    arguments: dict[str, Any], escaped: bool
) -> None:
    body = json.dumps({"name": "count", "arguments": arguments}, ensure_ascii=escaped)
    calls = read(f"<tool_call>{body}</tool_call>", HERMES, TOOLS, "c").calls
    for call in calls:
        assert call.problem or call.arguments == arguments
    if "</tool_call>" not in body:
        assert len(calls) == 1


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="ab<tool_cal>[TOOL_CALLS]", max_size=40))
def test_what_is_heard_never_has_to_be_taken_back(text: str) -> None:
    heard = ""
    for end in range(len(text) + 1):
        now = visible(text[:end])
        assert now.startswith(heard)
        heard = now
    assert visible(text, whole=True).startswith(heard)
    assert "<tool_call>" not in heard


def test_a_long_gap_in_a_call_is_read_in_no_time() -> None:
    began = time.process_time()
    read("[TOOL_CALLS]a" + " " * 60_000 + "b", "[TOOL_CALLS]", [], "c")
    assert time.process_time() - began < 2
    found = read("[TOOL_CALLS] f  [ARGS] {}", "[TOOL_CALLS]", [], "c")
    assert [call.name for call in found.calls] == ["f"]


@pytest.mark.parametrize("told", [-1, -(2**60), 2**53, 1.5, "7", True, None])
def test_what_is_no_count_is_none(told: object) -> None:
    assert count(SimpleNamespace(prompt_tokens=told), "prompt_tokens") is None
    assert count(SimpleNamespace(prompt_tokens=0), "prompt_tokens") == 0
