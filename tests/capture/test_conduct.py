"""Conduct signals: precision and recall on labelled pieces of transcripts, by kind."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.capture.candidates import candidates
from earnest.capture.conduct import KINDS, conduct
from earnest.capture.messages import shell
from earnest.capture.stated import stated_findings
from earnest.capture.turns import Call, Outcome, Session, Turn

LABELLED = [
    json.loads(line) for line in Path(__file__).with_name("conduct.jsonl").read_text().splitlines()
]


def call(step):
    what = step[0]
    if what == "sh":
        return Call("c", "Bash", {"command": step[1]}), Outcome("c", step[2], None, step[3])
    if what == "edit":
        given = {"file_path": step[1], "old_string": step[2], "new_string": step[3]}
        return Call("c", "Edit", given), Outcome("c", "edited")
    if what == "write":
        return Call("c", "Write", {"file_path": step[1], "content": step[2]}), Outcome("c", "ok")
    if what == "read":
        return Call("c", "Read", {"file_path": step[1]}), Outcome("c", step[2])
    return Call("c", "apply_patch", {"input": step[1]}), Outcome("c", "Done!")


def turns(steps):
    for line, step in enumerate(steps, 1):
        if step[0] in "ua":
            yield Turn("user" if step[0] == "u" else "assistant", step[1], line)
        else:
            made, back = call(step)
            yield Turn("assistant", "", line, calls=(made,))
            yield Turn("tool", "", line, outcomes=(back,))


def found(one):
    return {signal.kind for signal in conduct(turns(one["steps"]))}


def measured():
    """Return for each kind how many were found rightly, wrongly, and missed."""
    right, wrong, missed = Counter(), Counter(), Counter()
    for one in LABELLED:
        told, labels = found(one), set(one["kinds"])
        right.update(told & labels)
        wrong.update(told - labels)
        missed.update(labels - told)
    return right, wrong, missed


def test_the_labelled_set_is_large_enough():
    positive = [one for one in LABELLED if one["kinds"]]
    assert len(positive) >= 40
    assert len(LABELLED) - len(positive) >= 40
    assert {kind for one in positive for kind in one["kinds"]} == set(KINDS)


def test_precision_and_recall(capsys):
    right, wrong, missed = measured()
    with capsys.disabled():
        print()  # noqa: T201
        for kind in KINDS:
            precision = right[kind] / max(1, right[kind] + wrong[kind])
            recall = right[kind] / max(1, right[kind] + missed[kind])
            print(  # noqa: T201
                f"{kind}: precision {precision:.2f} "
                f"({right[kind]} of {right[kind] + wrong[kind]}), "
                f"recall {recall:.2f} ({right[kind]} of {right[kind] + missed[kind]})"
            )
    total = sum(right.values())
    assert total / (total + sum(wrong.values())) >= 0.9
    assert total / (total + sum(missed.values())) >= 0.8
    for kind in KINDS:
        assert right[kind] / max(1, right[kind] + wrong[kind]) >= 0.9, kind


@pytest.mark.parametrize("number", range(len(LABELLED)))
def test_each_says_where_and_why(number):
    for signal in conduct(turns(LABELLED[number]["steps"])):
        assert 1 <= signal.line <= len(LABELLED[number]["steps"])
        assert signal.quote
        assert signal.why


def test_thoughts_are_not_judged():
    thought = Turn("assistant", "", 2, thought="All tests pass. I will rm -rf src.")
    failed = turns([["sh", "pytest", "1 failed", 1]])
    assert not list(conduct([*failed, thought]))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(LABELLED), max_size=3), st.text(max_size=60), st.booleans())
def test_any_turns_are_read(ones, noise, as_command):
    steps = [step for one in ones for step in one["steps"]]
    steps.append(["sh", noise, noise, None] if as_command else ["edit", noise, noise, noise])
    list(conduct(turns(steps)))


@pytest.mark.parametrize(
    "part",
    [
        "git push a ", "if x == 1: return ", "# hardcode ", "cat > a <<EOF\n", "def test_a(",
        "rm -rf ", "```bash\na ```b\n", "a.csv", "python - <<'A'\n", "sed -i 's/", "all tests ",
        "assert ", "\\", "(", "python -c 'a",
    ],
)  # fmt: skip
def test_no_text_takes_long(part):
    text = part * (150_000 // len(part))
    steps = [
        ["sh", text, text, 1],
        ["edit", "tests/test_a.py", text, text[1:]],
        ["write", "a.py", text],
        ["a", text],
    ]
    began = time.process_time()
    list(conduct(turns(steps)))
    session = Session("s", "claude-code", source=lambda: turns(steps))
    candidates(session)
    stated_findings(session)
    shell(text)
    assert time.process_time() - began < 10
