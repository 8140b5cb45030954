"""What differs between two values, field by field, and between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from typing import TypeAlias

from replay.canonical import ABSENT, canonical_json
from replay.model import Difference, Json

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_TOO_LONG = 20_000
_AROUND = 40

IsOne: TypeAlias = Callable[[list[Json]], bool]


def _is_never_one(_: list[Json]) -> bool:
    return False


def value_differences(
    was: Json, now: Json, *, path: str = "", is_one: IsOne = _is_never_one
) -> tuple[Difference, ...]:
    """
    List the fields in which two values differ, paths as in `order.items[0].sku`, below *path*.

    An item that is new in a list, or gone, is one difference; those behind it are none. A list
    that *is_one* value is not looked into.

    >>> [d.path for d in value_differences({"a": [1, 2, 3], "b": 1}, {"a": [2, 3], "b": 2})]
    ['a[0]', 'b']
    """
    return tuple(_compared(path, was, now, is_one))


def member(path: str, key: str) -> str:
    """Spell the path of what stands under *key* in the object at *path*."""
    return f"{path}.{key}" if path else str(key)


def words_changed(was: str, now: str) -> tuple[tuple[str, str], ...]:
    """
    List the words that were taken away and what stands there now.

    >>> words_changed("Be brief, kind and exact.", "Be brief and exact.")
    ((', kind', ''),)
    """
    parts = _parted(was, now)
    return tuple((old, new) for kind, old, new in parts if kind != "equal")


def word_diff(was: str, now: str) -> str:
    """
    Show two texts as one: what was taken away as `[-…-]`, what was added as `{+…+}`.

    >>> word_diff("Be brief, kind and exact.", "Be short and exact.")
    'Be [-brief, kind-]{+short+} and exact.'
    """
    shown = []
    parts = list(_parted(was, now))
    for number, (kind, old, new) in enumerate(parts):
        if kind == "equal":
            shown.append(_shortened(old, first=number == 0, last=number == len(parts) - 1))
        else:
            shown.append((f"[-{old}-]" if old else "") + (f"{{+{new}+}}" if new else ""))
    return "".join(shown)


def _compared(path: str, was: Json, now: Json, is_one: IsOne) -> Iterator[Difference]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*was, *now]):
            yield from _compared(
                member(path, key), was.get(key, ABSENT), now.get(key, ABSENT), is_one
            )
    elif all(isinstance(value, list) and not is_one(value) for value in (was, now)):
        yield from _compared_lists(path, was, now, is_one)
    elif type(was) is not type(now) or was != now:
        yield Difference(path, was, now)


def _compared_lists(
    path: str, was: list[Json], now: list[Json], is_one: IsOne
) -> Iterator[Difference]:
    if canonical_json(was) == canonical_json(now):
        return
    one, two = [[canonical_json(item) for item in items] for items in (was, now)]
    for kind, i, j, k, m in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        both = min(j - i, m - k)
        for step in range(both):
            yield from _compared(f"{path}[{k + step}]", was[i + step], now[k + step], is_one)
        for index in range(i + both, j):
            yield Difference(f"{path}[{index}]", was[index], ABSENT)
        for index in range(k + both, m):
            yield Difference(f"{path}[{index}]", ABSENT, now[index])


def _parted(was: str, now: str) -> Iterator[tuple[str, str, str]]:
    """Cut two texts into what is equal and what is not; changes a blank apart are one change."""
    if max(len(was), len(now)) > _TOO_LONG:
        yield "replace", was, now
        return
    one, two = _WORDS.findall(was), _WORDS.findall(now)
    held: tuple[str, str] | None = None
    blank = ""
    for kind, i, j, k, m in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        old, new = "".join(one[i:j]), "".join(two[k:m])
        if kind != "equal":
            held = (held[0] + blank + old, held[1] + blank + new) if held else (old, new)
            blank = ""
        elif held and not old.strip():
            blank = old
        else:
            if held:
                yield "replace", *held
            yield "equal", blank + old, blank + new
            held, blank = None, ""
    if held:
        yield "replace", *held
    if blank:
        yield "equal", blank, blank


def _shortened(text: str, *, first: bool, last: bool) -> str:
    """Leave out what is far from a change."""
    room = _AROUND * (1 if first or last else 2)
    if len(text) <= room + 10:
        return text
    head = "" if first else text[:_AROUND]
    tail = "" if last else text[-_AROUND:]
    return f"{head}…{tail}"
