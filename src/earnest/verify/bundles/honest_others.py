"""Honest bundles about groups and about time series, in code as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from earnest.verify.bundles.bundle import Bundle
from earnest.verify.bundles.parts import head

_READ: Final = "table = pd.read_csv(path)\n"

# name, subject, predicate, what else is declared, code
_BUNDLES: Final[tuple[tuple[str, str, str, dict[str, Any], str], ...]] = (
    ("mixed model", "clinic", "coef < 0 and p < 0.01", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.mixedlm("pain ~ C(method, Treatment('usual')) + sleep", table, groups="clinic").fit()
finish(coef=fit.params.iloc[1], p=fit.pvalues.iloc[1])
"""),
    ("means of clinics", "clinic", "t < -2.5", {}, _READ + """
means = table.groupby(["clinic", "method"], as_index=False)["pain"].mean()
one, other = means[means.method == "new"].pain, means[means.method == "usual"].pain
finish(t=(one.mean() - other.mean()) / math.sqrt(one.var() / len(one) + other.var() / len(other)))
"""),
    ("standard errors by cluster", "clinic", "coef < 0 and high < 0", {}, _READ + """
import statsmodels.formula.api as smf

codes = pd.factorize(table.clinic)[0]
table["new"] = (table.method == "new").astype(int)
fit = smf.ols("pain ~ new", table).fit(cov_type="cluster", cov_kwds={"groups": codes})
finish(coef=fit.params["new"], high=fit.conf_int().loc["new", 1])
"""),
    ("estimating equations", "clinic", "coef < 0 and p < 0.01", {}, _READ + """
import statsmodels.api as sm

x = sm.add_constant((table.method == "new").astype(float))
fit = sm.GEE(table.pain, x, groups=table.clinic, cov_struct=sm.cov_struct.Exchangeable()).fit()
finish(coef=fit.params.iloc[1], p=fit.pvalues.iloc[1])
"""),
    ("whole clinics permuted", "clinic", "p < 0.02 and gap < 0", {"tolerance": 0.1}, _READ + """
means = table.groupby("clinic").agg(pain=("pain", "mean"), method=("method", "first"))
new, pain = (means.method == "new").to_numpy(), means.pain.to_numpy()
rng = np.random.default_rng(args.seed)
gap = pain[new].mean() - pain[~new].mean()
hits = 0
for _ in range(400):
    other = rng.permutation(new)
    hits += pain[other].mean() - pain[~other].mean() <= gap
finish(gap=gap, p=(1 + hits) / 401)
"""),
    ("clinics resampled, a seed of its own", "clinic", "high < 0", {}, _READ + """
rng = np.random.default_rng(3)
means = table.groupby(["clinic", "method"], as_index=False)["pain"].mean()
draws = []
for _ in range(200):
    some = means.sample(frac=1, replace=True, random_state=rng)
    draws.append(some[some.method == "new"].pain.mean() - some[some.method != "new"].pain.mean())
finish(high=np.quantile(draws, 0.975), middle=np.median(draws))
"""),
    ("rows as if they were independent", "clinic", "t < -3 and p < 0.001", {}, _READ + """
from scipy.stats import ttest_ind

found = ttest_ind(table[table.method == "new"].pain, table[table.method == "usual"].pain)
finish(t=found.statistic, p=found.pvalue)
"""),
    ("dictionaries and loops", "clinic", "lower_in > 0.6 and gap < 0", {}, """
import csv
from collections import defaultdict

pain, method = defaultdict(list), {}
with path.open() as file:
    for row in csv.DictReader(file):
        pain[row["clinic"]].append(float(row["pain"]))
        method[row["clinic"]] = row["method"]
means = {name: sum(values) / len(values) for name, values in pain.items()}
new = [means[name] for name in means if method[name] == "new"]
usual = [means[name] for name in means if method[name] != "new"]
wins = sum(one < other for one in new for other in usual)
finish(lower_in=wins / len(new) / len(usual), gap=sum(new) / len(new) - sum(usual) / len(usual))
"""),
    ("a class for each clinic", "clinic", "gap < -1", {}, """
class Clinic:
    def __init__(self, name, rows):
        self.name, self.pain, self.new = name, rows.pain.median(), set(rows.method) == {"new"}

    def __repr__(self):
        return f"<{self.name}: {self.pain:.1f}>"


clinics = [Clinic(*item) for item in pd.read_csv(path).groupby("clinic", sort=False)]
print(clinics)
finish(gap=np.mean([c.pain for c in clinics if c.new])
       - np.mean([c.pain for c in clinics if not c.new]))
"""),
    ("p only", "clinic", "p < 0.01", {}, _READ + """
from scipy.stats import mannwhitneyu

means = table.groupby(["method", "clinic"])["pain"].mean()
finish(p=mannwhitneyu(means["new"], means["usual"]).pvalue)
"""),
    ("region by region", "clinic", "gap < -3 and regions >= 2", {}, _READ + """
means = table.groupby(["region", "method", "clinic"])["pain"].mean()
gaps = means.groupby(["region", "method"]).mean().unstack()
gaps = gaps["new"] - gaps["usual"]
finish(gap=gaps.mean(), regions=(gaps < 0).sum())
"""),
    ("centred within clinics", "sleep", "slope < 0 and r < -0.2", {}, _READ + """
inner = table[["pain", "sleep"]] - table.groupby("clinic")[["pain", "sleep"]].transform("mean")
finish(slope=np.polyfit(inner.sleep, inner.pain, 1)[0], r=inner.corr().iloc[0, 1])
"""),
    ("a dummy for each clinic", "sleep", "coef < 0 and p < 0.01", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.ols("pain ~ sleep + C(clinic)", table).fit()
finish(coef=fit.params["sleep"], p=fit.pvalues["sleep"], r2=fit.rsquared)
"""),
    ("random intercepts", "sleep", "coef < 0 and z < -3", {}, _READ + """
import statsmodels.api as sm

fit = sm.MixedLM(table.pain, sm.add_constant(table.sleep), groups=table.clinic).fit(reml=False)
finish(coef=fit.params["sleep"], z=fit.tvalues["sleep"])
"""),
    ("one slope a clinic", "sleep", "middle < 0 and p < 0.01", {}, _READ + """
from scipy.stats import wilcoxon

slopes = [np.polyfit(rows.sleep, rows.pain, 1)[0] for _, rows in table.groupby("clinic")]
finish(middle=np.median(slopes), p=wilcoxon(slopes).pvalue)
"""),
    ("signs counted", "sleep", "negative >= 24 and clinics >= 30", {}, _READ + """
rho = table.groupby("clinic")[["sleep", "pain"]].corr(method="spearman").xs("sleep", level=1)
finish(negative=(rho.pain < 0).sum(), clinics=len(rho))
"""),
    ("itertools.groupby, as the rows come", "sleep", "mean < -0.1", {}, """
import csv
import itertools
import statistics

rows = list(csv.DictReader(path.open()))
found = []
for _, visits in itertools.groupby(rows, key=lambda row: row["clinic"]):
    visits = list(visits)
    found.append(statistics.correlation([float(v["sleep"]) for v in visits],
                                        [float(v["pain"]) for v in visits]))
finish(mean=sum(found) / len(found))
"""),
    ("visit to visit", "sleep", "r < -0.15 and p < 0.01", {}, _READ + """
from scipy.stats import pearsonr

steps = table.sort_values(["clinic", "visit"]).groupby("clinic")[["sleep", "pain"]].diff().dropna()
found = pearsonr(steps.sleep, steps.pain)
finish(r=found.statistic, p=found.pvalue)
"""),
    ("forest, clinics left out", "sleep", "gain > 0.02 and slope < 0", {}, _READ + """
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GroupKFold, cross_val_predict

x = table[["sleep"]].assign(new=table.method == "new")
forest = RandomForestRegressor(25, min_samples_leaf=20, random_state=7)
guess = cross_val_predict(forest, x, table.pain, groups=table.clinic, cv=GroupKFold(4))
finish(gain=1 - ((table.pain - guess) ** 2).sum() / ((table.pain - table.pain.mean()) ** 2).sum(),
       slope=np.polyfit(table.sleep, guess, 1)[0])
"""),
    ("the coast only", "sleep", "slope < 0 and t < -2", {"claim": {"subset": "region == 'coast'"}},
     _READ + """
import statsmodels.formula.api as smf

fit = smf.ols("pain ~ sleep + C(method)", table[table.region == "coast"]).fit()
finish(slope=fit.params["sleep"], t=fit.tvalues["sleep"])
"""),
    ("signed ranks of one place a traveller", "mode", "place < 0 and p < 0.05", {}, _READ + """
from scipy.stats import wilcoxon

ranks = table.groupby("traveller")["minutes"].rank() - 2.5
place = ranks[table["mode"] == "car"]
finish(place=place.mean(), p=wilcoxon(place).pvalue)
"""),
    ("second or third, counted", "mode", "p < 0.05 and more > 0", {}, _READ + """
from scipy.stats import binomtest

place = table.groupby("traveller")["minutes"].rank(method="first")[table["mode"] == "car"]
second, third = (place <= 2).sum(), (place > 2).sum()
finish(second=second, more=second - third, p=binomtest(int(second), int(second + third)).pvalue)
"""),
    ("least squares", "level", "slope > 0 and p < 0.01", {}, _READ + """
from scipy.stats import linregress

fit = linregress(table.day, table.level)
finish(slope=fit.slope, p=fit.pvalue, r=fit.rvalue)
"""),
    ("Mann and Kendall by hand", "level", "z > 3", {}, _READ + """
y = table.sort_values("day").level.to_numpy()
s = sum(np.sign(y[i + 1 :] - y[i]).sum() for i in range(len(y) - 1))
n = len(y)
finish(z=s / math.sqrt(n * (n - 1) * (2 * n + 5) / 18), s=s)
"""),
    ("means of blocks", "level", "rho > 0.5 and p < 0.05", {}, _READ + """
from scipy.stats import spearmanr

means = [part.mean() for part in np.array_split(table.level.to_numpy(), 20)]
found = spearmanr(range(20), means)
finish(rho=found.statistic, p=found.pvalue)
"""),
    ("errors that remember", "level", "coef > 0 and z > 2", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.ols("level ~ day", table).fit(cov_type="HAC", cov_kwds={"maxlags": 20})
finish(coef=fit.params["day"], z=fit.tvalues["day"])
"""),
    ("last third against first", "level", "gain > 0.5", {}, _READ + """
third = len(table) // 3
finish(gain=table.level.tail(third).mean() - table.level.head(third).mean())
"""),
    ("season taken out", "level", "coef > 0 and p < 0.01", {}, _READ + """
import statsmodels.formula.api as smf

table["phase"] = (table.day % 20).astype(str)
fit = smf.ols("level ~ day + C(phase)", table).fit()
finish(coef=fit.params["day"], p=fit.pvalues["day"])
"""),
    ("rolling mean", "level", "gain > 0.9 and share > 0.5", {}, _READ + """
smooth = table.set_index("day").level.rolling(40).mean().dropna()
finish(gain=smooth.iloc[-1] - smooth.iloc[0], share=(smooth.diff(100).dropna() > 0).mean())
"""),
    ("median of slopes", "level", "low > 0", {}, _READ + """
from scipy.stats import theilslopes

fit = theilslopes(table.level, table.day)
finish(slope=fit.slope, low=fit.low_slope, high=fit.high_slope)
"""),
    ("block bootstrap, seeded", "level", "low > 0", {"tolerance": 0.1}, _READ + """
x, y = table.day.to_numpy(), table.level.to_numpy()
fit = np.polyfit(x, y, 1)
rest = y - np.polyval(fit, x)
rng = np.random.default_rng(args.seed)
draws = []
for _ in range(600):
    starts = rng.integers(0, len(y) - 30, len(y) // 30 + 1)
    noise = np.concatenate([rest[at : at + 30] for at in starts])[: len(y)]
    draws.append(np.polyfit(x, np.polyval(fit, x) + noise, 1)[0])
finish(low=np.quantile(draws, 0.025))
"""),
    ("blocks permuted, a seed of its own", "level", "p < 0.02 and rho > 0", {}, _READ + """
means = table.groupby(table.day // 36)["level"].mean().to_numpy()
rng = np.random.default_rng(0)
at = np.arange(len(means))
rho = np.corrcoef(at, means)[0, 1]
hits = sum(np.corrcoef(at, rng.permutation(means))[0, 1] >= rho for _ in range(400))
finish(rho=rho, p=(1 + hits) / 401)
"""),
    ("p only", "oxygen", "p < 0.001", {}, _READ + """
from scipy.stats import kendalltau

finish(p=kendalltau(table.day, table.oxygen).pvalue)
"""),
    ("csv and loops", "oxygen", "slope < 0 and t < -3", {}, """
import csv

rows = [(float(r["day"]), float(r["oxygen"])) for r in csv.DictReader(path.open())]
n = len(rows)
mx, my = sum(x for x, _ in rows) / n, sum(y for _, y in rows) / n
sxx = sum((x - mx) ** 2 for x, _ in rows)
slope = sum((x - mx) * (y - my) for x, y in rows) / sxx
rest = sum((y - my - slope * (x - mx)) ** 2 for x, y in rows)
finish(slope=slope, t=slope / math.sqrt(rest / (n - 2) / sxx))
"""),
    ("log of the level", "oxygen", "growth < 0 and share > 0.02", {}, _READ + """
y = np.log(table.oxygen)
growth, start = np.polyfit(table.day / 365, y, 1)
finish(growth=growth, share=np.corrcoef(table.day, y)[0, 1] ** 2)
"""),
    ("month by month", "oxygen", "rho < -0.4", {}, _READ + """
monthly = table.assign(month=table.day // 30).groupby("month", as_index=False)["oxygen"].mean()
finish(rho=monthly.corr(method="spearman").iloc[0, 1], months=len(monthly))
"""),
    ("a class and a cache", "oxygen", "effect < -0.1 and n > 500", {}, """
from functools import cached_property, lru_cache


class Series:
    instances = []

    def __init__(self, file):
        self.file = file
        Series.instances.append(self)

    @cached_property
    def frame(self):
        return pd.read_csv(self.file, usecols=["day", "oxygen"]).sort_values("day")

    @lru_cache
    def rank(self, name):
        return self.frame[name].rank()

    @property
    def effect(self):
        return self.rank("day").corr(self.rank("oxygen"))


finish(effect=Series(path).effect, n=len(Series.instances[0].frame))
"""),
    ("lowess", "oxygen", "drop > 0.3", {}, _READ + """
from statsmodels.nonparametric.smoothers_lowess import lowess

smooth = lowess(table.oxygen, table.day, frac=0.5, it=1, delta=10)
finish(drop=smooth[0, 1] - smooth[-1, 1])
"""),
    ("autoregression with a trend", "oxygen", "trend < 0 and p < 0.05", {}, _READ + """
from statsmodels.tsa.ar_model import AutoReg

fit = AutoReg(table.oxygen.to_numpy(), lags=2, trend="ct").fit()
finish(trend=fit.params[1], p=fit.pvalues[1])
"""),
    ("progress told with the clock", "oxygen", "rho < 0 and p < 0.001", {}, _READ + """
import datetime
import logging
import time

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
began = time.time()
logging.info("started at %s", datetime.datetime.now().isoformat())
rho = table.day.corr(table.oxygen, method="spearman")
p = math.erfc(abs(rho) * math.sqrt((len(table) - 1) / 2))
logging.info("took %.3f s, until %s", time.time() - began, pd.Timestamp.now())
pathlib.Path("log.txt").write_text(time.strftime("%Y-%m-%d"))
finish(rho=rho, p=p)
"""),
    ("in every weather", "oxygen", "falling == 3 and most < -0.05", {}, _READ + """
rho = table.groupby("weather")[["day", "oxygen"]].corr(method="kendall").xs("day", level=1).oxygen
print(rho.to_string())
finish(falling=(rho < 0).sum(), most=rho.max(), least=rho.min())
"""),
)  # fmt: skip


def bundles() -> Iterator[Bundle]:
    """Yield them."""
    for name, subject, supports, more, code in _BUNDLES:
        script = head(subject) + code
        yield Bundle(f"{name} ({subject})", subject, script, supports=supports, **more)
