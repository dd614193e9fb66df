"""Asking the model within the budgets: what it may use at worst is set aside before it is asked.

What can't be known before: by how much a prompt is longer than was estimated, and what answers
used that broke off and were asked for again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from earnest.agent.replay import CHARACTERS_A_TOKEN, State, size
from earnest.core.budget import Purse
from earnest.core.canon import canonical
from earnest.core.errors import BudgetError, UsageError
from earnest.core.interrupts import soft
from earnest.core.messages import Completion, Message, Sampling, ToolSpec
from earnest.core.protocols import Model

SHORTEST: Final = 16
"""Tokens: there is no use in asking for an answer of fewer."""
_COUNTED: Final = 4  # characters a token, where a model doesn't count (core/budget.py)


class Asking:
    """Asks one model, with one set of tools, from one purse."""

    def __init__(self, model: Model, purse: Purse, specs: Sequence[ToolSpec]) -> None:
        self.model, self.purse, self.specs = model, purse, specs
        # Characters that go along with each prompt.
        self.besides = len(canonical([spec.model_dump(mode="json") for spec in specs]))

    def check(self) -> None:
        """Raise `UsageError` where dollars are limited and nobody knows what the model costs."""
        limited = math.isfinite(self.purse.left("cost_usd"))
        if limited and not self.model.priced:
            raise UsageError(
                f"it isn't known what {self.model.name} costs: dollars can't be limited",
                mend="give the model its prices, or set a budget of tokens (--tokens)",
            )

    def ask(
        self, state: State, messages: Sequence[Message], how: Sampling
    ) -> tuple[Completion, int]:
        """Ask the model within what is left, and return its answer and the tokens it counts for.

        The tools go along with the run's own messages only. Raises `BudgetError`, before anything
        is spent, where what is left may not suffice.
        """
        specs = self.specs if messages is state.messages else []
        prompt = self.prompt(state, messages)
        begin, each = self.cost(prompt, 0), self.cost(prompt, 1) - self.cost(prompt, 0)
        left = self.purse.left("tokens") - prompt
        if each > 0:
            left = min(left, (self.purse.left("cost_usd") - begin) / each - 1e-6)
        longest = int(max(0, min(how.max_tokens, left)))
        if longest < min(SHORTEST, how.max_tokens):
            raise BudgetError(
                "the budget of tokens or dollars is used up, or has no room for the next answer: "
                f"{self.purse.left('tokens'):g} tokens and {self.purse.left('cost_usd'):g} dollars "
                f"are left, and the prompt has about {prompt} tokens"
            )
        how = how.model_copy(update={"max_tokens": longest})
        worst = begin + longest * each
        with self.purse.aside({"tokens": prompt + longest, "cost_usd": worst}) as used:
            completion = soft(self.model.generate, messages, specs, how)
            used["tokens"], used["cost_usd"] = self.spent(state, messages, completion)
        return completion, int(used["tokens"])

    def characters(self, state: State, messages: Sequence[Message]) -> int:
        """Return how many characters a prompt has, the tools' descriptions included."""
        own = messages is state.messages
        return state.characters + self.besides if own else sum(map(size, messages))

    def prompt(self, state: State, messages: Sequence[Message]) -> int:
        """Return about how many tokens a prompt has; a program that reports none has none."""
        if self.model.speaks is None and not state.counted:
            return 0
        if messages is state.messages:
            return state.tokens(self.besides)
        return -(-self.characters(state, messages) // CHARACTERS_A_TOKEN)

    def cost(self, prompt: int, completion: int) -> float:
        """Return what so many tokens cost at most, in dollars; where that isn't known, nothing."""
        price = getattr(self.model, "price", None)
        found = price.cost(prompt, completion) if price is not None else None
        return float(found or 0.0)

    def spent(
        self, state: State, messages: Sequence[Message], completion: Completion
    ) -> tuple[float, float]:
        """Return the tokens and dollars that an answer counts for."""
        usage = completion.usage
        given, made = usage.prompt_tokens, usage.completion_tokens
        if given is None or made is None:
            given = self.characters(state, messages) // _COUNTED
            made = size(completion.message) // _COUNTED
        cost = usage.cost_usd
        return given + made, self.cost(given, made) if cost is None else cost
