"""Where the strings of a JSON text stand, by path; also of one that is cut off or malformed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from replay.cassettes.redaction.views import JSON_STRING, Span, unescaped

Path = tuple[str | int, ...]

_TOKEN = re.compile(rf"{JSON_STRING.pattern}|[{{}}\[\],]", re.DOTALL)
_DEEPEST = 32
_NUMBER = re.compile(r"\s*:\s*(\d+)")
SPELLED = ("bytes", "top_logprobs")
"""Arrays beside a token that tell it too."""


@dataclass(slots=True)
class Leaves:
    """
    What was found in one JSON text.

    *strings* are the values, without their quotes; *indices* are the numbers that say which of
    several things a delta belongs to, by the path of the object they stand in; *arrays* are those
    that spell out a token.
    """

    strings: list[tuple[Path, Span]] = field(default_factory=list)
    indices: dict[Path, list[tuple[str, str]]] = field(default_factory=dict)
    arrays: dict[Path, Span] = field(default_factory=dict)


def leaves(text: str) -> Leaves:
    """
    List the strings in *text*.

    >>> leaves('{"a": [{"b": "x"}]}').strings
    [(('a', 0, 'b'), (14, 15))]
    """
    found = Leaves()
    path: list[str | int] = []
    opened: list[int] = []
    naming = False
    for match in _TOKEN.finditer(text):
        sign = text[match.start()]
        if sign == '"':
            if naming:
                path[-1] = unescaped(match["at"])
                _note_index(found, path, text, match.end())
                naming = False
            else:
                found.strings.append((tuple(path[:_DEEPEST]), match.span("at")))
        elif sign in "{[":
            naming = sign == "{"
            path.append("" if naming else 0)
            opened.append(match.start())
        elif sign in "}]":
            if path:
                path.pop()
                if path and path[-1] in SPELLED and len(path) < _DEEPEST:
                    found.arrays[tuple(path)] = (opened[-1], match.end())
                opened.pop()
            naming = False
        elif path:
            last = path[-1]
            naming = isinstance(last, str)
            path[-1] = "" if isinstance(last, str) else last + 1
    return found


def _note_index(found: Leaves, path: list[str | int], text: str, end: int) -> None:
    name = path[-1]
    if not isinstance(name, str) or name[-5:].lower() != "index":
        return
    if value := _NUMBER.match(text, end):
        found.indices.setdefault(tuple(path[:-1][:_DEEPEST]), []).append((name, value[1]))
