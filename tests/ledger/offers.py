"""What another ledger would offer, made with keys of our own: gold, and as its bytes alone."""

from earnest.core.canon import canonical, digest, parse
from earnest.core.history import Import
from earnest.core.records import FRESH, Author, Check, Claim, Evidence, Finding, TableRef, Verdict
from earnest.core.sign import Signer
from earnest.ledger.imports import offer
from earnest.ledger.stamps import vouch

THERE = Signer.of(b"\1" * 32)
OTHER = Signer.of(b"\2" * 32)
MANIFEST = digest(b"the rows its author saw")


def found(outcome="y", *, prose="their words", saw="sealed", **claim):
    table = TableRef(
        name="ships",
        table=digest(b"ships"),
        visible=digest(b"visible"),
        design="iid",
        rows=10,
        columns=("x", outcome),
    )
    said = {"kind": "association", "outcome": outcome, "exposure": "x", "direction": "positive"}
    return Finding(
        claim=Claim(table="ships", **{**said, **claim}),
        evidence=Evidence(
            script=digest(b"script"), inputs={}, results={"effect": 0.5}, supports="effect > 0"
        ),
        exposure=saw,
        author=Author(principal="them", model="scripted"),
        run="there",
        task=digest(b"task"),
        table=table,
        prose=prose,
    )


def formal(right="2*n", script=b"script"):
    """A finding that speaks of no table."""
    identity = {"kind": "identity", "direction": "equal", "left": "n + n", "right": right}
    claim = Claim(table="", **identity, inputs=("n: integer 1..9",))
    evidence = found().evidence.model_copy(update={"script": digest(script)})
    return found().model_copy(update={"claim": claim, "table": FRESH, "evidence": evidence})


def said(finding, word="confirmed", **other):
    checks = {
        "confirmed": [
            Check(name=name, passed=True, detail="p = 1e-06") for name in ("sealed", "fresh")
        ],
        "replicated": [Check(name="replication", passed=True, detail="p = 1e-06")],
    }.get(word, [])
    tested = {"p": 1e-6, "alpha": 0.01, "effect": 0.5, "interval": (0.4, 0.6), "rows": 100}
    told = {"finding": finding.id, "word": word, "reason": "r", "seed": 1, "verifier": "v"}
    tested = tested if word in ("confirmed", "replicated") else {}
    return Verdict(**{"checks": tuple(checks), **told, **tested, **other})


def an_import(
    finding=None,
    verdict=None,
    *,
    position=7,
    signer=THERE,
    name="them",
    why="",
    withdrawn="",
    manifest=MANIFEST,
    **other,
):
    """A whole import; `why`: it was retracted there; `other` replaces fields of the record."""
    finding = finding or found()
    verdict = verdict or said(finding)
    gone = {"withdrawn": withdrawn or ("retracted" if why else ""), "why": why}
    signed = offer(signer, verdict, manifest=manifest, position=position, **gone)
    fields = {
        "of": finding.id,
        "source": signer.public,
        "name": name,
        "finding": finding.data.decode(),
        "verdict": verdict.data.decode(),
        "signature": vouch(verdict, signer).envelope,
        "offer": signed,
        "manifest": manifest,
        "position": position,
        **gone,
    }
    return Import(**{**fields, **other})


def with_body(data, **fields):
    """The canonical bytes of a record with some of its fields replaced, as text."""
    return canonical({**parse(data), **fields}).decode()
