"""The desk: takes findings from agents outside, and has them verified. Implements `Desk`.

A finding is checked as an agent's of our own is, by the tool `submit_finding`: its claim fits the
table, its script runs in the sandbox on the visible rows, its predicate holds. Only then is it
queued: on disk at once, in the ledger once its session's batch is frozen. A thread freezes batches
to which nothing was added for a while, another has what is frozen verified; both pick up what a
crash, or another process, left behind.

Not covered: what an agent outside has seen is its own word (`saw_all`), and so is its model's name;
one that has a shell under this account may read the sealed rows on the disk.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from earnest.core.errors import EarnestError, QuotaError, ToolError
from earnest.core.home import Home
from earnest.core.likeness import claim_key
from earnest.core.protocols import Progress, Sandbox
from earnest.core.quoted import plain
from earnest.core.records import FRESH, Author, Finding, TableRef, Task
from earnest.core.sign import KeyFolder
from earnest.recipes.desk_asked import (
    NAME,
    exposure_of,
    find_table,
    read_submission,
    require_room,
    submission,
    take,
    task_of,
)
from earnest.recipes.desk_batches import Batches, Sitting, locked
from earnest.recipes.quota import Meter, Quota
from earnest.tasks.registry import Registry

if TYPE_CHECKING:
    from earnest.ledger.ledger import Ledger

__all__ = ["PAUSE_S", "OutsideDesk", "submission"]

PAUSE_S: Final = 30.0
_LONGEST: Final = 200
_TICK_S: Final = 0.5
_AGAIN_S: Final = 60.0
_BUSY_S: Final = 120.0


class OutsideDesk:
    """The desk of one home. Safe for several threads, and beside desks of other processes.

    `pause_s`: how long a batch stays open after the last submission. `sandbox`: where scripts are
    tried (default: one of its own). Its threads run from `open` to `close`.
    """

    def __init__(
        self,
        home: Home,
        say: Progress,
        *,
        quota: Quota | None = None,
        pause_s: float = PAUSE_S,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.home, self.say, self.pause_s = home, say, pause_s
        self.quota = quota or Quota(home)
        self.batches = Batches(home)
        self._sandbox, self._own = sandbox, sandbox is None
        self._opening = threading.Lock()
        self._trying = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))
        self._ended, self._work = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._mine: set[tuple[str, str]] = set()
        self._struck: dict[str, float] = {}
        self._within = 0

    def open(self) -> None:
        """Start the threads that freeze and verify."""
        for act in (self._freezing, self._verifying):
            thread = threading.Thread(target=act, name=f"desk {act.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Freeze what was submitted here and end; return whether all that ran ended in time.

        What has no verdict yet gets it when a desk of this home is opened again.
        """
        for principal, session in list(self._mine):
            with contextlib.suppress(EarnestError):
                self.settle(principal, session)
        self._ended.set()
        self._work.set()
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if self._own and self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
        return not self._within and not any(thread.is_alive() for thread in self._threads)

    def tables(self) -> Sequence[TableRef]:
        """Return the registered tables, by name."""
        return Registry(self.home).list()

    def submit(self, principal: str, session: str, arguments: Mapping[str, Any]) -> Finding:
        """Queue a finding; see `submission` for its arguments. The same again gives the same.

        Raises `ToolError` where the call is wrong, `QuotaError`, `SandboxError`, `LackError`.
        """
        if not 0 < len(session) <= _LONGEST:
            raise ToolError(f"a session's name has 1 to {_LONGEST} characters")
        asked, name = read_submission(arguments)
        saw_all, model = take(asked, "saw_all", False), take(asked, "model", "")
        ref = self._table(asked)
        key = Sitting(principal, session).key
        with self.batches.held(key):
            sitting = self.batches.sitting(principal, session)
            if name in sitting.before:
                return self._known(sitting, name)
            require_room(sitting)
        author = Author(principal=principal, model=plain(model)[:NAME] or "unknown")
        with self.quota.charged(principal) as meter:
            made = self._tried(sitting, ref, asked, author, meter, saw_all=saw_all)
        return self._queued(principal, session, name, made, saw_all=saw_all)

    def settle(self, principal: str, session: str) -> None:
        """Freeze a session's batch: it is in the ledger when this returns, and verified soon.

        Raises `EarnestError` where it can't be: it stays open, and is tried again.
        """
        with self.batches.held(Sitting(principal, session).key):
            self._freeze(self.batches.sitting(principal, session))
        self._mine.discard((principal, session))

    def _table(self, asked: dict[str, Any]) -> TableRef | None:
        """Return the table that is asked for, and name it in `asked` as its script does."""
        said = asked.get("table", "")
        if not isinstance(said, str):
            raise ToolError("table: it is no text", mend="give a table's id")
        if not said:
            return None
        ref = find_table(self.tables(), said)
        asked["table"] = ref.name
        return ref

    def _known(self, sitting: Sitting, name: str) -> Finding:
        wanted = sitting.before[name]
        for finding in sitting.findings:
            if finding.id == wanted:
                return finding
        with self._ledger() as ledger:
            return ledger.get(wanted, Finding)

    def _ledger(self) -> Ledger:
        from earnest.ledger.ledger import Ledger

        return Ledger(self.home.ledger)

    def _jails(self) -> Sandbox:
        from earnest.sandbox.choose import open_sandbox, require_isolation

        with self._opening:
            if self._sandbox is None:
                self.say("opening the sandbox")
                self._sandbox = open_sandbox(self.home.images)
            require_isolation(self._sandbox, "what agents outside submit")
            return self._sandbox

    def _tried(
        self,
        sitting: Sitting,
        ref: TableRef | None,
        asked: Mapping[str, Any],
        author: Author,
        meter: Meter,
        *,
        saw_all: bool,
    ) -> Finding:
        """Check a submission in the sandbox; return the finding that it would be."""
        from earnest.tools.findings import SubmitFinding, Submitter

        sandbox, task = self._jails(), task_of(ref)
        self.home.blobs.put(task.data)
        saw = exposure_of(ref, saw_all=saw_all or sitting.saw_all)
        data = Registry(self.home).visible(ref.table) if ref else self.home.tables
        earlier = [one for one in sitting.findings if one.table == (ref or FRESH)]
        submitter = Submitter(task, sitting.run, author, saw)
        metered = meter.watch(sandbox)
        tool = SubmitFinding(submitter, metered, self.home.blobs, data, earlier)
        with self._in_turn(), meter.running():
            made = tool.call(asked)
        return Finding.from_body(made.data["finding"])

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Wait until a script may be tried here: one a core at a time. Raises `QuotaError`."""
        if not self._trying.acquire(timeout=_BUSY_S):
            raise QuotaError("other scripts are tried here", mend="submit again in a minute")
        with self._opening:
            self._within += 1
        try:
            yield
        finally:
            with self._opening:
                self._within -= 1
            self._trying.release()

    def _queued(
        self, principal: str, session: str, name: str, made: Finding, *, saw_all: bool
    ) -> Finding:
        """Add a finding to its session's open batch, on disk. Raises `ToolError`."""
        with self.batches.held(Sitting(principal, session).key):
            sitting = self.batches.sitting(principal, session)
            if name in sitting.before:  # the same call came twice at once
                return self._known(sitting, name)
            require_room(sitting)
            finding = made.model_copy(update={"run": sitting.run})
            for other in sitting.findings:
                if (other.table, claim_key(other.claim)) == (finding.table, claim_key(made.claim)):
                    raise ToolError(f"this claim is queued already, as {other.id}")
            self.batches.keep(sitting.with_(name, finding, saw_all=saw_all))
        self._mine.add((principal, session))
        return finding

    def _freeze(self, sitting: Sitting) -> None:
        """Put a batch into the ledger, its shares allocated. Its session's lock is held."""
        from earnest.recipes.research import to_test

        if not sitting.findings:
            return
        with self._ledger() as ledger:
            for task in dict.fromkeys(finding.task for finding in sitting.findings):
                ledger.add(Task.from_bytes(self.home.blobs.get(task), expect=task))
            ledger.submit(sitting.findings, testable=to_test(self.home, sitting.findings))
        self.batches.close(sitting)
        self._work.set()

    def _freezing(self) -> None:
        while not self._ended.wait(_TICK_S):
            with self._noted("the queue"):
                for principal, session, touched in self.batches.waiting():
                    if time.time() - touched >= self.pause_s:
                        self._freeze_quietly(principal, session)

    def _freeze_quietly(self, principal: str, session: str) -> None:
        key = Sitting(principal, session).key
        if not self._due(key):
            return
        with self._noted(key), self.batches.held(key, patient=False) as got:
            if got:
                self._still_quiet(principal, session)

    def _still_quiet(self, principal: str, session: str) -> None:
        sitting = self.batches.sitting(principal, session)
        if time.time() - sitting.touched >= self.pause_s:
            self._freeze(sitting)

    def _verifying(self) -> None:
        from earnest.recipes import apart

        while not self._ended.is_set():
            self._work.wait(_TICK_S)
            self._work.clear()
            if not self._ended.is_set():
                with self._noted("the verifier"):
                    self._verify()
        apart.close()

    def _awaited(self, waits: Mapping[str, list[str]]) -> None:
        """Note which batches the verifier's own account has done (`earnest verifier run`)."""
        with self._ledger() as ledger:
            for run, names in waits.items():
                if all(ledger.verdict(name) for name in names):
                    self.batches.verified(run)

    def _verify(self) -> None:
        """Have the frozen batches verified, where no other process is at it."""
        from earnest.recipes import apart

        waits = self.batches.frozen()
        if waits and KeyFolder(self.home.verifier).elsewhere():
            return self._awaited(waits)
        if not waits:
            return None
        with locked(self.batches.root / "locks" / "verifying", patient=False) as got:
            for run, names in waits.items() if got else ():
                if self._ended.is_set():
                    break
                if self._due(run):
                    with self._noted(run):
                        apart.verify(self.home, names, lambda _: None)
                        self.batches.verified(run)
                        self.say(f"verified {len(names)} findings of {run}")
        return None

    def _due(self, what: str) -> bool:
        return time.monotonic() - self._struck.get(what, -_AGAIN_S) >= _AGAIN_S

    @contextlib.contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        """Say an error, once a minute, and leave what it struck alone so long: a desk goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            due, mend = self._due(what), getattr(error, "mend", "")
            if due:
                self._struck[what] = time.monotonic()
                told = f" (to mend it: {mend})" if mend else ""
                self.say(f"desk: {what}: {plain(str(error))}{told}")
