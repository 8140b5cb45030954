"""What recording a further version would take: the calls of the current recording, priced anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from replay.llm.calls import read_call
from replay.llm.prices import dollars
from replay.model import Recording


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls and tokens, sent and received; *dollars* is None where the model has no known price."""

    calls: int
    tokens: int
    dollars: Decimal | None

    def __str__(self) -> str:
        price = "price not known" if self.dollars is None else f"${self.dollars:.6f}"
        return f"about {self.calls} calls, {self.tokens:,} tokens, {price}"


def estimate(recording: Recording, model: str) -> Estimate:
    """Price the model calls of *recording* as if *model* had used as many tokens, today."""
    calls = [call for call in map(read_call, recording.interactions) if call]
    now = datetime.now(UTC)
    prices = [dollars(replace(call, requested=model, answered=""), now) for call in calls]
    known = [price for price in prices if price is not None]
    return Estimate(
        len(calls),
        sum(call.tokens.sent + call.tokens.received for call in calls),
        sum(known, Decimal(0)) if len(known) == len(prices) else None,
    )
