"""Dollars, from the price list that genai-prices keeps; nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from replay.llm.conversation import Call, Tokens

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

_LISTED_AS = {"bedrock": "aws", "gemini": "google", "xai": "x-ai"}
"""Providers that the price list names otherwise than we do."""

_NOTHING = Tokens()


def dollars(call: Call, at: datetime) -> Decimal | None:
    """
    Price *call* as it was billed at *at*, in US dollars, by its provider's own list.

    None when it cannot be told: the model is not listed, or the answer does not say how many tokens
    it took. What came to nothing but an error costs nothing.
    """
    if call.tokens == _NOTHING:
        return Decimal(0) if call.error and not call.answers else None
    provider = _LISTED_AS.get(call.provider, call.provider)
    minute = at.replace(second=0, microsecond=0)  # lists do not change more often
    for model in filter(None, (call.answered, call.requested)):
        if rates := _rates(model, provider, minute):
            if rates.are_for(call.tokens):
                return rates.price(call.tokens)
            with suppress(ValueError):  # numbers that cannot be: cached > sent
                return _listed(call.tokens, model, provider, at).total_price
    return None


def total(calls: Iterable[Call], at: datetime) -> Decimal | None:
    """Add up the prices of *calls*, in US dollars; None when one of them cannot be told."""
    prices = [dollars(call, at) for call in calls]
    known = [price for price in prices if price is not None]
    return sum(known, Decimal(0)) if len(known) == len(prices) else None


@dataclass(frozen=True, slots=True)
class _Rates:
    """Dollars a call and a token take, as long as no more than *until* are sent."""

    until: float
    call: Decimal
    sent: Decimal
    received: Decimal
    cached: Decimal
    stored: Decimal

    def are_for(self, tokens: Tokens) -> bool:
        """Whether these are what so many *tokens* take."""
        return tokens.sent <= self.until and tokens.cached + tokens.stored <= tokens.sent

    def price(self, tokens: Tokens) -> Decimal:
        """Price a call of so many *tokens*; what is cached or stored is sent too."""
        return (
            self.call
            + self.sent * tokens.sent
            + self.received * tokens.received
            + self.cached * tokens.cached
            + self.stored * tokens.stored
        )


@lru_cache(maxsize=256)
def _rates(model: str, provider: str, minute: datetime) -> _Rates | None:
    """
    Ask the list for the price of one token of each kind; None where the model is not in it.

    It works every price out from the beginning, which takes longer than storing the call.
    """

    def price(**tokens: int) -> Decimal:
        return _listed(Tokens(**tokens), model, provider, minute).total_price

    try:
        nothing = _listed(_NOTHING, model, provider, minute)
        call, sent = nothing.total_price, price(sent=1)
        return _Rates(
            until=min(_steps(nothing.model_price), default=math.inf),
            call=call,
            sent=sent - call,
            received=price(received=1) - call,
            cached=price(sent=1, cached=1) - sent,
            stored=price(sent=1, stored=1) - sent,
        )
    except (LookupError, ValueError):
        return None


def _steps(prices: object) -> Iterator[int]:
    """List the numbers of tokens sent beyond which one is dearer."""
    for value in vars(prices).values():
        yield from (tier.start for tier in getattr(value, "tiers", ()))


def _listed(tokens: Tokens, model: str, provider: str, at: datetime) -> PriceCalculation:
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=tokens.sent,
        output_tokens=tokens.received,
        cache_read_tokens=tokens.cached,
        cache_write_tokens=tokens.stored,
    )
    return calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)


@cache
def is_retired(model: str) -> bool:
    """Whether the price list marks *model* as deprecated by the provider that made it."""
    from genai_prices import Usage, calc_price

    try:
        return bool(calc_price(Usage(), model).model.deprecated)
    except LookupError:
        return False
