"""The folder of one seed's run, and how what became of a generation gets there for good.

    incumbent/                  the policy that was promoted last; absent: generation 0
    candidate/                  the policy that is being asked
    state-N.pt                  generation N's training, after its last saved update
    outcome.json                what became of a generation, while it is being carried out
    updates.jsonl generations.jsonl samples.jsonl seen.txt decisions/
    quarantine/generation-N/    what a refused generation produced

An outcome is written down first, whole or absent, then carried out; each step of that may be done
twice. So a kill at any moment leaves either a generation that is asked again, on the same tasks, or
an outcome that is carried out to its end.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from earnest.core.errors import EarnestError
from earnest.core.home import write_whole
from earnest.core.records import Decision
from earnest.recipes.desk_batches import locked
from earnest.recipes.testbed_lines import append_bytes, lines, rewrite

_PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.2


@contextlib.contextmanager
def alone(folder: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold a folder. Raises `EarnestError` where another process holds it for as long."""
    end = time.monotonic() + patience_s
    while True:
        with locked(folder / ".lock", patient=False) as held:
            if held:
                yield
                return
        if time.monotonic() > end:
            raise EarnestError(
                f"another process works in {folder}", mend="wait for it, or give another --name"
            )
        time.sleep(_PAUSE_S)


def _at(line: Mapping[str, Any]) -> tuple[int, bool]:
    """Return which evaluation a line is of."""
    return line["generation"], bool(line.get("final"))


class SeedFolder:
    """What one seed has done so far. `zero`: generation 0's folder, which is never changed."""

    def __init__(self, root: Path, zero: Path) -> None:
        self.root, self.zero = root, zero
        self.updates, self.generations = root / "updates.jsonl", root / "generations.jsonl"
        self.samples, self.candidate = root / "samples.jsonl", root / "candidate"
        self._seen, self._outcome = root / "seen.txt", root / "outcome.json"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the only process in it, and carry out what a killed one had written down.

        A killed run's processes end soon after it, so there is some patience.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with alone(self.root, _PATIENCE_S):
            self._carry_out()
            yield

    @property
    def incumbent(self) -> Path:
        """The folder of the policy that the next generation starts from."""
        own = self.root / "incumbent"
        return own if own.exists() else self.zero

    def state(self, number: int) -> Path:
        """Return where the training of a generation is kept."""
        return self.root / f"state-{number}.pt"

    @property
    def evaluated(self) -> set[tuple[int, bool]]:
        """The generations that were evaluated, each with whether it is the last statement."""
        return {_at(line) for line in lines(self.generations)}

    @cached_property
    def seen(self) -> set[str]:
        """The tasks that training or an earlier gate has used."""
        text = self._seen.read_text() if self._seen.exists() else ""
        return set(text.rpartition("\n")[0].split())

    def mark_seen(self, tasks: Sequence[str]) -> None:
        """Add tasks to those that were used."""
        new = sorted({*tasks} - self.seen)
        append_bytes(self._seen, "".join(f"{task}\n" for task in new).encode())
        self.seen.update(new)

    def settle(
        self,
        line: Mapping[str, Any],
        samples: Sequence[Mapping[str, Any]],
        *,
        decision: Decision | None = None,
        tasks: Sequence[str] = (),
    ) -> None:
        """Write down what became of a generation, then carry it out.

        `line`: of generations.jsonl. `decision`: the gate's, where there was a candidate: promoted,
        it is the incumbent; refused, it and what it produced go to quarantine. `tasks`: what it was
        asked, used from now on.
        """
        outcome = {
            "line": line,
            "samples": list(samples),
            "decision": None if decision is None else decision.data.decode(),
            "tasks": list(tasks),
        }
        write_whole(self._outcome, json.dumps(outcome, allow_nan=False).encode())
        self._carry_out()

    def quarantine(self, number: int) -> Path:
        """Return where a refused generation is kept apart."""
        return self.root / "quarantine" / f"generation-{number}"

    def _carry_out(self) -> None:
        """Carry out an outcome that was written down; each step may have been done already."""
        if not self._outcome.exists():
            return
        outcome = json.loads(self._outcome.read_bytes())
        line, samples = outcome["line"], outcome["samples"]
        if outcome["decision"] is not None:
            number, decision = line["generation"], outcome["decision"].encode()
            write_whole(self.root / "decisions" / f"{number}.json", decision)
            if line["decision"] == "promote":
                self._promote()
            else:
                self._refuse(number, decision, samples)
            self.state(number).unlink(missing_ok=True)
        self.mark_seen(outcome["tasks"])
        rewrite(self.samples, lambda one: _at(one) != _at(line), samples)
        rewrite(self.generations, lambda one: _at(one) != _at(line), [line])
        self._outcome.unlink()

    def _promote(self) -> None:
        if self.candidate.exists():
            place = self.root / "incumbent"
            shutil.rmtree(place, ignore_errors=True)
            self.candidate.rename(place)

    def _refuse(self, number: int, decision: bytes, samples: Sequence[Mapping[str, Any]]) -> None:
        place = self.quarantine(number)
        if self.candidate.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            self.candidate.rename(place / "policy")
        write_whole(place / "decision.json", decision)
        made = [one for one in lines(self.updates) if one["generation"] == number]
        rewrite(place / "updates.jsonl", lambda _: False, made)
        rewrite(place / "samples.jsonl", lambda _: False, samples)
