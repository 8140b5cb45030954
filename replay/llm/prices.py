"""Dollars, from the price list that genai-prices keeps; nothing is fetched."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache

from replay.llm.calls import Call


def dollars(call: Call, at: datetime) -> Decimal | None:
    """Price *call* as it was billed at *at*, in US dollars; None when the model is not listed."""
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=call.tokens.sent,
        output_tokens=call.tokens.received,
        cache_read_tokens=call.tokens.cached,
    )
    try:
        price = calc_price(usage, call.answered or call.requested, genai_request_timestamp=at)
    except LookupError:
        return None
    return price.total_price


@cache
def is_retired(model: str) -> bool:
    """Whether the price list marks *model* as deprecated by the provider that made it."""
    from genai_prices import Usage, calc_price

    try:
        return bool(calc_price(Usage(), model).model.deprecated)
    except LookupError:
        return False
