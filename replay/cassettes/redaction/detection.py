"""Detection: where in headers, URLs and bodies secrets stand, however they are written there."""

from __future__ import annotations

import re
from bisect import bisect, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import unquote_plus

from replay.canonical import PLACEHOLDER
from replay.cassettes.eventstream import MEDIA
from replay.cassettes.redaction.deltas import Scattered, may_be_stream, scattered
from replay.cassettes.redaction.known import ADDRESSES, COOKIES
from replay.cassettes.redaction.packing import GZIP
from replay.cassettes.redaction.secrets import (
    Found,
    Secrets,
    credential,
    harmless,
)
from replay.cassettes.redaction.views import (
    JSON_STRING,
    Joined,
    Span,
    View,
    Whole,
    entities,
    json_string,
    percent,
    unescaped,
)
from replay.config import Redaction

_DEPTH = 5
_PARAMETER = re.compile(r"(?<=[?&;#])(?P<name>[^=&;#?/]+)=(?P<at>[^&;#\s\"<>]+)")
_FIELD = re.compile(r"(?:\A|(?<=&))(?P<name>[^=&]+)=(?P<at>[^&]+)")
_BOUNDARY = re.compile(r"(?:\A|\r?\n)--|\Z")
_BLANK_LINE = re.compile(r"\r?\n\r?\n")
_NAME = re.compile(r"(?i:content-disposition):[^\r\n]*?[; ]name=\"?(?P<name>[^\";\r\n]+)")
_COOKIE = re.compile(r"(?:\A|(?<=[;,\n]))[^\S\n]*+(?P<name>[^=;,\s]+)=(?P<at>\"[^\"]*\"|[^;\s]+)")
_STRUCTURED = re.compile(r"\s*(?:[{\[\"\x1e]|(?:data|event|id|retry)?:)")
_CROSSING = re.compile('["\n]')
_ATTRIBUTES = frozenset(
    ("expires", "path", "domain", "max-age", "samesite", "priority", "version", "comment")
)


@dataclass(frozen=True, slots=True)
class Spot:
    """
    One secret: what *kind* it is of, its *value*, and the *spans* of the text that hold it.

    It may be scattered over several spans; *blanked* are arrays that tell it once more.
    """

    kind: str
    value: str = field(repr=False)
    spans: tuple[Span, ...]
    blanked: tuple[Span, ...] = ()

    @property
    def harmless(self) -> bool:
        """Whether it is visibly no secret: a mask, an example, a home that is nobody's."""
        return harmless(self.kind, self.value)


class Detector:
    """Finds *secrets*. What it finds in one text does not overlap; placeholders are left alone."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def header(self, name: str, value: str) -> list[Spot]:
        """Find the secrets in the value of a header."""
        kind = self._secrets.header(name)
        if not kind:
            return self.url(value) if name.lower() in ADDRESSES else self.text(value)
        whole = Whole(_masked(value))
        if name.lower() in COOKIES and (cookies := _cookies(whole)):
            return _apart(cookies)
        start, stop = credential(whole.text, 0, len(whole.text))
        shapes = [f for f in self._secrets.shapes(whole.text) if f[1:] == (start, stop)]
        return _apart([_spot(whole, shapes[0] if shapes else (kind, start, stop))])

    def url(self, url: str) -> list[Spot]:
        """Find the secrets in a URL: its credentials, its parameters, and any known shape."""
        if not re.search("[?#%]", url) and not self._secrets.may_hold(_bytes(url)):
            return []
        whole = Whole(_masked(url))
        fields = self._fields(whole, _PARAMETER.finditer(whole.text), self._secrets.parameter)
        return _apart([*fields, *self._seen([percent(whole, (0, len(url))), whole])])

    def suspects(self, body: bytes, media: str, *, streamed: bool = False) -> bool:
        """Whether *body* has to be looked into; a cheap question, put to every one."""
        packed = body[:2] == GZIP or MEDIA in media
        if packed or "form" in media or (streamed and may_be_stream(body, media)):
            return True
        return self._secrets.may_hold(body)

    def member(self, name: str) -> str:
        """Tell what kind of secret stands under *name*; nothing, if that alone does not say so."""
        return self._secrets.member(name) or self._secrets.header(name)

    def body(self, text: str, media: str, *, streamed: bool = False) -> list[Spot]:
        """
        Find the secrets in a body, given as text.

        Where it is *streamed*, also those that no single event holds.
        """
        whole = Whole(_masked(text))
        found: list[Spot] = []
        views: list[View] = []
        if "x-www-form-urlencoded" in media:
            found += self._fields(whole, _FIELD.finditer(whole.text), self._secrets.field)
            views.append(percent(whole, (0, len(text))))
        elif "multipart/" in media:
            found += self._parts(whole)
        groups = list(scattered(whole, media)) if streamed else []
        for group in groups:
            found += self._scattered(group)
        views.append(whole)
        if not streamed or self._secrets.may_hold(_bytes(text)):
            found += self._seen([inner for view in views for inner in self._inside(view)])
        return _apart(found)

    def text(self, text: str) -> list[Spot]:
        """Find the secrets in a text of any kind."""
        if not self._secrets.may_hold(_bytes(text)):
            return []
        return _apart(self._seen(self._inside(Whole(_masked(text)))))

    def _scattered(self, group: Scattered) -> Iterator[Spot]:
        joined = Joined(group.parts)
        if not self._secrets.may_hold(_bytes(joined.text)):
            return
        for spot in self._seen(self._inside(joined)):
            blanked = [
                array
                for place, arrays in group.arrays.items()
                if any(place[0] < stop and start < place[1] for start, stop in spot.spans)
                for array in arrays
            ]
            yield Spot(spot.kind, spot.value, spot.spans, tuple(blanked))

    def _seen(self, views: Iterable[View]) -> Iterator[Spot]:
        """Find what is named, then what has a shape, in each of *views*, the innermost first."""
        views = list(views)
        texts = [_masked(view.text) for view in views]
        for view, text in zip(views, texts, strict=True):
            for found in self._secrets.named(text):
                spot = _spot(view, found)
                yield replace(spot, value=unescaped(spot.value))
        for view, text in zip(views, texts, strict=True):
            for found in self._secrets.own(text):
                if not (_STRUCTURED.match(text) and _CROSSING.search(text, *found[1:])):
                    yield _spot(view, found)
            for found in self._secrets.shapes(text):
                yield _spot(view, found)

    def _inside(self, view: View, depth: int = 0) -> Iterator[View]:
        """List *view* behind the strings in it that read otherwise than they are written."""
        text = view.text
        if depth < _DEPTH and ("\\" in text or self._secrets.has_own):
            for match in JSON_STRING.finditer(text):
                if self._reads_otherwise(match["at"]):
                    yield from self._inside(json_string(view, match.span("at")), depth + 1)
        if "&" in text and text.lstrip()[:1] == "<":
            yield entities(view, (0, len(text)))
        yield view

    def _reads_otherwise(self, written: str) -> bool:
        """Whether a string has to be looked at by itself, for what its escapes or bounds hide."""
        if "\\" not in written and not (self._secrets.has_own and written):
            return False
        return self._secrets.may_hold(_bytes(written))

    def _fields(
        self,
        view: View,
        fields: Iterable[re.Match[str]],
        kind_of: Callable[[str], str],
        depth: int = 0,
    ) -> Iterator[Spot]:
        """Find the fields that are named for a secret, also in a URL that is the value of one."""
        for match in fields:
            value = percent(view, match.span("at"))
            if kind := kind_of(unquote_plus(match["name"])):
                yield _spot(value, (kind, *credential(value.text, 0, len(value.text))))
            elif "=" in value.text and depth < _DEPTH:
                inner = _PARAMETER.finditer(_masked(value.text))
                yield from self._fields(value, inner, self._secrets.parameter, depth + 1)

    def _parts(self, whole: Whole) -> Iterator[Spot]:
        """Find the parts of a form that are named for a secret."""
        text, begun = whole.text, 0
        for boundary in _BOUNDARY.finditer(text):
            blank = _BLANK_LINE.search(text, begun, boundary.start())
            name = _NAME.search(text, begun, blank.start()) if blank else None
            if blank and name and (kind := self._secrets.field(name["name"])):
                span = credential(text, blank.end(), boundary.start())
                yield _spot(whole, (kind, *span))
            begun = boundary.end()


@lru_cache(maxsize=8)
def detector(rules: Redaction) -> Detector:
    """
    Make the detector of *rules*, which all who have the same rules share.

    Raises:
        BadSetting: a pattern in *rules* is not a regular expression.

    """
    return Detector(Secrets(rules))


def _cookies(whole: Whole) -> list[Spot]:
    return [
        _spot(whole, ("cookie", *match.span("at")))
        for match in _COOKIE.finditer(whole.text)
        if match["name"].lower() not in _ATTRIBUTES
    ]


def _spot(view: View, found: Found) -> Spot:
    kind, start, stop = found
    return Spot(kind, view.text[start:stop], tuple(view.spans(start, stop)))


def _apart(spots: Iterable[Spot]) -> list[Spot]:
    """
    Keep the first of those that overlap, and none that is empty or a placeholder already.

    They come back in the order in which they stand in the text.
    """
    kept: list[Spot] = []
    taken: list[Span] = []
    for spot in spots:
        spans = (*spot.spans, *spot.blanked)
        if spot.value.strip("\0") and not any(_overlaps(span, taken) for span in spans):
            kept.append(spot)
            for span in spans:
                insort(taken, span)
    return sorted(kept, key=lambda spot: spot.spans)


def _overlaps(span: Span, taken: list[Span]) -> bool:
    place = bisect(taken, span)
    before, after = taken[max(place - 1, 0) : place], taken[place : place + 1]
    return any(stop > span[0] for _, stop in before) or any(start < span[1] for start, _ in after)


def _masked(text: str) -> str:
    """Make placeholders unreadable, each character by itself, so that nothing is found in them."""
    if "secret" not in text:
        return text
    return PLACEHOLDER.sub(lambda match: "\0" * len(match[0]), text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
