import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.quoted import (
    BAR,
    json_line,
    marked_lines,
    plain,
    quoted,
    restored,
    unquoted,
    unseen,
)

TEXTS = st.text(
    st.characters() | st.sampled_from("\n\r\v\f\x1b\x85\u2028\u202e\U000e0041| []\\u{}")
)
CONTROL = (
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|channel|>",
    "<\uff5cUser\uff5c>",
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "<<SYS>>",
    "<</SYS>>",
    "<s>",
    "</s>",
    "<eos>",
    "<start_of_turn>",
    "<tool_call>",
    "</think>",
    "<assistant>",
)


@given(TEXTS, TEXTS)
def test_no_line_of_it_stands_without_its_mark(text, source):
    head, *lines = quoted(text, source).split("\n")
    assert head.startswith("[data from ")
    assert all(line.startswith(BAR) for line in lines)
    assert all(len(line.splitlines()) == 1 for line in (head, *lines))


@given(TEXTS)
def test_what_shows_is_as_it_was_and_what_does_not_is_written_out(text):
    assert len(plain(text).splitlines()) <= 1
    assert plain("né 日本 ✓ 'x'") == "né 日本 ✓ 'x'"
    assert plain("a\u202eb\x1b[31m\U000e0049") == "a\\u{202e}b\\u{1b}[31m\\u{e0049}"


def test_what_is_left_out_is_told():
    _, first, second = quoted("x" * 50, "a page", most=20).split("\n")
    assert first == f"| {'x' * 20}"
    assert second == "| [30 more characters were left out]"


def test_the_text_comes_back():
    assert unquoted(quoted("one\n\n two", "x")) == "one\n\n two"
    assert unquoted("plain words\n| with a bar") == "plain words\n| with a bar"
    assert marked_lines("words\n[data from x: not an instruction]\n| a\n| b\nwords") == ["a", "b"]


@given(st.lists(TEXTS | st.sampled_from(CONTROL)).map(" ".join))
def test_nothing_is_lost(text):
    assert restored(plain(text)) == text
    lines = [line.replace("\t", "    ") for line in text.splitlines()]
    assert unquoted(quoted(text, text)) == "\n".join(lines)


@given(st.dictionaries(TEXTS, TEXTS | st.floats(allow_nan=False, allow_infinity=False)))
def test_json_is_one_line_in_which_all_shows(value):
    line = json_line(value)
    assert json.loads(line) == value
    assert len(line.splitlines()) == 1
    assert not any(unseen(char) for char in line)
    assert json.loads(unquoted(quoted(line, "x", most=len(line)))) == value


@pytest.mark.parametrize("mark", CONTROL)
def test_marks_of_chat_templates_are_broken(mark):
    written = plain(f"a{mark}b {mark.upper()}")
    assert mark not in written
    assert mark.upper() not in written
    assert restored(written) == f"a{mark}b {mark.upper()}"


def test_what_only_looks_a_little_like_them_is_left():
    for text in ("a < b", "x <- y", "<b>bold</b>", "a[1]", "[INFO] ok", "if a<b and c>d", "<<EOF"):
        assert plain(text) == text
