import argparse

import pytest

from earnest.cli import main
from earnest.core.budget import Budget
from earnest.core.canon import canonical, parse
from earnest.recipes.research import Begun, begin, begun, make_task
from earnest.recipes.run_verbs import _budget


def test_what_a_run_may_do_and_use_is_kept_for_its_resumption(home):
    how = Begun("analyst", Budget(steps=7, wall_s=60.0, tokens=5000, cost_usd=0.5), policy="ask")
    begin(home, "r", make_task("What?", []), how)
    assert begun(home, "r")[1] == how


def test_a_run_from_before_there_were_policies_is_resumed_as_it_was(home):
    begin(home, "r", make_task("What?", []), Begun("analyst", Budget()))
    path = home.runs / "r" / "run.json"
    note = parse(path.read_bytes())
    del note["policy"]
    path.write_bytes(canonical(note))
    assert begun(home, "r")[1].policy == "auto"


def test_the_options_make_the_budget():
    given = argparse.Namespace(steps=3, minutes=2.0, tokens=900, dollars=0.25)
    made = _budget(given)
    assert (made.steps, made.wall_s, made.tokens, made.cost_usd) == (3, 120.0, 900, 0.25)
    assert made.processes == Budget().processes


@pytest.mark.parametrize(
    "option",
    [["--steps", "0"], ["--minutes", "-1"], ["--tokens", "many"], ["--dollars", "nan"],
     ["--dollars", "inf"], ["--policy", "never"]],
)  # fmt: skip
def test_a_limit_that_is_none_is_wrong_usage(option, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["run", "?", "--data", "x.csv", *option])
    assert caught.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_an_interrupt_that_names_no_run_says_to_type_it_again(home, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("earnest.recipes.verbs.doctor", interrupted)
    assert main(["doctor", "--home", str(home.root)]) == 130
    assert "to go on: type the same command again" in capsys.readouterr().err
