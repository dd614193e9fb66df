"""What answers cost: the listed prices, and the user's own before them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earnest.core.errors import UsageError
from earnest.core.home import Home
from earnest.models.choose import furnish, open_model
from earnest.models.prices import LISTED, NAME, Price, Rates, look_up

pytest.importorskip("openai")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")


def own(tmp_path: Path, **models: object) -> Home:
    home = Home(tmp_path)
    (tmp_path / NAME).write_text(json.dumps({"models": models}))
    return home


def test_cached_tokens_have_a_price_of_their_own() -> None:
    price = Price(Rates(2.0, 10.0, 0.2, 2.5))
    assert price.cost(1000, 100) == pytest.approx((1000 * 2 + 100 * 10) / 1e6)
    paid = price.cost(1000, 100, cached=700, written=200)
    assert paid == pytest.approx((100 * 2 + 100 * 10 + 700 * 0.2 + 200 * 2.5) / 1e6)


def test_a_long_prompt_costs_what_is_known_of_long_prompts() -> None:
    short, long = Rates(1.0, 1.0, 1.0, 1.0), Rates(5.0, 5.0, 5.0, 5.0)
    assert Price(short, up_to=10, beyond=long).cost(11, 0) == pytest.approx(55e-6)
    assert Price(short, up_to=10).cost(10, 0) == pytest.approx(10e-6)
    assert Price(short, up_to=10).cost(11, 0) is None


def test_a_dated_name_is_the_model_and_a_relative_is_not() -> None:
    listed = look_up("anthropic:claude-haiku-4-5").price
    assert listed is not None
    assert look_up("anthropic:claude-haiku-4-5-20251001").price == listed
    assert look_up("anthropic:claude-haiku-4-5-mini").price is None
    assert look_up("openai:claude-haiku-4-5").price is None


def test_every_listed_price_can_be_read_and_is_dated() -> None:
    table = json.loads(LISTED.read_text())
    assert len(table["looked_up"]) == 10
    for name in table["models"]:
        price = look_up(name).price
        assert price is not None
        assert 0 < price.rates.cached <= price.rates.in_ <= price.rates.written
        assert price.rates.in_ < price.rates.out


def test_the_user_s_own_prices_come_first(tmp_path: Path) -> None:
    home = own(
        tmp_path, **{"openai:gpt-5.5": {"in": 1, "out": 2}, "http://h/v1#m": {"in": 0, "out": 0}}
    )
    known, free = (open_model(spec) for spec in ("openai:gpt-5.5", "http://h/v1#m"))
    assert (known.priced, free.priced) == (True, False)
    for one in (known, free):
        assert furnish(one, home).priced
    assert known.price == Price(Rates(1.0, 2.0, 1.0, 1.0))
    assert free.price.cost(9, 9) == 0


def test_a_model_that_nobody_priced_has_no_price(tmp_path: Path) -> None:
    assert not furnish(open_model("openai:of-my-own"), Home(tmp_path)).priced
    assert furnish(open_model("analyst"), Home(tmp_path)).priced


@pytest.mark.parametrize(
    "row", [{"in": 1}, {"in": "much", "out": 1}, {"in": -1, "out": 1}, {"in": 1, "out": 1, "x": 1}]
)
def test_prices_that_can_not_be_read_are_said(tmp_path: Path, row: object) -> None:
    home = own(tmp_path, **{"openai:m": row})
    with pytest.raises(UsageError, match="can't be read as prices") as caught:
        furnish(open_model("openai:m"), home)
    assert '"in": 2' in caught.value.mend


def test_every_form_of_a_model_s_name() -> None:
    assert open_model("anthropic:claude-opus-5").name == "anthropic:claude-opus-5"
    assert open_model("anthropic:claude-opus-5").sees
    assert open_model("openai:gpt-5.5").sees
    assert not open_model("openai:of-my-own").sees
    served = [open_model(f"http://127.0.0.1:1/v1#m{sees}") for sees in ("", "?sees")]
    assert [one.name for one in served] == ["http://127.0.0.1:1/v1#m"] * 2
    assert [one.sees for one in served] == [False, True]
    for spec in ("anthropic:", "openai:", "http://127.0.0.1:1/v1", "gpt-5.5"):
        with pytest.raises(UsageError):
            open_model(spec)


def test_a_server_s_address_with_a_key_in_it_is_no_model_s_name() -> None:
    with pytest.raises(UsageError) as told:
        open_model("http://me:s3cret@host/v1#m")
    assert "s3cret" not in str(told.value)
    assert "s3cret" not in told.value.mend
    assert open_model("http://host/v1#m@2").name == "http://host/v1#m@2"
