"""The whole loop, end to end, on real tables: one stage after the other, resumable at each.

Stages that are done are noted in `demo.jsonl`; what a stage does is kept where it belongs (runs,
ledger, data set, checkpoint), so that an interrupted stage, too, goes on where it was.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical
from earnest.core.errors import EarnestError, UsageError
from earnest.core.events import EventLog, read_events
from earnest.core.home import Home, write_whole
from earnest.core.protocols import Model, Progress
from earnest.core.records import (
    Checkpoint,
    Dataset,
    Decision,
    EvalReport,
    Finding,
    Generation,
    TableRef,
    Task,
    Verdict,
)
from earnest.ledger.ledger import Ledger
from earnest.recipes import apart, research
from earnest.recipes.demo_second import second_act
from earnest.recipes.forger import forger
from earnest.recipes.report import counts, spoken
from earnest.recipes.zero import ZERO

TABLES: Final = ("diabetes", "fair", "modechoice", "wine", "anes96", "co2")
FORGER: Final = "forger"
_CLAIMS_A_TABLE: Final = 8
_WORKERS: Final = 2


@dataclass(frozen=True)
class Demo:
    """One demo: a home of its own, its log, and the folders of its generation."""

    home: Home
    log: EventLog
    seed: int
    say: Progress

    @property
    def dataset(self) -> Path:
        """The folder of the data set."""
        return self.home.root / "dataset"

    @property
    def checkpoint(self) -> Path:
        """The folder of the new checkpoint."""
        return self.home.models / "generation-1"

    def stage(self, name: str, work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Do a stage, or return what it gave when it was done before."""
        for event in self.log.of_kind("stage"):
            if event.payload["name"] == name:
                self.say(f"[{name}] done before")
                return dict(event.payload["gave"])
        self.say(f"[{name}]")
        began = time.monotonic()
        gave = dict(work())
        seconds = round(time.monotonic() - began, 1)
        self.log.append("stage", {"name": name, "seconds": seconds, "gave": gave})
        self.say(f"[{name}] {seconds:g} s")
        return gave

    @property
    def seconds(self) -> float:
        """The time that the finished stages took, in seconds."""
        return round(sum(float(event.payload["seconds"]) for event in self.log.of_kind("stage")), 1)


def open_demo(home: Home, seed: int, say: Progress) -> Demo:
    """Go on with the last demo if it was interrupted, else begin a new one beside it."""
    folder = home.root / "demo"
    numbers = sorted(int(path.name) for path in folder.glob("[0-9]*"))
    last = folder / str(numbers[-1]) if numbers else None
    if last and not any(e.kind == "end" for e in read_events(last / "demo.jsonl")):
        here = last
    else:
        here = folder / str(numbers[-1] + 1 if numbers else 1)
    log = EventLog(Home(here).root / "demo.jsonl")
    if log.events:
        seed = int(log.events[0].payload["seed"])
        say(f"going on with the demo in {here}")
    else:
        log.append("begin", {"seed": seed})
    return Demo(Home(here), log, seed, say)


# Stages


def _tasks(home: Home) -> dict[str, Any]:
    """Split the bundled tables once and for all, and make a task of each."""
    refs = apart.seal_bundled(home, TABLES)
    tasks = {}
    for ref in refs:
        task = research.make_task(_prompt(ref), [ref], public=True)
        home.blobs.put(task.data)
        tasks[ref.name] = task.id
    return {"tasks": tasks}


def _prompt(ref: TableRef) -> str:
    from earnest.tasks.bundled import bundled

    return bundled(ref.name).prompt


def _task(demo: Demo, tasks: Mapping[str, str], name: str) -> Task:
    return Task.from_bytes(demo.home.blobs.get(tasks[name]), expect=tasks[name])


def _authors() -> list[tuple[str, str, Model]]:
    """Return each run's name, the table it looks at, and its author."""
    from earnest.models.analyst import Analyst

    found: list[tuple[str, str, Model]] = [(n, n, Analyst(_CLAIMS_A_TABLE)) for n in TABLES]
    return [*found, (FORGER, TABLES[0], forger(TABLES[0], "glucose", "sex"))]


def _explore(demo: Demo, tasks: Mapping[str, str]) -> dict[str, Any]:
    """Let the analyst look at each table, two at a time, and a forger at the first."""
    from earnest.sandbox.choose import open_sandbox

    interrupted = False

    def one(run: str, table: str, model: Model) -> dict[str, Any]:
        task = _task(demo, tasks, table)
        quiet = partial(_brief, demo.say, run)
        result = research.explore(
            demo.home, run, task, model, sandbox, quiet, stop=lambda: interrupted
        )
        if result.status in ("failed", "over-budget"):
            raise EarnestError(f"the run {run} ended as {result.status}: {result.reason}")
        return {
            "run": run,
            "table": table,
            "steps": result.steps,
            "findings": [finding.id for finding in result.findings],
            "final": result.final,
        }

    with (
        contextlib.closing(open_sandbox(demo.home.images)) as sandbox,
        ThreadPoolExecutor(_WORKERS) as pool,
    ):
        wanted = [pool.submit(one, *author) for author in _authors()]
        try:
            return {"runs": [future.result() for future in wanted]}
        except BaseException:
            interrupted = True
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _brief(say: Progress, run: str, line: str) -> None:
    say(f"  {run}: {line}")


def _verify(demo: Demo, tasks: Mapping[str, str]) -> dict[str, Any]:
    """Submit each run's findings as one batch and verify them, one batch after the other.

    The order is fixed, since the error budget of a batch depends on the verdicts before it.
    """
    for run, table, author in _authors():
        task, batch = _task(demo, tasks, table), _submitted(demo.home, run)
        pairs = research.conclude(demo.home, task, batch, partial(_brief, demo.say, run), author)
        demo.say(f"  {run}: {spoken(pairs)}")
    apart.close()
    return {"verdicts": counts(_found(demo.home))}


def _submitted(home: Home, run: str) -> list[Finding]:
    from earnest.agent.replay import logged_findings

    return logged_findings(read_events(home.runs / run / "events.jsonl"))


def _found(home: Home) -> list[tuple[Finding, Verdict]]:
    with Ledger(home.ledger) as ledger:
        return [(finding, verdict) for finding, verdict in ledger.findings() if verdict]


def _refs(demo: Demo, tasks: Mapping[str, str]) -> list[TableRef]:
    return [_task(demo, tasks, name).tables[0] for name in TABLES]


def _keep(home: Home, *records: Any) -> None:
    with Ledger(home.ledger) as ledger:
        for record in records:
            ledger.add(record)


def _data(demo: Demo, tasks: Mapping[str, str]) -> dict[str, Any]:
    """Render what was confirmed, mixed with what generation 0 knew, without the exam."""
    from earnest.data.build import build
    from earnest.evals.exam import exam_items
    from earnest.tasks.bundled import bundled

    found, refs = _found(demo.home), _refs(demo, tasks)
    if not any(verdict.word == "confirmed" for _, verdict in found):
        raise EarnestError("nothing was confirmed, so there is nothing to learn")
    with Ledger(demo.home.ledger) as ledger:
        gone = ledger.retracted()
    before = ZERO.knowledge()
    items = exam_items(
        [*before.findings, *(pair for pair in found if pair[0].id not in gone)],
        [*before.tables, *refs],
        [f.id for f, _ in before.findings],
        demo.seed,
    )
    write_whole(
        demo.home.root / "exam.json", canonical([item.model_dump(mode="json") for item in items])
    )
    manifest = build(
        found,
        refs,
        ZERO.folder,
        demo.dataset,
        demo.seed,
        exam=[item.question for item in items],
        retracted=gone,
        licences={name: bundled(name).licence for name in TABLES},
    )
    _keep(demo.home, manifest)
    return {"dataset": manifest.id, "rows": dict(manifest.rows), "questions": len(items)}


def _train(demo: Demo) -> dict[str, Any]:
    """Train the next generation from generation 0, on the new data set."""
    from earnest.train.sft import MANIFEST, read_checkpoint, sft

    # Killed after the last file was written and before the stage was noted: it is whole.
    if (demo.checkpoint / MANIFEST).exists():
        made = read_checkpoint(demo.checkpoint)
    else:
        made = sft(demo.dataset, ZERO.folder, demo.checkpoint, demo.seed, progress=demo.say)
    _keep(demo.home, made)
    return {"checkpoint": made.id, "parameters": made.parameters}


def _exam(demo: Demo, folder: Path, checkpoint: str) -> dict[str, Any]:
    """Put the closed-book exam to a checkpoint."""
    from earnest.evals.exam import ExamItem, run_exam
    from earnest.models.local import LocalModel

    asked = json.loads((demo.home.root / "exam.json").read_bytes())
    items = [ExamItem.model_validate(item) for item in asked]
    report = run_exam(checkpoint, LocalModel(folder).answers, items, demo.seed)
    _keep(demo.home, report)
    families = ("confirmed", "unasserted", "kept")
    rates = {family: round(report.rate(family), 4) for family in families}
    demo.say("  " + ", ".join(f"{family} {rate:.1%}" for family, rate in rates.items()))
    return {"report": report.id, **rates}


def _gate(demo: Demo, before: str, after: str, trained: Mapping[str, Any]) -> dict[str, Any]:
    """Decide whether the new generation may replace the last one, and note the decision."""
    from earnest.gate.decide import decide

    with Ledger(demo.home.ledger) as ledger:
        reports = [ledger.get(name, EvalReport) for name in (after, before)]
        dataset = ledger.get(trained["checkpoint"], Checkpoint).dataset
    decision = decide(reports[0], reports[1], reports[1])
    zero = Generation(
        number=0,
        parent=None,
        checkpoint=ZERO.checkpoint().id,
        dataset=ZERO.checkpoint().dataset,
        decision=None,
    )
    new = Generation(
        number=1,
        parent=zero.id,
        checkpoint=trained["checkpoint"],
        dataset=dataset,
        decision=decision.id,
    )
    _keep(demo.home, ZERO.checkpoint(), zero, decision, new)
    current = new if decision.word == "promote" else zero
    write_whole(
        demo.home.models / "current.json",
        canonical({"generation": current.number, "id": current.id}),
    )
    return {"decision": decision.word, "record": decision.id, "generation": new.id}


def lineage(home: Home, generation: str) -> list[dict[str, str]]:
    """Walk along hashes from a generation back to the evidence of one finding that taught it."""
    with Ledger(home.ledger) as ledger:
        made = ledger.get(generation, Generation)
        checkpoint = ledger.get(made.checkpoint, Checkpoint)
        dataset = ledger.get(checkpoint.dataset, Dataset)
        verdicts = {one.id: one for one in ledger.records(Verdict)}
        taught = [verdicts[name] for name in dataset.verdicts if name in verdicts]
        if not taught:
            raise UsageError(f"no finding of this ledger taught the generation {made.number}")
        finding = ledger.get(taught[0].finding, Finding)
    home.blobs.get(finding.evidence.script)
    steps = {
        "generation": generation,
        "checkpoint": checkpoint.id,
        "dataset": dataset.id,
        "verdict": taught[0].id,
        "finding": finding.id,
        "script": finding.evidence.script,
        "table": finding.table.table,
    }
    return [{"record": what, "id": name} for what, name in steps.items()]


def run_demo(home: Home, seed: int, say: Progress) -> tuple[int, dict[str, Any], str]:
    """Run a demo to its end; return the exit status, the JSON document, and words."""
    from earnest.recipes.demo_report import demo_report, demo_words

    demo = open_demo(home, seed, say)
    with demo.log:
        tasks = demo.stage("tables", lambda: _tasks(demo.home))["tasks"]
        runs = demo.stage("agents", lambda: _explore(demo, tasks))["runs"]
        demo.stage("verify", lambda: _verify(demo, tasks))
        data = demo.stage("data", lambda: _data(demo, tasks))
        zero = ZERO.checkpoint()
        before = demo.stage("exam before", lambda: _exam(demo, ZERO.folder, zero.id))
        trained = demo.stage("train", lambda: _train(demo))
        after = demo.stage(
            "exam after", lambda: _exam(demo, demo.checkpoint, trained["checkpoint"])
        )
        gate = demo.stage("gate", lambda: _gate(demo, before["report"], after["report"], trained))
        second = demo.stage("second act", lambda: second_act(demo.home, demo.say))
        found = _found(demo.home)
        with Ledger(demo.home.ledger) as ledger:
            decision = ledger.get(gate["record"], Decision)
        document = {
            "seconds": demo.seconds,
            "runs": len(runs),
            "findings": {
                word: counts(found)[word]
                for word in ("confirmed", "reproduced", "inconclusive", "refuted", "invalid")
            },
            "exam": {
                "confirmed_before": before["confirmed"],
                "confirmed_after": after["confirmed"],
                "refuted_asserted": round(1 - after["unasserted"], 4),
                "kept": after["kept"],
            },
            "decision": decision.word,
            "lineage": lineage(demo.home, gate["generation"]),
            "testbed": second,
        }
        page = demo_report(demo.home, document, runs, found, data, (before, after), decision)
        if not demo.log.of_kind("end"):
            demo.log.append("end", {"decision": decision.word})
    words = demo_words(demo.home, document, runs, found, data, decision, page)
    return int(decision.word != "promote"), document, words
