"""The programs that the analyst writes: a profile, a screen of all pairs, one evidence script each.

A program is put together from a few readable parts: a head with its constants, a way to read the
table, one statistic for how the rows depend on each other. Screen and evidence use the same
statistic, so that what was seen is what is claimed. They import no more than pandas: a verifier
starts each evidence script half a dozen times, and scipy.stats more than doubles its time.
"""

from __future__ import annotations

from typing import Any, Final

MOST_COLUMNS: Final = 30
MOST_LEVELS: Final = 12
MOST_ROWS: Final = 10_000

_PROFILE: Final = '''\
"""What kind of column is each? Prints one JSON object."""
import json
import re

import pandas as pd

table = pd.read_csv(FILE, dtype=str)
DATE = re.compile(r"\\d{4}-\\d\\d|\\d\\d?/\\d\\d?/\\d{2,4}")
TIME_NAME = re.compile(r"(^|_)(year|date|datetime|timestamp)$", re.I)
ID_NAME = re.compile(r"(^|_)(id|index|key|uuid)$", re.I)


def kind_of(name, cells):
    present = cells.dropna()
    distinct = present.nunique()
    if name == TIME:
        return "time"
    if distinct < 2:
        return "constant"
    numbers = pd.to_numeric(present, errors="coerce")
    numeric = numbers.notna().mean() > 0.95
    unique = distinct == len(present)
    if numeric and TIME_NAME.search(name) and distinct > 4:
        return "time"
    if name == GROUP:
        return "group"
    if ID_NAME.search(name) and distinct > len(present) / 2:
        return "id"
    if numeric:
        whole = numbers.dropna() % 1 == 0
        counts_up = unique and whole.all() and numbers.is_monotonic_increasing
        if counts_up and numbers.max() - numbers.min() < 5 * len(numbers):
            return "id"
        return "binary" if distinct == 2 else "numeric"
    if present.str.contains(DATE).mean() > 0.95:
        dates = pd.to_datetime(present, errors="coerce", format="mixed", utc=True)
        if dates.notna().mean() > 0.95:
            return "time"
    if distinct <= MOST_LEVELS:
        return "binary" if distinct == 2 else "category"
    return "id" if distinct > 0.9 * len(present) else "text"


fullest = table.notna().sum().sort_values(ascending=False, kind="stable").index[:MOST_COLUMNS]
columns = []
for name in table.columns:
    if name not in set(fullest) and name not in (TIME, GROUP):
        continue
    cells = table[name]
    levels = cells.value_counts()
    few = 2 <= len(levels) <= MOST_LEVELS
    columns.append({
        "name": name,
        "kind": kind_of(name, cells),
        "missing": int(cells.isna().sum()),
        "levels": sorted([str(level), int(n)] for level, n in levels.items()) if few else [],
    })
print("PROFILE", json.dumps({"rows": len(table), "columns": columns}))
'''

_READ: Final = '''\
def numbers(cells):
    """Numbers as they are; dates as seconds."""
    found = pd.to_numeric(cells, errors="coerce")
    if found.notna().sum() > 0.95 * cells.notna().sum():
        return found.astype(float)
    dates = pd.to_datetime(cells, errors="coerce", format="mixed", utc=True)
    return (dates - pd.Timestamp("1970-01-01", tz="UTC")).dt.total_seconds()
'''

_ROWS_DIFFERENCE: Final = '''\
def compare(data):
    """Mann-Whitney test (normal, ties corrected); the effect is the rank-biserial correlation."""
    ranks, group = data.y.rank(), data.x == 1
    apart = ranks[group].mean() - ranks[~group].mean()
    z = apart / (ranks.std() * math.sqrt(1 / group.sum() + 1 / (~group).sum()))
    return 2 * apart / len(data), math.erfc(abs(z) / math.sqrt(2)), len(data)
'''

_ROWS_ASSOCIATION: Final = '''\
def relate(data):
    """Spearman's rank correlation, with the normal approximation for p."""
    rho = data.x.rank().corr(data.y.rank())
    return rho, math.erfc(abs(rho) * math.sqrt((len(data) - 1) / 2)), len(data)
'''

_WITHIN: Final = '''\
def each_group(data):
    """Spearman's rho inside each group in which both vary."""
    both = data.groupby("g")[["y", "x"]].transform("nunique").min(axis=1) > 1
    data = data[both]
    ranks = data.groupby("g")[["y", "x"]].rank()
    ranks = ranks - ranks.groupby(data.g).transform("mean")
    products = pd.DataFrame({"yx": ranks.y * ranks.x, "yy": ranks.y**2, "xx": ranks.x**2})
    sums = products.groupby(data.g).sum()
    return (sums.yx / np.sqrt(sums.yy * sums.xx)).round(9)


def by_group(data, on_means):
    """Rows of one group are not independent: one value a group goes into the test.

    Where the exposure varies inside groups, that is the correlation inside each group, tested
    by a signed-rank test; else the means of each group, compared like rows.
    """
    if (data.groupby("g")["x"].nunique() > 1).any():
        values = each_group(data)
        if len(values) < 6 or not values.any():
            raise SystemExit("too few groups in which both vary")
        ranks = values.abs().rank() * np.sign(values)
        z = ranks.sum() / math.sqrt((ranks**2).sum())
        return values.mean(), math.erfc(abs(z) / math.sqrt(2)), len(values)
    return on_means(data.groupby("g")[["y", "x"]].mean().round(9))
'''

_BLOCKS: Final = '''\
def along(data):
    """Neighbours in time are alike, so the means of consecutive blocks are correlated with time."""
    series = data.groupby("x")["y"].mean()
    count = min(20, len(series) // 3)
    if count < 6:
        raise SystemExit("too few times for a trend")
    means = [series.iloc[part].mean() for part in np.array_split(np.arange(len(series)), count)]
    rho = pd.Series(means).round(9).rank().corr(pd.Series(range(count)))
    return rho, math.erfc(abs(rho) * math.sqrt((count - 1) / 2)), count
'''

_SCREEN: Final = """\
table = pd.read_csv(FILE, dtype=str)
rng = np.random.default_rng(1)
if GROUP:
    groups = table[GROUP].dropna().unique()
    kept = rng.permutation(groups)[: max(50, MOST_ROWS * len(groups) // len(table))]
    table = table[table[GROUP].isin(kept)]
elif not TIME:
    table = table.iloc[np.sort(rng.permutation(len(table))[:MOST_ROWS])]
values = {name: numbers(table[name]) for name in {*NUMERIC, *TIMES}}
present = {name: table[name].notna() for name in LEVELS}
indicator = {
    (name, level): (table[name] == level).astype(float).where(present[name])
    for name, levels in LEVELS.items() for level in levels
}
everything = pd.Series(True, index=table.index)
found, same = [], []


def look(kind, outcome, exposure, level=None, subset=None):
    x = values[exposure] if level is None else indicator[exposure, level]
    rows = everything if subset is None else table[subset[0]] == subset[1]
    data = pd.DataFrame({"y": values[outcome], "x": x, "g": table[GROUP] if GROUP else 0})
    data = data[rows].dropna()
    sizes = data.x.value_counts()
    if len(data) < 20 or len(sizes) < 2 or data.y.nunique() < 2:
        return
    if level is not None and (sizes.min() < 8 or data.groupby("x")["y"].nunique().min() < 2):
        return
    try:
        effect, p, n = MEASURE[kind](data)
    except SystemExit:
        return
    if not np.isfinite([effect, p]).all():
        return
    if kind == "association" and abs(effect) > 0.98:
        same.append([exposure, outcome])
        return
    found.append({
        "kind": kind, "outcome": outcome, "exposure": exposure, "level": level,
        "subset": subset, "effect": round(float(effect), 3), "p": float(f"{p:.2g}"), "n": int(n),
    })


for outcome in NUMERIC:
    for time in TIMES:
        look("trend", outcome, time)
if not TIME:
    graded = [name for name in NUMERIC if name not in LEVELS]
    for i, exposure in enumerate(graded):
        for outcome in graded[i + 1 :]:
            look("association", outcome, exposure)
    for exposure, levels in LEVELS.items():
        for level in levels[:1] if len(levels) == 2 else levels:
            for outcome in NUMERIC:
                if outcome != exposure:
                    look("difference", outcome, exposure, level)
for i, one in enumerate(FEW):
    for other in FEW[i + 1 :]:
        pairs = table[[one, other]].dropna().drop_duplicates()
        if len(pairs) == pairs[one].nunique() == pairs[other].nunique():
            same.append([one, other])


def strength(item):
    return min(-np.log10(max(item["p"], 1e-300)), 30) / 30 + abs(item["effect"])


for item in sorted(found, key=strength, reverse=True)[:8]:
    for name in SUBSETS:
        used = {item["outcome"], item["exposure"]}
        if name not in used and not any(name in pair and used & set(pair) for pair in same):
            for level in LEVELS[name]:
                look(item["kind"], item["outcome"], item["exposure"], item["level"], [name, level])
found.sort(key=strength, reverse=True)
plain = [item for item in found if not item["subset"]]
parts = [item for item in found if item["subset"] and item["p"] < 0.001]
border = [item for item in plain if 0.005 <= item["p"] < 0.05]
said = plain[:45] + parts[:12] + [item for item in border if item not in plain[:45]][:8]
while len(json.dumps(said)) > MOST_CHARACTERS:
    said.pop(len(said) // 2)
print("SCREEN", json.dumps({"looked_at": len(found), "same": same[:40], "found": said}))
"""

_IMPORTS: Final = """\
import json
import math

import numpy as np
import pandas as pd
"""


def _constants(**values: Any) -> str:
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())


def _design(design: str) -> tuple[str | None, str | None]:
    """Return the column of the groups and that of the time, of which a design has at most one."""
    kind, _, column = design.partition(":")
    return (column if kind == "grouped" else None), (column if kind == "time" else None)


def profile_script(file: str, design: str) -> str:
    """Return the program that prints `PROFILE` and a JSON object on a table's columns."""
    group, time = _design(design)
    constants = _constants(
        FILE=file, GROUP=group, TIME=time, MOST_COLUMNS=MOST_COLUMNS, MOST_LEVELS=MOST_LEVELS
    )
    return _PROFILE.replace("\ntable = ", f"\n{constants}table = ", 1)


def screen_script(
    file: str,
    design: str,
    *,
    numeric: list[str],
    times: list[str],
    levels: dict[str, list[str]],
    subsets: list[str],
    few: list[str],
) -> str:
    """Return the program that measures all pairs and prints `SCREEN` and a JSON object.

    `numeric`: columns that can be outcomes; `levels`: the values that are compared, by column;
    `subsets`: the columns in whose levels the strongest pairs are measured again; `few`: the
    columns with few values, which are looked through for pairs that say the same.
    """
    group, time = _design(design)
    constants = _constants(
        FILE=file,
        GROUP=group,
        TIME=time,
        NUMERIC=numeric,
        TIMES=times,
        LEVELS=levels,
        SUBSETS=subsets,
        FEW=few,
        MOST_ROWS=MOST_ROWS,
        MOST_CHARACTERS=9500,
    )
    parts = [_READ, _ROWS_DIFFERENCE, _ROWS_ASSOCIATION]
    measures = '"difference": compare, "association": relate, "trend": relate'
    if group:
        parts.append(_WITHIN)
        measures = (
            '"difference": lambda data: by_group(data, compare), '
            '"association": lambda data: by_group(data, relate), '
            '"trend": lambda data: by_group(data, relate)'
        )
    if time:
        parts.append(_BLOCKS)
        measures = '"trend": along'
    head = f'"""How does every pair of columns go together?"""\n{_IMPORTS}\n{constants}'
    return "\n\n".join([head, *parts, f"MEASURE = {{{measures}}}\n{_SCREEN}"])


def evidence_script(
    question: str,
    *,
    table: str,
    design: str,
    kind: str,
    outcome: str,
    exposure: str,
    level: str | None,
    subset: tuple[str, str] | None,
) -> str:
    """Return the evidence script of one claim: it writes effect, p and n."""
    group, time = _design(design)
    compare = kind == "difference"
    parts = [_READ, _ROWS_DIFFERENCE if compare else _ROWS_ASSOCIATION]
    measure = "compare(data)" if compare else "relate(data)"
    if group:
        parts.append(_WITHIN)
        measure = f"by_group(data, {'compare' if compare else 'relate'})"
    elif time:
        parts[1], measure = _BLOCKS, "along(data)"
    constants = _constants(TABLE=table, OUTCOME=outcome, EXPOSURE=exposure)
    x = "numbers(table[EXPOSURE])"
    if compare:
        constants += _constants(LEVEL=level)
        x = "(table[EXPOSURE] == LEVEL).astype(float).where(table[EXPOSURE].notna())"
    lines = ['table = pd.read_csv(f"{args.data}/{TABLE}.csv", dtype=str)']
    if subset is not None:
        lines.append(f"table = table[table[{subset[0]!r}] == {subset[1]!r}]")
    lines += [
        "data = pd.DataFrame({",
        '    "y": numbers(table[OUTCOME]),',
        f'    "x": {x},',
        *([f'    "g": table[{group!r}],'] if group else []),
        "}).dropna()",
        f"effect, p, n = {measure}",
        'with open(args.out, "w") as out:',
        '    json.dump({"effect": float(effect), "p": float(p), "n": int(n)}, out)',
    ]
    arguments = (
        "parser = argparse.ArgumentParser()\n"
        'parser.add_argument("--data")\nparser.add_argument("--out")\n'
        'parser.add_argument("--seed", type=int, help="not used: nothing here is random")\n'
        "args = parser.parse_args()\n"
    )
    head = f"{question!r}\nimport argparse\n{_IMPORTS}\n{constants}"
    return "\n\n".join([head, *parts, arguments + "\n".join(lines) + "\n"])
