"""The forms of a claim, and findings of the first version, read for good."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from earnest.core.canon import canonical, digest
from earnest.core.claims import sentence
from earnest.core.errors import RecordError
from earnest.core.facts import established, pairs, spoken, unclaimed, unsettled
from earnest.core.kinds import FORMAL, FORMS, Claim
from earnest.core.likeness import claim_key, question, rough, topic, topic_under
from earnest.core.records import FRESH, Author, Evidence, Finding, TableRef, Verdict

# As the first version wrote it; its id and its claim's key, as that version computed them.
FIRST = (
    b'{"author":{"generation":0,"model":"analyst","principal":"local"},"claim":{"adjust_for":[],'
    b'"direction":"lower","exposure":"origin","group":"usa","kind":"difference","outcome":"mpg",'
    b'"subset":"year >= 75","table":"cars","threshold":0.2,"versus":null},"evidence":{"inputs":'
    b'{"cars.csv":"sha256:0000000000000000000000000000000000000000000000000000000000000000"},'
    b'"results":{"effect":-0.5},"script":'
    b'"sha256:1111111111111111111111111111111111111111111111111111111111111111","supports":'
    b'"effect < 0","tolerance":0.000001},"exposure":"sealed","prose":"","record":"finding","run":'
    b'"r","table":{"columns":["mpg","origin","year"],"design":"iid","name":"cars","rows":60,'
    b'"table":"sha256:2222222222222222222222222222222222222222222222222222222222222222","visible":'
    b'"sha256:0000000000000000000000000000000000000000000000000000000000000000"},"task":'
    b'"sha256:3333333333333333333333333333333333333333333333333333333333333333","version":1}'
)
FIRST_ID = "sha256:aa63292aab169a2bb67fbf6936d2206e9db01f362a5bb1ec1202076bf2ba0500"
FIRST_KEY = "sha256:ff3bdf76e7536cb4c34bc927882da529e816a8bf947756f0fca89193266168de"

# The same of the second version, with its claim's keys: key, topic, question, rough; topic_under.
SECOND = (
    b'{"author":{"generation":0,"model":"analyst","principal":"local"},"claim":{"adjust_for":['
    b'],"count":null,"direction":"stronger","exposure":"weight","group":"usa","kind":"interact'
    b'ion","modifier":"origin","order":[],"outcome":"mpg","outcome_order":[],"statistic":null,'
    b'"subset":"year >= 75","table":"cars","threshold":0.2,"tolerance":null,"value":null,"vers'
    b'us":"japan","where":""},"evidence":{"inputs":{"cars.csv":"sha256:00000000000000000000000'
    b'00000000000000000000000000000000000000000"},"results":{"effect":-0.5},"script":"sha256:1'
    b'111111111111111111111111111111111111111111111111111111111111111","supports":"effect < 0"'
    b',"tolerance":0.000001},"exposure":"sealed","prose":"","record":"finding","run":"r","tabl'
    b'e":{"columns":["mpg","origin","weight","year"],"design":"iid","name":"cars","rows":60,"t'
    b'able":"sha256:2222222222222222222222222222222222222222222222222222222222222222","visible'
    b'":"sha256:0000000000000000000000000000000000000000000000000000000000000000"},"task":"sha'
    b'256:3333333333333333333333333333333333333333333333333333333333333333","version":2}'
)
SECOND_ID = "sha256:7665c91464cabb01cbed230989aaf0db780240a5b15364f769db26412f1c85fc"
SECOND_KEYS = [
    "sha256:643c09307691b7cab710728167de44f468926e96484c3fb4bde8c09abf4de36e",
    "sha256:1c6110442f695c933b50df8c03e0c84b149906fce298d4ad50240237de94f965",
    "sha256:69b414f28d083bfcd3f672ebe4072d36ff22d6a0a2d86c9b85d094858f28d22c",
    "sha256:39a2db1d818ab9eeae83f062550f19fece0d91c54ffe6451ad02fbb4c3f880e4",
    "sha256:3ab52e21c998470eb77f74ebdffb3d3ed62176ce28e3ba6596bbf3b01deec11d",
]

CODE = "def f(row):\n    return 1\n"

MORE = {
    "exposure": "x",
    "group": "a",
    "modifier": "m",
    "statistic": "mean",
    "value": 1.5,
    "where": "y > 9",
    "count": 3,
    "given": ("x",),
    "program": CODE,
    "reference": CODE.replace("1", "2 - 1"),
    "inputs": ("n: integer 1..9",),
    "left": "n + n",
    "right": "2*n",
    "threshold": 0.9,
}


def claim(kind, direction, **more):
    needs = FORMS[kind, direction].needs
    base = {name: MORE[name] for name in needs} | more
    about = {} if kind in FORMAL else {"table": "t", "outcome": "y"}
    return Claim(**{"kind": kind, "table": "", "direction": direction, **about, **base})


def every():
    return [claim(kind, direction) for kind, direction in FORMS]


def found(one, word="confirmed", effect=0.5):
    name = digest(canonical(one.model_dump(mode="json")))
    finding = Finding(
        claim=one,
        evidence=Evidence(script=name, inputs={}, results={"effect": 1}, supports="effect > 0"),
        exposure="sealed",
        author=Author(principal="me", model="m"),
        run="r",
        task=name,
        table=FRESH
        if one.formal
        else TableRef(
            name="t", table=name, visible=name, design="iid", rows=9, columns=("x", "y", "m", "z")
        ),
    )
    verdict = Verdict(
        finding=finding.id,
        word=word,
        reason="r",
        checks=(),
        effect=effect * one.sign,
        interval=(0.0, 1.0),
        seed=1,
        verifier="v",
    )
    return finding, verdict


def test_a_finding_of_the_first_version_keeps_its_bytes_and_its_id():
    old = Finding.from_bytes(FIRST, expect=FIRST_ID)
    assert (old.data, old.id) == (FIRST, FIRST_ID)
    assert claim_key(old.claim) == FIRST_KEY
    assert pickle.loads(pickle.dumps(old)).id == FIRST_ID  # noqa: S301
    assert old.model_copy().id == FIRST_ID
    assert Finding.from_body(old.body).id == FIRST_ID
    assert sentence(old.claim) == (
        "In cars, among rows with year >= 75, `mpg` tends to be lower where `origin` is 'usa' "
        "than elsewhere, by at least 0.2 on the scale of its estimator."
    )


def test_a_finding_of_the_second_version_keeps_its_bytes_and_its_keys():
    old = Finding.from_bytes(SECOND, expect=SECOND_ID)
    assert (old.data, old.id) == (SECOND, SECOND_ID)
    keys = [key(old.claim) for key in (claim_key, topic, question, rough)]
    assert [*keys, topic_under(old.claim, old.table.columns)] == SECOND_KEYS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":2', b'"version":3,"more":1'),
        (b'"where":""', b'"where":"","given":[]'),
        (b'"count":null,', b""),
        (b'"kind":"interaction"', b'"kind":"rule"'),
    ],
)
def test_what_the_second_version_could_not_write_is_refused(old, new):
    with pytest.raises(RecordError):
        Finding.from_bytes(SECOND.replace(old, new))


def test_a_claim_of_no_table_stands_with_none():
    finding, _ = found(claim("identity", "equal"))
    table = found(claim("rule", "predicts"))[0].table
    for one, other in ((finding, table), (found(claim("rule", "predicts"))[0], FRESH)):
        with pytest.raises(RecordError, match="of none with"):
            Finding.from_body({**one.body, "table": other.model_dump(mode="json")})


@pytest.mark.parametrize("kind", FORMAL)
def test_a_claim_of_no_table_names_none(kind):
    one = next(one for one in every() if one.kind == kind)
    for more in ({"table": "t"}, {"outcome": "y"}, {"subset": "y > 1"}):
        with pytest.raises(ValidationError):
            Claim(**{**one.model_dump(), **more})


def test_a_log_that_says_no_version_is_of_the_first():
    body = {k: v for k, v in json.loads(FIRST).items() if k not in ("record", "version")}
    assert Finding.from_body(body).id == FIRST_ID


def test_a_changed_copy_of_an_old_finding_is_a_new_one():
    changed = Finding.from_bytes(FIRST).model_copy(update={"prose": "mine"})
    assert b'"version":3' in changed.data
    assert changed.id == digest(changed.data) != FIRST_ID
    assert Finding.from_bytes(changed.data) == changed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":4'),
        (b'"version":1', b'"version":2,"more":1'),
        (b'"direction":"lower"', b'"direction":"lowest"'),
        (b'"table":"cars","threshold"', b'"table":"cars","modifier":"year","threshold"'),
        (b'"threshold":0.2,', b""),
        (b'"run":"r"', b'"run": "r"'),
    ],
)
def test_what_the_first_version_could_not_write_is_refused(old, new):
    with pytest.raises(RecordError):
        Finding.from_bytes(FIRST.replace(old, new))


@pytest.mark.parametrize("one", every(), ids=lambda one: f"{one.kind}-{one.direction}")
def test_every_form_survives_a_round_trip_and_has_a_sentence(one):
    finding, _ = found(one)
    assert Finding.from_bytes(finding.data, expect=finding.id).claim == one
    text = sentence(one)
    assert "`y`" in text or "y > 9" in text or one.formal
    assert "\n" not in text
    assert not {"cause", "causes", "effect of", "because"} & set(text.split())
    assert abs(one.sign) == 1


@pytest.mark.parametrize("one", every(), ids=lambda one: f"{one.kind}-{one.direction}")
def test_a_form_refuses_what_it_has_no_place_for_and_what_it_lacks(one):
    body = one.model_dump()
    form = FORMS[one.kind, one.direction]
    for name in form.needs:
        with pytest.raises(ValidationError):
            Claim(**{**body, name: Claim.model_fields[name].default})
    for name in set(MORE) - form.needs - form.may:
        with pytest.raises(ValidationError, match=r"no place|needs a group"):
            Claim(**{**body, name: MORE[name]})


@pytest.mark.parametrize(
    ("kind", "direction", "wrong"),
    [
        ("association", "positive", {"order": ("a",)}),
        ("association", "positive", {"order": ("a", "a")}),
        ("interaction", "stronger", {"modifier": "x"}),
        ("anomaly", "present", {"where": "y is odd"}),
        ("anomaly", "present", {"count": -1}),
        ("value", "equal", {"statistic": "share"}),
        ("value", "equal", {"statistic": "correlation"}),
        ("value", "equal", {"exposure": "x"}),
        ("value", "equal", {"value": float("nan")}),
        ("value", "highest", {"statistic": "correlation"}),
    ],
)
def test_an_inconsistent_claim_is_refused(kind, direction, wrong):
    with pytest.raises(ValidationError):
        claim(kind, direction, **wrong)


@given(st.sampled_from(every()), st.sampled_from(every()))
def test_two_claims_share_a_key_only_if_they_say_the_same(one, other):
    assert (claim_key(one) == claim_key(other)) == (one == other)


def test_an_association_is_the_same_from_either_column():
    one = claim("association", "positive", order=("s", "m", "l"))
    turned = one.model_copy(
        update={"outcome": "x", "exposure": "y", "order": (), "outcome_order": ("s", "m", "l")}
    )
    assert claim_key(one) == claim_key(turned)
    assert claim_key(one) != claim_key(claim("association", "positive"))
    assert claim_key(claim("association", "positive", order=("l", "m", "s"))) != claim_key(one)


def test_only_what_has_words_becomes_a_fact_and_the_rest_is_counted():
    findings = [found(one) for one in every()]
    known, refused = established(findings)
    assert {item.fact.kind for item in known} == {"difference", "association", "trend"}
    assert sum(count for reason, count in refused.items() if "no wording" in reason) == sum(
        not spoken(one) for one in every()
    )
    assert refused["no wording for a claim of this form: value"] == 3
    assert unsettled([found(one, "refuted") for one in every() if not spoken(one)]) == []


def test_a_pair_that_any_claim_relates_is_not_taught_as_unclaimed():
    finding, verdict = found(claim("interaction", "stronger"))
    assert set(pairs(finding.claim)) == {("t", "x", "y"), ("t", "m", "y"), ("t", "m", "x")}
    free = {fact.pair for fact in unclaimed([finding.table], [(finding, verdict)])}
    assert free == {("t", "x", "z"), ("t", "y", "z"), ("t", "m", "z")}


def test_a_rule_relates_its_outcome_to_all_that_it_is_given():
    one = claim("rule", "predicts", given=("x", "m"))
    assert set(pairs(one)) == {("t", "x", "y"), ("t", "m", "y")}
    assert one.complete == ("y",)
    assert claim("association", "positive").complete == ("y", "x")
