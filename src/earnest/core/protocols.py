"""What rooms need of each other at run time. A recipe hands in the implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from earnest.core.acts import Act
from earnest.core.history import ClosedBook, Style
from earnest.core.jobs import Job, Result
from earnest.core.known import Page
from earnest.core.likeness import Related
from earnest.core.messages import Completion, Message, Observation, Sampling, ToolSpec
from earnest.core.records import Finding, TableRef, Verdict

Progress = Callable[[str], None]
"""Takes one line for a person who waits."""


Heard = Callable[[str], None]
"""Takes a model's words as they come. A line in brackets says that an answer begins anew."""


class Model(Protocol):
    """Answers messages. `name` goes on every record the model has a part in.

    `heard`: who listens while it answers. A model may also have `price`, whose
    `cost(prompt, completion)` says what so many tokens cost at most, in US dollars.
    """

    name: str
    heard: Heard | None

    @property
    def sees(self) -> bool:
        """Whether it is shown pictures."""
        ...

    @property
    def priced(self) -> bool:
        """Whether it says what answers cost; if not, no budget of money can be held."""
        ...

    @property
    def window(self) -> int | None:
        """How many tokens it takes, prompt and answer together; None: not known."""
        ...

    @property
    def speaks(self) -> Style | None:
        """How it is asked what it knows, closed-book; None: it is no language model."""
        ...

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], sampling: Sampling
    ) -> Completion:
        """Return the next message. Raises `ModelError`."""
        ...


class Embedder(Protocol):
    """Makes vectors of texts: what means the same lies close."""

    @property
    def name(self) -> str:
        """Which model it is: vectors of two names are never compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text, all of one length. Raises `ModelError`, `LackError`."""
        ...


class Tool(Protocol):
    """Does one thing for a model. Raises `ToolError` where the call is wrong.

    `repeatable`: a call whose outcome is unknown after a crash may simply be made again. A tool may
    also have `concurrent = True`: its calls that change nothing may be made from several threads
    at once; and `only_files = True`: all that a call can change are files of the workspace.
    """

    spec: ToolSpec

    @property
    def repeatable(self) -> bool:
        """As above; asked only where there is such a call."""
        ...

    def acts(self, arguments: Mapping[str, Any]) -> Sequence[Act]:
        """Say what a call would do; does none of it. None: the guard takes it for unknown.

        Raises `ToolError` where the arguments are wrong.
        """
        ...

    def call(self, arguments: Mapping[str, Any]) -> Observation:
        """Do it."""
        ...


class Channel(Protocol):
    """A job that runs, and a line of bytes to it. One thread at a time may use it.

    The job's program finds its end of the line, a stream socket, as descriptor `LINE`. It lives
    for `limits.wall_s` at most.
    """

    def send(self, data: bytes, timeout_s: float = float("inf")) -> None:
        """Send all of it. Raises `ChannelClosedError` where the job has ended, `TimeoutError`."""
        ...

    def receive(self, most: int, timeout_s: float) -> bytes:
        """Return 1 to `most` bytes; none once the job has ended or closed the line.

        Raises `TimeoutError`.
        """
        ...

    def printed(self) -> tuple[str, str]:
        """Return what it wrote to standard output and standard error since this was last asked."""
        ...

    def interrupt(self) -> None:
        """Send the program SIGINT."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """Return the workspace's regular files as they are now. Raises `SandboxError`."""
        ...

    def close(self) -> Result:
        """End the job if it still runs; return how it ended. May be called again."""
        ...


class Sandbox(Protocol):
    """Runs a program that is not trusted. `name` says which backend.

    `isolates`: whether it keeps a program from this machine; grading and verification refuse one
    that doesn't.
    """

    name: str
    isolates: bool

    def run(self, job: Job) -> Result:
        """Run a job to its end. Raises `SandboxError` where the sandbox itself failed."""
        ...

    def open(self, job: Job) -> Channel:
        """Start a job with a line to it. Raises `SandboxError`."""
        ...

    def close(self) -> None:
        """End what the sandbox keeps running, if anything. It can't be used afterwards."""
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


class Desk(Protocol):
    """Takes findings from agents outside, and has them verified. Safe for several threads.

    A *session* is what one agent finds in one sitting: its claims are one batch, which is frozen
    when it is settled, or when nothing was added to it for a while.
    """

    def tables(self) -> Sequence[TableRef]:
        """Return the registered tables."""
        ...

    def submit(self, principal: str, session: str, arguments: Mapping[str, Any]) -> Finding:
        """Queue a finding, as the tool `submit_finding` takes it; its table by id or name.

        Raises `ToolError` where the call is wrong, `QuotaError` where the principal's is used up.
        """
        ...

    def settle(self, principal: str, session: str) -> None:
        """Freeze a session's batch, so that it is verified; does not wait for the verdicts."""
        ...


class Findings(Protocol):
    """What the ledger knows, as one run may be told it (`core/known.py`)."""

    def search(self, words: str, *, table: str = "", offset: int = 0) -> Page:
        """Return findings by words, or of one of the run's tables. Raises `ToolError`."""
        ...

    def get(self, name: str) -> Mapping[str, Any]:
        """Return one finding by its id, or the start of it. Raises `ToolError`."""
        ...


class LedgerView(Protocol):
    """What a verifier may know of the ledger."""

    def alpha(self, finding: str) -> float | None:
        """Return the share of the error budget allocated to a finding; None: none was."""
        ...

    def earlier(self, finding: Finding) -> tuple[str, Verdict] | None:
        """Return an earlier finding with the same claim on the same table, and its verdict."""
        ...

    def batch(self, finding: Finding) -> Iterable[Finding]:
        """Return the findings of its run that were frozen before it, oldest first."""
        ...

    def related(self, finding: Finding) -> Sequence[Related]:
        """Return the earlier findings that a finding is like, the closest first; few."""
        ...

    def closed_book(self, finding: str) -> ClosedBook | None:
        """Return what a model was asked closed-book about a finding as it was submitted."""
        ...

    def used_up(self, finding: Finding) -> bool:
        """Say whether the sealed rows of its table have been looked at too often for one more."""
        ...
