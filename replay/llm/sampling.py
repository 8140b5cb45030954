"""Sampling parameters under one name each, and how each family of providers spells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from replay.llm.payload import at
from replay.model import Json

Spelling: TypeAlias = Mapping[str, tuple[str, ...]]
"""For each parameter the places where it may stand in a request, the usual one first."""


def spelled(**places: str) -> Spelling:
    """
    List the places of each parameter, as dotted paths with spaces between.

    >>> spelled(top_p="config.topP config.top_p")
    {'top_p': ('config.topP', 'config.top_p')}
    """
    return {name: tuple(found.split()) for name, found in places.items()}


def read_sampling(sent: dict[str, Any], spelling: Spelling) -> dict[str, Json]:
    """Read the parameters that *sent* sets, by the names that we use for them."""
    found = {name: _value(sent, places) for name, places in spelling.items()}
    return {name: value for name, value in found.items() if value is not None}


def _value(sent: dict[str, Any], places: tuple[str, ...]) -> Json:
    values = (at(sent, *place.split(".")) for place in places)
    return next((value for value in values if value is not None), None)
