"""Numbers of things, as our own sentences say them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """
    Write a number and what it is of, in singular or plural.

    >>> counted(1, "call"), counted(1200, "call"), counted(2, "body")
    ('1 call', '1,200 calls', '2 bodies')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
