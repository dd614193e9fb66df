"""A sandbox that counts what is started in it against a run's purse, before it is started."""

from __future__ import annotations

from earnest.core.budget import Purse
from earnest.core.jobs import Job, Result
from earnest.core.protocols import Channel, Sandbox


class Counted:
    """Implements `earnest.core.protocols.Sandbox` by another one.

    `run` and `open` raise `BudgetError`, with nothing started, where no process is left.
    """

    def __init__(self, sandbox: Sandbox, purse: Purse) -> None:
        self._sandbox, self._purse = sandbox, purse
        self.name, self.isolates = sandbox.name, sandbox.isolates
        self.lines = bool(getattr(sandbox, "lines", True))  # whether `open` can be had

    def run(self, job: Job) -> Result:
        """Run a job to its end."""
        self._purse.take("processes")
        return self._sandbox.run(job)

    def open(self, job: Job) -> Channel:
        """Start a job with a line to it."""
        self._purse.take("processes")
        return self._sandbox.open(job)

    def close(self) -> None:
        """Close nothing: the sandbox is another's."""
