"""`earnest bench shared`: does it help that agents are told what the ledger knows?

Several agents in turn look at the same tables, once with the shared ledger and once without, each
way in a fresh home with the same secret: rows, splits and draws are the same. Two of the tables
are real, of two the truth is known. What is counted, and what came out: docs/shared.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import EarnestError, UsageError
from earnest.core.events import read_events
from earnest.core.home import Home
from earnest.core.known import read_lines
from earnest.core.likeness import claim_key, question
from earnest.core.machine import machine
from earnest.core.protocols import Model, Progress, Sandbox
from earnest.core.records import STANDING, Finding, TableRef, Verdict
from earnest.ledger.ledger import Ledger
from earnest.models.analyst import Analyst
from earnest.models.reader import Reader
from earnest.recipes import apart, known
from earnest.recipes.research import conclude, explore, make_task
from earnest.recipes.shared_figures import document
from earnest.tasks.truth import Oracle

CLAIMS: Final = 5
REAL: Final = ("diabetes", "wine")
SIMULATED: Final = {"links": "association", "lurking": "confounded"}
WAYS: Final = ("alone", "shared")
AGENTS: Final[Mapping[str, Callable[[int], Model]]] = {
    "analyst": lambda _: Analyst(CLAIMS),
    "reader": lambda number: Reader(number, CLAIMS),
}
_PROMPT: Final = "What is going on in this table?"


@dataclass(frozen=True)
class Spent:
    """What a run had used up at some moment: turns of the model, calls, scripts run, tokens."""

    steps: int = 0
    calls: int = 0
    scripts: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Log:
    """What a run spent in all, and when it had in hand what was confirmed before it.

    Of the questions that were answered before, it was `told` so many and answered so many `again`.
    """

    spent: Spent
    told: int
    told_after: Spent
    again: int
    again_after: Spent


@dataclass(frozen=True)
class Sitting:
    """One run: what it took, what it claimed, and what became of it.

    `confirmed`: the questions that nobody had answered before; `before`: how many were answered on
    its table by then. `tested`: the claims that a share of the error budget was paid for, of which
    `rejected` were confirmed. `true`, `false`: of those that are `confirmed`; None: nobody knows.
    """

    agent: str
    way: str
    turn: int
    table: str
    log: Log
    seconds: float
    cost_usd: float
    claims: tuple[str, ...]
    words: tuple[str, ...]
    confirmed: tuple[str, ...]
    spent: float
    tested: int
    rejected: int
    before: int
    true: int | None
    false: int | None


def _written(folder: Path, seed: int) -> dict[str, Oracle]:
    """Write the simulated tables as files; return what is true of each."""
    import numpy as np

    from earnest.tasks.simulated import ROWS, as_cells, draw
    from earnest.tasks.worlds import make_world

    oracles = {}
    for number, (name, kind) in enumerate(SIMULATED.items()):
        world = make_world(name, [seed, number], kind)
        cells = as_cells(world, draw(world, ROWS, np.random.default_rng([seed, number, 1])))
        cells.to_csv(folder / f"{name}.csv", index=False)
        oracles[name] = Oracle(world, seed)
    return oracles


@contextlib.contextmanager
def _home(home: Home, folder: Path, name: str, seed: int) -> Iterator[tuple[Home, list[TableRef]]]:
    """Yield a fresh home with the tables in it, sealed alike in all of them."""
    fresh = Home(folder / name)
    (fresh.root / "secret.key").write_bytes(hashlib.sha256(b"%d" % seed).digest())
    if not fresh.images.exists():
        fresh.images.symlink_to(home.images, target_is_directory=True)
    refs = apart.seal_bundled(fresh, REAL)
    refs += apart.seal(fresh, [folder / f"{table}.csv" for table in SIMULATED], design="iid")
    try:
        yield fresh, refs
    finally:
        apart.close()
        shutil.rmtree(fresh.root)


def _standing(pairs: Sequence[tuple[Finding, Verdict | None]]) -> dict[str, str]:
    """Return the confirmed findings by id, each with the question that it answers."""
    return {
        finding.id: question(finding.claim)
        for finding, verdict in pairs
        if verdict is not None and verdict.word in STANDING
    }


def read_log(home: Home, run: str, knew: Sequence[str], before: Mapping[str, str]) -> Log:
    """Count what a run did. `knew`: what it was told of; `before`: what was confirmed by then."""
    asked, known_before = set[str](), set(before.values())
    told = {before[name] for name in knew if name in before}
    spent, told_after, again_after = Spent(), Spent(), Spent()
    for event in read_events(home.runs / run / "events.jsonl"):
        if event.kind == "intent":
            usage = event.payload["usage"]
            tokens = (usage["prompt_tokens"] or 0) + (usage["completion_tokens"] or 0)
            spent = replace(spent, steps=spent.steps + 1, tokens=spent.tokens + tokens)
        elif event.kind == "effect":
            script = event.payload["tool"] in ("python", "submit_finding")
            spent = replace(spent, calls=spent.calls + 1, scripts=spent.scripts + script)
            rows, _ = read_lines(event.payload["observation"]["content"].splitlines())
            new = {before[row["finding"]] for row in rows if row["finding"] in before}
            told_after = spent if new - told else told_after
            told |= new
        elif event.kind == "finding":
            one = question(Finding.from_body(event.payload["finding"]).claim)
            again_after = spent if one in known_before - asked else again_after
            asked.add(one)
    again = asked & known_before
    return Log(spent, len(told), told_after, len(again), again_after)


def _sit(
    home: Home,
    agent: str,
    way: str,
    sandbox: Sandbox,
    turn: int,
    model: Model,
    ref: TableRef,
    oracle: Oracle | None,
) -> Sitting:
    """Let one agent look at one table, verify what it claims, and count."""
    run = f"{agent}-{turn}-{ref.name}"
    task = make_task(_PROMPT, [ref])
    task = known.informed(home, task) if way == "shared" else task
    with Ledger(home.ledger) as ledger:
        before = _standing(ledger.of_table(ref.table, newest=10_000))
    result = explore(home, run, task, model, sandbox, _quiet)
    if result.status != "done":
        raise EarnestError(f"{run} ({way}) ended as {result.status}: {result.reason}")
    pairs = conclude(home, task, result.findings, _quiet)
    with Ledger(home.ledger) as ledger:
        shares = [ledger.alpha(finding.id) for finding, _ in pairs]
    new = {
        question(finding.claim): finding.claim
        for finding, verdict in pairs
        if verdict.word in STANDING and question(finding.claim) not in before.values()
    }
    truths = [oracle.truth(claim).word for claim in new.values()] if oracle else []
    true = sum(word in ("true", "trivial") for word in truths)
    held = [verdict.word in STANDING for _, verdict in pairs]
    return Sitting(
        agent=agent,
        way=way,
        turn=turn,
        table=ref.name,
        log=read_log(home, run, task.metadata.get(known.KNEW, "").split(), before),
        seconds=result.seconds,
        cost_usd=result.usage.cost_usd or 0.0,
        claims=tuple(claim_key(finding.claim) for finding, _ in pairs),
        words=tuple(verdict.word for _, verdict in pairs),
        confirmed=tuple(sorted(new)),
        spent=sum(share for share in shares if share is not None),
        tested=sum(share is not None for share in shares),
        rejected=sum(s is not None and h for s, h in zip(shares, held, strict=True)),
        before=len(set(before.values())),
        true=true if oracle else None,
        false=len(truths) - true if oracle else None,
    )


def _quiet(line: str) -> None:
    """Say nothing: a run's own progress."""


def bench(
    home: Home, *, turns: int, seed: int, prefer: str = "auto", progress: Progress
) -> dict[str, Any]:
    """Run all; return what `bench NAME --json` prints (DESIGN.md, section 11), and `sittings`.

    `turns`: how many agents look at each table, one after the other. Raises `UsageError`,
    `LackError`, `SandboxError`.
    """
    from earnest.sandbox.choose import open_sandbox

    if not 1 <= turns <= 20:
        raise UsageError(f"--turns {turns}", mend="choose from 1 to 20")
    sittings: list[Sitting] = []
    began = time.monotonic()
    with (
        contextlib.closing(open_sandbox(home.images, prefer=prefer)) as sandbox,
        tempfile.TemporaryDirectory(prefix="earnest-shared-") as name,
    ):
        folder = Path(name)
        oracles = _written(folder, seed)
        for agent in AGENTS:
            for way in WAYS:
                with _home(home, folder, f"{agent}-{way}", seed) as (fresh, refs):
                    sit = partial(_sit, fresh, agent, way, sandbox)
                    for turn in range(1, turns + 1):
                        progress(f"{agent}, {way}: turn {turn} of {turns}")
                        model = AGENTS[agent](1000 * seed + turn)
                        sittings += [sit(turn, model, ref, oracles.get(ref.name)) for ref in refs]
    return document(sittings, machine(), time.monotonic() - began)
