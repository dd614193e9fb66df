"""A run's way to hosts, as its tools are handed it, and what code that may use it would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earnest.core.acts import Act, writes
from earnest.core.jobs import Gateway
from earnest.core.protocols import Sandbox
from earnest.sandbox.exchanges import Answered, Asked, Exchange

Ask = Callable[[Asked, float], tuple[Answered, str]]
"""Makes a request, in at most so many seconds: the answer, and why it is not the server's, if so.

Raises `DeniedError` for what can't be asked for at all.
"""


@dataclass(frozen=True)
class Network:
    """The hosts that a run may reach, and the ways to them; all record what passes.

    `gateway`: for `python`, in whose resumed session recorded answers come again; `replayed` is
    called when its calls have been made again. `shell`: for `shell`. Both let through only what
    changes nothing at a host. `ask`: for the tool `http`. `recorded`: gives all that passed so far.
    """

    gateway: Gateway
    hosts: tuple[str, ...]
    replayed: Callable[[], None]
    shell: Gateway
    ask: Ask
    recorded: Callable[[], Sequence[Exchange]] = tuple


def code_acts(what: str, sandbox: Sandbox, net: Network | None) -> tuple[Act, ...]:
    """Return what running a model's code would do: what its jail lets it, since it is not read."""
    if not sandbox.isolates:
        return (
            Act(kind="irreversible", what=f"{what}, which nothing isolates", reach="everything"),
        )
    acts = writes(f"{what} in the sandbox")
    if net is None:
        return acts
    hosts = ", ".join(net.hosts)
    reach = "what a host is asked for; it is told what the code puts into the question"
    return (*acts, Act(kind="network-read", what="ask hosts", target=hosts, reach=reach))
