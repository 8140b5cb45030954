"""Redaction: what must never reach a recording is replaced before anything is kept or keyed."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from replay.cassettes.substitution import substituted
from replay.config import Redaction
from replay.errors import BadSetting
from replay.model import Headers, Interaction, Json, Request, Response

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
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"


class Redactor:
    """
    Replaces the credentials of one tape; doing it again changes nothing.

    Raises:
        BadSetting: a pattern of *rules* is no regular expression.

    """

    def __init__(self, rules: Redaction = DEFAULTS) -> None:
        self._secret_headers = SECRET_HEADERS | {name.lower() for name in rules.headers}
        self._secret_query = SECRET_QUERY | {name.lower() for name in rules.query}
        self._shape = _shapes(rules)
        self._shape_bytes = re.compile(self._shape.pattern.encode())

    def request(self, request: Request) -> Request:
        """Replace the credentials in *request*."""
        return Request(
            request.method,
            self._url(request.url),
            self._headers(request.headers),
            self._shape_bytes.sub(_placeholder_bytes, request.body),
        )

    def interaction(self, interaction: Interaction) -> Interaction:
        """Replace the credentials in both halves."""
        response = interaction.response
        return replace(
            interaction,
            request=self.request(interaction.request),
            response=self._response(response) if response else None,
        )

    def json(self, value: Json) -> Json:
        """Replace the credentials in every string of an output."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {key: self.json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return value

    def _response(self, response: Response) -> Response:
        plain = substituted(response, self._shape_bytes, _placeholder_bytes)
        return replace(plain, headers=self._headers(response.headers))

    def _headers(self, headers: Headers) -> Headers:
        secret = self._secret_headers
        return tuple(
            (k, f"<secret:{k.lower()}>" if k.lower() in secret else self._text(v))
            for k, v in headers
        )

    def _url(self, url: str) -> str:
        try:
            parts = urlsplit(url)
        except ValueError:
            return self._text(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if any(name.lower() in self._secret_query for name, _ in query):
            hidden = [
                (k, f"<secret:{k}>" if k.lower() in self._secret_query else v) for k, v in query
            ]
            url = urlunsplit(parts._replace(query=urlencode(hidden, safe="<>:")))
        return self._text(url)

    def _text(self, text: str) -> str:
        return self._shape.sub(_placeholder, text)


def _shapes(rules: Redaction) -> re.Pattern[str]:
    """
    Join the known shapes, and those of *rules*, into one pattern.

    A member of a JSON object is found by its name; its value alone is replaced.
    """
    shapes = dict(_SHAPES)
    if rules.json:
        names = "|".join(map(re.escape, rules.json))
        shapes["member"] = rf'(?<=")(?:{names})"\s*:\s*"(?!<secret:)(?:[^"\\]|\\.)*'
    if rules.emails:
        shapes["email"] = _EMAIL
    shapes |= rules.patterns
    try:
        return re.compile("|".join(f"(?P<{_group(k)}>{v})" for k, v in shapes.items()))
    except re.error as error:
        wanted = f"names with regular expressions; {error}"
        raise BadSetting("tool.replay.redact.patterns", rules.patterns, wanted) from error


def _group(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _placeholder(match: re.Match[str]) -> str:
    kind = (match.lastgroup or "key").replace("_", "-")
    if kind != "member":
        return f"<secret:{kind}>"
    head, quote, colon = match[0].partition('"')
    lead = colon[: colon.index('"') + 1]
    return f"{head}{quote}{lead}<secret:{head}>"


def _placeholder_bytes(match: re.Match[bytes]) -> bytes:
    kind = (match.lastgroup or "key").replace("_", "-")
    if kind != "member":
        return f"<secret:{kind}>".encode()
    head, quote, colon = match[0].partition(b'"')
    lead = colon[: colon.index(b'"') + 1]
    return head + quote + lead + b"<secret:" + head + b">"
