import pytest

from earnest.core.purity import impure

PURE = (
    "def f(n):\n    return n + 1\n",
    "import math\nfrom collections import Counter\n"
    "def f(v):\n    return math.gcd(*v), Counter(v)[1]\n",
    "from functools import lru_cache\n@lru_cache\ndef g(n):\n    return 1 if n < 2 else g(n - 1)\n"
    "def f(n):\n    return g(n)\n",
    "class Stack:\n    __slots__ = ('items',)\n    def __init__(self):\n        self.items = []\n"
    "    def __len__(self):\n        return len(self.items)\ndef f(v):\n    return len(Stack())\n",
    "import re\ndef f(s):\n    return re.sub('a+', 'b', s), '{:>4}'.format(len(s)), f'{s!r}'\n",
    "import heapq as h\n"
    "def f(v):\n    h.heapify(v)\n    return [h.heappop(v) for _ in range(len(v))]\n",
    "def f(n):\n    try:\n        return 1 / n\n"
    "    except ZeroDivisionError as e:\n        return str(e)\n",
    "def f(n):\n    return '{0:.2f} of {1!r:>{2}}'.format(n, n, 9)\n",
)


STATELESS = (
    "def f(v):\n    found = []\n    found.append(v)\n    found[0] = 1\n    return found\n",
    "TABLE = {1: 2}\ndef f(n):\n    return TABLE.get(n), list(TABLE)\n",
    "seen = []\ndef f(v):\n    seen = [*v]\n    seen.append(1)\n    return seen\n",
    "class A:\n    def __init__(self, n):\n        self.n = n\ndef f(n):\n    a = A(n)\n"
    "    a.n += 1\n    return a.n\n",
    "def f(n, m=(1, 2), k=None):\n    def g():\n        nonlocal n\n        n += 1\n"
    "    g()\n    return n\n",
)
STATEFUL = (
    "c = [0]\ndef f(n):\n    c[0] += 1\n    return n\n",
    "c = {}\ndef f(n):\n    c[n] = 1\n    return n\n",
    "c: set = set()\ndef f(n):\n    c.add(n)\n    return n\n",
    "c = 0\ndef f(n):\n    global c\n    c += 1\n    return n\n",
    "def f(n, c=[]):\n    c.append(n)\n    return n\n",
    "def f(n, *, c=dict()):\n    return n\n",
    "def f(n):\n    f.count = n\n    return n\n",
    "import math\ndef f(n):\n    math.count = n\n    return n\n",
    "class A:\n    n = 0\ndef f(n):\n    A.n += 1\n    return n\n",
    "it = iter([1, 2])\ndef f(n):\n    return next(it)\n",
    "c = [0]\ng = lambda: c.pop()\ndef f(n):\n    return g()\n",
    "c = [0]\ndef f(n):\n    del c[0]\n    return n\n",
)


@pytest.mark.parametrize("source", STATELESS)
def test_what_a_call_makes_is_no_state(source):
    assert impure(source) == ""


@pytest.mark.parametrize("source", STATEFUL)
def test_what_outlives_a_call_is_named(source):
    assert "it can't keep state" in impure(source)


@pytest.mark.parametrize("source", PURE)
def test_an_honest_program_is_pure(source):
    assert impure(source) == ""


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import os\ndef f(n): return n", "import os"),
        ("import time\ndef f(n): return time.time()", "import time"),
        ("from . import x\ndef f(n): return n", "import"),
        ("def f(n):\n    import socket\n    return n", "socket"),
        ("from random import _os\ndef f(n): return n", "_os"),
        ("from random import *\ndef f(n): return n", r"\*"),
        ("import random\ndef f(n): return random.SystemRandom().random()", "SystemRandom"),
        ("import statistics\ndef f(n): return statistics.sys.argv", "statistics.sys"),
        ("import statistics as s\nt = s\ndef f(n): return t.sys.argv", "hand the module"),
        ("from statistics import sys\ndef f(n): return n", "sys"),
        ("import random\ndef f(n): return random._os", "random._os"),
        ("def f(n): return open('/etc/passwd').read()", "open"),
        ("def f(n): return eval('n')", "eval"),
        ("def f(n): return getattr(n, 'real')", "getattr"),
        ("def f(n): return n.__class__", "__class__"),
        ("def f(n): return __name__", "__name__"),
        ("def f(n): return '{0.__globals__}' % f", "__"),
        ("def f(n): return ('{0._' + '_globals_' + '_}').format(f)", "format"),
        ("def f(n):\n    g = (x for x in [1])\n    return g.gi_frame", "gi_frame"),
        ("def f(n):\n    return '{0.gi_frame}'.format(x for x in [1])", "without attributes"),
        ("def f(n):\n    return '{:{0.gi_frame}}'.format(x for x in [1])", "without attributes"),
        ("def f(n):\n    return '{0[a]}'.format(n)", "without attributes"),
        ("from operator import attrgetter\ndef f(n): return attrgetter('a')(n)", "attrgetter"),
        ("import typing\ndef f(n): return typing.get_type_hints(n)", "get_type_hints"),
        ("def f(n):\n    match n:\n        case int(__class__=c):\n            return c", "hidden"),
        ("def g(n): return n", "no function f"),
        ("f = lambda n: n", "no function f"),
        ("class A:\n    def f(n): return n", "no function f"),
        ("def f(n) return", "no Python"),
        ("def f(n): return " + "(" * 300 + ")" * 300, "no Python|nested"),
        ("def f(n): return 1\x00", "no Python"),
    ],
)
def test_what_looks_around_is_named(source, why):
    found = impure(source)
    assert found
    assert __import__("re").search(why, found), found
