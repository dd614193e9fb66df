"""The verbs `ledger sync` and `ledger trust`."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.sign import KeyFolder, fingerprint
from earnest.core.trusted import distrust, read_trusted, trust
from earnest.recipes.answer import Answer
from earnest.recipes.sync import Synced, pull_folder, push_folder

_SHOWN = 50


def sync(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`ledger sync FOLDER|URL [--pull|--push]`: both ways, where neither is named."""
    (where,) = _just(options, 1, "earnest ledger sync FOLDER, or URL")
    done = Synced()
    push, pull = options.push or not options.pull, options.pull or not options.push
    if "://" in where:
        _over_http(options, home, where, done, push=push, pull=pull)
        return _told(where, done)
    if push:
        push_folder(home, Path(where), done)
        say(f"{done.offered} offered, {done.new} of them new there")
    if pull:
        pull_folder(home, Path(where), done)
    return _told(where, done)


def _over_http(
    options: argparse.Namespace, home: Home, url: str, done: Synced, *, push: bool, pull: bool
) -> None:
    from earnest.recipes.sync_http import Remote, pull_http, push_http, read_token

    remote = Remote(url, read_token(options.token_file))
    try:
        if push:
            push_http(home, remote, done, whole=options.whole)
        if pull:
            pull_http(home, remote, done, whole=options.whole)
    finally:
        remote.close()


def _told(where: str, done: Synced) -> Answer:
    counts = Counter(one.outcome for one in done.taken)
    document: dict[str, Any] = {
        "version": 1,
        "with": where,
        "offered": done.offered,
        "new": done.new,
        "left_out": done.left_out,
        "counts": dict(counts),
        "items": [one.told() for one in done.taken if one.outcome not in ("known", "own")],
    }
    lines = [f"offered: {done.offered}, new there: {done.new}"]
    lines += [f"  not there: {one['id']}: {one['reason']}" for one in done.left_out[:_SHOWN]]
    what = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    lines.append(f"taken from there: {what or 'nothing is there'}")
    told = [one for one in done.taken if one.outcome in ("refused", "withdrawn")]
    lines += [f"  {one.outcome}: {one.id}: {one.reason}" for one in told[:_SHOWN]]
    lines += [f"  and {len(told) - _SHOWN} more"] * (len(told) > _SHOWN)
    lines += [f"  to mend it: {mend}" for mend in dict.fromkeys(one.mend for one in told) if mend]
    if counts["taken"]:
        lines.append("what was taken is `imported`: test it here by findings verify ID --on FILE")
    return int(bool(counts["refused"])), document, "\n".join(lines)


def trusting(options: argparse.Namespace, home: Home) -> Answer:
    """`ledger trust add NAME KEY|list|remove NAME`."""
    what, *rest = options.rest or ["list"]
    if what == "add":
        options.rest = rest
        name, key = _just(options, 2, "earnest ledger trust add NAME PUBLICKEY")
        trust(home.trusted, name, key)
        return _sources(home, f"{name} is trusted: {fingerprint(key)}")
    if what == "remove":
        options.rest = rest
        (name,) = _just(options, 1, "earnest ledger trust remove NAME")
        key = distrust(home.trusted, name)
        left = "what was taken from there stays, and is found no more by a search"
        return _sources(home, f"{name} is trusted no more ({fingerprint(key)}); {left}")
    if what != "list" or rest:
        raise UsageError(
            f"there is no trust {what!r}", mend="add NAME PUBLICKEY, list, remove NAME"
        )
    return _sources(home, "")


def _sources(home: Home, first: str) -> Answer:
    found = read_trusted(home.trusted)
    rows = [
        {"name": name, "key": key, "fingerprint": fingerprint(key)} for name, key in found.items()
    ]
    own = KeyFolder(home.verifier).public()
    document = {
        "version": 1,
        "sources": rows,
        "own": {"key": own, "fingerprint": fingerprint(own)} if own else None,
    }
    lines = [first] * bool(first)
    lines += [f"  {one['name']:<16} {one['fingerprint']}  {one['key']}" for one in rows]
    lines += ["  nobody is trusted"] * (not rows)
    lines += [f"this ledger's own key: {fingerprint(own)}  {own}"] if own else []
    return 0, document, "\n".join(lines)


def _just(options: argparse.Namespace, count: int, usage: str) -> list[str]:
    """Return what a verb was given besides options. Raises `UsageError`."""
    if len(options.rest) != count:
        raise UsageError(f"{len(options.rest)} words were given", mend=usage)
    return list(options.rest)
