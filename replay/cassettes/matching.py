"""Matching: what decides whether a recorded request answers the one that is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import lru_cache, reduce
from operator import getitem
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from replay.canonical import differences, fields, json_body, request_key
from replay.cassettes.paths import locations
from replay.config import Matching, Order
from replay.errors import BadSetting
from replay.model import Change, Difference, Json, Request

_PARAMETERS = (
    r"(temperature|top_?[pk]|seed|max_\w*tokens|stop\w*|n|stream\w*|\w*penalty|logprobs|"
    r"response_format|reasoning\w*|generationConfig|inferenceConfig|metadata|user)\b"
)
_CHANGES = (
    ("prompt", r"(messages|system|instructions|input|contents|prompt|systemInstruction|text)\b"),
    ("tools", r"(tools|tool_choice|functions|function_call|toolConfig)\b"),
    ("model", r"(model|modelId)\b"),
    ("parameters", _PARAMETERS),
    ("address", r"(url|method|query)\b"),
)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules that hold for one host, compiled."""

    ignore_json: tuple[str, ...] = ()
    ignore_query: frozenset[str] = frozenset()
    volatile: re.Pattern[str] | None = None

    @property
    def empty(self) -> bool:
        return not (self.ignore_json or self.ignore_query or self.volatile)


class Matcher:
    """
    Reduces requests to keys by the declared rules; without rules, to their canonical form.

    Raises:
        BadSetting: a rule is not a regular expression.

    """

    def __init__(self, rules: Matching | None = None) -> None:
        self._rules = rules or Matching()
        self.strict = self._rules.order == Order.STRICT
        self._for_host = lru_cache(maxsize=None)(self._compiled)
        self._for_host("")  # a rule that cannot be read is told at once

    def key(self, request: Request) -> str:
        """Reduce *request* to its key: equal keys, equal answers."""
        return request_key(self.reduced(request))

    def fields(self, request: Request) -> dict[str, Json]:
        """Flatten what takes part in matching, to explain a miss."""
        return fields(self.reduced(request))

    def differences(self, recorded: Request, sent: Request) -> tuple[Difference, ...]:
        """List where two requests differ, as far as that decides."""
        return differences(self.fields(recorded), self.fields(sent))

    def tokens(self, request: Request) -> tuple[str, ...]:
        """List the volatile tokens of *request*, in the order in which they stand in it."""
        volatile = self._of(request).volatile
        if volatile is None:
            return ()
        text = f"{request.url}\n{request.body.decode('utf-8', 'surrogateescape')}"
        return tuple(match[0] for match in volatile.finditer(text))

    def reduced(self, request: Request) -> Request:
        """Leave out of *request* what the rules of its host ignore."""
        rules = self._of(request)
        if rules.empty:
            return request
        url, body = request.url, request.body
        if rules.ignore_query:
            url = _without_query(url, rules.ignore_query)
        if rules.ignore_json:
            body = _without_paths(body, rules.ignore_json)
        if rules.volatile:
            url = rules.volatile.sub(_placeholder, url)
            text = body.decode("utf-8", "surrogateescape")
            body = rules.volatile.sub(_placeholder, text).encode("utf-8", "surrogateescape")
        return replace(request, url=url, body=body)

    def _of(self, request: Request) -> _Rules:
        return self._for_host(_host(request.url) if self._rules.hosts else "")

    def _compiled(self, host: str) -> _Rules:
        chosen = [r for pattern, r in self._rules.hosts.items() if fnmatch(host, pattern)]
        chosen = [self._rules, *chosen]
        volatile = {name: p for rules in chosen for name, p in rules.volatile.items()}
        return _Rules(
            ignore_json=tuple(p for rules in chosen for p in rules.ignore_json),
            ignore_query=frozenset(name for rules in chosen for name in rules.ignore_query),
            volatile=_pattern(volatile) if volatile else None,
        )


def change_of(found: Iterable[Difference]) -> Change:
    """
    Name what sort of change *found* is: of the prompt, tools, model, parameters or address.

    >>> change_of([Difference("messages[0].content", "a", "b"), Difference("model", "x", "y")])
    ('prompt', 'model')
    """
    paths = [difference.path for difference in found]
    kinds = [kind for kind, pattern in _CHANGES if any(re.match(pattern, path) for path in paths)]
    return tuple(kinds) or ("body",)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _pattern(volatile: dict[str, str]) -> re.Pattern[str]:
    try:
        return re.compile("|".join(f"(?P<{name}>{p})" for name, p in volatile.items()))
    except re.error as error:
        wanted = f"names with regular expressions; {error}"
        raise BadSetting("tool.replay.match.volatile", volatile, wanted) from error


def _placeholder(match: re.Match[str]) -> str:
    return f"<volatile:{match.lastgroup}>"


def _without_query(url: str, names: frozenset[str]) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # no client can send it
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in names]
    return urlunsplit(parts._replace(query=urlencode(kept, errors="surrogatepass")))


def _without_paths(body: bytes, paths: tuple[str, ...]) -> bytes:
    """Delete what the JSON paths (RFC 9535) point at; a body that is no JSON stays."""
    value: Any = json_body(body)
    if value is None:
        return body
    for path in paths:
        for place in list(locations(path, value))[::-1]:
            if not place:
                return b""  # `$` is all of it
            *way, last = place
            del reduce(getitem, way, value)[last]
    return json.dumps(value).encode()
