"""Where two JSON values differ, field by field; what only moved in a list is no difference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from replay.canonical import canonical_json
from replay.model import Difference, Json

ABSENT = "(absent)"
"""Stands for the value of a field that one side does not have."""

_VECTOR = 16
_INDEX = re.compile(r"\[\d+\]")


def field_differences(before: Json, after: Json, *, path: str = "") -> list[Difference]:
    """
    List where *before* and *after* differ; lists are aligned, so that one new item is one.

    >>> one, two = {"m": ["a", "b", "c"]}, {"m": ["new", "a", "b", "C"]}
    >>> [(d.path, d.recorded, d.now) for d in field_differences(one, two)]
    [('m[0]', '(absent)', 'new'), ('m[3]', 'c', 'C')]
    """
    return list(_differences(path, before, after))


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
            yield _member(path, key)
            yield from paths(item, _member(path, key))
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[*]")


def _differences(path: str, before: Json, after: Json) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _differences(
                _member(path, key), before.get(key, ABSENT), after.get(key, ABSENT)
            )
    elif _is_list(before) and _is_list(after):
        yield from _in_lists(path, before, after)
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def _in_lists(path: str, before: list[Json], after: list[Json]) -> Iterator[Difference]:
    if before == after:
        return
    matcher = SequenceMatcher(None, _spelled(before), _spelled(after), autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        both = min(i_end - i, j_end - j)
        for n in range(both):
            yield from _differences(f"{path}[{j + n}]", before[i + n], after[j + n])
        yield from (Difference(f"{path}[{n}]", before[n], ABSENT) for n in range(i + both, i_end))
        yield from (Difference(f"{path}[{n}]", ABSENT, after[n]) for n in range(j + both, j_end))


def _is_list(value: Json) -> bool:
    """Whether to look inside; an embedding's numbers say nothing one by one."""
    return isinstance(value, list) and not (
        len(value) >= _VECTOR and all(isinstance(item, float) for item in value)
    )


def _spelled(items: list[Json]) -> list[str]:
    return [canonical_json(item) for item in items]


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if path else str(key)
