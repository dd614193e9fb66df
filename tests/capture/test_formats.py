"""Importers: what is read of each format; whatever is given is read, or said to be broken."""

import contextlib
import io
import json
import sys
import zipfile as plain_zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earnest.capture import formats, lenient
from earnest.capture.inspect_log import Log
from earnest.capture.pieces import document, lines
from earnest.core.errors import EarnestError

SAMPLES = json.loads(Path(__file__).with_name("formats.json").read_text())
SAMPLE = SAMPLES["inspect"]


def jsonl(values):
    return "".join(json.dumps(one) + "\n" for one in values).encode()


SOURCES = {
    "claude-code": jsonl(SAMPLES["claude-code"]),
    "codex": jsonl(SAMPLES["codex"]),
    "atif": json.dumps(SAMPLES["atif"], indent=1).encode(),
    "chat": json.dumps({"model": "m", "messages": SAMPLES["chat-lines"]}).encode(),
    "chat-lines": jsonl(SAMPLES["chat-lines"]),
    "swe-agent": json.dumps(SAMPLES["swe-agent"]).encode(),
    "mini": json.dumps(SAMPLES["mini"]).encode(),
}


def pieces(form, data):
    return (lines if form in formats.LINES else document)(io.BytesIO(data))


def read(form, data):
    form = "swe-agent" if form == "mini" else form
    return list(formats.turns(form, pieces(form, data)))


@pytest.mark.parametrize("form", sorted(SOURCES))
def test_each_format_is_recognized_and_read(form, tmp_path):
    path = tmp_path / "t"
    path.write_bytes(SOURCES[form])
    assert formats.sniff(path) == ("swe-agent" if form == "mini" else form)
    turns = read(form, SOURCES[form])
    assert not any(turn.problem for turn in turns)
    said = [turn.text for turn in turns if turn.role == "assistant"]
    assert "There are 12." in said
    (call,) = [
        call for turn in turns for call in turn.calls if "wc" in json.dumps(dict(call.arguments))
    ]
    assert "wc" in json.dumps(dict(call.arguments))
    outcomes = [one for turn in turns for one in turn.outcomes]
    assert any("12 a" in one.text for one in outcomes)
    assert all(turn.line > 0 for turn in turns)


def test_details_of_formats():
    turns = read("claude-code", SOURCES["claude-code"])
    assert [turn.line for turn in turns] == [2, 3, 4, 5, 6]
    assert turns[1].thought == "hm"
    assert (turns[3].outcomes[0].failed, turns[3].outcomes[0].status) == (True, 2)
    assert read("codex", SOURCES["codex"])[3].outcomes[0].status == 0
    assert [turn.agent for turn in read("atif", SOURCES["atif"])][-1] == "sub"
    assert read("chat", SOURCES["chat"])[0].role == "system"
    mini = read("mini", SOURCES["mini"])
    assert mini[2].calls[0].arguments == {"command": "wc -l a"}
    assert (mini[3].role, mini[3].outcomes[0].status) == ("tool", 0)
    assert formats.about("codex", pieces("codex", SOURCES["codex"])) == {
        "session_id": "c1", "cwd": "/p", "model": "gpt-x",
    }  # fmt: skip


def test_offsets_say_where_a_piece_stands():
    for form, data in SOURCES.items():
        for piece in pieces("swe-agent" if form == "mini" else form, data):
            assert data[piece.offset : piece.offset + len(piece.raw)] == piece.raw


def _zipped(path, packing, zipfile=plain_zipfile):
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/7_epoch_1.json", json.dumps(SAMPLE))
        archive.writestr("../evil.json", "{}")


def _samples(path):
    log = Log(path)
    try:
        return {name: list(formats.turns("inspect", log.pieces(name))) for name in log.samples()}
    finally:
        log.close()


def test_inspect_logs_are_read_packed_either_way(tmp_path):
    path = tmp_path / "l.eval"
    _zipped(path, plain_zipfile.ZIP_DEFLATED)
    found = [_samples(path)]
    if sys.version_info < (3, 14):
        zipfile = pytest.importorskip("backports.zstd.zipfile")
        _zipped(path, zipfile.ZIP_ZSTANDARD, zipfile)
        found.append(_samples(path))
    for samples in found:
        (turns,) = samples.values()
        assert [turn.text for turn in turns if turn.text] == [
            "How many?",
            "I count.",
            "There are 12.",
        ]
        assert turns[2].outcomes[0].text == "12 a"


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_zip_is_read_or_refused(tmp_path_factory, noise, at):
    path = tmp_path_factory.mktemp("z") / "l.eval"
    _zipped(path, plain_zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    path.write_bytes(data[:at] + noise + data[at + len(noise) // 2 :])
    with contextlib.suppress(EarnestError):
        _samples(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from([10**30, "attachment://abc", "\x00", [], {}, "user", "tool_use", "message"]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=6), one, max_size=3),
    max_leaves=8,
)  # fmt: skip


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from places(one, (*path, number))


def exchanged(value, path, fresh):
    """A copy of a JSON value with something else at a place; None: without it."""
    if not path:
        return fresh
    copy = value.copy()
    if fresh is None and isinstance(copy, dict):
        del copy[path[0]]
        return (
            copy if len(path) == 1 else {**value, path[0]: exchanged(value[path[0]], path[1:], 0)}
        )
    copy[path[0]] = exchanged(value[path[0]], path[1:], fresh)
    return copy


WHOLE = {**SAMPLES, "chat": {"messages": SAMPLES["chat-lines"]}}


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 10**6), JSON)
def test_any_json_in_any_place_is_read(form, where, fresh):
    value = WHOLE[form]
    found = list(places(value))
    changed = exchanged(value, found[where % len(found)], fresh)
    form = "swe-agent" if form == "mini" else form
    if form in formats.LINES:
        many = changed if isinstance(changed, list) else [changed]
        data = jsonl(many)
    else:
        data = json.dumps(changed).encode()
    turns = list(formats.turns(form, pieces(form, data)))
    assert all(isinstance(turn.text, str) for turn in turns)
    assert all(isinstance(one.text, str) for turn in turns for one in turn.outcomes)
    assert all(isinstance(dict(call.arguments), dict) for turn in turns for call in turn.calls)
    formats.about(form, pieces(form, data))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(SOURCES)), st.integers(0, 10**6), st.binary(max_size=30))
def test_cut_and_spoiled_transcripts_lose_nothing_before(form, at, noise):
    data = SOURCES[form]
    at %= len(data)
    spoiled = data[:at] + noise
    form = "swe-agent" if form == "mini" else form
    kept = list(pieces(form, spoiled))
    held = b"".join(piece.raw for piece in kept)
    if form in formats.LINES:
        ended = [one.rstrip(b"\r\n") for one in io.BytesIO(spoiled) if one.endswith(b"\n")]
        rest = spoiled.rpartition(b"\n")[2]
        bare = b"".join(one for one in [*ended, rest] if one.strip())
        assert held == bare
    list(formats.turns(form, kept))
    if form in formats.LINES:
        whole = [one for one in data[:at].split(b"\n")[:-1] if one]
        assert [piece.raw for piece in kept][: len(whole)] == whole


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=500).map(lambda one: one.replace(b'"', b"")), st.integers(1, 40))
def test_a_document_keeps_all_but_its_marks(data, most):
    held = b"".join(piece.raw for piece in document(io.BytesIO(data), most=most))
    marks = b"{}[], \t\r\n\x0b\x0c"
    assert held.translate(None, marks) == data.translate(None, marks)


NAMES = st.text("abcXYZ_", min_size=1, max_size=4)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(NAMES, JSON, max_size=5) | st.lists(JSON, max_size=5), st.booleans())
def test_a_documents_pieces_are_its_parts(value, spaced):
    text = json.dumps(value, allow_nan=True, indent=2 if spaced else None)
    value = json.loads(text, parse_constant=str)
    found = {}
    for piece in document(io.BytesIO(text.encode())):
        assert piece.whole
        part = json.loads(piece.raw, parse_constant=str)
        if piece.place.endswith("[]"):
            found.setdefault(piece.place[:-2], []).append(part)
        else:
            found[piece.place] = part
    if isinstance(value, list):
        assert found.get("", []) == value
    else:
        assert found == {key: one for key, one in value.items() if one != []}


@pytest.mark.parametrize(
    "raw",
    [b"[" * 20_000, b'{"a":' * 10_000, b"9" * 10_000, b"1e999", b"NaN", b"-Infinity",
     b"\xff\xfe{}", b'{"a": "\\ud800"}', b'{"a": "\x00"}', b'"' + b"\\" * 9999,
     b'{"message": ' + b"9" * 6000 + b"}", b""],
)  # fmt: skip
def test_what_json_can_be_made_to_be(raw):
    found, problem = lenient.read(raw)
    json.dumps(found, allow_nan=False).encode()
    for form in SOURCES:
        for turn in read(form, raw + b"\n" + raw):
            turn.text.encode()
    assert found is not None or problem or raw == b""
