"""Honest bundles about interactions, reversals, shapes and leaning columns, in code as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from earnest.verify.bundles.bundle import Bundle
from earnest.verify.bundles.parts import head

_READ: Final = "table = pd.read_csv(path)\n"

# name, subject, predicate, what else is declared, code
_BUNDLES: Final[tuple[tuple[str, str, str, dict[str, Any], str], ...]] = (
    ("Fisher's z of two correlations", "evening", "z > 2.6", {}, _READ + """
from scipy.stats import spearmanr

rho = {name: spearmanr(part.hours, part.gain).statistic for name, part in table.groupby("course")}
n = table.course.value_counts()
z = np.arctanh(abs(rho["evening"])) - np.arctanh(abs(rho["day"]))
finish(z=z / math.sqrt(1.06 / (n["evening"] - 3) + 1.06 / (n["day"] - 3)))
"""),
    ("a product in a model", "evening", "coef > 0 and p < 0.01", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.ols("gain ~ hours * C(course)", table).fit()
name = [one for one in fit.params.index if ":" in one][0]
finish(coef=fit.params[name], p=fit.pvalues[name])
"""),
    ("shares explained", "evening", "gain > 0.15 and evening > 0.2", {}, _READ + """
from sklearn.linear_model import LinearRegression

found = {}
for name, part in table.groupby("course"):
    found[name] = LinearRegression().fit(part[["hours"]], part.gain).score(
        part[["hours"]], part.gain)
finish(gain=found["evening"] - found["day"], **found)
"""),
    ("levels of the modifier exchanged", "evening", "p < 0.02", {"tolerance": 0.1}, _READ + """
rng = np.random.default_rng(args.seed)
x, y = table.hours.rank().to_numpy(), table.gain.rank().to_numpy()


def gap(late):
    return abs(np.corrcoef(x[late], y[late])[0, 1]) - abs(np.corrcoef(x[~late], y[~late])[0, 1])


late = (table.course == "evening").to_numpy()
seen = gap(late)
finish(p=(1 + sum(gap(rng.permutation(late)) >= seen for _ in range(200))) / 201)
"""),
    ("weaker by day", "evening", "gap > 0.1 and day < 0.4",
     {"claim": {"direction": "weaker", "group": "day"}}, """
import csv
import statistics

rows = list(csv.DictReader(path.open()))
r = {}
for course in ("day", "evening"):
    some = [(float(row["hours"]), float(row["gain"])) for row in rows if row["course"] == course]
    r[course] = abs(statistics.correlation(*zip(*some)))
finish(gap=r["evening"] - r["day"], day=r["day"])
"""),
    ("overall and in each stream", "mark", "overall > 0.1 and most < 0", {}, _READ + """
inner = table.groupby("stream")[["study", "mark"]].corr(method="spearman").xs("study", level=1)
finish(overall=table.study.corr(table["mark"], method="spearman"), most=inner["mark"].max())
"""),
    ("two models", "mark", "plain > 2.6 and held < -2.6", {}, _READ + """
import statsmodels.formula.api as smf

plain = smf.ols("mark ~ study", table).fit()
held = smf.ols("mark ~ study + C(stream)", table).fit()
finish(plain=plain.tvalues["study"], held=held.tvalues["study"])
"""),
    ("slopes by hand", "mark", "whole > 0 and inside < 0 and t < -3", {}, """
import csv
from collections import defaultdict

by = defaultdict(list)
for row in csv.DictReader(path.open()):
    by[row["stream"]].append((float(row["study"]), float(row["mark"])))
points = [point for some in by.values() for point in some]
whole = np.polyfit(*zip(*points), 1)[0]
rest = np.concatenate([np.array(some) - np.mean(some, axis=0) for some in by.values()])
inside = (rest[:, 0] @ rest[:, 1]) / (rest[:, 0] @ rest[:, 0])
error = np.std(rest[:, 1] - inside * rest[:, 0]) / math.sqrt(rest[:, 0] @ rest[:, 0])
finish(whole=whole, inside=inside, t=inside / error)
"""),
    ("a random intercept", "mark", "coef < 0 and z < -3 and r > 0.1", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.mixedlm("mark ~ study", table, groups="stream").fit()
r = table[["mark", "study"]].corr().iloc[0, 1]
finish(coef=fit.params["study"], z=fit.tvalues["study"], r=r)
"""),
    ("longer to the right than to the left", "wait", "gap > 0.6", {}, """
import csv

sides = {"express": [], "usual": []}
for row in csv.DictReader(path.open()):
    sides[row["counter"]].append(float(row["wait"]))
ratio = {}
for name, values in sides.items():
    values.sort()
    low, middle, high = (values[int(share * len(values))] for share in (0.1, 0.5, 0.9))
    ratio[name] = (high - middle) / (middle - low)
finish(gap=ratio["express"] - ratio["usual"], **ratio)
"""),
    ("skewness apart", "wait", "gap > 0.5", {}, _READ + """
skew = table.groupby("counter")["wait"].skew()
finish(gap=skew["express"] - skew["usual"], express=skew["express"])
"""),
    ("quantiles, bootstrapped", "wait", "low > 0", {"tolerance": 0.1}, _READ + """
rng = np.random.default_rng(args.seed)


def lean(y):
    a, b, c = np.quantile(y, [0.1, 0.5, 0.9])
    return (c + a - 2 * b) / (c - a)


express, usual = (part["wait"].to_numpy() for _, part in table.groupby("counter"))
draws = [lean(rng.choice(express, len(express))) - lean(rng.choice(usual, len(usual)))
         for _ in range(800)]
finish(low=np.quantile(draws, 0.02))
"""),
    ("Anderson and Darling, scaled", "wait", "statistic > 2.5", {}, _READ + """
import warnings

from scipy.stats import anderson_ksamp

warnings.simplefilter("ignore")
scaled = table.groupby("counter")["wait"].transform(lambda y: (y - y.mean()) / y.std())
parts = [scaled[table.counter == name] for name in ("express", "usual")]
finish(statistic=anderson_ksamp(parts).statistic)
"""),
    ("skewness and its test", "cost", "skew > 0 and p < 0.01", {}, _READ + """
from scipy import stats

finish(skew=stats.skew(table.cost), p=stats.skewtest(table.cost).pvalue)
"""),
    ("mean above median", "cost", "pearson > 0.1 and tail > 1.2", {}, _READ + """
low, middle, high = table.cost.quantile([0.05, 0.5, 0.95])
finish(pearson=3 * (table.cost.mean() - middle) / table.cost.std(),
       tail=(high - middle) / (middle - low))
"""),
    ("medcouple", "cost", "couple > 0.1", {}, _READ + """
from statsmodels.stats.stattools import medcouple

finish(couple=medcouple(table.cost.to_numpy()))
"""),
    ("signs flipped around the median", "cost", "p < 0.02", {"tolerance": 0.1}, _READ + """
rng = np.random.default_rng(args.seed)
away = (table.cost - table.cost.median()).to_numpy()
seen = away.mean()
draws = [(rng.choice([-1, 1], len(away)) * away).mean() for _ in range(400)]
finish(p=(1 + sum(draw >= seen for draw in draws)) / 401)
"""),
)  # fmt: skip


def bundles() -> Iterator[Bundle]:
    """Yield them."""
    for name, subject, supports, more, code in _BUNDLES:
        script = head(subject) + code
        yield Bundle(f"{name} ({subject})", subject, script, supports=supports, **more)
