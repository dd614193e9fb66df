"""The proofs of claims that speak of no table: gold identities and programs, and broken ones."""

from __future__ import annotations

from typing import Final

from earnest.core.kinds import Claim
from earnest.core.records import Word
from earnest.verify.proofs_cases import Case

TRIED: Final = """
import argparse, json

arguments = argparse.ArgumentParser()
for name in ("--data", "--out", "--seed"):
    arguments.add_argument(name)
options = arguments.parse_args()
failed = sum(sum(k**3 for k in range(1, n + 1)) != (n * (n + 1) // 2) ** 2 for n in range(99))
json.dump({"tried": 99, "failed": failed}, open(options.out, "w"))
"""
_UNSEEDED: Final = TRIED.replace('"tried": 99', '"tried": __import__("random").random()')
_WIDE: Final = "n: integer 0..1e9"
_SORT: Final = "def f(v):\n    return sorted(v)\n"
_INSERT: Final = """
import bisect
def f(v):
    found = []
    for one in v:
        bisect.insort(found, one)
    return found
"""
_PLAIN: Final = "def f(n):\n    return n + 0\n"
_NEVER: Final = "def f(n):\n    while n > 5:\n        pass\n    return n\n"
_COUNTS: Final = "c = [0]\ndef f(n):\n    c[0] += 1\n    return n + (c[0] > 2000)\n"
_LOOKS: Final = "import os\ndef f(n):\n    return n + (not os.path.exists('/earnest-jail'))\n"
_LIES: Final = """
class Equal(int):
    def __eq__(self, other):
        return True
def f(n):
    return Equal(n + 1)
"""


def _identity(left: str, right: str, *inputs: str) -> Claim:
    return Claim(
        kind="identity", direction="equal", table="", left=left, right=right, inputs=inputs
    )


def _program(program: str, reference: str, *inputs: str) -> Claim:
    return Claim(
        kind="program",
        direction="equivalent",
        table="",
        program=program,
        reference=reference,
        inputs=inputs,
    )


_CUBES: Final = _identity("sum(k**3, k, 1, n)", "(n*(n+1)/2)**2", "n: integer 1..200")


def _case(name: str, claim: Claim, word: Word, decides: str = "fresh", script: str = TRIED) -> Case:
    return Case(name, script, word, decides, supports="failed == 0", claim=claim)


FORMAL: Final = (
    _case("gold: the sum of cubes", _CUBES, "confirmed"),
    _case("gold: an identity of rationals",
          _identity("(x+y)**3", "x**3 + 3*x**2*y + 3*x*y**2 + y**3", "x: rational", "y: rational"),
          "confirmed"),
    _case("gold: two sorts", _program(_SORT, _INSERT, "v: list of integer -9..9"), "confirmed"),
    _case("an unseeded generator in the evidence", _CUBES, "invalid", "reproduces", _UNSEEDED),
    _case("true of integers only", _identity("floor(x)", "x*1", "x: rational"), "refuted"),
    _case("fails at one of 10,000",
          _identity("min(n, 9999)", "n*1", "n: integer 1..10000"), "refuted"),
    _case("defined nowhere", _identity("x/0", "x*1", "x: rational"), "inconclusive"),
    _case("a tower of powers", _identity("9**9**n", "n*1", "n: integer 3..99"), "inconclusive"),
    _case("a sum of 10^12 terms",
          _identity("sum(k, k, 1, n)", "n*(n+1)/2", "n: integer 1..1e12"), "inconclusive"),
    _case("both sides are one", _identity("n + 1", "1 + n", _WIDE), "inconclusive",
          "definitional"),
    _case("one program twice", _program(_SORT, f"# again\n{_SORT}", "v: list of boolean"),
          "inconclusive", "definitional"),
    _case("differs on 1 in 100",
          _program("def f(n):\n    return n + (n % 100 == 3)\n", _PLAIN, _WIDE), "refuted"),
    _case("keeps state", _program(_COUNTS, _PLAIN, _WIDE), "invalid", "function"),
    _case("looks for the jail", _program(_LOOKS, _PLAIN, _WIDE), "invalid", "function"),
    _case("lies about equality", _program(_LIES, _PLAIN, _WIDE), "inconclusive"),
    _case("never ends", _program(_NEVER, _PLAIN, _WIDE), "inconclusive"),
)  # fmt: skip
