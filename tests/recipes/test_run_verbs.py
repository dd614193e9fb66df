import argparse

import pytest

from earnest.cli import main
from earnest.core.budget import Budget
from earnest.core.canon import canonical, parse
from earnest.core.errors import UsageError
from earnest.models.scripted import ScriptedModel, say
from earnest.recipes.research import Begun, begin, begun, make_task
from earnest.recipes.run_verbs import _budget, _priced


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


class Unpriced(ScriptedModel):
    priced = False


def test_an_unknown_price_is_said_and_money_can_t_be_capped():
    said: list[str] = []
    model = Unpriced([say("x")], name="mystery")
    _priced(argparse.Namespace(dollars=None, tokens=None), model, said.append)
    assert "mystery: its price is not known" in said[0]
    assert "--tokens" in said[0]
    with pytest.raises(UsageError, match="can't be held") as caught:
        _priced(argparse.Namespace(dollars=1.0, tokens=None), model, said.append)
    assert "--tokens" in caught.value.mend
    _priced(argparse.Namespace(dollars=1.0, tokens=None), ScriptedModel([]), said.append)
    assert len(said) == 1
