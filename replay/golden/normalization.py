"""Normalization: what differs from run to run becomes a placeholder, in one walk over the value."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from replay.canonical import canonical_json
from replay.cassettes.paths import locations, path_text
from replay.golden.built_in import DEFAULT_RULES
from replay.golden.rules import (
    AtPath,
    Do,
    InText,
    OfType,
    Rule,
    Rules,
    UnderKey,
)
from replay.model import Json

_PLACEHOLDER = re.compile(r"(<[A-Za-z_][\w.-]*:(?:\d+|\*)>)")
_DROPPED = object()
_WIDTH = 60

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Touch:
    """What one rule did at one place; *after* is empty where something was taken away."""

    path: str
    rule: str
    before: str
    after: str


def normalized(value: Json, rules: Rules = DEFAULT_RULES) -> Json:
    """
    Replace what varies in *value*, in time linear in its size; doing it again changes nothing.

    That holds for the built-in rules, and for one's own unless they drop or sort by an index.

    >>> a, b = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e"
    >>> normalized([a, b, f"again {a}"])
    ['<uuid:1>', '<uuid:2>', 'again <uuid:1>']
    """
    return _Walk(_indexed(rules), value).whole(value)


def explained(value: Json, rules: Rules = DEFAULT_RULES) -> tuple[Json, tuple[Touch, ...]]:
    """
    Normalize *value*, and tell which rule touched what, in the order of the value.

    >>> explained({"created": 1795248870})[1]
    (Touch(path='created', rule='created', before='1795248870', after='"<created:1>"'),)
    """
    touched: list[Touch] = []
    walk = _Walk(_indexed(rules), value, touched.append)
    return walk.whole(value), tuple(touched)


class _Index:
    """The rules by what finds them, each with its turn."""

    def __init__(self, rules: Rules) -> None:
        self.paths = [(turn, rule, rule.where.path) for turn, rule in enumerate(rules)
                      if isinstance(rule.where, AtPath)]  # fmt: skip
        self.texts = [rule for rule in rules if _is_of_text(rule)]
        self.types: dict[type, list[tuple[int, Rule]]] = defaultdict(list)
        self._keys: list[tuple[int, Rule, tuple[str, ...]]] = []
        for turn, rule in enumerate(rules):
            if isinstance(rule.where, OfType) and not _is_of_text(rule):
                self.types[rule.where.kind].append((turn, rule))
            elif isinstance(rule.where, UnderKey):
                names = tuple(name.lower() for name in rule.where.names)
                self._keys.append((turn, rule, names))
        self.under = lru_cache(maxsize=4096)(self._under)

    def _under(self, key: str) -> tuple[tuple[int, Rule], ...]:
        name = key.lower()
        return tuple(
            (turn, rule)
            for turn, rule, names in self._keys
            if any(fnmatchcase(name, wanted) for wanted in names)
        )


_indexed = lru_cache(maxsize=64)(_Index)


def _is_of_text(rule: Rule) -> bool:
    """Whether *rule* works inside of strings, around what other rules put there."""
    if isinstance(rule.where, OfType):
        return rule.where.kind is str and not isinstance(rule.do, Do)
    return isinstance(rule.where, InText)


class _Walk:
    """One pass over one value: where it is, and the numbers given so far."""

    def __init__(
        self,
        index: _Index,
        value: Json,
        heard: Callable[[Touch], None] | None = None,
        *,
        numbers: bool = True,
    ) -> None:
        self._index = index
        self._heard = heard
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = defaultdict(int)
        self._numbered = numbers
        self._at: list[str | int] = []
        self._clean: set[str] = set()
        self._here: dict[Location, list[tuple[int, Rule]]] = defaultdict(list)
        for turn, rule, path in index.paths:
            for location in locations(path, value):
                self._here[location].append((turn, rule))

    def whole(self, value: Json) -> Json:
        """Normalize the value that the walk was made for."""
        found = self._node(value, ())
        return None if found is _DROPPED else found

    def _node(self, value: Json, named: tuple[tuple[int, Rule], ...]) -> Json:
        kind = type(value)
        rules = named
        if typed := self._index.types.get(kind):
            rules = (*rules, *typed)
        if self._here and (here := self._here.get(tuple(self._at))):
            rules = (*rules, *here)
        if rules and not (kind is str and _PLACEHOLDER.fullmatch(value)):
            for _, rule in sorted(rules, key=lambda pair: pair[0]) if len(rules) > 1 else rules:
                if rule.only is not None and not rule.only(value):
                    continue
                done, value = self._applied(rule, value)
                if done:
                    return value
            kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is dict:
            return self._dict(value)
        return self._list(value) if kind is list else value

    def _dict(self, value: dict[str, Json]) -> Json:
        new, under = {}, self._index.under
        for key, item in value.items():
            self._at.append(key)
            found = self._node(item, under(key))
            self._at.pop()
            if found is not _DROPPED:
                new[key] = found
        return new

    def _list(self, value: list[Json]) -> Json:
        new = []
        for index, item in enumerate(value):
            self._at.append(index)
            found = self._node(item, ())
            self._at.pop()
            if found is not _DROPPED:
                new.append(found)
        return new

    def _applied(self, rule: Rule, value: Json) -> tuple[bool, Json]:
        """Apply a rule to a whole value; tell whether that was the last word on it."""
        if rule.do is Do.DROP:
            self._touch(rule, value, _DROPPED)
            return True, _DROPPED
        if rule.do is Do.SORT:
            new = self._sorted(value) if isinstance(value, list) else value
            return False, self._touch(rule, value, new)
        if isinstance(rule.do, Do):
            name = f"{rule.name}-{len(value)}" if isinstance(value, list) else rule.name
            token = value if isinstance(value, str) else canonical_json(value)
            return True, self._touch(rule, value, self._placeholder(rule, name, token))
        return False, self._touch(rule, value, rule.do(value))

    def _sorted(self, value: list[Json]) -> list[Json]:
        """Order by what is left without numbers, as those come from the order."""
        pairs = [(canonical_json(self._unnumbered(item)), item) for item in value]
        return [item for _, item in sorted(pairs, key=lambda pair: pair[0])]

    def _unnumbered(self, item: Json) -> Json:
        return _Walk(self._index, item, numbers=False).whole(item)

    def _placeholder(self, rule: Rule, name: str, token: str) -> str:
        if rule.do is Do.MASK or not self._numbered:
            return f"<{name}:*>"
        known = self._numbers.get((name, token))
        if known is None:
            self._last[name] += 1
            known = self._numbers[name, token] = self._last[name]
        return f"<{name}:{known}>"

    def _text(self, text: str) -> str:
        """Apply the rules of text until none finds more: one may uncover what another looks for."""
        if text in self._clean:
            return text
        new = self._once(text)
        if new == text:
            self._clean.add(text)
        while new != text:
            text, new = new, self._once(new)
        return text

    def _once(self, text: str) -> str:
        for rule in self._index.texts:
            if isinstance(rule.where, InText) and not _may_match(rule.where.hints, text):
                continue
            if "<" in text and _PLACEHOLDER.search(text):
                pieces = _PLACEHOLDER.split(text)
                pieces[::2] = [self._piece(rule, piece) for piece in pieces[::2]]
                text = "".join(pieces)
            else:
                text = self._piece(rule, text)
        return text

    def _piece(self, rule: Rule, text: str) -> str:
        """Apply one rule to a stretch of text without placeholders."""
        if isinstance(rule.where, InText):
            return rule.where.pattern.sub(lambda match: self._replaced(rule, match), text)
        return str(self._touch(rule, text, rule.do(text) if callable(rule.do) else text))

    def _replaced(self, rule: Rule, match: re.Match[str]) -> str:
        group = match.lastindex or 0
        found = match[group]
        if not found:
            return match[0]
        if rule.do is Do.DROP:
            new = ""
        elif isinstance(rule.do, Do):
            new = self._placeholder(rule, rule.name, found)
        else:
            new = str(rule.do(found))
        self._touch(rule, found, new)
        start, stop = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:start] + new + match[0][stop:]

    def _touch(self, rule: Rule, before: Json, after: Json) -> Json:
        if self._heard and (after is _DROPPED or after != before):
            shown = "" if after is _DROPPED else _short(after)
            self._heard(Touch(path_text(self._at), rule.name, _short(before), shown))
        return after


def _may_match(hints: tuple[str, ...], text: str) -> bool:
    for hint in hints:  # much faster than any() with a generator, and the hottest line there is
        if hint in text:
            return True
    return not hints


def _short(value: Json) -> str:
    text = canonical_json(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
