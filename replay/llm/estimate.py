"""What sending recorded requests once more would take, at the prices of today."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from replay.llm.calls import read_calls
from replay.llm.prices import dollars
from replay.model import Interaction
from replay.wording import counted


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    Calls of models, with their tokens, sent and received.

    *unpriced* are the models whose price is not known, or which did not tell their tokens: they add
    no *dollars*.
    """

    calls: int = 0
    tokens: int = 0
    dollars: Decimal = Decimal(0)
    unpriced: tuple[str, ...] = ()

    def __add__(self, other: Estimate) -> Estimate:
        """Take both."""
        return Estimate(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.dollars + other.dollars,
            tuple(dict.fromkeys((*self.unpriced, *other.unpriced))),
        )

    @property
    def amount(self) -> str:
        """Tokens and dollars, for people."""
        price = f"${self.dollars:.6f}"
        if self.unpriced:
            names = f"not priced: {', '.join(self.unpriced)}"
            price = f"{price} ({names})" if self.dollars else f"price not known ({names})"
        return f"{self.tokens:,} tokens, {price}"

    def __str__(self) -> str:
        return f"{counted(self.calls, 'call')}, {self.amount}"


def estimate(interactions: Iterable[Interaction], model: str = "") -> Estimate:
    """Price the model calls among *interactions*, as if *model*, if given, had been asked."""
    now, total = datetime.now(UTC), Estimate()
    for call in read_calls(interactions):
        asked = replace(call, requested=model, answered="") if model else call
        price = dollars(asked, now)
        named = () if price is not None else (asked.answered or asked.requested or asked.provider,)
        total += Estimate(1, call.tokens.total, price or Decimal(0), named)
    return total
