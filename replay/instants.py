"""Instants and numbers of seconds, as files write them."""

from __future__ import annotations

from datetime import datetime

MOST = 10**10
"""What no number of seconds reaches, in either direction: more than 300 years."""

_LAST = 9000
"""The year from which on the calendar is too near its end for what is counted from there."""


def instant(text: str) -> datetime:
    """
    Read ISO 8601.

    Raises:
        ValueError: it is none, or so early or late that nothing can be counted from it.
        TypeError: it is not even a text.

    """
    found = datetime.fromisoformat(text)
    if not 1 < found.year < _LAST:
        raise ValueError(f"{text!r:.40} is beyond the years that can be counted in")
    return found
