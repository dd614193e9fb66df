"""What rooms need of each other at run time. A recipe hands in the implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from earnest.core.jobs import Job, Result
from earnest.core.messages import Completion, Message, Observation, Sampling, ToolSpec
from earnest.core.records import Finding, Verdict

Progress = Callable[[str], None]
"""Takes one line for a person who waits."""


class Model(Protocol):
    """Answers messages. `name` goes on every record the model has a part in."""

    name: str

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next message. Raises `ModelError`."""
        ...


class Tool(Protocol):
    """Does one thing for a model. Raises `ToolError` where the call is wrong.

    `repeatable`: a call whose outcome is unknown after a crash may simply be made again.
    """

    spec: ToolSpec
    repeatable: bool

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it."""
        ...


class Sandbox(Protocol):
    """Runs a program that is not trusted. `name` says which backend."""

    name: str

    def run(self, job: Job) -> Result:
        """Run a job to its end. Raises `SandboxError` where the sandbox itself failed."""
        ...


class Blobs(Protocol):
    """Content-addressed bytes."""

    def put(self, data: bytes) -> str:
        """Store bytes; return their hash."""
        ...

    def get(self, name: str) -> bytes:
        """Return the bytes, re-verified. Raises `RecordError`."""
        ...


class Tables(Protocol):
    """Where the verifier finds a table's parts. Only its own process may read the sealed ones."""

    def visible(self, table: str) -> Path:
        """Return the folder that holds the visible rows of the table with this id."""
        ...

    def sealed(self, table: str) -> Path:
        """Return the file that holds the sealed rows of the table with this id."""
        ...


class LedgerView(Protocol):
    """What a verifier may know of the ledger."""

    def alpha(self, finding: str) -> float | None:
        """Return the share of the error budget allocated to a finding; None: none was."""
        ...

    def earlier(self, finding: Finding) -> tuple[str, Verdict] | None:
        """Return an earlier finding with the same claim on the same table, and its verdict."""
        ...
