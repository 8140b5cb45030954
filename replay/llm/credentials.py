"""Putting a key back where redaction took it out, so that a recorded request can be sent again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from replay.canonical import PLACEHOLDER
from replay.errors import NoKey
from replay.llm.calls import read_call
from replay.model import Interaction, Request

_VARIABLES = {
    "azure": ("AZURE_OPENAI_API_KEY",),
    "bedrock": ("AWS_BEARER_TOKEN_BEDROCK",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
"""Where the SDK of a provider looks for its key, if not in the variable named for it."""

_KEY_ALONE = ("x-api-key", "api-key", "x-goog-api-key")


def with_key(request: Request, environ: Mapping[str, str]) -> Request:
    """
    Let *request*, which was redacted, carry the key that *environ* has for its provider.

    Other headers that were redacted are left out: a placeholder would be taken for their value.

    >>> sent = Request("POST", "https://api.openai.com/v1/chat/completions",
    ...     (("Authorization", "<secret:authorization>"), ("Cookie", "<secret:cookie>")))
    >>> with_key(sent, {"OPENAI_API_KEY": "sk-1"}).headers
    (('Authorization', 'Bearer sk-1'),)

    Raises:
        NoKey: a key was taken out, and *environ* has none.

    """
    if not any(map(PLACEHOLDER.search, (request.url, *(value for _, value in request.headers)))):
        return request
    call = read_call(Interaction(request))
    provider = call.provider if call else ""
    names = _VARIABLES.get(provider, (f"{provider.upper()}_API_KEY",))
    key = next((environ[name] for name in names if environ.get(name)), "")
    if not key:
        raise NoKey(provider, names[0])
    return dataclasses.replace(
        request,
        url=PLACEHOLDER.sub(lambda _: key, request.url),
        headers=tuple(
            (name, _filled(name.lower(), value, key))
            for name, value in request.headers
            if not PLACEHOLDER.search(value) or name.lower() in ("authorization", *_KEY_ALONE)
        ),
    )


def _filled(name: str, value: str, key: str) -> str:
    if not PLACEHOLDER.search(value):
        return value
    return key if name in _KEY_ALONE else f"Bearer {key}"
