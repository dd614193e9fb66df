"""The verbs `ledger` and `verifier`, and `findings retract`."""

from __future__ import annotations

import argparse
import getpass
import time
from collections import Counter
from dataclasses import asdict

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.quoted import plain
from earnest.core.sign import KeyFolder, fingerprint
from earnest.recipes.answer import Answer

_PAUSE_S = 1.0


def ledger(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`ledger audit|stats|sync|trust`."""
    if options.what in ("sync", "trust"):
        from earnest.recipes.sync_verbs import sync, trusting

        return sync(options, home, say) if options.what == "sync" else trusting(options, home)
    if options.rest:
        raise UsageError(f"ledger {options.what} takes no {options.rest[0]!r}")
    return _audit(options, home) if options.what == "audit" else _stats(home)


def _audit(options: argparse.Namespace, home: Home) -> Answer:
    from earnest.ledger.audit import audit

    found = audit(
        home.ledger,
        keys=KeyFolder(home.verifier),
        trusted=options.key,
        deep=not options.quick,
    )
    document = {"version": 1, "clean": found.clean, **asdict(found)}
    signed = f"signed by {found.key}, stamped up to record {found.stamped}"
    if found.unsigned:
        signed += f"; {found.unsigned} verdicts unsigned"
    state = "clean" if found.clean else found.problem
    words = f"{found.records} records: {state}\n{signed if found.key else 'not signed'}"
    return int(not found.clean), document, words


def _stats(home: Home) -> Answer:
    from earnest.ledger.ledger import Ledger

    with Ledger(home.ledger) as opened:
        number, chain = opened.head()
        told, budget, gone = opened.counts(), opened.stats(), len(opened.retracted())
        elsewhere = dict(sorted(Counter(one.record.name for one in opened.imports()).items()))
    document = {
        "version": 1,
        "records": number,
        "chain": chain,
        "findings": told,
        "retracted": gone,
        "imports": elsewhere,
        **budget,
    }
    words = ", ".join(f"{count} {word}" for word, count in told.items())
    lines = [f"{number} records, chain {chain}", f"findings: {words}; {gone} of them retracted"]
    if elsewhere:
        of = ", ".join(f"{count} of {plain(source)}" for source, count in elsewhere.items())
        lines.append(f"imports, which are not counted among them: {of}")
    lines += [
        f"error budget of {one['principal']}: {one['tests']} tests, "
        f"{one['rejections']} rejections, {one['spent']:.3g} spent, {one['left']:.3g} left, "
        f"next share {one['next']:.2g}"
        for one in budget["principals"]
    ]
    lines += [
        f"table {one['table'][7:19]}: {one['looks']} of {one['limit']} looks at its sealed rows"
        for one in budget["tables"]
    ]
    return 0, document, "\n".join(lines)


def retract(options: argparse.Namespace, home: Home) -> Answer:
    """`findings retract ID --why TEXT`."""
    from earnest.ledger.ledger import Ledger
    from earnest.recipes.imported_rows import named

    if not options.why.strip():
        raise UsageError("a retraction says why", mend="--why TEXT")
    with Ledger(home.ledger) as opened:
        finding = named(opened, options.query)
        by = options.by or getpass.getuser()
        made = opened.retract(finding.id, by=by, why=options.why.strip())
        taught = opened.trained_on(finding.id)
    keys = KeyFolder(home.verifier)
    if keys.public() and not keys.elsewhere():
        with Ledger(home.ledger, keys) as opened:
            opened.stamp()
    document = {"version": 1, "id": finding.id, "by": made.by, "why": made.why, **taught}
    lines = [f"retracted by {made.by}: {made.why}"]
    for what, names in taught.items():
        lines += [f"  trained on it, {what}: {name}" for name in names]
    if not any(taught.values()):
        lines.append("  nothing was trained on it")
    return 0, document, "\n".join(lines)


def verifier(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`verifier show|run`."""
    keys = KeyFolder(home.verifier)
    if options.what == "show":
        public, apart = keys.public(), keys.elsewhere()
        document = {
            "version": 1,
            "public": public,
            "fingerprint": fingerprint(public) if public else "",
            "folder": str(keys.root),
            "another_account": apart,
        }
        whose = "kept by another account" if apart else "this account may use it"
        told = f"{public}\nfingerprint {document['fingerprint']}\n{keys.root}: {whose}"
        words = told if public else "no key yet: none has signed"
        return 0, document, words
    keys.signer()  # an account that may not use it learns so at once
    return _run(options, home, say)


def _run(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """Verify what is queued, and with no `--once` what will be, until it is interrupted."""
    from earnest.ledger.ledger import Ledger
    from earnest.recipes import apart

    done = 0
    while True:
        with Ledger(home.ledger) as opened:
            queued = opened.queued()
        if queued:
            done += len(apart.verify(home, queued, say))
        elif options.once:
            apart.close()
            return 0, {"version": 1, "verified": done}, f"verified {done} findings"
        else:
            time.sleep(_PAUSE_S)
