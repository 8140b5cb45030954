"""Sampling parameters under one name each, and how each family of providers spells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from replay.llm.payload import at
from replay.model import Json

Spelling: TypeAlias = Mapping[str, tuple[tuple[str, ...], ...]]
"""For each parameter the paths at which it may stand in a request, the usual one first."""


def spelled(**places: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """
    List the places of each parameter, as dotted paths with spaces between.

    >>> spelled(top_p="config.topP config.top_p")
    {'top_p': (('config', 'topP'), ('config', 'top_p'))}
    """
    return {
        name: tuple(tuple(place.split(".")) for place in found.split())
        for name, found in places.items()
    }


def read_sampling(sent: dict[str, Any], spelling: Spelling) -> dict[str, Json]:
    """Read the parameters that *sent* sets, by the names that we use for them."""
    found: dict[str, Json] = {}
    for name, places in spelling.items():
        for place in places:
            if place[0] in sent and (value := at(sent, *place)) is not None:
                found[name] = value
                break
    return found
