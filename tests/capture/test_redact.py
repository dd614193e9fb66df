"""Redaction: what is found of planted secrets, and what harmless things are left alone."""

import json
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.capture.patterns import found_by_us
from earnest.capture.redact import Redactor

from .planted import KINDS, LOOKALIKES, lookalikes, secrets


def hidden(secret, text):
    """Whether nothing of a secret is left; of one of several lines, of none of them."""
    parts = [one.strip(" 0123456789→") for one in secret.splitlines()]
    return all(part not in text for part in parts if len(part) > 8 and "-----" not in part)


def measured(take):
    """Return recall, precision, and what was missed and taken wrongly, by kind."""
    planted, harmless = secrets(each=4), lookalikes(each=7)
    missed = Counter(kind for kind, text, secret in planted if not hidden(secret, take(text)))
    wrong = Counter(kind for kind, text in harmless if take(text) != text)
    hits = len(planted) - sum(missed.values())
    return hits / len(planted), hits / max(1, hits + sum(wrong.values())), missed, wrong


def test_recall_and_precision(rules, capsys):
    assert len(KINDS) >= 15
    assert len(secrets()) >= 60
    assert len(lookalikes()) >= 200
    ours = measured(lambda text: text if not found_by_us(text.encode()) else "[redacted]")
    theirs = measured(lambda text: "[redacted]" if _theirs(rules, text) else text)
    both = measured(lambda text: Redactor(like=rules).text(text, Counter()))
    with capsys.disabled():
        for name, (recall, precision, missed, wrong) in (
            ("both", both), ("Kingfisher alone", theirs), ("our patterns alone", ours),
        ):  # fmt: skip
            print(  # noqa: T201
                f"\n{name}: recall {recall:.3f} of {len(secrets())} in {len(KINDS)} kinds, "
                f"precision {precision:.3f} beside {len(lookalikes())} harmless in "
                f"{len(LOOKALIKES)} kinds; "
                f"missed {dict(missed)}, wrong {dict(wrong)}",
                end="",
            )
    assert both[0] >= 0.95
    assert both[1] >= 0.9
    assert theirs[0] < both[0]
    assert ours[0] < both[0]


def _theirs(rules, text):
    return [one for one in rules._scan.scan(text) if one.visible]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_secrets_inside_of_json_are_found(rules, kind):
    for _, text, secret in [one for one in secrets(each=3, seed=11) if one[0] == kind]:
        inner = json.dumps({"out": text})
        for value in ({"content": [{"text": text}]}, {"output": inner}, {"a": {"b": [text]}}):
            raw, count = Redactor(like=rules).line(json.dumps(value).encode())
            assert count, value
            assert hidden(secret, json.dumps(json.loads(raw), ensure_ascii=False)), raw


def test_a_name_in_json_says_what_its_value_is(rules):
    value = {
        "client_secret": "b7Kx93mQzT0vLr5Y",
        "commit": "0123456789abcdef0123456789abcdef01234567",
    }
    raw, count = Redactor(like=rules).line(json.dumps(value).encode())
    assert json.loads(raw) == {**value, "client_secret": "[redacted named-secret]"}
    assert count == {"named-secret": 1}


def test_what_was_found_once_is_known_again(rules):
    redactor = Redactor(like=rules)
    _, _, secret = next(one for one in secrets() if one[0] == "twilio-key")
    assert redactor.line(json.dumps({"t": f"TWILIO_AUTH_TOKEN={secret}"}).encode())[1]
    raw, count = redactor.line(json.dumps({"t": f"I got {secret} back"}).encode())
    assert secret.encode() not in raw
    assert sum(count.values()) == 1
    assert not Redactor(like=rules).line(json.dumps({"t": f"I got {secret} back"}).encode())[1]


def test_a_remark_does_not_turn_the_detector_off(rules):
    _, _, secret = next(one for one in secrets() if one[0] == "github-token")
    for remark in ("kingfisher:ignore", "gitleaks:allow", "pragma: allowlist secret"):
        assert secret not in Redactor(like=rules).text(f"{secret}  # {remark}", Counter())


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_taken(rules, raw):
    fresh, count = Redactor(like=rules).line(raw)
    assert count or fresh == raw


@settings(deadline=None, max_examples=100)
@given(
    st.recursive(
        st.none() | st.text(max_size=20) | st.integers() | st.floats(),
        lambda one: (
            st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=8), one, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_json_stays_json_of_the_same_shape(rules, value):
    raw = json.dumps({"v": value, "s": "mail someone.real@corp-inside.com"}).encode()
    fresh, count = Redactor(like=rules).line(raw)
    assert count == {"mail-address": 1}
    assert set(json.loads(fresh)) == {"v", "s"}


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.sampled_from(secrets(each=2, seed=5)), min_size=1, max_size=4), st.integers(1, 3)
)
def test_nothing_that_is_found_is_left(rules, ones, deep):
    """Of planted secrets in one another's company, however deep, none is found in what is kept."""
    value = {"content": [{"text": text} for _, text, _ in ones], "note": ones[0][1]}
    for _ in range(deep):
        value = {"inner": json.dumps(value)}
    fresh, count = Redactor(like=rules).line(json.dumps(value).encode())
    assert sum(count.values()) >= 1
    again, more = Redactor(like=rules).line(fresh)
    assert (again, more) == (fresh, Counter())
    for _, _, secret in ones:
        if "\n" not in secret and '"' not in secret:
            assert secret.encode() not in fresh


@pytest.mark.parametrize(
    "part",
    [
        "authorization: bearer ", "password=", "@", "a@b.", "a.b@", "://a:b", "cookie: session=",
        "-----BEGIN RSA PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\\nAAAAAAAA", "token: a",
        "\\", "\\\\\"", "x" * 50, "key: ", "--password a ", "AKIA",
    ],
)  # fmt: skip
def test_no_text_takes_long(rules, part):
    text = part * (200_000 // len(part))
    began = time.process_time()
    Redactor(like=rules).line(json.dumps({"text": text}).encode())
    assert time.process_time() - began < 10


def test_secrets_at_the_edges_of_long_texts_are_found(rules):
    _, _, secret = next(one for one in secrets() if one[0] == "github-fine-grained")
    for before in (65_400, 65_480, 57_300, 57_344, 65_536, 130_000):
        text = "é " * (before // 3) + f" {secret} " + "ü " * 40_000
        assert secret not in Redactor(like=rules).text(text, Counter())
