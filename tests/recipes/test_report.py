import base64
import hashlib
import json
import re
from importlib.resources import files

import pytest
from tests.homes import home_at

from earnest.cli import _parser
from earnest.core.canon import digest
from earnest.core.records import Author, Check, Claim, Evidence, Finding, TableRef, Verdict
from earnest.core.shown import rounded, row, shown
from earnest.recipes.report import counts, effects, run_report, spoken

NASTY = "<img src=x onerror=alert(1)><script>alert(2)</script>{{ 7*7 }}"


def pair(home, word="confirmed", prose=NASTY):
    name = digest(b"x")
    finding = Finding(
        claim=Claim(
            kind="difference",
            table="t",
            outcome=NASTY,
            exposure="x",
            direction="higher",
            group=NASTY,
        ),
        evidence=Evidence(
            script=home.blobs.put(NASTY.encode()),
            inputs={},
            results={"effect": 1},
            supports="effect > 0",
        ),
        exposure="sealed",
        author=Author(principal="me", model=NASTY),
        run="r",
        task=name,
        table=TableRef(name="t", table=name, visible=name, design="iid", rows=9, columns=("x",)),
        prose=prose,
    )
    verdict = Verdict(
        finding=finding.id,
        word=word,
        reason=NASTY,
        checks=(),
        effect=0.123456,
        interval=(0.1111, 0.2222),
        p=0.000123456,
        alpha=0.01,
        seed=1,
        verifier="v",
    )
    return finding, verdict


def test_a_report_is_safe_to_open(home):
    page = run_report(home, "r", NASTY, NASTY, "done", [pair(home)]).read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "49" not in page.split("<body>")[1].split("7*7")[0][-5:]
    assert "default-src 'none'" in page
    assert "&lt;script&gt;" in page


def test_sealed_numbers_are_shown_at_two_digits(home):
    told = row(*pair(home))
    assert (told["effect"], told["interval"], told["p"]) == (0.12, [0.11, 0.22], 0.00012)
    assert rounded(None) is None
    assert "0.123456" not in json.dumps(told)
    page = run_report(home, "r", "p", "", "done", [pair(home)]).read_text()
    assert "0.123456" not in page


def test_every_word_is_counted(home):
    found = [pair(home), pair(home), pair(home, "invalid")]
    assert counts(found)["confirmed"] == 2
    assert counts(found)["refuted"] == 0
    assert spoken(found) == "2 confirmed, 1 invalid"
    assert spoken([]) == "no findings"


def test_a_queued_finding_has_no_numbers(home):
    finding, _ = pair(home)
    told = row(finding, None)
    assert (told["verdict"], told["effect"], told["p"]) == ("queued", None, None)


def verdict_of(word, about):
    observed = {"effect": 0.123456}
    passed = word == "confirmed"
    sealed = Check(name="sealed", passed=passed, detail="p = 0.0123456", observed=observed)
    return Verdict(
        finding=about.id, word=word, reason="p = 0.0123456 on the sealed rows", checks=(sealed,),
        effect=0.123456, interval=(0.1, 0.2), p=0.0123456, alpha=0.01, rows=80, seed=7,
        verifier="v",
    )  # fmt: skip


@pytest.mark.parametrize("word", ["inconclusive", "refuted"])
def test_what_sealed_rows_said_of_an_unconfirmed_claim_is_withheld(word, tmp_path):
    about = pair(home_at(tmp_path))[0]
    told = shown(verdict_of(word, about))
    assert (told.effect, told.interval, told.p) == (None, None, None)
    text = told.data.decode() + str(row(about, verdict_of(word, about)))
    assert "0.0123" not in text
    assert "0.123" not in text
    assert effects([(about, verdict_of(word, about))]) == ""


def test_what_they_said_of_a_confirmed_one_is_rounded(tmp_path):
    about = pair(home_at(tmp_path))[0]
    told = shown(verdict_of("confirmed", about))
    assert told.checks[0].observed == {"effect": 0.12}
    assert row(about, verdict_of("confirmed", about))["effect"] == 0.12


def test_a_claim_that_could_not_be_tested_says_why(tmp_path):
    untested = Check(name="sealed", passed=None, detail="3 groups: at least 8 needed")
    about = pair(home_at(tmp_path))[0]
    told = shown(verdict_of("inconclusive", about).model_copy(update={"checks": (untested,)}))
    assert told.reason.startswith("p = ")
    assert told.checks == (untested,)


def luminance(colour):
    if len(colour) == 4:
        colour = "#" + "".join(2 * one for one in colour[1:])
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return sum(part * one for part, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_told_from_its_ground(scheme):
    style = files("earnest.recipes").joinpath("templates/style.css").read_text()
    light, dark = re.findall(r":root \{([^}]*)\}", style)
    named = dict(re.findall(r"--(\w+): (#\w+)", light if scheme == "light" else dark))
    for ground in ("paper", "card", "code"):
        for text in ("ink", "faint", "link", "good", "plain", "open", "bad", "odd"):
            assert contrast(named[text], named[ground]) >= 4.5, (text, ground)
    for badge in ("good", "plain", "open", "bad", "odd"):
        assert contrast(named["on"], named[badge]) >= 4.5, badge
    assert contrast("#9aa0a8", "#ffffff") < 4.5  # the measure can fail


def test_the_answer_comes_first_and_the_agents_words_are_marked(home):
    page = run_report(home, "r", "p", "All of it is proven.", "done", [pair(home)]).read_text()
    lead = page.index("One claim was made, and confirmed")
    assert lead < page.index("What the agent said") < page.index("All of it is proven.")
    assert "Nothing in them is checked" in page


def test_what_does_not_show_is_written_out(home):
    page = run_report(home, "r", "a\u202eb\u200bc", "", "done", []).read_text()
    assert "a\\u{202e}b\\u{200b}c" in page
    assert "\u202e" not in page


def test_the_policy_names_the_style_that_stands_there(home):
    page = run_report(home, "r", "p", "", "done", []).read_text()
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1]
    told = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{told}'" in page
    assert " style=" not in page
    assert "unsafe" not in page


def test_the_commands_it_gives_are_ones_that_there_are(home):
    page = run_report(home, "r", "p", "", "done", [pair(home)]).read_text()
    told = re.findall(r"(?:>|^)earnest (findings [^<\n]*)", page, re.MULTILINE)
    given = [line.split() for line in told]
    assert [words[:2] for words in given] == [
        ["findings", what] for what in ("show", "export", "verify")
    ]
    for words in given:
        assert _parser().parse_args(words).query == pair(home)[0].id[7:19]
