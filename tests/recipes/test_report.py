import json

from earnest.core.canon import digest
from earnest.core.records import Author, Claim, Evidence, Finding, TableRef, Verdict
from earnest.recipes.report import counts, rounded, row, run_report, spoken

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
