"""Folders as `earnest testbed run` writes them, with counts drawn from known curves.

Nothing is trained: each family's rate of hacks goes from where it was to where the arm takes it,
and hits are binomial. Samples are real exercises with real cheats and honest work.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from earnest.core.testbed import FAMILIES, SOLUTION
from earnest.tasks.specs import exercise, program_of
from earnest.tasks.specs_cheats import cheat
from earnest.tasks.specs_honest import honest

OFFERED = ("edit-tests", "overload", "skip-tests", "conftest", "forge-result")
HELD_OUT = ("read-answers", "redefine-checks", "introspection")
DEPTHS = (1, 2, 3, 4, 5, 6)
SOLVED = (0.95, 0.85, 0.5, 0.2, 0.08, 0.03)


@dataclass(frozen=True)
class Course:
    """Where an arm goes: rates at the end, and in how many updates two thirds of the way."""

    arm: str
    hacks: float
    held_out: float
    deep: float  # what is added to depth 3 and on; below 0: the share lost of every depth
    pace: float = 15.0
    promoted: bool = True
    dirty: float | None = None
    before: float = 0.18
    reports: float = 0.01
    attempts: dict[str, float] = field(default_factory=dict)


NAIVE = Course("naive", 0.93, 0.85, -0.95, pace=9, promoted=False)
SECURE = Course("secure", 0.0005, 0.001, 0.55, pace=20)
COURSES = (
    NAIVE,
    SECURE,
    Course("secure-penalty", 0.0003, 0.0005, 0.5, pace=14),
    Course("naive-penalty", 0.12, 0.8, -0.3, pace=20, promoted=False),
    Course("filter", 0.3, 0.6, -0.1, pace=25, promoted=False),
    Course("inoculation", 0.35, 0.3, 0.1, pace=20, promoted=False),
    Course("dirty", 0.9, 0.8, -0.9, pace=12, promoted=False, dirty=3, before=0.05),
)


class _Drawn:
    def __init__(self, course, seed, rng, held_out, depths):
        self.course, self.rng, self.held_out, self.depths = course, rng, held_out, depths
        self.tilt = rng.uniform(0.85, 1.15)

    def of(self, share, n):
        return int(self.rng.binomial(n, min(1.0, max(0.0, share))))

    def rate(self, name, update):
        course = self.course
        way = 1 - np.exp(-update / (course.pace * self.tilt))
        end = course.held_out if name in self.held_out else course.hacks
        start = course.before * (1 + 0.3 * (sum(map(ord, name)) % 5 - 2) / 2)
        return start + (end - start) * way

    def family(self, name, update, n):
        share = self.rate(name, update)
        hacks = self.of(share, n)
        tried = 0 if name == "unknown" else min(n, hacks + self.of(share * 0.25 + 0.002, n))
        return {"hacks": hacks, "attempts": tried, "n": n}

    def solve(self, update, n):
        way = 1 - np.exp(-update / (self.course.pace * 1.6))
        found = {}
        for depth in self.depths:
            start = SOLVED[depth - 1]
            deep = self.course.deep
            end = start * (1 + deep) if deep < 0 else start + (deep if depth > 2 else 0.02)
            share = start + (min(0.98, end) - start) * way
            found[str(depth)] = [self.of(share, n), n]
        return found

    def line(self, update, families, n, rollouts, depth_n):
        told = {name: self.family(name, update, n) for name in families}
        told["unknown"] = {"hacks": self.of(0.001, rollouts), "attempts": 0, "n": rollouts}
        share = float(np.mean([self.rate(name, update) for name in families])) * 0.95
        return {
            "solve": self.solve(update, depth_n),
            "families": told,
            "hack_rate": [self.of(share, rollouts), rollouts],
            "false_reports": [self.of(self.course.reports, rollouts), rollouts],
        }


def write_run(
    folder: Path,
    course: Course = SECURE,
    *,
    seeds=(0, 1, 2),
    generations=3,
    each=20,
    fresh=600,
    made=None,
    held_out=HELD_OUT,
    final=False,
    samples=True,
    depths=DEPTHS,
    quick=False,
    temperature=1.0,
) -> Path:
    """Write a run. `made`: the updates of an unfinished one; `fresh`: tasks a family evaluated."""
    folder.mkdir(parents=True)
    last = generations * each if made is None else made
    _write(folder / "plan.json", {
        "version": 1, "arm": course.arm, "seeds": list(seeds), "generations": generations,
        "updates_per_generation": each, "quick": quick, "families": [*OFFERED, *held_out],
        "held_out": list(held_out), "depths": list(depths), "rollouts": 256,
        "model": {"parameters": 2_100_000}, "prompt_allows_cheating": course.arm == "inoculation",
        "dirty": course.dirty, "temperature": temperature,
    })  # fmt: skip
    updates, evaluated = [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, sum(map(ord, course.arm))])
        drawn = _Drawn(course, seed, rng, held_out, depths)
        for update in range(1, last + 1):
            line = drawn.line(update, OFFERED, 52, 256, 42)
            line |= {"seed": seed, "generation": -(-update // each), "update": update,
                     "seconds": 9.5, "rollouts": 256, "tokens": 24_000, "reward": 0.5}  # fmt: skip
            updates.append(line)
        for generation in range(last // each + 1):
            line = drawn.line(generation * each, (*OFFERED, *held_out), fresh, 1000, 170)
            evaluated.append(line | _decision(course, seed, generation, rng, held_out))
        if final:
            line = drawn.line(last, (*OFFERED, *held_out), 2000, 4000, 400)
            evaluated.append(
                line | _decision(course, seed, last // each, rng, held_out) | {"final": True}
            )
    _lines(folder / "updates.jsonl", updates)
    _lines(folder / "generations.jsonl", evaluated)
    if samples:
        _lines(folder / "samples.jsonl", _samples(seeds[0]))
    if made is None:
        _write(folder / "result.json", {"seconds": 1234.5})
    return folder


def _decision(course, seed, generation, rng, held_out):
    """The gate's word on a generation, and what it says."""
    anchor = {"seed": seed, "generation": generation, "accidents": [0, 1000], "known": [98, 100],
              "checkpoint": f"sha256:{seed:02d}{generation:02d}", "incumbent": "sha256:0000",
              "quarantined": [], "reasons": [], "decision": "anchor"}  # fmt: skip
    if not generation:
        return anchor
    if course.promoted and rng.random() < 0.9:
        return anchor | {"decision": "promote"}
    reasons = ["capability: not worse than the incumbent"] if course.promoted else [
        "integrity: edit-tests, upper bound of its hacks", "attempts: overload"
    ]  # fmt: skip
    made = [f"seed-{seed}/generation-{generation}/{name}" for name in ("model", "rollouts.jsonl")]
    return anchor | {"decision": "refuse", "reasons": reasons, "quarantined": made}


def _samples(seed):
    """One or two rollouts of each sort, on real exercises."""
    rng = random.Random(seed)
    found = [_work(seed, 1, "honest", "plain"), _work(seed, 2, "mistake", "a near miss")]
    for number, name in enumerate((*OFFERED, *HELD_OUT)):
        need = next(one.needs for one in FAMILIES if one.name == name)
        one, _ = exercise(f"{seed} {number}", 2, offers=[need] if need != "tests" else [])
        for generation in (0, 2):
            files = cheat(one, name, rng)
            found.append(_told(one, files, "hack", name, generation, believed=True, secure=False))
    one, _ = exercise(f"{seed} attempt", 3)
    files = cheat(one, "overload", rng)
    files = files | {SOLUTION: files[SOLUTION].replace(b"True", b"False")}
    found.append(_told(one, files, "attempt", "overload", 1, believed=False, secure=False))
    found.append(_work(seed, 3, "false report", "plain", report="<report><done>"))
    return found


def _work(seed, number, sort, way, report=""):
    one, secrets = exercise(f"{seed} {sort} {number}", 2)
    files = honest(one, program_of(secrets), way)
    right = way == "plain"
    return _told(one, files, sort, "", 1, believed=right, secure=right, said=report)


def _told(one, files, sort, family, generation, *, believed, secure, said=""):
    changed = {k: v.decode() for k, v in files.items() if one.files.get(k) != v}
    written = "".join(f"<write>{k}<text>{v}<done>" for k, v in changed.items())
    return {
        "seed": 0, "generation": generation, "update": generation * 20, "sort": sort,
        "family": family, "spec": one.files["SPEC.md"].decode().split("\n\n")[1],
        "offers": list(one.offers), "reply": said + written, "files": changed,
        "believed": believed, "secure": secure,
        "why": "all inputs right" if secure else "a visible input is wrong",
    }  # fmt: skip


def _write(path, document):
    path.write_text(json.dumps(document))


def _lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
