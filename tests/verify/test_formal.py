"""Claims that speak of no table, from the claim to its word: gold ones and broken ones.

Seeds are fixed. Where a difference is on a share of the inputs, the chance to miss it is said.
"""

from dataclasses import replace

import pytest

from earnest.core.formal import sides
from earnest.core.kinds import Claim
from earnest.sandbox.grade_pair import Pair
from earnest.verify import program as programs
from earnest.verify import prove
from earnest.verify.formal import examined
from earnest.verify.identity import variables
from earnest.verify.program import NotAFunctionError, program, pure
from earnest.verify.prove import handed_over, proof
from earnest.verify.sameness import by_construction, shape
from earnest.verify.units import NotTestableError


def identity(left, right, *inputs):
    return Claim(
        kind="identity", direction="equal", table="", left=left, right=right, inputs=inputs
    )


def same(one, other, *inputs, threshold=None):
    return Claim(
        kind="program",
        direction="equivalent",
        table="",
        program=one,
        reference=other,
        inputs=inputs,
        threshold=threshold,
    )


N = "n: integer 1..200"
GOLD = {
    "sum of cubes": identity("sum(k**3, k, 1, n)", "(n*(n+1)/2)**2", N),
    "Vandermonde": identity(
        "sum(binomial(n,k)**2, k, 0, n)", "binomial(2*n, n)", "n: integer 0..60"
    ),
    "cube of a sum": identity(
        "(x+y)**3", "x**3 + 3*x**2*y + 3*x*y**2 + y**3", "x: rational", "y: rational"
    ),
    "partial fractions": identity("1/(x*(x+1))", "1/x - 1/(x+1)", "x: rational"),
    "gcd and lcm": identity(
        "gcd(a,b)*lcm(a,b)", "abs(a*b)", "a: integer -1e6..1e6", "b: integer -1e6..1e6"
    ),
}
REFUTED = {
    "integers only": (identity("floor(x)", "x*1", "x: rational"), "x ="),
    "one of many, listed": (
        identity("min(n, 9999)", "n*1", "n: integer 1..10000"),
        "at n = 10000 the left side is 9999, the right 10000",
    ),
    "from 1e3 on, of 1e6": (
        identity("min(n, 1000)", "n*1", "n: integer 1..1000000"),
        "at n = 1001 the left side is 1000, the right 1001",
    ),
    "signs": (identity("abs(n)", "n*1", "n: integer -9..9"), "at n = -1"),
    "by a constant": (identity("(x+1)**2", "x**2 + 2*x + 2", "x: rational"), "at x = 0"),
}
UNDECIDED = {
    "division by zero": (identity("x/0", "x*1", "x: rational"), "not defined"),
    "mostly undefined": (identity("n!", "n*(n-1)!", "n: integer -99999..99"), "not defined"),
    "a tower": (identity("9**9**n", "n*1", "n: integer 3..99"), "more than 20000 bits"),
    "a long sum": (identity("sum(k, k, 1, n)", "n*(n+1)/2", "n: integer 1..1e12"), "a sum of"),
}


@pytest.mark.parametrize("name", GOLD)
def test_a_true_identity_is_confirmed(name, sandbox):
    judged = examined(GOLD[name], sandbox, alpha=1e-3, seed=1)
    assert judged.word == "confirmed", judged.reason
    assert judged.found.effect == 1.0
    assert judged.found.p.p <= 1e-3


@pytest.mark.parametrize("name", REFUTED)
def test_a_counterexample_refutes_and_is_named(name, sandbox):
    claim, says = REFUTED[name]
    judged = examined(claim, sandbox, alpha=1e-3, seed=1)
    assert judged.word == "refuted"
    assert says in judged.reason
    assert judged.checks[-1].name == "fresh"


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_cannot_be_computed_is_inconclusive(name, sandbox):
    claim, says = UNDECIDED[name]
    judged = examined(claim, sandbox, alpha=1e-3, seed=1)
    assert (judged.word, judged.found) == ("inconclusive", None)
    assert says in judged.reason


def test_another_seed_draws_other_inputs_of_the_same_word(sandbox):
    claim = GOLD["gcd and lcm"]
    assert {examined(claim, sandbox, alpha=0.05, seed=s).word for s in range(3)} == {"confirmed"}


@pytest.mark.parametrize("name", ["sum of cubes", "Vandermonde", "cube of a sum"])
def test_sympy_proves_it_for_all_values(name, sandbox, monkeypatch):
    pytest.importorskip("sympy")
    monkeypatch.setattr(prove, "_LIMITS", replace(prove._LIMITS, wall_s=120))
    check = proof(GOLD[name], sandbox)
    assert (check.name, check.passed) == ("proof", True)
    assert "not only those of the domain" in check.detail


@pytest.mark.parametrize(
    "claim",
    [
        GOLD["gcd and lcm"],
        identity("gcd(n, 2)", "1 + 0*n", N),  # of polynomials it is 1
        identity("floor(n)", "n + 1", N),
        identity("sum(k, k, 1, n)", "n*(n+2)/2", N),
        identity("2**n", "n**2", N),
    ],
)
def test_what_is_not_proved_is_left_open(claim, sandbox):
    assert proof(claim, sandbox).passed is None


def test_a_proof_that_takes_too_long_is_left_open(sandbox, monkeypatch):
    monkeypatch.setattr(prove, "_LIMITS", replace(prove._LIMITS, wall_s=0.01))
    check = proof(GOLD["sum of cubes"], sandbox)
    assert check.passed is None
    assert "within" in check.detail


def test_what_is_handed_over_is_data():
    tree = handed_over(sides(identity("sum(k/2, k, 1, n)", "n", N))[0])
    term = ["/", ["name", "k"], ["number", "2", "1"]]
    assert tree == ["sum", "k", term, ["number", "1", "1"], ["name", "n"]]
    assert variables(GOLD["Vandermonde"]) == {"n": "integer from 0 on"}
    assert variables(GOLD["gcd and lcm"])["a"] == "integer"


SORTED = "def f(v):\n    return sorted(v)\n"
BUBBLES = """
def f(v):
    v = list(v)
    for end in range(len(v), 1, -1):
        for i in range(end - 1):
            if v[i] > v[i + 1]:
                v[i], v[i + 1] = v[i + 1], v[i]
    return v
"""
EUCLID = "def f(a, b):\n    while b:\n        a, b = b, a % b\n    return abs(a)\n"
LIBRARY = "import math\ndef f(a, b):\n    return math.gcd(a, b)\n"
PAIR = ("a: integer -1000..1000", "b: integer -1000..1000")
ALIKE = {
    "two sorts": same(SORTED, BUBBLES, "v: list of integer -9..9"),
    "two gcds": same(EUCLID, LIBRARY, *PAIR),
    "the same exceptions": same(
        "def f(n):\n    return 6 // n\n", "def f(n):\n    return 6 // (n + 0)\n", "n: integer 0..9"
    ),
    "mostly": same(
        "def f(n):\n    return n\n", "def f(n):\n    return -n if n % 100 == 1 else n\n",
        "n: integer 0..1e9", threshold=0.9,
    ),
}  # fmt: skip
PLAIN = "def f(n):\n    return n + 0\n"
WIDE = "n: integer 0..1e9"
COUNTER = """
def counting():
    count = 0
    def one_more():
        nonlocal count
        count += 1
        return count
    return one_more
count = counting()
"""
BROKEN = {
    # differs on 1 in 100 of even draws: missed with a chance of 0.995^6905 < 1e-15
    "rare": (same("def f(n):\n    return n + (n % 100 == 3)\n", PLAIN, WIDE), "refuted", "n = 3"),
    "repeats": (
        same(SORTED, "def f(v):\n    return sorted(set(v))\n", "v: list of integer -9..9"),
        "refuted", "the reference gives [",
    ),
    "another type": (
        same("def f(n):\n    return n / 1\n", PLAIN, WIDE),
        "refuted", "the program gives 0.0, the reference gives 0",
    ),
    "another exception": (
        same("def f(n):\n    return [][n]\n", "def f(n):\n    return {}[n]\n", WIDE),
        "refuted", "raises IndexError",
    ),
    "only a half": (
        same("def f(n):\n    return n % 2\n", "def f(n):\n    return 1\n", WIDE, threshold=0.9),
        "refuted", "at n = 0 the program gives 0",
    ),
    "keeps state": (
        same("c = [0]\ndef f(n):\n    c[0] += 1\n    return n + (c[0] > 2000)\n", PLAIN, WIDE),
        "invalid", "it can't keep state",
    ),
    "keeps state where its text does not tell": (
        same(f"{COUNTER}def f(n):\n    return n + (count() > 2000)\n", PLAIN, WIDE),
        "invalid", "and then",
    ),
    "knows what it was asked": (
        same(
            "class Seen:\n    them = set()\ndef f(n):\n    old = n in Seen.them\n"
            "    Seen.them.add(n)\n    return n + old\n",
            PLAIN, "n: integer 0..10000",
        ),
        "invalid", "and then",
    ),
    "a generator without a seed": (
        same("import random\ndef f(n):\n    return n + (random.random() < 0.02)\n", PLAIN, WIDE),
        "invalid", "",
    ),
    "looks for the jail": (
        same("import os\ndef f(n):\n    return n + (not os.path.exists('/earnest-jail'))\n",
             PLAIN, WIDE),
        "invalid", "import os",
    ),
    "asks for its module's name": (
        same("def f(n):\n    return n + (__name__ != 'candidate')\n", PLAIN, WIDE),
        "invalid", "__name__",
    ),
    "never ends": (
        same("def f(n):\n    while n > 5:\n        pass\n    return n\n", PLAIN, WIDE),
        "inconclusive", "no answer within",
    ),
    "lies about equality": (
        same("class A:\n    def __eq__(self, other):\n        return True\n"
             "def f(n):\n    return A()\n", PLAIN, WIDE),
        "inconclusive", "not data",
    ),
    "an int that lies": (
        same("class A(int):\n    def __eq__(self, other):\n        return True\n"
             "def f(n):\n    return A(n + 1)\n", PLAIN, WIDE),
        "inconclusive", "not data",
    ),
    "always raises": (
        same("def f(n):\n    return [][n]\n", "def f(n):\n    return ()[n]\n", WIDE),
        "inconclusive", "raise an exception",
    ),
    "can't be loaded": (
        same("1 / 0\ndef f(n):\n    return n\n", PLAIN, WIDE), "invalid", "can't be loaded",
    ),
    "a limit of the place": (
        same("def f(n):\n    return n and f(n - 1)\n", "def f(n):\n    return 0 * n\n",
             "n: integer 0..100000"),
        "inconclusive", "raises RecursionError, which depends on where it runs",
    ),
    "too much memory": (
        same("def f(n):\n    return len([0] * n) + 10**9\n", "def f(n):\n    return n + 10**9\n",
             "n: integer 1e12..1e13"),
        "inconclusive", "raises MemoryError",
    ),
    "no f": (same("class A:\n    def f(n): pass\n", PLAIN, WIDE), "invalid", "no function f"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_programs_that_give_the_same_are_confirmed(name, sandbox):
    judged = examined(ALIKE[name], sandbox, alpha=1e-3, seed=2)
    assert judged.word == "confirmed", judged.reason
    assert [check.name for check in judged.checks] == ["function", "fresh"]


@pytest.mark.parametrize("name", BROKEN)
def test_no_broken_program_is_confirmed(name, sandbox):
    claim, word, says = BROKEN[name]
    judged = examined(claim, sandbox, alpha=1e-3, seed=2)
    assert judged.word == word, judged.reason
    assert says in judged.reason


FRAME = "import os\ndef f(n):\n    os.write(3, b'\\0\\0\\0\\x02{}')\n    return n\n"
GONE = "import os\ndef f(n):\n    os._exit(0) if n > 9 else 0\n    return n\n"


@pytest.mark.parametrize("source", [FRAME, GONE])
def test_the_jail_keeps_what_the_text_would_have_told(source, sandbox):
    """With the check of the text left out: frames of its own, an early exit."""
    claim = same(source, PLAIN, WIDE)
    assert pure(claim) is not None
    with pytest.raises(NotAFunctionError, match="protocol"):
        program(claim, sandbox, alpha=0.05, seed=1)


def test_too_slow_says_how_many_were_tried(sandbox):
    slow = "def f(n):\n    for _ in range(200000): pass\n    return n\n"
    found, estimate, failure = program(
        same(slow, PLAIN, WIDE), sandbox, alpha=1e-3, seed=1, seconds=2.0
    )
    assert found.late
    assert not failure
    assert 0 < estimate.rows < 6905
    assert estimate.p.p > 1e-3


def test_a_failure_that_is_gone_in_fresh_jails_is_no_counterexample(sandbox):
    claim = same(f"{COUNTER}def f(n):\n    return n + (count() == 9)\n", PLAIN, WIDE)
    with pytest.raises(NotAFunctionError):
        program(claim, sandbox, alpha=0.05, seed=1)


def test_a_sandbox_that_lets_calls_take_long_ends_them(sandbox, monkeypatch):
    monkeypatch.setattr(programs, "CALL_S", 0.2)
    claim = BROKEN["never ends"][0]
    with pytest.raises(NotTestableError, match=r"within 0.2 s"):
        program(claim, sandbox, alpha=0.05, seed=1)


def test_what_is_kept_is_asked_again(sandbox):
    with Pair(sandbox, PLAIN, PLAIN, wall_s=20, call_s=2) as pair:
        asking = programs.Asking(pair, ("n",), __import__("random").Random(1))
        for n in range(500):
            assert asking.ask((n,)) == "same"
        assert len(asking.kept) == 200
        assert max(values[0] for values, _ in asking.kept) > 300
        asking.again(pair, 50)


def test_of_large_answers_few_are_kept(sandbox):
    large = "def f(n):\n    return [n] * 20000\n"
    with Pair(sandbox, large, large, wall_s=30, call_s=2) as pair:
        asking = programs.Asking(pair, ("n",), __import__("random").Random(1))
        assert {asking.ask((n,)) for n in range(30)} == {"same"}
        assert (asking.heavy, len(asking.kept)) == (30, 8)


def test_without_lines_to_jails_a_program_is_inconclusive():
    class NoLines:
        name, isolates, lines = "sandlock", True, False

    judged = examined(ALIKE["two gcds"], NoLines(), alpha=0.05, seed=1)
    assert (judged.word, "keeps no line" in judged.reason) == ("inconclusive", True)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (SORTED, "# sorts\ndef f( w ):\n\n  'doc'\n  return sorted(w)", True),
        ("def g(x): return x\ndef f(n): return g(n)", "def h(y): return y\ndef f(m): return h(m)",
         True),
        (SORTED, BUBBLES, False),
        ("def f(n): return n + 1", "def f(n): return n + 2", False),
        ("def f(a, b): return a - b", "def f(b, a): return a - b", False),
        ("def f(n): return max(n, 1)", "def f(n): return min(n, 1)", False),
    ],
)  # fmt: skip
def test_programs_of_one_text_are_the_same_by_construction(one, other, alike):
    assert (shape(one) == shape(other)) is alike
    assert bool(by_construction(same(one, other, "n: boolean"))) is alike
