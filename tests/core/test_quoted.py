from hypothesis import given
from hypothesis import strategies as st

from earnest.core.quoted import BAR, plain, quoted

TEXTS = st.text(st.characters() | st.sampled_from("\n\r\v\f\x1b\x85\u2028\u202e\U000e0041| []"))


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
