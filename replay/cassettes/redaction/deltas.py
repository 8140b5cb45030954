"""Texts that arrive in pieces: the deltas of a stream, put together again by where they belong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from replay.cassettes.eventstream import RECORD
from replay.cassettes.redaction.leaves import SPELLED, Path, leaves
from replay.cassettes.redaction.views import Joined, Part, Span, View, Whole, json_string, unescaped

_FIELD = re.compile(r"(?:data|event|id|retry)?:")
_DATA = re.compile(r"^data:[ ]?(?P<at>[^\r\n]*)(?:\r?\n|\r|\Z)", re.MULTILINE)
_LINE = re.compile(r"^[ \t]*\{.*\}[ \t]*\r?$", re.MULTILINE)
_MESSAGE = re.compile(f"[^{RECORD}]+")
_WHOLE_ALREADY = frozenset(
    (
        *("id", "object", "model", "type", "role", "status", "obfuscation", "p", "service_tier"),
        *("system_fingerprint", "finish_reason", "stop_reason", "created_at", "created", "event"),
    )
)
_TELLING = (("type",), ("event_type",), ("item_id",))


@dataclass(slots=True)
class Scattered:
    """
    The places of one text: its *parts* in order.

    Beside a token with log-probabilities stand *arrays* that tell it too, by its bytes and by what
    else it might have been: where they are, by where the token is.
    """

    parts: list[View] = field(default_factory=list)
    arrays: dict[Span, list[Span]] = field(default_factory=dict)


def scattered(whole: Whole, media: str) -> Iterator[Scattered]:
    """Put together what continues from event to event, or from token to token."""
    groups: dict[object, Scattered] = {}
    for event in events(whole, media):
        if event.text.lstrip()[:1] in ("{", "[", '"'):
            _sort(event, groups)
        else:
            groups.setdefault("", Scattered()).parts.append(event)
    for group in groups.values():
        if len({part.text for part in group.parts}) > 1:
            yield group


def may_be_stream(body: bytes, media: str) -> bool:
    """Whether `events` may find something in *body*; plain JSON, the usual answer, is known."""
    return (
        body[:1] != b"{"
        or "event-stream" in media
        or b"\n{" in body
        or b'"logprob' in body
        or RECORD.encode() in body
    )


def events(whole: Whole, media: str) -> Iterator[View]:
    """List the messages of a stream; a text with nothing to put together has none."""
    text = whole.text
    if RECORD in text:
        yield from (Part(whole, match.span()) for match in _MESSAGE.finditer(text))
    elif "event-stream" in media or (_FIELD.match(text) and "data:" in text):
        yield from _sent_events(whole)
    elif text[:1] == "[" or '"logprob' in text:
        yield whole
    elif text[:1] == "{" and "\n{" in text:
        yield from (Part(whole, match.span()) for match in _LINE.finditer(text))


def _sent_events(whole: Whole) -> Iterator[View]:
    """List the data of server-sent events; one that has several lines is put together."""
    lines: list[View] = []
    end = 0
    for match in _DATA.finditer(whole.text):
        if lines and match.start() != end:
            yield Joined(lines) if len(lines) > 1 else lines[0]
            lines = []
        lines.append(Part(whole, match.span("at")))
        end = match.end()
    if lines:
        yield Joined(lines) if len(lines) > 1 else lines[0]


def _sort(event: View, groups: dict[object, Scattered]) -> None:
    """File the strings of *event* by what they continue."""
    found = leaves(event.text)
    tells = {path: event.text[slice(*at)] for path, at in found.strings if path in _TELLING}
    told = tuple(unescaped(tells.get(path, "")) for path in _TELLING)
    for path, span in found.strings:
        name = path[-1] if path else ""
        if name in _WHOLE_ALREADY or str(name).endswith("_id"):
            continue
        group = groups.setdefault((_place(path, found.indices), told), Scattered())
        group.parts.append(json_string(event, span))
        if name == "token" and span[0] < span[1]:
            arrays = [found.arrays.get((*path[:-1], array)) for array in SPELLED]
            for place in event.spans(*span):
                group.arrays[place] = [s for array in arrays if array for s in event.spans(*array)]


def _place(path: Path, indices: dict[Path, list[tuple[str, str]]]) -> Path:
    """
    Say which text the string at *path* belongs to, wherever in a list it happens to stand.

    A list of choices or of tool calls holds those that have something new; which they are, their
    `index` says.
    """
    place: list[str | int] = []
    for depth, part in enumerate(path):
        ranked = depth and path[depth - 1] == "top_logprobs"
        place.append(part if isinstance(part, str) or ranked else "*")
        for name, value in indices.get(path[:depth], ()):
            if value != "0":
                place += (name, value)
    return tuple(place)
