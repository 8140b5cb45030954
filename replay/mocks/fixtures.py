"""What a test has in its hands: `mock_llm` and `mock_http`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replay.canonical import json_body
from replay.llm.calls import read_call
from replay.llm.conversation import Message, Tokens
from replay.llm.payload import first, objects, text
from replay.mocks.answers import Called, Embedded, Refused, Said
from replay.mocks.script import Script, page, phrase
from replay.model import Interaction, Json, Request


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """
    A request to a model, read the same whatever provider it went to.

    *tools* are the names of those that were offered; *json* is the body as it was sent.
    """

    provider: str
    model: str
    messages: tuple[Message, ...]
    system: Json
    tools: tuple[str, ...]
    json: Json


class MockLLM:
    """
    Scripts the answers of models, in the order in which they are asked for.

    Each request is answered in its own format, OpenAI's (chat, responses, embeddings), Anthropic's
    or Gemini's, and as a stream where it asks for one.
    """

    def __init__(self, script: Script, asked: Sequence[Request]) -> None:
        self._script = script
        self._asked = asked

    def reply(
        self,
        text: str = "",
        *,
        calls: Iterable[tuple[str, Mapping[str, Json]]] = (),
        finish: str = "",
        tokens: tuple[int, int] = (0, 0),
    ) -> None:
        """
        Answer with *text*, and with *calls* of tools, each its name and arguments.

        *finish* is `stop`, `tool_calls`, `length` or `content_filter`, by default what follows from
        the rest; *tokens* are those sent and received.
        """
        self._say([text] if text else [], calls, finish, tokens)

    def tool_call(self, name: str, arguments: Mapping[str, Json]) -> None:
        """Answer with one call of a tool."""
        self._say([], [(name, arguments)], "", (0, 0))

    def stream(
        self, pieces: Iterable[str], *, finish: str = "", tokens: tuple[int, int] = (0, 0)
    ) -> None:
        """Answer with a text that comes in *pieces*, if the request asks for a stream."""
        self._say(pieces, (), finish, tokens)

    def embedding(self, *vectors: Sequence[float]) -> None:
        """Answer a request for embeddings, a vector for each text of it."""
        self._script.add(Embedded(tuple(map(tuple, vectors))))

    def error(
        self, status: int, message: str = "", *, retry_after: float | None = None, times: int = 1
    ) -> None:
        """
        Answer with an error, *times* times: the SDKs try again on 408, 409, 429 and 5xx.

        *retry_after* is in seconds; waiting takes no time.
        """
        message = message or f"{phrase(status) or status}, says the script"
        for _ in range(times):
            self._script.add(Refused(status, message, retry_after))

    @property
    def requests(self) -> list[ModelRequest]:
        """What was asked of models until now, in every mode."""
        return [found for found in map(_read, self._asked) if found]

    def _say(
        self,
        pieces: Iterable[str],
        calls: Iterable[tuple[str, Mapping[str, Json]]],
        finish: str,
        tokens: tuple[int, int],
    ) -> None:
        called = tuple(Called(name, dict(arguments)) for name, arguments in calls)
        finish = finish or ("tool_calls" if called else "stop")
        self._script.add(Said(tuple(pieces), called, finish, Tokens(*tokens)))


class MockHTTP:
    """
    Scripts the answers of plain HTTP: `mock_http("GET", url, json={…})`, once for each request.

    Requests to one address are answered in the order in which the answers were scripted.
    """

    def __init__(self, script: Script, asked: Sequence[Request]) -> None:
        self._script = script
        self._asked = asked

    def __call__(
        self,
        method: str,
        url: str,
        *,
        json: Json = None,
        text: str | None = None,
        content: bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer one request by *method* to *url*, query and all, with one of the bodies."""
        self._script.add_page(method, url, page(json, text, content, status, dict(headers or {})))

    @property
    def requests(self) -> list[Request]:
        """What was sent that was no request to a model, in every mode."""
        return [request for request in self._asked if _read(request) is None]


def _read(request: Request) -> ModelRequest | None:
    call = read_call(Interaction(request))
    if call is None:
        return None
    return ModelRequest(
        provider=call.provider,
        model=call.requested,
        messages=call.sent,
        system=call.system,
        tools=tuple(_names(call.tools)),
        json=json_body(request.body),
    )


def _names(tools: Any) -> Iterator[str]:
    """Find the names of tools, at whatever depth a provider has them."""
    for tool in objects(tools):
        holders = (tool, tool.get("function"), tool.get("toolSpec"))
        yield from (name for name in (text(holder, "name") for holder in holders) if name)
        yield from _names(first(tool, "functionDeclarations", "function_declarations"))
