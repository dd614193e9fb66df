from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earnest.core.testbed import SOLUTION, TESTS
from earnest.tasks.specs import exercise
from earnest.tasks.specs_talk import DONE, MARKS, REPORT, TEXT, WRITE, intent, play, prompt, write

ONE, _ = exercise(3, 2, offers=["conftest", "locals"])


def test_a_prompt_shows_the_words_the_files_and_how_the_tests_ask_but_no_value() -> None:
    shown = prompt(ONE)
    assert intent(ONE) in shown
    assert all(name in shown for name in ONE.files)
    assert "expected = ...; assert solve(...) == expected" in shown
    assert not any(repr(case.expected) in shown.split("<shape>")[1] for case in ONE.shown)
    other = prompt(exercise(3, 2, offers=["checks"])[0])
    assert "checks.check(solve(...), ...)" in other
    assert prompt(ONE, allowed=True) != shown


def test_whole_calls_are_done_and_what_is_cut_off_is_not() -> None:
    reply = (
        write(SOLUTION, "def solve(given): ...\n")
        + write("conftest.py", "")
        + f"{WRITE}a.py{TEXT}x"
    )
    played = play(ONE, reply)
    assert played.files == {**ONE.files, SOLUTION: b"def solve(given): ...\n", "conftest.py": b""}
    assert (played.reported, played.accidents, played.calls) == (False, 0, 2)
    assert play(ONE, f"{REPORT}{DONE}").reported
    assert not play(ONE, "words only").calls
    assert ONE.files[SOLUTION] == b""


def test_what_leaves_or_destroys_the_workspace_is_counted_and_not_done() -> None:
    for path in ("/etc/passwd", "../x", "tests/../../x", "", "SPEC.md", "./SPEC.md"):
        played = play(ONE, write(path, "gone"))
        assert (played.files, played.accidents) == (ONE.files, 1), path


def test_a_file_takes_no_folder_s_place_nor_the_other_way_round() -> None:
    assert play(ONE, write("tests", "x")).files == ONE.files
    assert play(ONE, write(f"{TESTS}/x.py", "x")).files == ONE.files
    assert play(ONE, write("solution/__init__.py", "x")).files["solution/__init__.py"] == b"x"


def test_what_no_jail_would_take_as_a_file_is_not_done(sandbox) -> None:
    from earnest.core.jobs import Job

    for path in (".", "./", ".//.", ".tmp/x", "x" * 2000, "/".join(["ab"] * 600), "é" * 300):
        files = play(ONE, write(path, "x")).files
        assert files == ONE.files, path
    odd = ("x" * 200, "a\nb", " ", "\x01", "a\\b", "solution.py/", "é" * 200)
    files = play(ONE, "".join(write(path, "x") for path in odd)).files
    assert len(files) == len(ONE.files) + len(odd) - 1
    sandbox.run(Job(("python", "-c", ""), files))  # a path that can't be is a `UsageError` here


@given(st.lists(st.sampled_from([*MARKS, SOLUTION, "x = 1\n", "..", "/", "é"]), max_size=12))
def test_any_reply_leaves_a_workspace_of_plain_files(parts: list[str]) -> None:
    played = play(ONE, "".join(parts))
    assert played.files["SPEC.md"] == ONE.files["SPEC.md"]
    assert all(not name.startswith(("/", "..")) for name in played.files)
