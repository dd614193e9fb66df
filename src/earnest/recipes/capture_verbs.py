"""`earnest capture`: other agents' sessions, secrets taken out, and what is to be found in them.

What they say is data: it is printed in one line each, with what does not show written out.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.core.protocols import Progress
from earnest.core.quoted import NOTICE, plain
from earnest.recipes.answer import Answer
from earnest.recipes.stated import Handed, told

if TYPE_CHECKING:
    from earnest.capture.candidates import Candidate
    from earnest.capture.store import Captured
    from earnest.capture.sweep import Importer


def capture(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    """`capture …`."""
    if options.hook:
        raise UsageError(
            "--hook stands first, and takes --import and --home",
            mend="earnest capture --hook < EVENT",
        )
    if options.what in ("show", "forget") and not options.session:
        raise UsageError(f"{options.what} which session?", mend="name one of: earnest capture list")
    act = {"list": _list, "show": _show, "conduct": _conduct, "forget": _forget}
    return act.get(options.what, _new)(options, home, say)


def _shown(value: Any) -> Any:
    """Return a JSON value, each text of it in one line."""
    from earnest.capture.lenient import mapped

    return mapped(value, plain)


def _document(**parts: Any) -> dict[str, Any]:
    shown: dict[str, Any] = _shown(parts)
    return {"version": 1, "notice": NOTICE, **shown}


def _counted(redacted: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(redacted.items())) or "nothing"


def _new(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    from earnest.capture.formats import is_format
    from earnest.capture.sweep import Importer, agents_folders

    form = "" if options.format == "auto" else options.format
    if form and not is_format(form):
        raise UsageError(f"no format {form!r}", mend="earnest capture --help lists them")
    importer = Importer(home.root, dry=options.dry_run)
    if options.source:
        for path in options.source:
            importer.named(path, form, say)
    elif options.spooled:
        importer.spooled(say)
    else:
        importer.sweep(agents_folders(), say)
    total: Counter[str] = Counter()
    for took in importer.took:
        total.update(took.redacted)
    handed, again = _dealt_with(options, home, importer, say)
    lines = sum(took.lines for took in importer.took)
    verb = "would capture" if options.dry_run else "captured"
    words = [f"{verb} {lines:,} lines of {len({took.id for took in importer.took}):,} sessions"]
    words.append(f"redacted: {_counted(total)}")
    for took in importer.took[:100]:
        words.append(f"  {took.id}  {took.lines:>8,} lines  {took.format:<12} {plain(took.path)}")
        if took.waiting:
            words.append(f"    {took.waiting:,} bytes of an unfinished line wait")
    words += [f"left out: {plain(one)}" for one in importer.left_out]
    words += [
        f"handed in for {one.session}: {one.finding or 'refused: ' + one.problem}" for one in handed
    ]
    words += [f"run again of {name}: {_counted(each)}" for name, each in again.items()]
    document = _document(
        dry_run=options.dry_run,
        captured=[took.row() for took in importer.took],
        redacted=dict(sorted(total.items())),
        left_out=importer.left_out,
        handed_in=told(handed),
        reruns=again,
    )
    return 0, document, "\n".join(words)


def _dealt_with(
    options: argparse.Namespace, home: Home, importer: Importer, say: Progress
) -> tuple[list[Handed], dict[str, dict[str, int]]]:
    """Do what is to be done with sessions that are kept: of this import, and of earlier ones.

    What a session stated is handed in, and its scripts are run again where their table is here.
    What the user does not want of this import's sessions is not made up for later.
    """
    from earnest.recipes.rerun import USE as RERUN
    from earnest.recipes.rerun import run_again
    from earnest.recipes.stated import USE as STATED
    from earnest.recipes.stated import hand_in_quietly

    if options.dry_run:
        return [], {}
    kept, took = importer.store.all(), {one.id for one in importer.took}
    for use, unwanted in ((STATED, options.no_submit), (RERUN, options.no_rerun)):
        for one in kept if unwanted else ():
            if one.id in took:
                one.deal(use, one.upto)
    stated = () if options.no_submit else [one for one in kept if not one.dealt_with(STATED)]
    handed = hand_in_quietly(home, stated, say)
    again = () if options.no_rerun else [one for one in kept if not one.dealt_with(RERUN)]
    return handed, run_again(home, again, say)


def _row(one: Captured) -> dict[str, Any]:
    about = one.about
    names = ("format", "path", "session_id", "cwd", "parent", "agent", "model", "member")
    told = {name: str(about.get(name, "")) for name in names}
    from earnest.recipes.rerun import counted

    return {
        "id": one.id, **told, **one.counts(), "forgotten": one.forgotten, "reruns": counted(one),
    }  # fmt: skip


def _list(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: ARG001
    from earnest.capture.store import Store

    rows = [_row(one) for one in Store(home.root).all()]
    shown = rows[-options.limit :] if options.limit else rows
    words = [
        f"  {row['id']}  {row['lines']:>8,} lines  {row['format']:<12} "
        f"{plain(row['session_id'] or row['path'])}"
        + (f"  (sub-agent of {row['parent']})" if row["parent"] else "")
        + ("  FORGOTTEN" if row["forgotten"] else "")
        + (f"  (run again: {_counted(row['reruns'])})" if row["reruns"] else "")
        for row in shown
    ]
    left = len(rows) - len(shown)
    words += [f"  and {left:,} more: --limit 0"] if left else []
    return 0, _document(sessions=shown, total=len(rows)), "\n".join(words) or "  nothing captured"


def _show(options: argparse.Namespace, home: Home, say: Progress) -> Answer:
    from earnest.capture.candidates import candidates
    from earnest.capture.conduct import conduct
    from earnest.capture.stated import stated_findings
    from earnest.capture.store import Store
    from earnest.recipes.rerun import tables_of

    one = Store(home.root).find(options.session)
    session = one.session()
    found: Sequence[Candidate] = candidates(session)
    if options.model:
        found = _read_by(options.model, home, found, say)
    stated, signals = stated_findings(session), list(conduct(session.turns()))
    row = _row(one)
    told = [
        {**candidate.row(), "tables": tables_of(home, candidate.files, session.cwd)}
        for candidate in found
    ]
    if options.rerun:
        _run_again(home, one, found, told, say)
    _came_out(one, found, told)
    words = [
        f"{row['id']}  {row['format']}  {plain(row['session_id'])}  {plain(row['path'])}",
        f"{row['lines']:,} lines, {row['bytes']:,} bytes; redacted: {_counted(row['redacted'])}",
        f"\n{len(found)} conclusions, all unverified:",
        *(_line(candidate, each.get("rerun")) for candidate, each in zip(found, told, strict=True)),
        f"\n{len(stated)} findings stated for Earnest:",
        *(f"  {plain(str(finding.get('prose') or finding['kind']))}" for finding in stated),
        f"\n{len(signals)} things to look at (no verdicts):",
        *(
            f"  line {each.line}: {each.kind}: {plain(each.quote)} ({plain(each.why)})"
            for each in signals
        ),
    ]
    document = _document(
        session=row,
        candidates=told,
        stated=stated,
        attempts=[_attempt(each) for each in signals],
    )
    return 0, document, "\n".join(words)


def _line(candidate: Candidate, again: Mapping[str, Any] | None) -> str:
    why = f" ({plain(again['why'])})" if again and again["why"] else ""
    said = f": run again here, {again['word']}{why}" if again else ""
    return f"  line {candidate.line}: {plain(candidate.statement)}{said}"


def _run_again(
    home: Home,
    one: Captured,
    found: Sequence[Candidate],
    rows: Sequence[dict[str, Any]],
    say: Progress,
) -> None:
    """Run the scripts again whose table is here, whatever came of them before."""
    from earnest.recipes.rerun import at_hand, jails, keep, name_of, rerun

    wanted = {
        name_of(each, table): (each, table)
        for each, row in zip(found, rows, strict=True)
        if (table := at_hand(each, row["tables"]))
    }
    if not wanted:
        say("no conclusion has its script and its table at hand")
        return
    with jails(home) as sandbox:
        keep(one, {name: rerun(home, *pair, sandbox) for name, pair in wanted.items()})


def _came_out(one: Captured, found: Sequence[Candidate], rows: Sequence[dict[str, Any]]) -> None:
    """Put what came of their scripts into the rows."""
    from earnest.recipes.rerun import at_hand, name_of, outcomes

    known = outcomes(one)
    for each, row in zip(found, rows, strict=True):
        table = at_hand(each, row["tables"])
        if table and (told := known.get(name_of(each, table))):
            row["rerun"] = told


def _attempt(signal: Any) -> dict[str, Any]:
    return {name: getattr(signal, name) for name in ("kind", "line", "quote", "why", "agent")}


def _read_by(
    spec: str, home: Home, found: Sequence[Candidate], say: Progress
) -> Sequence[Candidate]:
    """Let a model read a typed claim in each conclusion; those it fails at stay as they were."""
    from earnest.capture.propose import proposed
    from earnest.core.errors import ModelError
    from earnest.models.choose import furnish, open_model
    from earnest.tasks.registry import Registry

    model, tables = furnish(open_model(spec), home), Registry(home).list()
    if model.speaks is None:
        raise UsageError(f"{spec} is no language model", mend="name one: --model openai:NAME")
    read = []
    for candidate in found:
        try:
            read.append(proposed(candidate, model, tables))
        except ModelError as error:
            say(f"not read: {error}")
            read.append(candidate)
    return read


def _conduct(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: ARG001
    from earnest.capture.conduct import conduct
    from earnest.capture.store import Store

    store = Store(home.root)
    chosen = [store.find(options.session)] if options.session else store.all()
    rows = [
        {"session": one.id, **_attempt(each)}
        for one in chosen
        for each in conduct(one.session().turns())
    ]
    shown = rows[-options.limit :] if options.limit else rows
    words = [f"{len(rows)} things to look at (no verdicts):"]
    words += [
        f"  {row['session']} line {row['line']}: {row['kind']}: {plain(row['quote'])} "
        f"({plain(row['why'])})"
        for row in shown
    ]
    return 0, _document(attempts=shown, total=len(rows)), "\n".join(words)


def _forget(options: argparse.Namespace, home: Home, say: Progress) -> Answer:  # noqa: ARG001
    from earnest.capture.store import Store
    from earnest.capture.sweep import forget

    one = Store(home.root).find(options.session)
    forget(home.root, one)
    return 0, _document(forgotten=one.id), f"forgotten: {one.id}"
