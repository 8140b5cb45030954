"""What can be counted in a run: calls, tokens, dollars, seconds, words, numbers that come out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from replay.llm.calls import read_calls
from replay.llm.prices import total
from replay.model import Json, Recording

Measures = dict[str, float]


def measures(recording: Recording, prices_of: datetime) -> Measures:
    """
    Count what *recording* took; dollars at the *prices_of* one day, so that prices are no drift.

    Cost is left out when one of the models is not on the price list, latency when it was not noted.
    """
    calls = read_calls(recording.interactions)
    found: Measures = {"calls": len(recording.interactions)}
    if calls:
        found["tokens sent"] = sum(call.tokens.sent for call in calls)
        found["tokens received"] = sum(call.tokens.received for call in calls)
        found["words"] = sum(len(answer.text.split()) for call in calls for answer in call.answers)
        if (cost := total(calls, prices_of)) is not None:
            found["cost"] = float(cost)
    if latency := sum(interaction.elapsed for interaction in recording.interactions):
        found["latency"] = latency
    return found | dict(_numbers("output", recording.output))


def _numbers(path: str, value: Json) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(f"{path}.{key}", item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)
