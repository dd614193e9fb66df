"""What a run may use where nobody knows what its model costs: tokens are capped instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from earnest.core.budget import Budget
from earnest.core.errors import UsageError
from earnest.core.protocols import Model, Progress

MOST_TOKENS: Final = 2_000_000


def held(model: Model, budget: Budget, say: Progress) -> Budget:
    """Return the budget that a run of this model can be held to, and say where that is another.

    Raises `UsageError` for a budget of money where the model's price is not known.
    """
    if model.priced:
        return budget
    if budget.cost_usd is not None:
        raise UsageError(
            f"the price of {model.name} is not known, so a budget of money can't be held",
            mend="cap tokens instead (--tokens N), or put its price into prices.json in the home "
            "folder: "
            f'{{"models": {{"{model.name}": {{"in": 2, "out": 10}}}}}} (US dollars for a million '
            "tokens)",
        )
    if budget.tokens is None:
        budget = replace(budget, tokens=MOST_TOKENS)
    say(
        f"the price of {model.name} is not known, so its cost is not counted: "
        f"it may use {budget.tokens:,} tokens"
    )
    return budget
