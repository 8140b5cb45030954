"""Rules of normalization: values that say where something varies, and what becomes of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from replay.model import Json


class Do(StrEnum):
    """
    What becomes of what a rule finds.

    NUMBER puts `<name:1>` there, the same number for the same value; MASK puts `<name:*>`, for what
    may be equal or not by chance; DROP takes it away; SORT puts a list in an order of its own.
    """

    NUMBER = "number"
    MASK = "mask"
    DROP = "drop"
    SORT = "sort"


Action: TypeAlias = Do | Callable[[Json], Json]
"""One of those, or a function of the value that, done twice, does no more than once."""


@dataclass(frozen=True, slots=True)
class AtPath:
    """Where a JSON path (RFC 9535, `$.` may be left out) points in the value as it was given."""

    path: str


@dataclass(frozen=True, slots=True)
class UnderKey:
    """Under members of these names, at any depth, whatever their case; `*` stands for anything."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InText:
    """
    Every match in any string; of a pattern with groups, the group that took part.

    A text without any of *hints* has no match: looking for those is much faster.
    """

    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfType:
    """At every value of this JSON type: str, int, float, bool, list, dict or NoneType."""

    kind: type


Where: TypeAlias = AtPath | UnderKey | InText | OfType


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, by *name*; with *only*, for the values that it says yes to."""

    name: str
    where: Where
    do: Action = Do.NUMBER
    only: Callable[[Json], bool] | None = None


Rules: TypeAlias = tuple[Rule, ...]
"""Rules in the order in which they get their turn; the first that puts a placeholder wins."""


def at(path: str, do: Action = Do.NUMBER, *, name: str = "") -> Rule:
    """Make a rule for where a JSON path points, as in `at("items[*].sku")`."""
    return Rule(name or _last_word(path), AtPath(path), do)


def key(*names: str, do: Action = Do.NUMBER, name: str = "") -> Rule:
    """Make a rule for the members of these names, as in `key("customer_id", "*_ref")`."""
    return Rule(name or _last_word(names[0]), UnderKey(names), do)


def pattern(text: str, name: str, do: Action = Do.NUMBER) -> Rule:
    """Make a rule for what a regular expression finds, as in `pattern(r"ORD-[0-9]+", "order")`."""
    return Rule(name, InText(re.compile(text)), do)


def of_type(kind: type, do: Action, *, name: str = "") -> Rule:
    """Make a rule for values of a JSON type, as in `of_type(float, rounded(2))`."""
    return Rule(name or kind.__name__, OfType(kind), do)


@dataclass(frozen=True, slots=True)
class _Rounded:
    digits: int

    def __call__(self, value: Json) -> Json:
        return float(f"{value:.{self.digits}g}") if isinstance(value, float) else value


def rounded(digits: int) -> Callable[[Json], Json]:
    """
    Round floats to as many significant digits; other values stay.

    >>> rounded(12)(0.1 + 0.2), rounded(3)(1042), rounded(3)(1042.5)
    (0.3, 1042, 1040.0)
    """
    return _Rounded(digits)


def composed(value: Json) -> Json:
    """Write a text in the one form of Unicode (NFC) and of line ends: forms that look alike."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n") if "\r" in value else value
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def tidied(value: Json) -> Json:
    r"""
    Write a text with plain quotes, dashes and spaces, one at a time, and none at the ends of lines.

    >>> tidied("“It is  here” \n\n\n\u200bDone ")
    '"It is here"\n\nDone'
    """
    if not isinstance(value, str):
        return value
    text = re.sub(r"[ \t]+", " ", value.translate(_TYPOGRAPHY))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" *\n *", "\n", text)).strip()


_TYPOGRAPHY = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b", "'")
    | dict.fromkeys("\u201c\u201d\u201f", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014", "-")
    | dict.fromkeys("\u00a0\u2009\u202f\u2007", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "")
    | {"…": "...", "\r": ""}
)


def _last_word(text: str) -> str:
    return str((re.findall(r"[A-Za-z]\w*", text) or ["value"])[-1])
