"""The items of `uplift`: the same each time, right by other means, out of reach of a guess."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections import Counter

import pytest

from earnest.core.errors import ToolError
from earnest.core.messages import Message, Sampling, ToolSpec
from earnest.evals.answers import grade
from earnest.evals.uplift import FAMILIES, JOB_STEPS, PAGES, make_items
from earnest.evals.uplift_players import Careful, Guesser
from earnest.evals.uplift_server import GaugeServer
from earnest.evals.uplift_table import Outcome, in_words, table
from earnest.evals.uplift_tools import job_tool
from earnest.evals.uplift_worlds import CHARACTERS_A_TOKEN, corpus


@pytest.mark.parametrize("family", FAMILIES)
def test_items_follow_from_the_seed(family):
    items = make_items(family, 3, 9)
    assert items == make_items(family, 3, 9)
    assert items[:4] == make_items(family, 3, 4)
    assert len({one.item for one in items}) == 9
    assert not {one.item for one in items} & {one.item for one in make_items(family, 4, 9)}
    assert len({one.expected for one in items}) == 9


@pytest.mark.parametrize("family", FAMILIES)
def test_no_prompt_holds_its_answer(family):
    for item in make_items(family, 0, 24):
        assert not re.search(rf"(?<!\d){re.escape(item.expected)}(?!\d)", item.prompt)


def test_arithmetic_is_right_by_other_means():
    for item in make_items("python", 7, 16):
        numbers = [int(text) for text in re.findall(r"\d+", item.prompt)]
        if item.kind == "product":
            digits = [int(digit) * 10**place for place, digit in enumerate(str(numbers[1])[::-1])]
            assert sum(numbers[0] * digit for digit in digits) == int(item.expected)
        elif item.kind == "power":
            base, power, modulus = numbers
            left = 1
            for bit in f"{power:b}":
                left = left * left % modulus
                left = left * base % modulus if bit == "1" else left
            assert left == int(item.expected)
        elif item.kind == "letters":
            asked, text = item.prompt.split("\n")
            wanted = re.findall(r"\b([a-z])\b", asked.partition("letters")[2].partition("occur")[0])
            counts = Counter(text)
            assert [counts[letter] for letter in wanted] == [*map(int, item.expected.split("-"))]
        else:
            divisor, *rest = numbers
            assert sum(n for n in rest if n // divisor * divisor == n) == int(item.expected)


def test_a_fact_stands_once_among_two_million_tokens():
    lines = [item.world["line"] for item in make_items("search", 5, 8) if item.kind == "files"]
    files = dict(corpus(lines, 5, 2_000_000))
    assert files == dict(corpus(lines, 5, 2_000_000))
    texts = "\n".join(files.values())
    assert abs(len(texts) / CHARACTERS_A_TOKEN / 2_000_000 - 1) < 0.05
    for line in lines:
        assert texts.count(line) == 1
        relay = line.split()[1]
        assert texts.count(f"The {relay} relay keeps") == 1
        assert texts.count(f"The {relay} relay") == 4
    assert texts.count("keeps its reserve key under the mark") > 1000


def test_a_briefing_tells_what_is_asked_early_and_once():
    for item in make_items("search", 5, 12):
        if item.kind == "past":
            at = [n for n, page in enumerate(item.world["pages"]) if item.expected in page]
            assert len(at) == 1
            assert at[0] < PAGES // 3


def test_a_job_gives_each_text_in_turn_and_once(tmp_path):
    (item,) = make_items("notes", 1, 1)
    tool = job_tool(item, tmp_path / "so-far")
    for wrong in ({}, {"number": 2}, {"number": "1"}, {"number": True}, {"number": 0}):
        with pytest.raises(ToolError):
            tool.call(wrong)
    told = [tool.call({"number": 1}).content]
    assert tool.call({"number": 1}).content == told[0]  # the last one, again
    for number in range(2, JOB_STEPS + 1):
        tool = job_tool(item, tmp_path / "so-far")  # as a resumed run has it
        told.append(tool.call({"number": number}).content)
        with pytest.raises(ToolError, match=rf"lot {number - 1} can't be had"):
            tool.call({"number": number - 1})
    assert "Question" not in "".join(told[:-1])
    asked = re.search(r"what do the lots ([\d, and]+) weigh", told[-1])[1]
    lots = dict(re.findall(r"lot (\d+) weighs (\d+) g", "".join(told)))
    assert len(lots) == JOB_STEPS
    wanted = re.findall(r"\d+", asked)
    assert len(wanted) == 5
    assert sum(int(lots[number]) for number in wanted) == int(item.expected)
    with pytest.raises(ToolError, match="all were given"):
        tool.call({"number": JOB_STEPS + 1})


def asked(url):
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 (our own server)
        return json.loads(answer.read())


def test_a_gauge_changes_with_each_look_until_it_has_settled():
    (item,) = make_items("http", 2, 1)
    readings = item.world["readings"]
    with GaugeServer() as server:
        url = f"{server.url}/gauges/{item.world['gauge']}"
        with pytest.raises(urllib.error.HTTPError):
            asked(url)
        server.set(item.world)
        seen = [asked(url) for _ in range(len(readings) + 2)]
        assert [one["reading"] for one in seen] == [*readings, item.expected, item.expected]
        assert [one["state"] for one in seen].index("settled") == len(readings) - 1
        assert len(set(readings)) == len(readings)
        server.set(item.world)
        assert asked(url)["reading"] == readings[0]
        server.forget(item.world)
        with pytest.raises(urllib.error.HTTPError):
            asked(url)


def spec(name):
    return ToolSpec(name=name, description="", parameters={"type": "object"})


@pytest.mark.parametrize("family", FAMILIES)
def test_the_guesser_is_never_right_and_always_in_form(family):
    for item in make_items(family, 11, 50):
        for tools in ([], [spec(family)]):
            messages = [Message(role="user", content=item.prompt)]
            said = Guesser().generate(messages, tools, Sampling()).message
            assert said.calls == ()
            assert grade(said.content, item.expected) == "wrong"


@pytest.mark.parametrize("family", ["python", "http"])
def test_the_careful_one_says_so_where_it_has_no_tool(family):
    for item in make_items(family, 11, 8):
        messages = [Message(role="user", content=item.prompt)]
        said = Careful().generate(messages, [], Sampling()).message
        assert grade(said.content, item.expected) == "abstained"


def outcome(number, arm, right, family="python", **more):
    return Outcome(
        item=f"{family}{number}",
        family=family,
        number=number,
        arm=arm,
        grade="right" if right else "wrong",
        answer="",
        status="done",
        reason="",
        steps=2 if arm == "with" else 1,
        tokens=100,
        cost_usd=0.5,
        seconds=0.1,
        **more,
    )


def test_the_table_counts_pairs():
    outcomes = []
    for number in range(10):
        outcomes.append(outcome(number, "with", number < 8))
        outcomes.append(outcome(number, "without", number < 2))
        outcomes.append(outcome(number, "with", False, "http"))
        outcomes.append(outcome(number, "without", False, "http"))
    outcomes.append(outcome(99, "with", True))  # its other arm is not there yet
    python, http, all_ = table(outcomes)
    assert (python["n"], python["with"]["right"], python["without"]["right"]) == (10, 8, 2)
    assert (python["difference"], python["only_with"], python["only_without"]) == (0.6, 6, 0)
    assert python["p"] == 2 / 2**6
    assert 0.1 < python["interval"][0] < 0.6 < python["interval"][1]
    assert (python["with"]["steps"], python["without"]["steps"]) == (2, 1)
    assert (http["difference"], http["p"]) == (0, 1)
    assert http["interval"][0] < 0 < http["interval"][1]
    assert (all_["n"], all_["with"]["right"]) == (20, 8)
    words = in_words([python, http, all_])
    assert len(words.splitlines()) == 4
    assert "+0.60" in words


def test_a_cost_that_is_not_known_is_said_and_a_wrong_form_is_told_apart():
    lost = outcome(0, "without", False).model_copy(
        update={"cost_usd": None, "grade": "wrong form", "status": "failed"}
    )
    (row,) = table([outcome(0, "with", True), lost])
    assert row["without"]["cost_usd"] is None
    words = in_words([row])
    assert "0.5000 / unknown" in words
    assert "without: 1 wrong form, 1 not done" in words
