"""Where two JSON values differ, field by field; what only moved in a list is no difference."""

from __future__ import annotations

import re
from collections.abc import Iterator

from replay.golden.differences import member, value_differences
from replay.model import Difference, Json

_VECTOR = 16
_INDEX = re.compile(r"\[\d+\]")


def field_differences(before: Json, after: Json, *, path: str = "") -> list[Difference]:
    """
    List where *before* and *after* differ; lists are aligned, so that one new item is one.

    >>> one, two = {"m": ["a", "b", "c"]}, {"m": ["new", "a", "b", "C"]}
    >>> [(d.path, d.recorded, d.now) for d in field_differences(one, two)]
    [('m[0]', '(absent)', 'new'), ('m[3]', 'c', 'C')]
    """
    return list(value_differences(before, after, path=path, is_one=_is_vector))


def generalized(path: str) -> str:
    """
    Name all items of a list alike.

    >>> generalized("messages[3].content[0].text")
    'messages[*].content[*].text'
    """
    return _INDEX.sub("[*]", path)


def paths(value: Json, path: str = "") -> Iterator[str]:
    """List the generalized paths of all that *value* holds, but for empty containers' insides."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield member(path, key)
            yield from paths(item, member(path, key))
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[*]")


def _is_vector(items: list[Json]) -> bool:
    """Whether *items* are an embedding: its numbers say nothing one by one."""
    return len(items) >= _VECTOR and all(isinstance(item, float) for item in items)
