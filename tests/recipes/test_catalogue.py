"""The catalogue from the command line to a verdict."""

import json
import time
from pathlib import Path

import pytest
from tests.homes import home_at

from earnest.cli import main
from earnest.core.canon import digest
from earnest.core.errors import RecordError
from earnest.core.kinds import Claim
from earnest.recipes.catalogue import open_catalogue

KNOWN = """\
outcome,exposure,direction,source
FoodExp,Income,positive,Engel 1857
foodexp,income,negative,"Nobody, ever"
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    home = home_at(tmp_path / "home")
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    return home


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "known.csv"
    path.write_text(KNOWN)
    return path


def told(capsys, *arguments, status=0):
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_a_catalogue_is_added_listed_and_removed(known, own_home, capsys):
    assert told(capsys, "catalogue", "list") == {"version": 1, "catalogues": []}
    added = told(capsys, "catalogue", "add", str(known))
    assert added == {"version": 1, "name": "known", "typed": 2, "text": 0}
    assert told(capsys, "catalogue", "add", str(known), "--name", "again")["name"] == "again"
    names = [one["name"] for one in told(capsys, "catalogue", "list")["catalogues"]]
    assert names == ["again", "known"]
    assert told(capsys, "catalogue", "remove", "again") == {"version": 1, "removed": "again"}
    assert main(["catalogue", "list"]) == 0
    assert capsys.readouterr().out == "  known: 2 typed, 0 in text\n"
    assert [path.name for path in own_home.catalogue.iterdir()] == ["known.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "says", "mend"),
    [
        (["add"], "add needs one", "FILE"),
        (["remove"], "remove needs one", "NAME"),
        (["remove", "../ledger"], "no catalogue", "catalogue list"),
        (["add", "none.csv"], "no file", "catalogue add"),
        (["add", "KNOWN", "--name", "../x"], "no name", "--name"),
        (["add", "KNOWN"], "already", "catalogue remove known"),
        (["add", "BROKEN"], "broken.csv, line 2: no direction 'up'", "positive"),
    ],
)
def test_errors_name_the_mend(arguments, says, mend, known, tmp_path, capsys):
    (tmp_path / "broken.csv").write_text("outcome,exposure,direction,source\na,b,up,c\n")
    assert main(["catalogue", "add", str(known)]) == 0
    capsys.readouterr()
    files = {"KNOWN": str(known), "BROKEN": str(tmp_path / "broken.csv")}
    assert main(["catalogue", *(files.get(one, one) for one in arguments)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert mend in error


def test_the_help_has_examples_that_can_be_added(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["catalogue", "--help"])
    out = capsys.readouterr().out
    assert "--json" in out
    lines = [line.strip() for line in out.splitlines() if line.strip().startswith('{"')]
    (tmp_path / "examples.jsonl").write_text("\n".join(lines))
    added = told(capsys, "catalogue", "add", str(tmp_path / "examples.jsonl"))
    assert (added["typed"], added["text"]) == (2, 1)


def claim(**more):
    base = {"kind": "association", "table": "t", "outcome": "fuel", "exposure": "car_weight"}
    return Claim(**{**base, "direction": "positive", **more})


def test_text_is_found_as_the_ledger_finds_it(tmp_path, own_home):
    from earnest.recipes.catalogue import add

    texts = ["Car weights drive fuel.", "Weight and fuel.", "Fuel, fuel.", "The car's fuel weight."]
    lines = [json.dumps({"text": text, "source": f"s{n}"}) for n, text in enumerate(texts)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    add(own_home, tmp_path / "texts.jsonl")
    grade, says, count = open_catalogue(own_home).grade(claim())
    assert (grade, count) == ("novel", 1)
    assert "s0 (texts, entry 1)" in says
    assert open_catalogue(own_home).grade(claim(exposure="horses"))[2] == 0


def test_what_was_added_or_removed_counts_at_once(known, own_home):
    about = claim(outcome="foodexp", exposure="income")
    assert open_catalogue(own_home).grade(about)[0] == "novel"
    assert main(["catalogue", "add", str(known)]) == 0
    assert open_catalogue(own_home).grade(about)[0] == "known"
    assert open_catalogue(own_home) is open_catalogue(own_home)
    assert main(["catalogue", "remove", "known"]) == 0
    assert open_catalogue(own_home).grade(about)[0] == "novel"


def test_a_damaged_catalogue_is_an_error_that_names_the_mend(known, own_home):
    main(["catalogue", "add", str(known)])
    (own_home.catalogue / "known.jsonl").write_text('{"claim": 1}\n')
    with pytest.raises(RecordError, match="damaged") as caught:
        open_catalogue(own_home)
    assert caught.value.mend == "earnest catalogue remove known"


def test_a_large_catalogue_is_looked_up_quickly(tmp_path, own_home):
    from earnest.recipes.catalogue import add

    rows = [f"y{n},x{n % 100},positive,s,,\n" for n in range(2000)]
    rows += [f",,,s,,y{n} rises with x{n % 100}\n" for n in range(2000)]
    (tmp_path / "many.csv").write_text(
        "outcome,exposure,direction,source,group,text\n" + "".join(rows)
    )
    add(own_home, tmp_path / "many.csv")
    catalogue = open_catalogue(own_home)
    began = time.process_time()
    found = [catalogue.grade(claim(outcome=f"y{n}", exposure=f"x{n % 100}")) for n in range(100)]
    assert (time.process_time() - began) / 100 < 0.02
    assert {(grade, count) for grade, _, count in found} == {("known", 2)}


@pytest.mark.usefixtures("sandbox")
def test_from_the_catalogue_to_the_verdict_and_its_report(known, own_home, capsys):
    pytest.importorskip("statsmodels")
    told(capsys, "catalogue", "add", str(known))
    run = told(capsys, "run", "?", "--bundled", "engel", "--model", "analyst")
    about = [
        one for one in run["findings"]
        if {one["claim"]["outcome"], one["claim"]["exposure"]} == {"income", "foodexp"}
        and one["claim"]["direction"] == "positive" and one["claim"]["threshold"] is None
    ]  # fmt: skip
    shown = told(capsys, "findings", "show", about[0]["id"])
    assert shown["verdict"] == "confirmed"
    assert {name: shown["novelty"][name] for name in shown["novelty"] if name != "why"} == {
        "grade": "known",
        "ledger": "novel",
        "closed-book": None,
        "catalogue": "known",
    }
    assert "Engel 1857 (known, entry 1), but not as Nobody, ever" in shown["novelty"]["why"]
    assert "not asked: analyst is no language model" in shown["novelty"]["why"]
    assert shown["closed_book"]["asked"] == []
    assert shown["closed_book"]["finding"] == shown["id"] != digest(b"")
    assert main(["findings", "show", about[0]["id"]]) == 0
    assert (
        "how new: known (ledger novel, closed-book not asked, catalogue known)"
        in capsys.readouterr().out
    )
    page = Path(run["report"]).read_text()
    assert "How new: known (ledger novel" in page
    assert "Engel 1857" in page


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
def test_another_model_than_the_author_can_be_asked(capsys):
    pytest.importorskip("statsmodels")
    pytest.importorskip("torch")
    run = told(capsys, "run", "?", "--bundled", "engel", "--closed-book", "nano")
    shown = [told(capsys, "findings", "show", one["id"]) for one in run["findings"]]
    assert all(one["closed_book"]["model"] == "nano" for one in shown)
    assert all(one["novelty"]["closed-book"] for one in shown if not one["closed_book"]["why"])
    assert "known" in [one["novelty"]["closed-book"] for one in shown]
    assert main(["run", "?", "--bundled", "engel", "--closed-book", "hal"]) == 2
    assert "nano" in capsys.readouterr().err
