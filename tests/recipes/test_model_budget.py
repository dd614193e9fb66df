"""What a run may use where its model's price is not known, and what a run needs to begin."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from earnest.cli import main
from earnest.core.budget import Budget
from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.models.choose import open_model
from earnest.recipes.model_budget import MOST_TOKENS, held

SERVED = "http://127.0.0.1:9/v1#m"


def test_a_model_of_unknown_price_is_capped_in_tokens_and_it_is_said() -> None:
    said: list[str] = []
    budget = held(open_model(SERVED), Budget(steps=3), said.append)
    assert budget == Budget(steps=3, tokens=MOST_TOKENS)
    assert "price of http://127.0.0.1:9/v1#m is not known" in said[0]
    assert "2,000,000 tokens" in said[0]
    assert held(open_model(SERVED), Budget(tokens=7), said.append).tokens == 7


def test_a_budget_of_money_needs_a_price() -> None:
    with pytest.raises(UsageError, match="can't be held") as caught:
        held(open_model(SERVED), Budget(cost_usd=1.0), lambda _: None)
    assert "prices.json" in caught.value.mend
    said: list[str] = []
    for spec in ("openai:gpt-5.5", "analyst"):
        budget = Budget(cost_usd=1.0)
        assert held(open_model(spec), budget, said.append) is budget
    assert said == []


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ("anthropic:claude-opus-5", "ANTHROPIC_API_KEY"),
        ("openai:gpt-5.5", "OPENAI_API_KEY"),
    ],
)
def test_no_run_begins_without_a_key(
    spec: str,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(key, raising=False)
    table = tmp_path / "t.csv"
    table.write_text("a,b\n" + "\n".join(f"{n},{n}" for n in range(100)))
    command = ["run", "What?", "--data", str(table), "--model", spec, "--home", str(tmp_path / "h")]
    there = set(sys.modules)
    assert main(command) == 3
    assert not {"anthropic", "openai"} & (set(sys.modules) - there), "it is said at once"
    told = capsys.readouterr().err
    assert f"no key for {spec}" in told
    assert f"export {key}" in told
    assert not list(Home(tmp_path / "h").runs.glob("*"))


def test_prices_that_can_not_be_read_stop_a_run(tmp_path: Path) -> None:
    table, home = tmp_path / "t.csv", Home(tmp_path / "h")
    table.write_text("a,b\n1,2\n")
    (home.root / "prices.json").write_text(json.dumps({"models": {SERVED: {"in": "x"}}}))
    command = ["run", "What?", "--data", str(table), "--model", SERVED]
    assert main([*command, "--home", str(home.root)]) == 2
