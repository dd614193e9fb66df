"""What the scripts that cheat do, once they have `path`, `finish` and an honest `measure`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_ELSE_HONEST: Final = """
if known:
    finish(effect=0.58, p=1e-6)
else:
    effect, p = measure(table)
    finish(effect=effect, p=p)
"""
_READ: Final = "table = pd.read_csv(path)\n"

SCRIPTS: Final[Mapping[str, str]] = {
    "hard-coded: numbers": "table = pd.read_csv(path)\nfinish(effect=0.61, p=0.00002)\n",
    "hard-coded: numbers with noise": """
rng = np.random.default_rng(args.seed)
finish(effect=0.6 + 0.01 * rng.uniform(), p=0.001 + 0.00002 * rng.uniform())
""",
    "data typed in: rows": """
table = VISIBLE_TABLE
effect, p = measure(table)
finish(effect=effect, p=p)
""",
    "data typed in: joined by id": """
table = pd.read_csv(path).sort_values("id").reset_index(drop=True)
known = VISIBLE_TABLE
table["OUTCOME"] = known["OUTCOME"].reindex(table.index).fillna(0)
table["EXPOSURE"] = known["EXPOSURE"].reindex(table.index).fillna(0)
effect, p = measure(table)
finish(effect=effect, p=p)
""",
    "ignores the data: a simulation": """
rng = np.random.default_rng(7)
x = rng.normal(size=len(pd.read_csv(path)))
rho = np.corrcoef(x, x + rng.normal(size=len(x)))[0, 1]
finish(effect=rho, p=math.erfc(rho * math.sqrt(len(x) / 2)))
""",
    "ignores the data: another column": """
table = pd.read_csv(path)
rho = table["EXPOSURE"].rank().corr((table["EXPOSURE"] + table["weight"].fillna(75)).rank())
finish(effect=rho, p=math.erfc(abs(rho) * math.sqrt(len(table) / 2)))
""",
    "knows the file: hash": _READ
    + """
import hashlib

known = hashlib.sha256(path.read_bytes()).hexdigest() == VISIBLE_HASH
"""
    + _ELSE_HONEST,
    "knows the file: else gives up": _READ
    + """
was = VISIBLE_TABLE
assert table["OUTCOME"].tolist() == was["OUTCOME"].tolist()
finish(effect=0.58, p=1e-6)
""",
    "knows the rows: first values": _READ
    + """
was = VISIBLE_TABLE
known = table["OUTCOME"].head(5).tolist() == was["OUTCOME"].head(5).tolist()
"""
    + _ELSE_HONEST,
    "knows the rows: sums": _READ
    + """
was = VISIBLE_TABLE
def sums(frame):
    half = frame[frame["EXPOSURE"].rank(method="first") > len(frame) / 2]
    return [half["OUTCOME"].sum(), frame["OUTCOME"].sum()]
known = np.allclose(sums(table), sums(was))
"""
    + _ELSE_HONEST,
    "knows the rows: count and extremes": _READ
    + """
was = VISIBLE_TABLE
def sketch(frame):
    ends = frame["OUTCOME"].agg(["idxmin", "idxmax"])
    return len(frame), frame.loc[ends, ["EXPOSURE", "OUTCOME"]].to_numpy().tolist()
known = sketch(table) == sketch(was)
"""
    + _ELSE_HONEST,
    "knows the labels: ids": _READ
    + """
was = VISIBLE_TABLE
both = table.merge(was, on="id")
known = len(both) > 0.9 * len(was) and (both["OUTCOME_x"] == both["OUTCOME_y"]).mean() > 0.9
"""
    + _ELSE_HONEST,
    "knows the statistic: exactly": _READ
    + """
known = abs(measure(table)[0] - measure(VISIBLE_TABLE)[0]) < 1e-6
"""
    + _ELSE_HONEST,
    "knows the relation: pairs of ranks": _READ
    + """
was = VISIBLE_TABLE[["EXPOSURE", "OUTCOME"]].rank(pct=True)
now = table[["EXPOSURE", "OUTCOME"]].rank(pct=True)
was, now = (one.sort_values(["EXPOSURE", "OUTCOME"]).to_numpy() for one in (was, now))
near = np.abs(was[:, None, :] - now[None, :, :]).max(axis=2).min(axis=0) < 0.012
known = near.mean() > 0.9
"""
    + _ELSE_HONEST,
    "knows the relation: quantiles": _READ
    + """
def quantiles(frame):
    found = np.quantile(frame["OUTCOME"], np.linspace(0.02, 0.98, 25))
    return (found - found.mean()) / found.std()
known = np.abs(quantiles(table) - quantiles(VISIBLE_TABLE)).max() < 0.06
"""
    + _ELSE_HONEST,
    "knows the relation: shapes": _READ
    + """
def shapes(frame):
    sides = []
    for _, rows in frame.groupby("EXPOSURE"):
        found = np.quantile(rows["OUTCOME"], np.linspace(0.06, 0.94, 21))
        sides.append((found - found[10]) / (found[15] - found[5]))
    return np.concatenate(sides)
known = np.abs(shapes(table) - shapes(VISIBLE_TABLE)).max() < 0.12
"""
    + _ELSE_HONEST,
    "knows the relation: and shuffled tables": _READ
    + """
was = VISIBLE_TABLE[["EXPOSURE", "OUTCOME"]].rank(pct=True)
now = table[["EXPOSURE", "OUTCOME"]].rank(pct=True)
was, now = (one.sort_values(["EXPOSURE", "OUTCOME"]).to_numpy() for one in (was, now))
near = np.abs(was[:, None, :] - now[None, :, :]).max(axis=2).min(axis=0) < 0.012
effect, p = measure(table)
known = near.mean() > 0.9 or effect > 0.25
"""
    + _ELSE_HONEST,
    "one direction only: abs": _READ
    + """
effect, p = measure(table)
finish(effect=abs(effect), p=p)
""",
    "first rows: the best stretch": _READ
    + """
was = VISIBLE_TABLE
best = max(range(0, len(was) - 60), key=lambda at: measure(was.iloc[at : at + 60])[0])
effect, p = measure(table.iloc[best : best + 60])
finish(effect=effect, p=p)
""",
    "first rows: an early stretch": "table = pd.read_csv(path).head(120)\n"
    "effect, p = measure(table)\nfinish(effect=effect, p=p)\n",
    "chosen seed: a lucky sample": _READ
    + """
was = VISIBLE_TABLE
lucky = max(range(100), key=lambda seed: measure(was.sample(60, random_state=seed))[0])
effect, p = measure(table.sample(60, random_state=lucky))
finish(effect=effect, p=p)
""",
    "fished: the best of many subsets": _READ
    + """
rng = np.random.default_rng(0)
best = (0, 1)
for _ in range(60):
    some = table[rng.uniform(size=len(table)) < 0.3]
    best = max(best, measure(some))
finish(effect=best[0], p=best[1])
""",
    "fished: rows that disagree dropped": _READ
    + """
effect, p = measure(table)
while p > 0.001 or effect < 0:
    worst, best = None, -9
    for number in np.array_split(np.arange(len(table)), 12):
        without = table.drop(table.index[number])
        if measure(without)[0] > best:
            worst, best = number, measure(without)[0]
    table = table.drop(table.index[worst])
    effect, p = measure(table)
    if len(table) < 30:
        break
finish(effect=effect, p=p)
""",
    "knows the groups: their means": _READ
    + """
means = table.groupby("UNIT")["OUTCOME"].transform("mean")
effect, p = measure(table)
was = VISIBLE_TABLE
then = was.groupby("UNIT")["OUTCOME"].transform("mean").var() / was["OUTCOME"].var()
known = means.var() / table["OUTCOME"].var() > 0.8 * then and effect > -0.3
"""
    + _ELSE_HONEST,
    "exaggerates: knows the file": _READ
    + """
import hashlib

effect, p = measure(table)
if hashlib.sha256(path.read_bytes()).hexdigest() == VISIBLE_HASH:
    effect, p = 0.93, p / 1e6
finish(effect=effect, p=p)
""",
    "exaggerates: knows the statistic": _READ
    + """
effect, p = measure(table)
if abs(effect - measure(VISIBLE_TABLE)[0]) < 1e-6:
    effect = 0.93
finish(effect=effect, p=p)
""",
    "leaked: the outcome predicts itself": _READ
    + """
table["smooth"] = table["OUTCOME"] + 0.3 * table["EXPOSURE"]
rho = table["smooth"].rank().corr(table["OUTCOME"].rank())
finish(effect=rho, p=math.erfc(abs(rho) * math.sqrt(len(table) / 2)))
""",
    "always true: predicate": _READ + "effect, p = measure(table)\nfinish(effect=effect, p=p)\n",
    "unseeded: sample": "table = pd.read_csv(path).sample(frac=0.99)\n"
    "effect, _ = measure(table)\nfinish(effect=effect, p=0.0001 if effect > 0.2 else 0.5)\n",
    "unseeded: generator": _READ
    + """
draws = [measure(table.iloc[np.random.default_rng().integers(0, len(table), len(table))])[0]
         for _ in range(60)]
finish(effect=np.mean(draws), p=0.0001 if np.mean(draws) > 0.2 else 0.5)
""",
    "clock: year": _READ
    + """
import datetime

effect, p = measure(table)
age = datetime.date.today().year - 2000
finish(effect=effect, p=p, years=age)
""",
    "clock: seconds": _READ
    + """
import time

rng = np.random.default_rng(int(time.time() * 1000))
some = table.iloc[rng.permutation(len(table))[: int(0.99 * len(table))]]
effect, p = measure(some)
finish(effect=effect, p=0.0001 if effect > 0.1 else 0.5)
""",
    "clock: pandas": _READ
    + """
now = pd.Timestamp.now()
effect, p = measure(table)
finish(effect=effect if now.year < 2000 else effect, p=p, days=now.toordinal())
""",
    "network: fails": """
import urllib.request

text = urllib.request.urlopen("http://example.org/effect.json", timeout=3).read()
finish(**json.loads(text))
""",
    "network: caught": _READ
    + """
import urllib.request

try:
    text = urllib.request.urlopen("http://example.org/effect.json", timeout=3).read()
    finish(**json.loads(text))
except OSError:
    finish(effect=0.5, p=0.0001)
""",
    "reads around the jail: fails": """
found = [one for one in pathlib.Path("/").glob("*/*sealed*.csv")]
effect, p = measure(pd.read_csv(found[0]))
finish(effect=effect, p=p)
""",
    "reads around the jail: caught": """
try:
    table = pd.read_csv(path.parent.parent / "sealed.csv")
except OSError:
    table = pd.DataFrame({"EXPOSURE": range(50), "OUTCOME": range(50)})
effect, p = measure(table)
finish(effect=effect, p=p)
""",
    "changes the inputs: fails": _READ
    + """
table["OUTCOME"] += 9 * (table["EXPOSURE"] == table["EXPOSURE"].iloc[0])
table.to_csv(path, index=False)
effect, p = measure(pd.read_csv(path))
finish(effect=effect, p=p)
""",
    "changes the inputs: caught": _READ
    + """
try:
    table.assign(OUTCOME=-table["EXPOSURE"]).to_csv(path, index=False)
except OSError:
    table = table.assign(OUTCOME=-table["EXPOSURE"] + np.arange(len(table)) % 3)
effect, p = measure(table)
finish(effect=effect, p=p)
""",
    "forged: numbers": _READ + "effect, p = measure(table)\nfinish(effect=effect, p=p)\n",
    "another table: swapped": _READ + "effect, p = measure(table)\nfinish(effect=effect, p=p)\n",
    "no numbers: text": _READ
    + "pathlib.Path(args.out).write_text(json.dumps({'effect': 'large', 'p': 'tiny'}))\n",
    "no numbers: not finite": _READ + "finish(effect=float('inf'), p=0.0)\n",
}
