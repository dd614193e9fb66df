"""A recording keeps what a replay needs, keeps credentials out, and can't be changed in silence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.canon import canonical, digest
from earnest.core.errors import RecordError
from earnest.core.home import BlobStore
from earnest.sandbox.exchanges import LEFT_OUT, Answered, Asked, Exchanges, key_of, recorded_url

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z-]{0,12}", fullmatch=True)
HEADERS = st.lists(st.tuples(NAMES, TEXT), max_size=4).map(tuple)


class Held(dict):
    """Blobs in memory, for many small examples."""

    def put(self, data):
        self[digest(data)] = data
        return digest(data)

    def get(self, name):
        return self[name]


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


def one(blobs) -> Exchanges:
    made = Exchanges(blobs)
    made.record(
        Asked("POST", "http://a.example/x?n=1", (("Accept", "*/*"),), b"ask"),
        Answered(200, (("Content-Type", "text/plain"),), b"\x00answer\xff"),
        address="192.0.2.1",
    )
    return made


def test_a_recording_comes_back_with_its_bodies(blobs):
    made = one(blobs)
    back = Exchanges.from_bytes(made.to_bytes(), blobs, expect=made.id)
    assert back.items == made.items
    assert back.id == made.id
    answer = back.answer(back.items[0])
    assert (answer.status, answer.body) == (200, b"\x00answer\xff")
    assert back.items[0].key == key_of(Asked("POST", "http://a.example/x?n=1", (), b"ask"))


def test_a_changed_recording_is_not_read(blobs):
    made = one(blobs)
    changed = made.to_bytes().replace(b'"status":200', b'"status":201')
    assert changed != made.to_bytes()
    with pytest.raises(RecordError, match="have changed"):
        Exchanges.from_bytes(changed, blobs, expect=made.id)


def test_a_changed_body_is_not_given(blobs):
    made = one(blobs)
    blobs.path(made.items[0].response_body).write_bytes(b"another")
    with pytest.raises(RecordError, match="has changed"):
        made.answer(made.items[0])


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("status", "200"),
        ("status", True),
        ("status", 99),
        ("outcome", "guessed"),
        ("request_body", "sha256:00"),
        ("response_body", None),
        ("response_headers", [["a"]]),
        ("response_headers", {"a": "b"}),
        ("request_left_out", "authorization"),
        ("url", 7),
        ("extra", 1),
    ],
)
def test_what_is_no_exchange_is_refused(blobs, part, value):
    body = json.loads(one(blobs).to_bytes())
    Exchanges.from_bytes(canonical(body), blobs)
    body["exchanges"][0][part] = value
    with pytest.raises(RecordError):
        Exchanges.from_bytes(canonical(body), blobs)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"record":"exchanges","version":1}'])
def test_what_is_no_recording_is_refused(blobs, data):
    with pytest.raises(RecordError):
        Exchanges.from_bytes(data, blobs)


def test_another_version_is_refused(blobs):
    body = {**json.loads(one(blobs).to_bytes()), "version": 3}
    with pytest.raises(RecordError, match="expected exchanges 2, got exchanges 3"):
        Exchanges.from_bytes(canonical(body), blobs)


def test_a_recording_of_version_1_is_read_and_says_no_time(blobs):
    body = json.loads(one(blobs).to_bytes())
    assert body["exchanges"][0]["at"].endswith("Z")
    with pytest.raises(RecordError, match="not an exchange"):
        Exchanges.from_bytes(canonical({**body, "version": 1}), blobs)
    for name in ("at", "by"):
        del body["exchanges"][0][name]
    (item,) = Exchanges.from_bytes(canonical({**body, "version": 1}), blobs).items
    assert (item.at, item.by, item.status) == ("", "", 200)


VALUE = "s3cr3t-v4lue"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Cookie",
        "Proxy-Authorization",
        "X-Api-Key",
        "apikey",
        "X-Auth-Token",
        "Dpop",
    ],
)
def test_credentials_of_a_request_are_left_out(blobs, name):
    made = Exchanges(blobs)
    asked = Asked("GET", "http://a.example/", ((name, VALUE), ("Accept", "text/csv")), b"")
    item = made.record(asked, Answered(200))
    assert VALUE.encode() not in made.to_bytes()
    assert item.request_left_out == (name.lower(),)
    assert item.request_headers == (("Accept", "text/csv"),)


@pytest.mark.parametrize("name", ["Set-Cookie", "X-Session-Id", "X-CSRF-Token", "Api-Key"])
def test_credentials_of_an_answer_are_left_out(blobs, name):
    made = Exchanges(blobs)
    answered = Answered(200, ((name, VALUE), ("ETag", '"1"')))
    item = made.record(Asked("GET", "http://a.example/", (), b""), answered)
    assert VALUE.encode() not in made.to_bytes()
    assert item.response_left_out == (name.lower(),)
    assert item.response_headers == (("ETag", '"1"'),)


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("http://a/?api_key=s&q=1", f"http://a/?api_key={LEFT_OUT}&q=1"),
        ("http://a/?q=1&API%5FKEY=s", f"http://a/?q=1&API%5FKEY={LEFT_OUT}"),
        ("http://a/?x=1;access-token=s", f"http://a/?x=1;access-token={LEFT_OUT}"),
        ("http://a/?author=smith&tokens=2", "http://a/?author=smith&tokens=2"),
        ("http://a/?a=b=token=c", "http://a/?a=b=token=c"),
        ("http://a/?", "http://a/?"),
        ("http://a/p#token=s", "http://a/p"),
    ],
)
def test_credentials_in_a_url_are_left_out(url, recorded):
    assert recorded_url(url) == recorded
    assert recorded_url(recorded) == recorded


def test_credentials_in_a_redirect_are_left_out(blobs):
    made = Exchanges(blobs)
    answered = Answered(302, (("Location", f"https://b.example/?token={VALUE}&n=1"),))
    made.record(Asked("GET", "http://a.example/", (), b""), answered)
    assert VALUE.encode() not in made.to_bytes()
    assert b"&n=1" in made.to_bytes()


@given(TEXT, HEADERS, HEADERS, st.none() | st.binary(max_size=20), st.binary(max_size=20))
def test_any_exchange_comes_back(path, asked, answered, sent, got):
    made = Exchanges(Held())
    made.record(Asked("PUT", "http://a.example/" + path, asked, sent), Answered(404, answered, got))
    back = Exchanges.from_bytes(made.to_bytes(), made.blobs, expect=made.id)
    assert back.items == made.items
    assert back.answer(back.items[0]).body == got
