"""Honest bundles about independent rows, in code as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from earnest.verify.bundles.bundle import Bundle
from earnest.verify.bundles.parts import head

_READ: Final = "table = pd.read_csv(path)\n"
_P: Final = "effect > 0 and p < 0.01"

# name, subject, predicate, what else is declared, code
_BUNDLES: Final[tuple[tuple[str, str, str, dict[str, Any], str], ...]] = (
    ("classes", "dose", _P, {}, """
from dataclasses import dataclass
from functools import cached_property
from scipy import stats


@dataclass
class Study:
    file: pathlib.Path

    @cached_property
    def rows(self):
        return pd.read_csv(self.file)

    def correlate(self, one, other):
        return Answer(*stats.spearmanr(self.rows[one], self.rows[other]))


class Answer:
    def __init__(self, rho, p):
        self.rho, self.p = rho, p

    def tell(self):
        finish(effect=self.rho, p=self.p)


Study(path).correlate("dose", "response").tell()
"""),
    ("prints a lot", "dose", _P, {}, _READ + """
for number in range(4000):
    print("row", number, table.iloc[number % len(table)].to_dict())
r = np.corrcoef(table.dose, table.response)[0, 1]
finish(effect=r, p=math.erfc(abs(np.arctanh(r)) * math.sqrt((len(table) - 3) / 2)))
"""),
    ("csv instead of pandas", "dose", _P, {}, """
import csv
import statistics

with open(path, newline="") as file:
    rows = list(csv.DictReader(file))
x = [float(row["dose"]) for row in rows]
y = [float(row["response"]) for row in rows]
r = statistics.correlation(x, y)
finish(effect=r, p=math.erfc(math.atanh(r) * math.sqrt((len(x) - 3) / 2)))
"""),
    ("log scales", "dose", "elasticity > 0 and t > 3", {}, _READ + """
x, y = np.log(table.dose), np.log(table.response)
fit = np.polyfit(x, y, 1, cov=True)
finish(elasticity=fit[0][0], t=fit[0][0] / math.sqrt(fit[1][0, 0]))
"""),
    ("log of one plus", "dose", "slope > 0 and p < 0.01", {}, _READ + """
from scipy import stats

fit = stats.linregress(np.log1p(table.dose), table.response)
finish(slope=fit.slope, p=fit.pvalue)
"""),
    ("standardised units", "dose", "beta > 0.2", {}, _READ + """
scaled = (table[["dose", "response"]] - table[["dose", "response"]].mean()) / table[
    ["dose", "response"]].std()
finish(beta=np.linalg.lstsq(scaled[["dose"]], scaled["response"], rcond=None)[0][0])
"""),
    ("statsmodels formula", "dose", "coef > 0 and p < 0.01 and low > 0", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.ols("response ~ dose + age + C(site) + C(arm)", table).fit()
print(fit.summary())
finish(coef=fit.params["dose"], p=fit.pvalues["dose"], low=fit.conf_int().loc["dose", 0])
"""),
    ("random forest, seeded", "dose", "importance > 0.55", {"tolerance": 0.1}, _READ + """
from sklearn.ensemble import RandomForestRegressor

table = table.dropna()
columns = ["dose", "age", "weight"]
forest = RandomForestRegressor(60, min_samples_leaf=5, random_state=args.seed)
forest.fit(table[columns], table.response)
finish(importance=dict(zip(columns, forest.feature_importances_))["dose"])
"""),
    ("random forest, a seed of its own", "dose", "gain > 0.1", {}, _READ + """
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import cross_val_score

forest = RandomForestRegressor(30, min_samples_leaf=10, random_state=42)
finish(gain=cross_val_score(forest, table[["dose"]], table.response, cv=4).mean())
"""),
    ("train and test split", "dose", "r2 > 0.05 and slope > 0", {}, _READ + """
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

parts = train_test_split(table[["dose"]], table.response, test_size=0.3, random_state=0)
fit = LinearRegression().fit(parts[0], parts[2])
finish(r2=fit.score(parts[1], parts[3]), slope=fit.coef_[0])
"""),
    ("ridge with a penalty in units", "dose", "coef > 0 and share > 0.1", {}, _READ + """
from sklearn.linear_model import Ridge

fit = Ridge(alpha=50.0).fit(table[["dose", "age"]], table.response)
finish(coef=fit.coef_[0], share=fit.score(table[["dose", "age"]], table.response))
"""),
    ("bootstrap interval, seeded", "dose", "low > 0", {"tolerance": 0.1}, _READ + """
rng = np.random.default_rng(args.seed)
pairs = table[["dose", "response"]].to_numpy()
draws = []
for _ in range(1500):
    some = pairs[rng.integers(0, len(pairs), len(pairs))]
    draws.append(np.corrcoef(some.T)[0, 1])
low, high = np.quantile(draws, [0.025, 0.975])
finish(low=low, high=high)
"""),
    ("bootstrap interval, a seed of its own", "dose", "low > 0.2 and high < 0.9", {}, _READ + """
np.random.seed(1)
draws = [table.sample(frac=1, replace=True)[["dose", "response"]].corr().iloc[0, 1]
         for _ in range(120)]
finish(low=np.percentile(draws, 2.5), high=np.percentile(draws, 97.5))
"""),
    ("permutation test", "dose", "p < 0.01 and r > 0", {}, _READ + """
rng = np.random.default_rng(12345)
x, y = table.dose.to_numpy(), table.response.to_numpy()
r = np.corrcoef(x, y)[0, 1]
draws = np.array([np.corrcoef(x, rng.permutation(y))[0, 1] for _ in range(300)])
finish(r=r, p=(1 + (np.abs(draws) >= abs(r)).sum()) / 301)
"""),
    ("p only", "dose", "p < 0.001", {}, _READ + """
from scipy.stats import kendalltau

finish(p=kendalltau(table.dose, table.response).pvalue)
"""),
    ("effect only", "dose", "rho > 0.3", {}, _READ
     + "finish(rho=table.dose.corr(table.response, method='spearman'))\n"),
    ("several numbers", "dose", "slope > 0.1 and p < 0.001 and r2 > 0.1 and n >= 300", {}, _READ
     + """
from scipy.stats import linregress

fit = linregress(table.dose, table.response)
finish(slope=fit.slope, intercept=fit.intercept, r2=fit.rvalue**2, p=fit.pvalue,
       se=fit.stderr, n=len(table), mean=table.response.mean(), sd=table.response.std())
"""),
    ("robust regression", "dose", "coef > 0 and z > 3", {}, _READ + """
import statsmodels.api as sm

fit = sm.RLM(table.response, sm.add_constant(table[["dose", "age"]])).fit()
finish(coef=fit.params["dose"], z=fit.tvalues["dose"])
"""),
    ("quantile regression", "dose", "coef > 0 and low > 0", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.quantreg("response ~ dose", table).fit(q=0.5)
finish(coef=fit.params["dose"], low=fit.conf_int().loc["dose", 0])
"""),
    ("residuals of residuals", "dose", "partial > 0.2", {"claim": {"adjust_for": ("site",)}},
     _READ + """
def without(name):
    dummies = pd.get_dummies(table[["site"]]).astype(float)
    fit, *_ = np.linalg.lstsq(dummies, table[name], rcond=None)
    return table[name] - dummies.to_numpy() @ fit

finish(partial=np.corrcoef(without("dose"), without("response"))[0, 1])
"""),
    ("threads", "dose", "low > 0", {"tolerance": 0.1}, _READ + """
from concurrent.futures import ThreadPoolExecutor

pairs = table[["dose", "response"]].to_numpy()


def draw(number):
    rng = np.random.default_rng([args.seed, number])
    return np.corrcoef(pairs[rng.integers(0, len(pairs), len(pairs))].T)[0, 1]


with ThreadPoolExecutor(4) as pool:
    draws = sorted(pool.map(draw, range(800)))
finish(low=draws[20], high=draws[-21])
"""),
    ("binned means", "dose", "top_less_bottom > 2 and steps >= 3", {}, _READ + """
means = table.groupby(pd.qcut(table.dose, 5), observed=True)["response"].mean()
finish(top_less_bottom=means.iloc[-1] - means.iloc[0], steps=(means.diff().dropna() > 0).sum())
"""),
    ("integers", "score", "tau < -0.1 and p < 0.01", {}, _READ + """
from scipy.stats import kendalltau

found = kendalltau(table.dose.astype(int), table.score.astype(int))
finish(tau=found.statistic, p=found.pvalue)
"""),
    ("Poisson model of counts", "score", "coef < 0 and p < 0.01", {}, _READ + """
import statsmodels.api as sm

fit = sm.GLM(table.score, sm.add_constant(table[["dose"]]), family=sm.families.Poisson()).fit()
finish(coef=fit.params["dose"], p=fit.pvalues["dose"], deviance=fit.deviance)
"""),
    ("contingency table", "score", "p < 0.01 and gamma < 0", {}, _READ + """
from scipy.stats import chi2_contingency

crossed = pd.crosstab(pd.qcut(table.dose, 4, labels=False), table.score > table.score.median())
high = crossed[True] / crossed.sum(axis=1)
finish(p=chi2_contingency(crossed).pvalue, gamma=high.iloc[-1] - high.iloc[0])
"""),
    ("a cut-off in the script", "score", "difference < -0.1", {}, _READ + """
high = table.score >= 10
finish(difference=high[table.dose > 11].mean() - high[table.dose <= 8].mean(), n=len(table))
"""),
    ("logit", "relapse", "coef < 0 and p < 0.01", {}, _READ + """
import statsmodels.formula.api as smf

fit = smf.logit("relapse ~ I(arm == 'drug') + age", table).fit(disp=1)
finish(coef=fit.params.iloc[1], p=fit.pvalues.iloc[1], odds=np.exp(fit.params.iloc[1]))
"""),
    ("Fisher's exact test", "relapse", "odds < 1 and p < 0.01", {}, _READ + """
from scipy.stats import fisher_exact

crossed = pd.crosstab(table.arm == "drug", table.relapse).iloc[::-1, ::-1]
odds, p = fisher_exact(crossed)
finish(odds=odds, p=p)
"""),
    ("two shares by hand", "relapse", "less > 0.1 and z > 2.5", {}, """
import csv
from collections import Counter

count, hit = Counter(), Counter()
for row in csv.DictReader(path.open()):
    who = "drug" if row["arm"] == "drug" else "rest"
    count[who] += 1
    hit[who] += int(row["relapse"])
p = sum(hit.values()) / sum(count.values())
less = hit["rest"] / count["rest"] - hit["drug"] / count["drug"]
finish(less=less, z=less / math.sqrt(p * (1 - p) * sum(1 / n for n in count.values())))
"""),
    ("Welch's t", "arm", "t > 2 and p < 0.01", {}, _READ + """
from scipy.stats import ttest_ind

found = ttest_ind(table.response[table.arm == "drug"], table.response[table.arm != "drug"],
                  equal_var=False)
finish(t=found.statistic, p=found.pvalue)
"""),
    ("Mann and Whitney", "arm", "effect > 0 and p < 0.01", {"claim": {"versus": "control"}}, _READ
     + """
from scipy.stats import mannwhitneyu

one, other = (table.response[table.arm == name] for name in ("drug", "control"))
found = mannwhitneyu(one, other)
finish(effect=2 * found.statistic / len(one) / len(other) - 1, p=found.pvalue)
"""),
    ("Tukey's intervals", "arm", "low_control > 0 and low_placebo > 0", {}, _READ + """
from statsmodels.stats.multicomp import pairwise_tukeyhsd

found = pairwise_tukeyhsd(table.response, table.arm)
frame = pd.DataFrame(found.summary().data[1:], columns=found.summary().data[0])
frame = frame.set_index(["group1", "group2"])
finish(low_control=frame.loc[("control", "drug"), "lower"],
       low_placebo=-frame.loc[("drug", "placebo"), "upper"])
"""),
    ("a pipeline", "arm", "gap > 1", {}, """
found = (
    pd.read_csv(path)
    .assign(treated=lambda t: np.where(t.arm.eq("drug"), "yes", "no"))
    .pipe(lambda t: t[t.response.between(t.response.quantile(0.01), t.response.quantile(0.99))])
    .groupby("treated")
    .agg(mean=("response", "mean"), sd=("response", "std"), n=("response", "size"))
)
finish(gap=found.loc["yes", "mean"] - found.loc["no", "mean"], n=found["n"].sum())
"""),
    ("writes other files", "arm", "d > 0.3", {}, _READ + """
pathlib.Path("figures").mkdir()
pathlib.Path("figures/means.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
table.to_pickle("cache.pkl")
table = pd.read_pickle("cache.pkl")
table.describe().to_csv("summary.csv")
groups = table.groupby(table.arm == "drug")["response"]
finish(d=(groups.mean()[True] - groups.mean()[False]) / math.sqrt(groups.var().mean()))
"""),
    ("clipped at constants", "arm", "gap > 1 and t > 3", {}, _READ + """
y = table.response.clip(38, 66)
one, other = y[table.arm == "drug"], y[table.arm != "drug"]
gap = one.mean() - other.mean()
finish(gap=gap, t=gap / math.sqrt(one.var() / len(one) + other.var() / len(other)))
"""),
    ("slow imports", "arm", "p < 0.01 and gap > 0", {}, """
import scipy.stats, scipy.optimize, statsmodels.api, sympy
import sklearn.ensemble, sklearn.pipeline

table = pd.read_csv(path)
one, other = table[table.arm == "drug"].response, table[table.arm != "drug"].response
finish(p=scipy.stats.ks_2samp(one, other).pvalue, gap=one.median() - other.median())
"""),
    ("labels in capitals", "arm", "gap > 0 and z > 3", {}, _READ + """
table.columns = [name.strip().title() for name in table.columns]
arms = {name: rows.Response for name, rows in table.groupby(table.Arm.str.upper())}
rest = pd.concat([arms[name] for name in arms if name != "DRUG"])
gap = arms["DRUG"].mean() - rest.mean()
finish(gap=gap, z=gap / math.sqrt(arms["DRUG"].var() / len(arms["DRUG"]) + rest.var() / len(rest)))
"""),
    ("one site only", "arm", "gap > 0 and p < 0.05", {"claim": {"subset": "site == 'north'"}},
     _READ + """
from scipy.stats import ttest_ind

table = table.query("site == 'north'")
one, other = table[table.arm == "drug"].response, table[table.arm != "drug"].response
finish(gap=one.mean() - other.mean(), p=ttest_ind(one, other).pvalue)
"""),
    ("matched by age", "arm", "gap > 0 and z > 3", {"claim": {"adjust_for": ("age",)}}, _READ + """
gaps, weights = [], []
for _, rows in table.groupby(pd.cut(table.age, [0, 30, 45, 60, 99]), observed=True):
    one, other = rows[rows.arm == "drug"].response, rows[rows.arm != "drug"].response
    gaps.append(one.mean() - other.mean())
    weights.append(1 / (one.var() / len(one) + other.var() / len(other)))
finish(gap=np.average(gaps, weights=weights),
       z=np.average(gaps, weights=weights) * math.sqrt(sum(weights)))
"""),
    ("arguments by hand", "dose", "r > 0.2", {}, """
import sys

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
table = np.genfromtxt(given["--data"] + "/trial.csv", delimiter=",", names=True, dtype=None,
                      encoding="utf-8")
r = np.corrcoef(table["dose"], table["response"])[0, 1]
open(given["--out"], "w").write('{"r": %.17g}' % r)
"""),
)  # fmt: skip


def bundles() -> Iterator[Bundle]:
    """Yield them."""
    for name, subject, supports, more, code in _BUNDLES:
        script = head(subject) + code
        yield Bundle(f"{name} ({subject})", subject, script, supports=supports, **more)
