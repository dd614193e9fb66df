"""Findings about tables with real column names and invented effects, for tests of what is taught.

Deterministic: the same arguments give the same findings.
"""

import random

from earnest.core.canon import digest
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Verdict

COLUMNS = {
    "fair": "rate_marriage age yrs_married children religious educ occupation occupation_husb "
    "affairs",
    "anes96": "popul TVnews selfLR ClinLR DoleLR PID age educ income vote logpopul",
    "modechoice": "individual mode choice ttme invc invt gc hinc psize",
    "co2": "date co2",
    "diabetes": "age sex bmi blood_pressure cholesterol ldl hdl cholesterol_per_hdl "
    "log_triglycerides glucose progression",
    "wine": "alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids "
    "nonflavanoid_phenols proanthocyanins color_intensity hue od280/od315_of_diluted_wines "
    "proline target",
    "breast_cancer": " ".join(
        f"{form}_{what}"
        for form in ("mean", "worst")
        for what in ("radius", "texture", "perimeter", "area", "smoothness", "compactness")
    )
    + " concave_points symmetry fractal_dimension target",
    "iris": "sepal_length sepal_width petal_length petal_width target",
    "star98": "NABOVE NBELOW LOWINC PERASIAN PERBLACK PERHISP PERMINTE AVYRSEXP AVSALK PERSPENK "
    "PTRATIO PCTAF PCTCHRT PCTYRRND",
    "statecrime": "violent murder hs_grad poverty single white urban",
    "engel": "income foodexp",
    "sunspots": "YEAR SUNACTIVITY",
}
LEVELS = {
    "fair": {"religious": ["1.0", "2.0", "3.0", "4.0"], "occupation": ["2.0", "3.0", "5.0"]},
    "anes96": {"vote": ["0.0", "1.0"], "PID": ["0.0", "1.0", "5.0", "6.0"]},
    "modechoice": {"mode": ["air", "train", "bus", "car"]},
    "diabetes": {"sex": ["1.0", "2.0"]},
    "wine": {"target": ["class_0", "class_1", "class_2"]},
    "breast_cancer": {"target": ["malignant", "benign"]},
    "iris": {"target": ["setosa", "versicolor", "virginica"]},
}
TIMES = {"co2": "date", "sunspots": "YEAR"}
OLD = ("breast_cancer", "iris", "star98", "statecrime", "engel", "sunspots")
NEW = ("fair", "anes96", "modechoice", "co2", "diabetes", "wine")
SIGNS = {
    "difference": ("higher", "lower"),
    "association": ("positive", "negative"),
    "trend": ("rising", "falling"),
}
OTHER_WORDS = ("refuted", "inconclusive", "invalid", "inconclusive")


def table(name):
    design = f"time:{TIMES[name]}" if name in TIMES else "iid"
    return TableRef(
        name=name,
        table=digest(name.encode()),
        visible=digest(b"visible " + name.encode()),
        design=design,
        rows=500,
        columns=tuple(COLUMNS[name].split()),
    )


def found(claim, effect=0.5, word="confirmed", *, number=0, prose="", interval=None):
    """One finding on a claim with its verdict."""
    finding = Finding(
        claim=claim,
        evidence=Evidence(
            script=digest(f"script {number}".encode()),
            inputs={f"{claim.table}.csv": digest(b"visible")},
            results={"effect": 0.5},
            supports="effect > 0",
        ),
        exposure="sealed",
        author=Author(principal="test", model="analyst"),
        run=f"run {number}",
        task=digest(b"task"),
        table=table(claim.table),
        prose=prose,
    )
    if interval is None and effect is not None:
        interval = (max(-1.0, effect - 0.05), min(1.0, effect + 0.05))
    verdict = Verdict(
        finding=finding.id,
        word=word,
        reason="because",
        checks=(),
        effect=effect,
        interval=interval,
        rows=200,
        seed=1,
        verifier="test",
    )
    return finding, verdict


def _claim(name, effect, rng):
    columns = [column for column in COLUMNS[name].split() if column != "individual"]
    levels = LEVELS.get(name, {})
    kind, extra = "association", {}
    outcome, exposure = rng.sample(columns, 2)
    if name in TIMES:
        kind, outcome, exposure = "trend", columns[1], columns[0]
    elif levels and rng.random() < 0.45:
        kind, exposure = "difference", rng.choice(sorted(levels))
        outcome = rng.choice([column for column in columns if column != exposure])
        extra["group"] = rng.choice(levels[exposure])
    elif rng.random() < 0.1 and len(columns) > 3:
        others = [column for column in columns if column not in (outcome, exposure)]
        extra["adjust_for"] = (rng.choice(others),)
    direction = SIGNS[kind][0 if effect > 0 else 1]
    return Claim(
        kind=kind, table=name, outcome=outcome, exposure=exposure, direction=direction, **extra
    )


def world(names, confirmed, other, seed):
    """`confirmed` findings and `other` that are not, over the named tables; and the tables."""
    rng = random.Random(seed)
    wide = [name for name in names if name not in TIMES and len(COLUMNS[name].split()) > 2]
    order = [name for name in names if name not in wide]
    findings, seen = [], set()
    while len(findings) < confirmed + other:
        name = order.pop() if order else rng.choice(wide)
        effect = rng.choice([-1, 1]) * rng.uniform(0.08, 0.97)
        claim = _claim(name, effect, rng)
        key = (name, *sorted((claim.outcome, claim.exposure)), claim.group)
        if key in seen:
            continue
        seen.add(key)
        late = len(findings) - confirmed
        word = "confirmed" if late < 0 else OTHER_WORDS[late % len(OTHER_WORDS)]
        findings.append(found(claim, effect, word, number=len(findings)))
    return findings, [table(name) for name in names]
