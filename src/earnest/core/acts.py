"""What a tool call would do to the world, said before it is done: what the guard judges by."""

from __future__ import annotations

from typing import Final, Literal, get_args

from earnest.core.records import Value

Class = Literal[
    "read",
    "write",
    "write-outside",
    "network-read",
    "network-change",
    "spend",
    "irreversible",
    "unknown",
]
"""`read`: nothing changes. `write`: only inside the run's own workspace, notes or findings.

`write-outside`: anything else of the user's. `network-read`: asks a host and changes nothing there,
as far as its protocol says (GET, HEAD). `network-change`: may change something there. `spend`:
costs money beside the run's own model. `irreversible`: can't be undone. `unknown`: all else.
"""
CLASSES: Final[tuple[Class, ...]] = get_args(Class)
Policy = Literal["ask", "auto", "plan"]
"""Which acts are allowed, asked about, or denied (`agent/guard.py`)."""
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)


class Act(Value):
    """One thing that a call would do.

    `what`: in words, for a person who is asked. `target`: the path, host or tool it is done to.
    `reach`: its blast radius, in words: what is touched at worst.
    """

    kind: Class
    what: str
    target: str = ""
    reach: str = ""


READ: Final = (Act(kind="read", what="read what the run was handed", reach="nothing changes"),)


def writes(what: str, target: str = "") -> tuple[Act, ...]:
    """Return the act of writing inside the run's own folder."""
    return (Act(kind="write", what=what, target=target, reach="the run's own folder"),)
