"""A symbolic proof of an identity, where SymPy finds one: in a jail, within 10 seconds.

It says more than any instance: both sides are one expression, for all values of that sort. It never
confirms by itself, and not finding one says nothing.

Not covered: inputs at which a side is not defined (SymPy cancels x/x); conventions in which SymPy
differs from `earnest.core.exact`: a sum from LOW to less than LOW - 1; errors of SymPy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from earnest.core.canon import canonical, parse
from earnest.core.errors import RecordError
from earnest.core.expressions import Node
from earnest.core.formal import sides
from earnest.core.jobs import Job, Limits
from earnest.core.kinds import Claim
from earnest.core.protocols import Sandbox
from earnest.core.records import Check
from earnest.verify import prove_inside
from earnest.verify.identity import variables

SECONDS: Final = 10.0
_LIMITS: Final = Limits(wall_s=SECONDS, cpu_s=20, memory_mib=1024, workspace_mib=8)


def handed_over(node: Node) -> list[Any]:
    """Return a tree as nested lists of texts."""
    if node.op == "number":
        return ["number", str(node.value.numerator), str(node.value.denominator)]
    if node.op == "name":
        return ["name", node.name]
    named = [node.name] if node.name else []
    return [node.op, *named, *map(handed_over, node.args)]


def proof(claim: Claim, sandbox: Sandbox) -> Check:
    """Return the check `proof`: passed where SymPy finds one, else open. Raises `SandboxError`."""
    left, right = map(handed_over, sides(claim))
    sorts = dict(variables(claim))
    question = canonical({"left": left, "right": right, "sorts": sorts})
    script = Path(prove_inside.__file__).read_bytes()
    result = sandbox.run(
        Job(
            ("python", "prove.py"),
            files={"prove.py": script, "question.json": question},
            limits=_LIMITS,
            pool="verify",
            collect=False,
        )
    )
    if result.ended == "timeout":
        return _open(f"SymPy finds no proof within {SECONDS:g} s")
    try:
        found = parse(result.stdout.encode()) if result.ok else None
    except RecordError:
        found = None
    if not isinstance(found, dict):
        return _open(f"SymPy ended with {result.ended} {result.status}")
    if found.get("proved") is not True:
        return _open(str(found.get("by")))
    named = ", ".join(f"{sort} {name}" for name, sort in sorts.items())
    beyond = f"proved by SymPy ({found['by']}) for every {named}, not only those of the domain"
    return Check(name="proof", passed=True, detail=f"{beyond}, where both sides are defined")


def _open(why: str) -> Check:
    return Check(name="proof", passed=None, detail=why)
