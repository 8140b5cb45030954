"""The redactor: replaces the secrets of one tape by numbered placeholders."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

from replay.canonical import PLACEHOLDER
from replay.cassettes.edits import Edit, Moved, carried, edited
from replay.cassettes.redaction.detection import Spot, detector
from replay.cassettes.redaction.packing import Packed, fitting, media_of, opened, without_coding
from replay.config import Redaction
from replay.model import Failure, Headers, Interaction, Json, Request, Response

DEFAULTS = Redaction()

Look = Callable[[str], list[Spot]]
Write = Callable[[Spot], str]
T = TypeVar("T")

_ADDRESSES = ("uri", "url")
_REMEMBERED = 4096
_UNGUESSABLE = re.compile(r"(?=\D*\d)\S{12,}")
_MARKUP = re.compile(r"\s*<(?!secret:)")


class Redactor:
    """
    Replaces the secrets of one tape; doing it again changes nothing.

    A placeholder `<secret:openai-key:1>` says what kind of secret stood there, and which: the same
    one has the same number everywhere on the tape, whatever it was called there. Numbers begin at
    1, after those in the interactions *after*, and in whatever is redacted. May be shared by
    threads.

    Raises:
        BadSetting: a pattern in *rules* is not a regular expression.

    """

    def __init__(self, rules: Redaction = DEFAULTS, *, after: Iterable[Interaction] = ()) -> None:
        self._detector = detector(rules)
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._last = 0
        self._known: dict[str, str] = {}
        self._headers_seen: dict[tuple[str, str], tuple[str, str]] = {}
        self._urls_seen: dict[str, str] = {}
        self.follow(after)

    def follow(self, interactions: Iterable[Interaction]) -> None:
        """Let no new placeholder have the number of one that stands in *interactions*."""
        numbers = [
            int(match["number"])
            for interaction in interactions
            for text in _texts(interaction)
            for match in PLACEHOLDER.finditer(text)
            if match["number"]
        ]
        with self._lock:
            self._last = max(self._last, *numbers, 0)

    def request(self, request: Request) -> Request:
        """Replace the secrets in *request*; what holds none is given back as it is."""
        url, headers = self._url(request.url), self._headers(request.headers)
        plain = without_coding(request)
        body, steps = self._body(plain.body, media_of(plain), streamed=False)
        if steps:
            return Request(request.method, url, self._headers(plain.headers), body)
        if headers is request.headers and url is request.url:
            return request
        return Request(request.method, url, headers, request.body)

    def interaction(self, interaction: Interaction) -> Interaction:
        """Replace the secrets in both halves, and in the failure."""
        self.follow([interaction])
        response, failure = interaction.response, interaction.failure
        return replace(
            interaction,
            request=self.request(interaction.request),
            response=self._response(response) if response else None,
            failure=Failure(failure.kind, self._text(failure.message)) if failure else None,
        )

    def json(self, value: Json) -> Json:
        """
        Replace the secrets in an output, in every string and under every name.

        So are those that this redactor has met elsewhere, and that nobody could guess: what a
        program hands on is no less secret for having no name there. Placeholders have no number
        here: an output is compared with that of another run, which has other secrets.
        """
        if isinstance(value, str):
            known = self._without_known(value)
            return _without_numbers(self._replaced(known, self._loose, _unnumbered)[0])
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {self.json(key): self._member(key, item) for key, item in value.items()}
        return value

    def knows(self, name: str) -> bool:
        """Whether *name* alone says what stands under it: an address, or a secret."""
        return name in _ADDRESSES or bool(self._detector.member(name))

    def value(self, name: str, text: str) -> str:
        """Replace the secrets in a *text* that stands under *name*, in a file of any form."""
        if name in _ADDRESSES:
            return self._url(text)
        if self._detector.member(name):
            return self._header((name, text))[1]
        return self._replaced(text, self._loose, self._numbered)[0]

    def _loose(self, text: str) -> list[Spot]:
        """Find the secrets in a text that may be anything, the whole of a stream as well."""
        return self._detector.body(text, "", streamed=True)

    def _member(self, name: str, value: Json) -> Json:
        kind = self._detector.member(name)
        if not (kind and isinstance(value, str) and value):
            return self.json(value)
        known = _without_numbers(self._without_known(value))
        return known if PLACEHOLDER.fullmatch(known) else f"<secret:{kind}>"

    def _without_known(self, text: str) -> str:
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, f"<secret:{self._known[secret]}>")
        return text

    def _response(self, response: Response) -> Response:
        plain = without_coding(response)
        body, steps = self._body(plain.body, media_of(plain), streamed=True)
        if not steps:
            return replace(response, headers=self._headers(response.headers))
        chunks = plain.chunks
        for moved in steps:
            chunks = carried(chunks, moved)
        headers = fitting(self._headers(plain.headers), body)
        return replace(plain, headers=headers, body=body, chunks=chunks)

    def _headers(self, headers: Headers) -> Headers:
        seen = self._headers_seen  # nearly the same in every request
        found = tuple([seen.get(pair) or self._header(pair) for pair in headers])
        return headers if found == headers else found

    def _header(self, pair: tuple[str, str]) -> tuple[str, str]:
        name, value = pair
        new, _ = self._replaced(value, partial(self._detector.header, name), self._numbered)
        return _remembered(self._headers_seen, pair, (name, new))

    def _url(self, url: str) -> str:
        seen = self._urls_seen.get(url)
        if seen is None:
            new, _ = self._replaced(url, self._detector.url, self._numbered)
            seen = _remembered(self._urls_seen, url, new)
        return seen

    def _text(self, text: str) -> str:
        return self._replaced(text, self._detector.text, self._numbered)[0]

    def _body(self, body: bytes, media: str, *, streamed: bool) -> Packed:
        """Replace the secrets in *body*; no steps, if there are none."""
        if not body or not self._detector.suspects(body, media, streamed=streamed):
            return body, []
        found = opened(body, media)
        text, steps = self._replaced(
            found.text,
            partial(self._detector.body, media=media, streamed=streamed),
            self._marked_up if _MARKUP.match(found.text) else self._numbered,
        )
        return found.packed(text, steps) if steps else (body, [])

    def _replaced(self, text: str, look: Look, write: Write) -> tuple[str, list[list[Moved]]]:
        """
        Replace what *look* finds until it finds no more: what is left may only now stand alone.

        It ends, as each step leaves less that is no placeholder.
        """
        steps: list[list[Moved]] = []
        while spots := look(text):
            text, moved = edited(text, [edit for spot in spots for edit in _edits(spot, write)])
            steps.append(moved)
        return text, steps

    def _numbered(self, spot: Spot) -> str:
        value = spot.value
        with self._lock:
            if value not in self._numbers:
                self._last += 1
                self._numbers[value] = self._last
                if _UNGUESSABLE.fullmatch(value) and spot.kind != "cookie" and not spot.harmless:
                    self._known[value] = spot.kind
            return f"<secret:{spot.kind}:{self._numbers[value]}>"

    def _marked_up(self, spot: Spot) -> str:
        return html.escape(self._numbered(spot))


class Unredacted(Redactor):
    """Leaves all as it is: for a tape in memory, which is redacted before anything is written."""

    def request(self, request: Request) -> Request:
        """Give *request* back."""
        return request

    def interaction(self, interaction: Interaction) -> Interaction:
        """Give *interaction* back."""
        return interaction


def _unnumbered(spot: Spot) -> str:
    return f"<secret:{spot.kind}>"


def _without_numbers(text: str) -> str:
    return PLACEHOLDER.sub(r"<secret:\g<kind>>", text) if "secret" in text else text


def _edits(spot: Spot, write: Write) -> list[Edit]:
    first, *others = spot.spans
    return [
        (*first, write(spot)),
        *((*span, "") for span in others),
        *((*span, "[]") for span in spot.blanked),
    ]


def _remembered(seen: dict[T, T], what: T, new: T) -> T:
    if len(seen) >= _REMEMBERED:
        seen.clear()
    seen[what] = new
    return new


def _texts(interaction: Interaction) -> Iterator[str]:
    request, response = interaction.request, interaction.response
    for text in (
        request.url,
        *(value for half in (request, response) if half for _, value in half.headers),
    ):
        if "secret" in text:
            yield text
    for half in (request, response):
        if half and b"secret" in half.body:
            yield half.body.decode("utf-8", "surrogateescape")
