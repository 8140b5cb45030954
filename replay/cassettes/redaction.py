"""Redaction: what must never reach a recording is replaced before anything is kept or keyed."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from replay.config import Redaction
from replay.model import Chunk, Headers, Interaction, Json, Request, Response

DEFAULTS = Redaction()

SECRET_HEADERS = frozenset(
    {
        "anthropic-organization-id",
        "api-key",
        "authorization",
        "cf-ray",
        "cookie",
        "openai-organization",
        "openai-project",
        "proxy-authorization",
        "set-cookie",
        "x-amz-security-token",
        "x-api-key",
        "x-goog-api-key",
    }
)
"""Headers, of requests and responses, whose values are credentials or name an account."""

SECRET_QUERY = frozenset(
    {"access_token", "api_key", "apikey", "key", "password", "sig", "signature", "token"}
    | {"x-amz-credential", "x-amz-security-token", "x-amz-signature"}
)
"""Query parameters whose values are credentials."""

_SHAPES = {
    "anthropic-key": r"(?<![A-Za-z0-9_-])sk-ant-[A-Za-z0-9_-]{20,}",
    "openai-key": r"(?<![A-Za-z0-9_-])sk-(?!ant-)[A-Za-z0-9_-]{20,}",
    "google-key": r"AIza[0-9A-Za-z_-]{35}",
    "aws-key-id": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "github-token": r"gh[pousr]_[A-Za-z0-9]{36,}",
    "slack-token": r"xox[abprs]-[A-Za-z0-9-]{10,}",
    "jwt": r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
}
_SHAPE = re.compile("|".join(f"(?P<{k.replace('-', '_')}>{v})" for k, v in _SHAPES.items()))
_SHAPE_BYTES = re.compile(_SHAPE.pattern.encode())


class Redactor:
    """Replaces the credentials of one tape; doing it again changes nothing."""

    def __init__(self, rules: Redaction = DEFAULTS) -> None:
        self._rules = rules

    def request(self, request: Request) -> Request:
        """Replace the credentials in *request*."""
        return Request(
            request.method, _url(request.url), _headers(request.headers), _body(request.body)
        )

    def json(self, value: Json) -> Json:
        """Replace the credentials in every string of an output."""
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, dict):
            return {key: self.json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return value

    def interaction(self, interaction: Interaction) -> Interaction:
        """Replace the credentials in both halves."""
        response = interaction.response
        return replace(
            interaction,
            request=self.request(interaction.request),
            response=_response(response) if response else None,
        )


def _response(response: Response) -> Response:
    body = _body(response.body)
    chunks = response.chunks if body is response.body else _moved(response, body)
    return replace(response, headers=_headers(response.headers), body=body, chunks=chunks)


def _headers(headers: Headers) -> Headers:
    return tuple(
        (k, f"<secret:{k.lower()}>" if k.lower() in SECRET_HEADERS else _text(v))
        for k, v in headers
    )


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return _text(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any(name.lower() in SECRET_QUERY for name, _ in query):
        hidden = [(k, f"<secret:{k}>" if k.lower() in SECRET_QUERY else v) for k, v in query]
        url = urlunsplit(parts._replace(query=urlencode(hidden, safe="<>:")))
    return _text(url)


def _text(text: str) -> str:
    return _SHAPE.sub(lambda m: _placeholder(m.lastgroup), text)


def _body(body: bytes) -> bytes:
    if not _SHAPE_BYTES.search(body):
        return body
    return _SHAPE_BYTES.sub(lambda m: _placeholder(m.lastgroup).encode(), body)


def _placeholder(group: str | None) -> str:
    return f"<secret:{(group or 'key').replace('_', '-')}>"


def _moved(response: Response, body: bytes) -> tuple[Chunk, ...]:
    """Carry the chunk boundaries over: one inside a secret moves behind its placeholder."""
    spans = [(m.start(), m.end(), m.lastgroup) for m in _SHAPE_BYTES.finditer(response.body)]
    starts = [start for start, _, _ in spans]
    edges, end = [0], 0
    for chunk in response.chunks:
        end += chunk.size
        edges.append(_shifted(end, spans, bisect_left(starts, end)))
    sizes = [b - a for a, b in pairwise(edges)]
    if edges[-1] > len(body):
        raise AssertionError("a chunk boundary left its body")
    return tuple(Chunk(s, c.at) for s, c in zip(sizes, response.chunks, strict=True))


def _shifted(edge: int, spans: list[tuple[int, int, str | None]], before: int) -> int:
    """Where *edge* of the old body lies in the new one; *before* spans start left of it."""
    shift = sum(len(_placeholder(g)) - (e - s) for s, e, g in spans[:before])
    inside = spans[before - 1][1] - edge if before else 0
    return edge + shift + max(inside, 0)
