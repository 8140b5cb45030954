"""Dollars, from the price list that genai-prices keeps; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import cache

from replay.llm.conversation import Call, Tokens

_LISTED_AS = {"bedrock": "aws", "gemini": "google", "xai": "x-ai"}
"""Providers that the price list names otherwise than we do."""


def dollars(call: Call, at: datetime) -> Decimal | None:
    """
    Price *call* as it was billed at *at*, in US dollars, by its provider's own list.

    None when it cannot be told: the model is not listed, or the answer does not say how many tokens
    it took. What came to nothing but an error costs nothing.
    """
    from genai_prices import Usage, calc_price

    if call.tokens == Tokens():
        return Decimal(0) if call.error and not call.answers else None
    usage = Usage(
        input_tokens=call.tokens.sent,
        output_tokens=call.tokens.received,
        cache_read_tokens=call.tokens.cached,
        cache_write_tokens=call.tokens.stored,
    )
    provider = _LISTED_AS.get(call.provider, call.provider)
    for model in filter(None, (call.answered, call.requested)):
        try:
            price = calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
        except (LookupError, ValueError):  # not listed, or numbers that cannot be: cached > sent
            continue
        return price.total_price
    return None


def total(calls: Iterable[Call], at: datetime) -> Decimal | None:
    """Add up the prices of *calls*, in US dollars; None when one of them cannot be told."""
    prices = [dollars(call, at) for call in calls]
    known = [price for price in prices if price is not None]
    return sum(known, Decimal(0)) if len(known) == len(prices) else None


@cache
def is_retired(model: str) -> bool:
    """Whether the price list marks *model* as deprecated by the provider that made it."""
    from genai_prices import Usage, calc_price

    try:
        return bool(calc_price(Usage(), model).model.deprecated)
    except LookupError:
        return False
