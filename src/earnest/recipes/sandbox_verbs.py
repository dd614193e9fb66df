"""The verb `sandbox`: its proofs."""

from __future__ import annotations

import argparse

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.recipes.answer import Answer


def sandbox(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`sandbox selftest|forge|peers|soak`."""
    if options.what == "soak" and options.backend not in ("", "warm"):
        raise UsageError("only warm jails can leave something behind", mend="--backend warm")
    backend = options.backend or ("warm" if options.what == "soak" else _best(home, say))
    act = {"selftest": _selftest, "forge": _forge, "peers": _peers, "soak": _soak}[options.what]
    return act(options, backend, home, say)


def _best(home: Home, say: Progress) -> str:
    """Return the name of the sandbox that this machine gets. Raises `LackError`."""
    from earnest.sandbox.choose import open_sandbox

    say("looking for the sandbox that this machine gets ...")
    found = open_sandbox(home.images)
    found.close()
    return found.name


def _selftest(options: argparse.Namespace, backend: str, home: Home, say: Progress) -> Answer:
    from earnest.sandbox.selftest import passed, selftest

    report = selftest(backend, home.images, as_user=options.as_user, progress=say)
    lines = [f"{backend}, as {report['as']}: {report['attacks']} attacks, {report['seconds']:g} s"]
    lines += [f"ESCAPED {name}: {report['reasons'].get(name, '')}" for name in report["escaped"]]
    lines += [f"control failed: {name}" for name in report["controls_failed"]]
    lines += [f"skipped {one['attack']}: {one['reason']}" for one in report["skipped"]]
    lines += [
        f"soft limit, {one['what']}: {one['measured']:g} of {one['limit']:g} {one['unit']}"
        for one in report["soft"]
    ]
    good = passed(report)
    return (
        (0 if good else 1),
        report,
        "\n".join([*lines, "it holds" if good else "IT DOES NOT HOLD"]),
    )


def _forge(options: argparse.Namespace, backend: str, home: Home, say: Progress) -> Answer:
    from earnest.sandbox.forge import forge, passed

    report = forge(backend, home.images, as_user=options.as_user, progress=say)
    lines = [f"{backend}: {report['attacks']} forgeries, {report['seconds']:g} s"]
    lines += [f"FORGED {name}: {report['reasons'].get(name, '')}" for name in report["forged"]]
    lines += [f"control failed: {name}" for name in report["controls_failed"]]
    weak = report["weak"]
    told = weak.get("lacks") or f"{len(weak['forged'])} of {weak['attacks']} forged"
    lines.append(f"grading of repositories (weak): {told}")
    good = passed(report)
    return (
        (0 if good else 1),
        report,
        "\n".join([*lines, "it holds" if good else "IT DOES NOT HOLD"]),
    )


def _peers(options: argparse.Namespace, backend: str, home: Home, say: Progress) -> Answer:  # noqa: ARG001
    from earnest.sandbox.peers import compare, table

    found = compare(home.images, backend=backend, progress=say)
    return 0, found, table(found)


def _soak(options: argparse.Namespace, backend: str, home: Home, say: Progress) -> Answer:  # noqa: ARG001 - the warm pool is what can leak
    from earnest.sandbox.soak import passed, soak

    report = soak(home.images, options.executions, as_user=options.as_user, progress=say)
    lines = [f"{name}: {value}" for name, value in report.items()]
    status = 130 if report["interrupted"] else 0 if passed(report) else 1
    return status, report, "\n".join(lines)
