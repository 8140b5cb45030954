"""The scanner: says where secrets stand that redaction did not reach, and never what they are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from replay.canonical import canonical_json
from replay.cassettes.edits import byte_size
from replay.cassettes.paths import path_text
from replay.cassettes.redaction import DEFAULTS
from replay.cassettes.redaction.deltas import events
from replay.cassettes.redaction.detection import Spot, detector
from replay.cassettes.redaction.known import ACCOUNTS
from replay.cassettes.redaction.leaves import leaves
from replay.cassettes.redaction.packing import media_of, opened, without_coding
from replay.cassettes.redaction.views import Whole
from replay.config import Redaction
from replay.errors import SecretFound
from replay.model import Interaction, Json, Request, Response

_PAST = "They came past redaction. Those of an older cassette: replay cassettes scan --fix"
_KEPT = "Inputs, outputs and variables are kept as they are: take the secrets out of them."


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One secret that stands in a recording.

    *interaction* counts from 1, and is 0 where it is not in one; *part* is `request`, `response`,
    `failure`, or what else the recording holds; *place* is a header, a parameter, a JSON path, or
    a byte of the body.
    """

    interaction: int
    part: str
    place: str
    kind: str

    def __str__(self) -> str:
        number = f"#{self.interaction} " if self.interaction else ""
        return f"{number}{self.part}, {self.place}: {self.kind}"


class Scanner:
    """Looks for what the rules take for a secret; what is visibly a mask or an example is none."""

    def __init__(self, rules: Redaction = DEFAULTS) -> None:
        self._detector = detector(rules)
        self._clean: set[tuple[str, str] | str] = set()

    def findings(self, interactions: Iterable[Interaction]) -> Iterator[Finding]:
        """Find the secrets in *interactions*."""
        for number, interaction in enumerate(interactions, 1):
            yield from self._half(number, "request", interaction.request)
            if interaction.response:
                yield from self._half(number, "response", interaction.response)
            if interaction.failure:
                for spot in _real(self._detector.text(interaction.failure.message)):
                    yield Finding(number, "failure", "message", spot.kind)

    def text(self, part: str, text: str) -> Iterator[Finding]:
        """Find the secrets in a *text* that is no interaction, and is called *part*."""
        spots = list(_real(self._detector.text(text)))
        for place, spot in self._placed(text, "", spots):
            yield Finding(0, part, place, spot.kind)

    def _half(self, number: int, part: str, half: Request | Response) -> Iterator[Finding]:
        if isinstance(half, Request) and half.url not in self._clean:
            yield from self._url(number, part, half.url)
        for pair in half.headers:
            if pair not in self._clean:
                yield from self._header(number, part, pair)
        plain = without_coding(half)
        media, streamed = media_of(plain), isinstance(half, Response)
        if not plain.body or not self._detector.suspects(plain.body, media, streamed=streamed):
            return
        text = opened(plain.body, media).text
        spots = list(_real(self._detector.body(text, media, streamed=streamed)))
        for place, spot in self._placed(text, media, spots):
            yield Finding(number, part, f"body, {place}", spot.kind)

    def _header(self, number: int, part: str, pair: tuple[str, str]) -> Iterator[Finding]:
        found = list(_real(self._detector.header(*pair)))
        if not found:
            self._clean.add(pair)  # most are the same in every interaction
        place = self._shown(f"header {pair[0].lower()}", "header") if found else ""
        for spot in found:
            yield Finding(number, part, place, spot.kind)

    def _url(self, number: int, part: str, url: str) -> Iterator[Finding]:
        found = list(_real(self._detector.url(url)))
        if not found:
            self._clean.add(url)
        for spot in found:
            yield Finding(number, part, self._in_url(url, spot), spot.kind)

    def _in_url(self, url: str, spot: Spot) -> str:
        name, equals, _ = url[: spot.spans[0][0]].rpartition("=")
        parameter = name[max(name.rfind(sign) for sign in "?&;#") + 1 :]
        return self._shown(f"URL parameter {parameter}", "URL") if equals and parameter else "URL"

    def _placed(self, text: str, media: str, spots: list[Spot]) -> Iterator[tuple[str, Spot]]:
        """Say where in a body they stand: the path, of what is in JSON, else the byte."""
        if not spots:
            return
        strings = _Strings(text, media)
        for spot in spots:
            at = spot.spans[0][0]
            byte = f"byte {byte_size(text[:at])}"
            yield self._shown(strings.path(at) or byte, byte), spot

    def _shown(self, place: str, instead: str) -> str:
        """Name a place, unless its name holds a secret itself."""
        return instead if self._detector.text(place) else place


def guard(
    path: Path | str,
    interactions: Iterable[Interaction],
    beside: Mapping[str, Json] | None = None,
) -> None:
    """
    Refuse to write a secret that redaction did not reach into the file at *path*.

    *beside* are values that are written with the interactions and are not redacted, by name: in
    these, credentials are refused, but not paths and accounts, which a program may well return.

    Raises:
        SecretFound: there is one; the error says where, and never what it is.

    """
    scanner = Scanner()
    found = list(scanner.findings(interactions))
    for name, value in (beside or {}).items():
        named = scanner.text(name, canonical_json(value))
        found += [finding for finding in named if finding.kind not in ACCOUNTS]
    if found:
        hint = _PAST if all(finding.interaction for finding in found) else _KEPT
        raise SecretFound(str(path), tuple(map(str, found)), hint)


def _real(spots: Iterable[Spot]) -> Iterator[Spot]:
    return (spot for spot in spots if not spot.harmless)


class _Strings:
    """The strings of the JSON in a body, by where they stand, and in which event of a stream."""

    def __init__(self, text: str, media: str) -> None:
        whole = Whole(text)
        stream = list(events(whole, media)) or [whole]
        self._streamed = len(stream) > 1
        found = [
            (span, number, path)
            for number, event in enumerate(stream, 1)
            for path, inside in leaves(event.text).strings
            if inside[0] < inside[1]
            for span in event.spans(*inside)
        ]
        self._found = sorted(found, key=itemgetter(0))

    def path(self, at: int) -> str:
        """Name the one that holds the character *at*; empty if none does."""
        index = bisect_right(self._found, at, key=lambda found: found[0][0]) - 1
        if index < 0 or at >= self._found[index][0][1]:
            return ""
        _, number, path = self._found[index]
        name = path_text(path) or "the string"
        return f"event {number}, {name}" if self._streamed else name
