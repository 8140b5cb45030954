"""One request and its answer as JSON, whether it came whole or in events, in whatever framing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from replay.canonical import json_body, parsed_json
from replay.llm.conversation import Call
from replay.llm.payload import at, first, text, written
from replay.llm.sampling import Spelling
from replay.model import Headers, Interaction, Response

_HOSTS = {
    "ai21.com": "ai21",
    "anthropic.com": "anthropic",
    "amazonaws.com": "bedrock",
    "azure-api.net": "azure",
    "cerebras.ai": "cerebras",
    "cognitiveservices.azure.com": "azure",
    "cohere.ai": "cohere",
    "cohere.com": "cohere",
    "deepseek.com": "deepseek",
    "fireworks.ai": "fireworks",
    "googleapis.com": "gemini",
    "groq.com": "groq",
    "huggingface.co": "huggingface",
    "mistral.ai": "mistral",
    "moonshot.ai": "moonshotai",
    "novita.ai": "novita",
    "openai.azure.com": "azure",
    "openai.com": "openai",
    "openrouter.ai": "openrouter",
    "perplexity.ai": "perplexity",
    "services.ai.azure.com": "azure",
    "together.ai": "together",
    "together.xyz": "together",
    "voyageai.com": "voyageai",
    "writer.com": "writer",
    "x.ai": "xai",
    "z.ai": "zai",
}
MODEL_IN_PATH = re.compile(
    r"(?<=/model/).+(?=/(?:converse|invoke)[a-z-]*$)"  # Bedrock
    r"|(?<=/deployments/)[^/]+(?=/)"  # Azure
    r"|(?<=/)[^/:]+(?=:[A-Za-z]+$)"  # Google
)
_BETWEEN = re.compile(r"[\s\[\],]*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """
    What was *sent*, and the *events* that came back: a plain answer is one event.

    Neither says how it was spelled or framed; what is no JSON object is left out.
    """

    path: str
    provider: str
    sent: dict[str, Any]
    events: tuple[dict[str, Any], ...] = ()
    headers: Headers = ()
    streamed: bool = False
    error: str = ""

    @property
    def answer(self) -> dict[str, Any]:
        """The plain answer, or the first event of a stream."""
        return self.events[0] if self.events else {}

    @property
    def model(self) -> str:
        """The model that the path names; empty where it stands in the body."""
        found = MODEL_IN_PATH.search(self.path)
        return unquote(found[0]) if found else ""

    def call(self, family: str, operation: str, **said: Any) -> Call:
        """Say what is the same for all families; the host decides who the provider is."""
        return Call(
            provider=self.provider or family,
            operation=operation,
            streamed=self.streamed,
            error=self.error,
            **said,
        )


class Family(Protocol):
    """The providers that speak one and the same wire format: a module each."""

    def fits(self, it: Exchange, /) -> bool:
        """Whether *it* is in this format."""

    def read(self, it: Exchange, /) -> Call:
        """Say what *it* says; whatever is odd in it is left out."""

    def spelling(self, it: Exchange, /) -> Spelling:
        """Say where the sampling parameters stand in a request like *it*."""


def exchange(interaction: Interaction) -> Exchange | None:
    """Take the JSON out of *interaction*; None when its request cannot be one to a model."""
    request, response = interaction.request, interaction.response
    if request.method.upper() != "POST":
        return None
    try:
        url = urlsplit(request.url)
    except ValueError:
        return None
    sent = json_body(request.body)
    whole = json_body(response.body) if response else None
    events = (whole,) if isinstance(whole, dict) else tuple(_events(response))
    return Exchange(
        path=url.path.rstrip("/"),
        provider=_provider(url.hostname or ""),
        sent=sent if isinstance(sent, dict) else {},
        events=events,
        headers=response.headers if response else (),
        streamed=bool(events) and not isinstance(whole, dict),
        error=_error(interaction, events),
    )


def sse_data(body: bytes) -> Iterator[str]:
    """
    Read the data of every server-sent event (WHATWG HTML, section 9.2).

    >>> list(sse_data(b"event: x\\ndata: 1\\ndata: 2\\n\\ndata: 3\\n\\n"))
    ['1\\n2', '3']
    """
    lines: list[str] = []
    for raw in [*body.splitlines(), b""]:  # not str: that also cuts at U+2028 inside of a line
        line = raw.decode("utf-8", "replace")
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


@lru_cache(maxsize=256)
def _provider(host: str) -> str:
    labels = host.lower().split(".")
    suffixes = (".".join(labels[start:]) for start in range(len(labels)))
    return next((_HOSTS[suffix] for suffix in suffixes if suffix in _HOSTS), "")


def _events(response: Response | None) -> Iterator[dict[str, Any]]:
    if response is None:
        return
    body = response.body
    if body.startswith(b"\0"):  # the length of a first message; no text begins like that
        values = _amazon(body)
    elif body.lstrip()[:1] in (b"{", b"["):
        values = _values(body.decode("utf-8", "replace"))
    else:
        values = _loaded(sse_data(body))
    yield from (value for value in values if isinstance(value, dict))


def _loaded(texts: Iterable[str]) -> Iterator[Any]:
    for data in texts:
        try:
            yield parsed_json(data)
        except ValueError:
            continue  # `[DONE]`, and whatever else is no JSON


def _values(body: str) -> Iterator[Any]:
    """Read one value after another: lines of JSON, or a list, as far as it goes if it broke off."""
    decoder, position = json.JSONDecoder(), 0
    while between := _BETWEEN.match(body, position):
        try:
            value, position = decoder.raw_decode(body, between.end())
        except (ValueError, RecursionError):
            return
        yield value


def _amazon(body: bytes) -> Iterator[Any]:
    from replay.cassettes.eventstream import messages

    for message in messages(body):
        failed = b":exception-type" in (message.headers or b"")
        for value in _loaded([message.says]):
            yield {"error": value} if failed else value


def _error(interaction: Interaction, events: tuple[dict[str, Any], ...]) -> str:
    for event in events:
        same = event if text(event, "type") == "error" else None
        if found := event.get("error") or at(event, "response", "error") or same:
            return text(found, "message") or written(found)
    response, failure = interaction.response, interaction.failure
    if response and response.status >= 400:
        told = first(events[0], "message", "detail") if events else None
        return written(told or f"HTTP {response.status}")
    return str(failure or "")
