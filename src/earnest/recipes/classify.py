"""Classifying finished work: what a file or a folder holds, one verdict each, kept as they come.

Labels go past the oracle: they are compared with its words when all is done.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, digest
from earnest.core.errors import UsageError
from earnest.core.events import EventLog
from earnest.core.home import Home
from earnest.core.protocols import Progress, Sandbox
from earnest.evals.oracle import RULES, Oracle, Verdict
from earnest.evals.oracle_cases import Labelled
from earnest.evals.oracle_work import ShownTest, Work

PARTS: Final = ("all", "develop", "report")
_SUITE: Final = "classify"
_SAY_EVERY: Final = 50


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file, packed or not. Raises `UsageError`."""
    number = 0
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            for line in file:
                number += 1
                if line.strip():
                    found = json.loads(line)
                    if not isinstance(found, dict):
                        raise ValueError("not an object")
                    yield found
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(
            f"{path}, line {number + 1}: {error}",
            mend='a line is {"task", "shown": [{"input", "expected"}], "reference", "solution"}',
        ) from None


def read_file(path: Path) -> list[Labelled]:
    """Read work: a `Work` a line, and perhaps its `name` and `label`. Raises `UsageError`."""
    found = []
    for number, row in enumerate(_lines(path), 1):
        fields = {key: row[key] for key in Work.model_fields if key in row}
        try:
            work = Work.model_validate(fields)
        except ValueError as error:
            raise UsageError(f"{path}, work {number}: {str(error)[:300]}") from None
        name = str(row.get("name") or f"{work.task} ({number})")
        found.append(Labelled(name=name, work=work, word=str(row.get("label", ""))))
    return found


def read_rl_character(folder: Path) -> list[Labelled]:
    """Read the labelled solutions of rl-character, sorted by task.

    Of a solution's row only the problem, shown tests, reference and code become work; its label
    (`truth`) is for the comparison, and `condition` a note in the list of disagreements.
    """
    right = {
        row["problem_id"]: tuple(
            ShownTest(input=test["input"], expected=test["correct"]) for test in row["tests"]
        )
        for row in _lines(folder / "apps_tasks_with_broken_tests.jsonl.gz")
    }
    found = []
    for number, row in enumerate(_lines(folder / "completions_labelled.jsonl.gz"), 1):
        work = Work(
            task=row["problem_id"],
            shown=tuple(
                ShownTest(input=test["input"], expected=test["expected"])
                for test in row["shown_tests"]
            ),
            correct=right.get(row["problem_id"], ()),
            reference=row["correct_solution"],
            solution=row["code"],
        )
        name = f"{row['problem_id']} ({number})"
        note = row["condition"]
        found.append(Labelled(name=name, work=work, word=row["truth"], note=note))
    return sorted(found, key=lambda one: (one.work.task, one.name))


def part_of(works: Sequence[Labelled], part: str, seed: int) -> list[Labelled]:
    """Return a random half of the tasks with all their work, the other half, or all."""
    if part == "all":
        return list(works)
    wanted = PARTS.index(part) - 1
    return [
        one
        for one in works
        if hashlib.sha256(f"{seed}:{one.work.task}".encode()).digest()[-1] % 2 == wanted
    ]


def classify(
    home: Home, sandbox: Sandbox, works: Sequence[Labelled], seed: int, say: Progress
) -> list[Verdict]:
    """Return a verdict for each, those of an earlier sitting by the same rules as they were.

    The seed draws the fresh inputs. Raises `UsageError` for tests that can't be read.
    """
    keys = [digest(canonical([RULES, seed, one.work.model_dump(mode="json")])) for one in works]
    folder = digest(canonical([RULES, seed, *keys])).removeprefix("sha256:")
    oracle = Oracle(sandbox, seed=seed)
    with EventLog(home.root / "evals" / f"{_SUITE}-{folder[:16]}" / "verdicts.jsonl") as log:
        done = {
            event.payload["work"]: Verdict.model_validate(event.payload["verdict"])
            for event in log.events
        }
        for number, (key, one) in enumerate(zip(keys, works, strict=True)):
            if number and number % _SAY_EVERY == 0:
                say(f"{number} of {len(works)}")
            if key not in done:
                done[key] = oracle.classify(one.work)
                payload = {"work": key, "verdict": done[key].model_dump(mode="json")}
                log.append("verdict", payload, flush=number % _SAY_EVERY == 0)
    return [done[key] for key in keys]
