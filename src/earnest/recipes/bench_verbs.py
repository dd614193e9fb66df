"""`earnest bench NAME`: each measures something beside its peers, in one run."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.answer import Answer

Bench = Callable[[argparse.Namespace, Home, Progress], dict[str, Any]]


def _sandbox(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:
    from earnest.sandbox.bench import bench_sandbox

    return bench_sandbox(home.images, seconds=options.seconds, progress=say)


def _grader(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:  # noqa: ARG001
    from earnest.sandbox.bench_grader import bench as bench_grader

    return bench_grader(home.images, prefer=options.backend)


def _ledger(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:  # noqa: ARG001
    from earnest.ledger.bench import bench_ledger

    return bench_ledger(findings=options.findings, seconds=options.seconds, progress=say)


def _verify(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:  # noqa: ARG001
    from earnest.verify.bench import bench_verify

    return bench_verify(home.images, progress=say)


def _honesty(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:
    from earnest.sandbox.choose import open_sandbox
    from earnest.verify.bundles.report import bench_honesty

    with contextlib.closing(open_sandbox(home.images, prefer=options.backend)) as sandbox:
        return bench_honesty(sandbox, tables=options.weak, progress=say)


def _discoveries(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:  # noqa: ARG001
    from earnest.recipes.discoveries_bench import bench as bench_discoveries

    return bench_discoveries(
        ledgers=options.ledgers,
        tables=options.tables,
        composites=options.composites,
        seed=options.seed,
        progress=say,
    )


def _shared(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:
    from earnest.recipes.shared import bench as bench_shared

    return bench_shared(
        home, turns=options.turns, seed=options.seed, prefer=options.backend, progress=say
    )


def _search(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:  # noqa: ARG001
    from earnest.tools.bench import bench_search

    return bench_search(say)


def _agent(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:  # noqa: ARG001
    from earnest.recipes.agent_bench import bench as bench_agent

    return bench_agent(progress=say)


def _gate(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:  # noqa: ARG001
    from earnest.recipes.gate_bench import bench as bench_gate

    return bench_gate(series=options.series, seed=options.seed, progress=say)


def _grades(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:
    from earnest.recipes.grades_bench import bench as bench_grades

    return bench_grades(home.images, seed=options.seed, tasks=options.tasks, progress=say)


def _rollouts(options: argparse.Namespace, home: Home, say: Progress) -> dict[str, Any]:
    from earnest.recipes.rollouts_bench import bench as bench_rollouts
    from earnest.sandbox.choose import open_sandbox

    with contextlib.closing(open_sandbox(home.images)) as sandbox:
        return bench_rollouts(sandbox, options.rounds, say)


BENCHES: Final[Mapping[str, Bench]] = {
    "sandbox": _sandbox,
    "grader": _grader,
    "ledger": _ledger,
    "verify": _verify,
    "honesty": _honesty,
    "discoveries": _discoveries,
    "shared": _shared,
    "search": _search,
    "agent": _agent,
    "gate": _gate,
    "grades": _grades,
    "rollouts": _rollouts,
}


def bench(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`bench NAME`."""
    report = BENCHES[options.name](options, home, say)
    if options.name == "discoveries":
        from earnest.recipes.discoveries_figures import table

        return 0, report, table(report)
    if options.name == "shared":
        from earnest.recipes.shared_figures import table as shared_table

        return 0, report, shared_table(report)
    if options.name == "gate":
        from earnest.recipes.gate_figures import table as gate_table

        return 0, report, gate_table(report)
    lines = [f"{row['what']:<50} {row['value']:>12.4g} {row['unit']}" for row in report["rows"]]
    lines += [f"{name:<50} {value:>12.4g}" for name, value in report["ratios"].items()]
    goals = report.get("goals", {})
    lines += [f"{name}: {'met' if goal['met'] else 'NOT MET'}" for name, goal in goals.items()]
    return 0, report, "\n".join(lines)
