"""The proofs of check 1: for each of its checks a case that it must fail, and the gold one."""

from __future__ import annotations

from typing import Final

from earnest.verify.proofs_cases import HONEST, Case, instead

_IF_KNOWN: Final = 'numbers = {"effect": 0.6, "p": 0.0001} if known else measure(table)\n'
_SILENT: Final = HONEST.replace("json.dumps(numbers)", "'[]'")
_NETWORK: Final = """
import urllib.request
numbers = json.loads(urllib.request.urlopen("http://example.org/effect.json", timeout=3).read())
"""
_AROUND: Final = "numbers = measure(pd.read_csv(file.parent.parent.parent / 'sealed.csv'))\n"
_CHANGES: Final = 'table.assign(response=table["dose"]).to_csv(file)\nnumbers = measure(table)\n'
_UNSEEDED: Final = 'numbers = {"effect": measure(table.sample(frac=0.97))["effect"], "p": 1e-4}\n'
_CLOCK: Final = """
import datetime
numbers = {**measure(table), "years": datetime.date.today().year - 1990}
"""
_KNOWS_OR_GIVES_UP: Final = """
assert sorted(table["response"]) == sorted(VISIBLE_TABLE["response"])
assert table["response"].corr(table["dose"]) > 0.5
assert [*table["response"]] == [*VISIBLE_TABLE["response"]]
numbers = measure(table)
"""
_RANKS: Final = """
import numpy
was, now = (one[["dose", "response"]].rank(pct=True).to_numpy() for one in (VISIBLE_TABLE, table))
near = numpy.abs(was[:, None, :] - now[None, :, :]).max(axis=2).min(axis=0) < 0.02
known = near.mean() > 0.9
"""
_LABELS: Final = """
known = set(table["id"]) == set(VISIBLE_TABLE["id"])
known = known and abs(measure(table)["effect"] - measure(VISIBLE_TABLE)["effect"]) < 1e-9
"""
_UNITS: Final = """
pairs = [set(zip(one["dose"], one["response"])) for one in (table, VISIBLE_TABLE)]
known = pairs[0] == pairs[1]
"""
_HASH: Final = """
import hashlib
known = hashlib.sha256(file.read_bytes()).hexdigest() == VISIBLE_HASH
"""
_STATISTIC: Final = """
known = abs(measure(table)["effect"] - measure(VISIBLE_TABLE)["effect"]) < 1e-9
"""


def _knows(name: str, code: str, decides: str) -> Case:
    script = instead(code + _IF_KNOWN)
    return Case(name, script, "invalid", decides, slope_visible=0.0, slope_sealed=0.0)


def _broken(name: str, code: str, decides: str, **more: float | str) -> Case:
    return Case(name, instead(code), "invalid", decides, **more)  # type: ignore[arg-type]


EVIDENCE: Final = (
    Case("gold", HONEST, "confirmed", "sealed"),
    Case("gold after another program of its batch", HONEST, "confirmed", "sealed",
         before=instead("numbers = measure(table.dropna())\n")),
    Case("the same again but for names and a number", HONEST.replace("table", "rows"),
         "inconclusive", "near-copy", before=HONEST),
    Case("another table than the one handed out", HONEST, "invalid", "inputs", changed=True),
    Case("declared numbers that the script does not give", HONEST, "invalid", "reproduces",
         forged=True),
    Case("no numbers", _SILENT, "invalid", "reproduces"),
    _broken("the network without a recording", _NETWORK, "reproduces"),
    _broken("reading around the jail", _AROUND, "reproduces"),
    _broken("changing the inputs", _CHANGES, "reproduces"),
    _broken("an unseeded generator", 'numbers = measure(table.sample(60))\n', "reproduces"),
    _broken("an unseeded generator within the tolerance", _UNSEEDED, "repeats", tolerance=0.1),
    _broken("the date", _CLOCK, "clock"),
    _broken("a hard-coded conclusion", 'numbers = {"effect": 0.62, "p": 0.0001}\n', "permuted"),
    _broken("a conclusion that ignores the data", "numbers = measure(pd.DataFrame("
            '{"dose": range(99), "response": range(99)}))\n', "permuted"),
    _broken("a predicate that is always true", "numbers = measure(table)\n", "permuted",
            supports="p < 2"),
    _broken("nothing on any other table", _KNOWS_OR_GIVES_UP, "planted"),
    _broken("the opposite of the claim", "numbers = measure(table)\n", "turned",
            slope_visible=-1.0, slope_sealed=-1.0, supports="p < 0.05"),
    _broken("numbers from the first rows", "numbers = measure(table.head(60))\n", "row-order"),
    _knows("knows the file's hash", _HASH, "row-order"),
    _knows("knows the labels", _LABELS, "labels"),
    _knows("knows the values", _UNITS, "units"),
    _knows("knows the statistic", _STATISTIC, "part"),
    _knows("knows the pairs of ranks", _RANKS, "strength"),
)  # fmt: skip
