"""Normalization: what differs from run to run is replaced by a numbered placeholder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from replay.errors import NotJson
from replay.model import Json


@dataclass(frozen=True, slots=True)
class Rule:
    """Replace every match of *pattern* in a string by `<name:N>`, N the same for equal values."""

    name: str
    pattern: re.Pattern[str]


DEFAULT_RULES = (
    Rule("uuid", re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")),
    Rule(
        "timestamp",
        re.compile(
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?(?![\d:])",
        ),
    ),
    Rule(
        "id",
        re.compile(r"\b(?:chatcmpl|resp|call|msg|req|run|fp|rs|fc|toolu)[-_][A-Za-z0-9]{8,}\b"),
    ),
)
"""Ids of every sort and times: what no two runs share."""


def plain(value: Any, what: str = "The output") -> Json:
    """
    Turn *value* into JSON: pydantic models, dataclasses, dates, sets, enums and what holds them.

    Raises:
        NotJson: something in it has no JSON form.

    """
    from pydantic_core import PydanticSerializationError, from_json, to_json

    try:
        return from_json(to_json(value, inf_nan_mode="strings"))
    except PydanticSerializationError as error:
        raise NotJson(what, str(error)) from error


def normalized(value: Json, rules: Iterable[Rule] = DEFAULT_RULES) -> Json:
    """
    Replace what varies in every string of *value*; doing it again changes nothing.

    >>> a, b = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e"
    >>> normalized([a, b, f"again {a}"])
    ['<uuid:1>', '<uuid:2>', 'again <uuid:1>']
    """
    placeholders = {rule.name: _Numbers(rule.name) for rule in rules}
    return _walked(value, tuple(rules), placeholders)


class _Numbers:
    """The numbers of one rule's values, in the order in which they appear."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: dict[str, int] = {}

    def placeholder(self, match: re.Match[str]) -> str:
        number = self._seen.setdefault(match[0], len(self._seen) + 1)
        return f"<{self._name}:{number}>"


def _walked(value: Json, rules: tuple[Rule, ...], numbers: dict[str, _Numbers]) -> Json:
    if isinstance(value, str):
        for rule in rules:
            value = rule.pattern.sub(numbers[rule.name].placeholder, value)
        return value
    if isinstance(value, dict):
        return {key: _walked(item, rules, numbers) for key, item in value.items()}
    if isinstance(value, list):
        return [_walked(item, rules, numbers) for item in value]
    return value
