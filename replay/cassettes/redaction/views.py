"""Views: text that stands in another text in an encoded, cut or scattered form."""

from __future__ import annotations

import html
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Protocol
from urllib.parse import unquote

Span = tuple[int, int]
Meaning = Callable[[str], str]


class View(Protocol):
    """A text, and where each part of it stands in the whole it was taken from."""

    @property
    def text(self) -> str:
        """What a reader of this form sees."""

    def spans(self, start: int, stop: int) -> list[Span]:
        """List where `text[start:stop]` stands in the whole, in the order of the text."""


class Whole:
    """The text that all views are of."""

    def __init__(self, text: str) -> None:
        self.text = text

    def spans(self, start: int, stop: int) -> list[Span]:
        """Every part stands where it stands."""
        return [(start, stop)]


class Part:
    """A part of *outer*, as it is."""

    def __init__(self, outer: View, span: Span) -> None:
        self.text = outer.text[slice(*span)]
        self._outer = outer
        self._start = span[0]

    def spans(self, start: int, stop: int) -> list[Span]:
        """Find the part in the outer text."""
        return self._outer.spans(self._start + start, self._start + stop)


class Decoded:
    """A part of *outer* whose escapes are resolved."""

    def __init__(self, outer: View, span: Span, escape: re.Pattern[str], meaning: Meaning) -> None:
        self._outer = outer
        self._starts, self._places = [0], [span[0]]  # of each piece: in this text, and in the outer
        pieces, size, end = [], 0, span[0]
        for match in escape.finditer(outer.text, *span):
            for piece, place in ((outer.text[end : match.start()], end), (None, match.start())):
                text = meaning(match[0]) if piece is None else piece
                pieces.append(text)
                self._starts.append(size)
                self._places.append(place)
                size += len(text)
            end = match.end()
        pieces.append(outer.text[end : span[1]])
        self.text = "".join(pieces)
        self._starts += [size, len(self.text)]
        self._places += [end, span[1]]

    def spans(self, start: int, stop: int) -> list[Span]:
        """Find the parts in the outer text; an escape is only whole."""
        first, last = self._place(start), self._place(stop - 1, after=True)
        return self._outer.spans(first, last)

    def _place(self, position: int, *, after: bool = False) -> int:
        """Where the character at *position* begins in the outer text, or what is *after* it."""
        piece = bisect_right(self._starts, position) - 1
        place, begun = self._places[piece], self._starts[piece]
        verbatim = self._places[piece + 1] - place == self._starts[piece + 1] - begun
        if verbatim:
            return place + position - begun + after
        return self._places[piece + 1] if after else place


class Joined:
    """Parts that a reader puts together, one after the other."""

    def __init__(self, parts: Sequence[View]) -> None:
        self.parts = parts
        self.text = "".join(part.text for part in parts)
        self._ends = list(accumulate(len(part.text) for part in parts))

    def spans(self, start: int, stop: int) -> list[Span]:
        """Find the pieces in every part that they stand in."""
        found: list[Span] = []
        for index in range(bisect_right(self._ends, start), len(self.parts)):
            part = self.parts[index]
            begun = self._ends[index] - len(part.text)
            if begun >= stop:
                break
            if part.text:
                inside = max(start - begun, 0), min(stop - begun, len(part.text))
                found += part.spans(*inside)
        return found


JSON_STRING = re.compile(r'"(?P<at>[^"\\]*(?:\\.[^"\\]*)*)(?:"|\Z)', re.DOTALL)
"""A string of JSON, or the beginning of one that was cut off."""

_SIGNS = {"\\n": "\n", "\\t": "\t", "\\r": "\r", '\\"': '"', "\\\\": "\\", "\\/": "/"}
_JSON = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_PERCENT = re.compile(r"%[0-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f])+|\+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|lt|gt|amp|quot|apos);")


def json_string(outer: View, span: Span) -> Decoded:
    """View what stands between two quotes of JSON."""
    return Decoded(outer, span, _JSON, _sign)


def unescaped(text: str) -> str:
    r"""
    Read what stands between two quotes of JSON, where its places do not matter.

    >>> unescaped(r"caf\u00e9 \/")
    'café /'
    """
    return json_string(Whole(text), (0, len(text))).text if "\\" in text else text


def percent(outer: View, span: Span) -> Decoded:
    """Read a part of a URL or a form."""
    return Decoded(outer, span, _PERCENT, lambda text: " " if text == "+" else unquote(text))


def entities(outer: View, span: Span) -> Decoded:
    """Read text in XML or HTML."""
    return Decoded(outer, span, _ENTITY, html.unescape)


def _sign(escape: str) -> str:
    if escape in _SIGNS:
        return _SIGNS[escape]
    try:
        return str(json.loads(f'"{escape}"'))
    except ValueError:
        return escape[1:]  # no JSON, but what a lenient reader makes of it
