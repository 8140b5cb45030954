"""Redaction: what must never reach a recording is replaced before anything is kept or keyed."""

from __future__ import annotations

import copy
import html
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import blake2b

from replay.cassettes.detection import Detector, Spot
from replay.cassettes.edits import Edit, Moved, carried, edited
from replay.cassettes.packing import Packed, fitting, media_of, opened, without_coding
from replay.cassettes.secrets import PLACEHOLDER, Secrets
from replay.config import Redaction
from replay.model import Failure, Headers, Interaction, Json, Request, Response

DEFAULTS = Redaction()

Look = Callable[[str], list[Spot]]
Write = Callable[[Spot], str]

_ADDRESSES = ("uri", "url")
_REMEMBERED = 4096
_MARKUP = re.compile(r"\s*<(?!secret:)")


class Redactor:
    """
    Replaces the secrets of one tape; doing it again changes nothing.

    A placeholder `<secret:openai-key:1>` says what kind of secret stood there, and which: the same
    one has the same number everywhere on the tape, whatever it was called there. Numbers go on
    after those in the interactions *after*, and in whatever is redacted. Of the secrets themselves
    nothing is remembered but a digest. May be shared by threads.

    Raises:
        BadSetting: a pattern in *rules* is not a regular expression.

    """

    def __init__(self, rules: Redaction = DEFAULTS, *, after: Iterable[Interaction] = ()) -> None:
        self._detector = Detector(Secrets(rules))
        self._lock = threading.Lock()
        self._numbers: dict[bytes, int] = {}
        self._last = 0
        self._clean: set[object] = set()
        self._lines: dict[bytes, str] = {}
        for interaction in after:
            self._continue(interaction)

    def anew(self) -> Redactor:
        """Make one for another tape, with numbers of its own: a fraction of the work of a first."""
        other = copy.copy(self)
        other._lock = threading.Lock()
        other._numbers, other._last, other._lines = {}, 0, {}
        return other

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
        self._continue(interaction)
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

        Placeholders have no number here: an output is compared with that of another run, which has
        other secrets.
        """
        if isinstance(value, str):
            return self._replaced(value, self._detector.text, _unnumbered)[0]
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
        look = partial(self._detector.body, media="", streamed=True)
        return self._replaced(text, look, self._numbered)[0]

    def _member(self, name: str, value: Json) -> Json:
        kind = self._detector.member(name)
        if kind and isinstance(value, str) and value:
            return value if PLACEHOLDER.fullmatch(value) else f"<secret:{kind}>"
        return self.json(value)

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
        found = tuple([pair if pair in self._clean else self._header(pair) for pair in headers])
        return headers if found == headers else found

    def _header(self, pair: tuple[str, str]) -> tuple[str, str]:
        name, value = pair
        new = self._line(f"{name}:{value}", value, partial(self._detector.header, name))
        if new == value:
            self._remember(pair)
        return name, new

    def _url(self, url: str) -> str:
        if url in self._clean:
            return url
        new = self._line(url, url, self._detector.url)
        if new == url:
            self._remember(url)
        return new

    def _remember(self, clean: object) -> None:
        if len(self._clean) >= _REMEMBERED:
            self._clean.clear()
        self._clean.add(clean)

    def _line(self, line: str, text: str, look: Look) -> str:
        """Replace in one line; headers and URLs are nearly the same every time, so remember it."""
        digest = _digest(line)
        new = self._lines.get(digest)
        if new is None:
            new, _ = self._replaced(text, look, self._numbered)
            if len(self._lines) >= _REMEMBERED:
                self._lines.clear()
            self._lines[digest] = new
        return new

    def _text(self, text: str) -> str:
        return self._replaced(text, self._detector.text, self._numbered)[0]

    def _body(self, body: bytes, media: str, *, streamed: bool) -> Packed:
        """Replace the secrets in *body*; no steps, if there are none."""
        if not body or not (streamed or self._detector.suspects(body, media)):
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
        return f"<secret:{spot.kind}:{self._number(spot.value)}>"

    def _marked_up(self, spot: Spot) -> str:
        return html.escape(self._numbered(spot))

    def _number(self, value: str) -> int:
        digest = _digest(value)
        with self._lock:
            if digest not in self._numbers:
                self._last += 1
                self._numbers[digest] = self._last
            return self._numbers[digest]

    def _continue(self, interaction: Interaction) -> None:
        """Let no new placeholder have the number of one that is there already."""
        numbers = [
            int(match["number"])
            for text in _texts(interaction)
            for match in PLACEHOLDER.finditer(text)
            if match["number"]
        ]
        with self._lock:
            self._last = max(self._last, *numbers, 0)


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


def _edits(spot: Spot, write: Write) -> list[Edit]:
    first, *others = spot.spans
    return [
        (*first, write(spot)),
        *((*span, "") for span in others),
        *((*span, "[]") for span in spot.blanked),
    ]


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _texts(interaction: Interaction) -> Iterator[str]:
    request, response = interaction.request, interaction.response
    yield request.url
    for half in (request, response):
        if half:
            yield from (value for _, value in half.headers)
            if b"secret" in half.body:
                yield half.body.decode("utf-8", "surrogateescape")
