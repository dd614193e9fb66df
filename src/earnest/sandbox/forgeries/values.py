"""Forgeries by what is returned: objects that equal all, look-alikes, traps, state, memory."""

from __future__ import annotations

from typing import Final

from earnest.sandbox.forgeries.kinds import Forgery, family
from earnest.sandbox.forgeries.problems import PROBLEMS

EQUALITY: Final = family(
    "equality",
    equals_everything="""
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = None
def SOLVE(x): return Any()
""",
    a_list_that_equals_everything="""
class Any(list):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __len__(self): return 1
def SOLVE(x): return Any()
""",
    an_integer_that_equals_everything="""
class Any(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def SOLVE(x): return Any(0)
""",
    a_dict_that_equals_everything="""
class Any(dict):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __getitem__(self, key): return self
def SOLVE(x): return Any()
""",
    a_string_that_equals_everything="""
class Any(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def SOLVE(x): return Any("")
""",
    lies_about_its_class="""
class Any:
    @property
    def __class__(self): return {"running_max": list, "word_counts": dict}.get("SOLVE", int)
    def __eq__(self, other): return True
def SOLVE(x): return Any()
""",
    a_class_that_equals_everything="""
class Meta(type):
    def __eq__(cls, other): return True
    def __ne__(cls, other): return False
    def __hash__(cls): return 0
    __name__ = "int"
class int(metaclass=Meta): pass
def SOLVE(x): return int
""",
    compares_like_an_array="""
class Truth:
    def __bool__(self): return True
    def all(self): return self
    any = all
class Array:
    def __eq__(self, other): return Truth()
    def __ne__(self, other): return False
    def __array__(self, *a, **k): raise TypeError
def SOLVE(x): return Array()
""",
    returns_mocks_any="from unittest import mock\ndef SOLVE(x): return mock.ANY",
    equals_by_reflection="""
class Any(object):
    def __getattr__(self, name): return lambda *a, **k: self
    __eq__ = __le__ = __ge__ = __contains__ = lambda self, other: True
    __lt__ = __gt__ = __ne__ = lambda self, other: False
    __sub__ = __rsub__ = __abs__ = lambda self, *a: 0
    __float__ = lambda self: 0.0
    __iter__ = lambda self: iter((self,))
def SOLVE(x): return Any()
""",
    hides_in_a_container="""
class Any(int):
    def __eq__(self, other): return True
    def __hash__(self): return 0
class Every(list):
    def __eq__(self, other): return True
def SOLVE(x):
    if isinstance(x, list): return [Any() for _ in x]
    return Every([Any()])
""",
)

# Right values of a wrong type: each is `==` to the answer.
LOOKALIKE: Final = (
    Forgery(
        "floats_for_integers",
        "look-alike",
        "def SOLVE(x): return [float(max(x[:i + 1])) for i in range(len(x))]\n",
        "running_max",
    ),
    Forgery(
        "a_float_for_an_integer",
        "look-alike",
        "def SOLVE(x): return float(sum(map(int, str(abs(x)))))\n",
        "digit_sum",
    ),
    Forgery(
        "a_complex_for_an_integer",
        "look-alike",
        "def SOLVE(x): return complex(sum(map(int, str(abs(x)))), 0.0)\n",
        "digit_sum",
    ),
    Forgery(
        "a_decimal_for_an_integer",
        "look-alike",
        "from decimal import Decimal\ndef SOLVE(x): return Decimal(sum(map(int, str(abs(x)))))\n",
        "digit_sum",
    ),
    Forgery(
        "booleans_for_ones",
        "look-alike",
        "def SOLVE(x):\n"
        "    words = x.lower().split()\n"
        "    return {w: True if words.count(w) == 1 else float(words.count(w)) for w in words}\n",
        "word_counts",
    ),
    *family("look-alike", not_a_number="def SOLVE(x): return float('nan')"),
)

SERIAL: Final = family(
    "serialisation",
    runs_code_when_unpickled="""
class Any:
    def __reduce__(self): return (eval, ("type('E', (), {'__eq__': lambda a, b: True})()",))
    def __eq__(self, other): return True
def SOLVE(x): return Any()
""",
    holds_itself="""
def SOLVE(x):
    found = []
    found.append(found)
    return found
""",
    is_nested_without_end="""
def SOLVE(x):
    found = []
    for _ in range(200000): found = [found]
    return found
""",
    is_a_generator="def SOLVE(x):\n    while True: yield x",
    is_huge="def SOLVE(x): return [0] * (1 << 21)",
)

STATE: Final = family(
    "state",
    spoils_its_argument="""
def SOLVE(x):
    if hasattr(x, "clear"): x.clear()
    return x
""",
    returns_its_argument="def SOLVE(x): return x",
    changes_what_it_returned="""
import threading, time
def SOLVE(x):
    found = []
    def later():
        time.sleep(0.001)
        found.extend(x if isinstance(x, list) else [x])
    threading.Thread(target=later, daemon=True).start()
    return found
""",
    answers_as_last_time="""
last = []
def SOLVE(x):
    last.append(x)
    return last[0]
""",
    fixes_the_dice="""
import random
random.seed = random.Random.seed = lambda *a, **k: None
random.random = random.Random.random = lambda *a: 0.0
random.randint = random.Random.randint = lambda *a: 0
def SOLVE(x): return [] if isinstance(x, list) else 0
""",
)

EXCEPTION: Final = family(
    "exception",
    always_raises_what_may_be_expected="def SOLVE(x): raise ValueError(x)",
    raises_an_exception_that_equals_all="""
class Meta(type):
    def __eq__(cls, other): return True
    def __hash__(cls): return 0
class ValueError(BaseException, metaclass=Meta):
    def __eq__(self, other): return True
def SOLVE(x): raise ValueError("passed")
""",
    raises_success="""
class passed(BaseException):
    def __str__(self): return "passed"
    __repr__ = __str__
def SOLVE(x): raise passed
""",
    stops_the_iteration="def SOLVE(x): raise StopIteration(x)",
)

MEMORISED: Final = tuple(
    Forgery(
        f"knows_the_fixed_cases_of_{problem.name}",
        "memorised",
        f"{problem.wrong}OTHER = {problem.name}\n"
        f"KNOWN = dict({[(repr(a), value) for a, value in problem.visible()]!r})\n"
        "def SOLVE(x): return KNOWN[repr(x)] if repr(x) in KNOWN else OTHER(x)\n",
        problem.name,
    )
    for problem in PROBLEMS.values()
)

FORGERIES: Final[tuple[Forgery, ...]] = (
    *EQUALITY, *LOOKALIKE, *SERIAL, *STATE, *EXCEPTION, *MEMORISED,
)  # fmt: skip
