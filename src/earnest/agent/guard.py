"""What a call may do: the tool says what the call would do, the policy of the run decides.

It fails closed: a tool that can't say it, or says nothing, is `unknown`, and that is denied under
every policy, by a person too (nobody can judge what nobody can name). Why each class is decided
as it is stands in docs/agent.md.

Not covered: a tool that says less than it does. What a tool may do at all is held by the tool
itself (jail, allow-list), whatever the guard thinks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from earnest.core.acts import CLASSES, Act, Class, Policy
from earnest.core.errors import ToolError
from earnest.core.messages import ToolCall
from earnest.core.protocols import Tool
from earnest.core.quoted import plain

Decision = Literal["allow", "ask", "deny"]
_ARGUMENTS: Final = 600  # characters of a call's arguments that a person is shown
_STRICTEST: Final = {"allow": 0, "ask": 1, "deny": 2}

DECISIONS: Final[Mapping[Policy, Mapping[Class, Decision]]] = {
    "ask": {
        "read": "allow",
        "write": "allow",
        "write-outside": "ask",
        "network-read": "ask",
        "network-change": "ask",
        "spend": "ask",
        "irreversible": "ask",
        "unknown": "deny",
    },
    "auto": {
        "read": "allow",
        "write": "allow",
        "network-read": "allow",
        "write-outside": "deny",
        "network-change": "deny",
        "spend": "deny",
        "irreversible": "deny",
        "unknown": "deny",
    },
    "plan": {**dict.fromkeys(CLASSES, "deny"), "read": "allow"},
}
_MEANS: Final[Mapping[Class, str]] = {
    "read": "reading what the run has",
    "write": "writing in the run's own folder",
    "write-outside": "changing files outside the run's own folder",
    "network-read": "asking a host",
    "network-change": "changing something at a host",
    "spend": "spending money",
    "irreversible": "what can't be undone",
    "unknown": "what the tool can't name",
}


@dataclass(frozen=True)
class Question:
    """What a person is asked before a call is made.

    `permission`: may it do this? `unknown-outcome`: the run was cut off during this very call; may
    it be made again? `words`: what the model wrote with the call: its own reason, never ours.
    """

    call: ToolCall
    acts: tuple[Act, ...]
    why: Literal["permission", "unknown-outcome"]
    words: str = ""


Ask = Callable[[Question], bool]
"""Asks a person; False (also where there is none): the call is not made."""


def classed(tool: Tool, call: ToolCall) -> tuple[Act, ...]:
    """Return what a call would do, by the tool's own declaration. Raises `ToolError`, the tool's.

    A tool that fails otherwise, or declares nothing, gives one act of the class `unknown`.
    """
    try:
        found: object = tool.acts(call.arguments)
    except ToolError:
        raise
    except Exception as error:  # noqa: BLE001 (a declaration that fails must not let a call pass)
        found, why = None, f"{type(error).__name__}"
    else:
        why = "it declares nothing"
    if isinstance(found, Sequence) and found and all(isinstance(one, Act) for one in found):
        return tuple(found)
    what = f"what {call.name} would do can't be told ({why})"
    return (Act(kind="unknown", what=what, target=call.name, reach="anything"),)


def decide(policy: Policy, acts: Sequence[Act]) -> Decision:
    """Return the strictest decision that the policy has for any of the acts."""
    table = DECISIONS[policy]
    found = [table.get(act.kind, "deny") for act in acts] or ["deny"]
    return max(found, key=_STRICTEST.__getitem__)


def harmless(acts: Sequence[Act]) -> bool:
    """Say whether a call changes nothing anywhere, so that it may be made again, or beside others.

    As far as the classes go: asking a host changes nothing there, as its protocol has it.
    """
    return bool(acts) and all(act.kind in ("read", "network-read") for act in acts)


def refusal(policy: Policy, acts: Sequence[Act], asked: bool) -> str:
    """Return what the model is told of a call that was not made: why, and what it may do."""
    table = DECISIONS[policy]
    worst = [act for act in acts if table.get(act.kind, "deny") != "allow"]
    named = "; ".join(f"{plain(act.what)} ({_MEANS[act.kind]})" for act in worst)
    reason = "the person who was asked refused it" if asked else f"the policy {policy} denies it"
    allowed = ", ".join(_MEANS[one] for one in CLASSES if table[one] == "allow")
    return (
        f"{reason}: {named}. What needs no leave: {allowed}. Go on without it, or say in your "
        "answer what a person would have to do; asking for the same again changes nothing."
    )


def asked_in_words(question: Question) -> str:
    """Return a question for a person in plain lines: what, why, and what it touches at worst."""
    call = question.call
    lines = [
        f"{plain(call.name)} would: {plain(act.what)}"
        + (f" [{plain(act.target)}]" if act.target else "")
        + f"; class: {act.kind}; touches at worst: {plain(act.reach) or 'not said'}"
        for act in question.acts
    ]
    text = call.written()
    more = f" … ({len(text):,} characters)" if len(text) > _ARGUMENTS else ""
    lines.append(f"arguments: {plain(text[:_ARGUMENTS])}{more}")
    lines.append(f"the model's own words: {plain(question.words[:400]) or '(none)'}")
    if question.why == "unknown-outcome":
        lines.append("The run was cut off during this call: whether it took effect is not known.")
        lines.append("Make it again?")
    else:
        lines.append("Allow this one call?")
    return "\n".join(lines)
