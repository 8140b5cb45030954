"""The script of one test on mocks: what is answered, in which order, and what was not asked for."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from http import HTTPStatus
from typing import Any

from replay.canonical import canonical_url, json_body
from replay.errors import Unscripted
from replay.llm import anthropic as anthropic_family
from replay.llm import calls
from replay.llm import gemini as gemini_family
from replay.llm import openai_chat as chat_family
from replay.llm import openai_responses as responses_family
from replay.llm.exchange import Exchange, exchange
from replay.mocks import anthropic, gemini, openai_chat, openai_responses
from replay.mocks.answers import Answer, Embedded, Refused
from replay.mocks.format import Asked, Format
from replay.model import Chunk, Headers, Interaction, Json, Request, Response

_FORMATS: dict[Any, Format] = {
    anthropic_family: anthropic,
    gemini_family: gemini,
    responses_family: openai_responses,
    chat_family: openai_chat,
}
_EMBEDS = ("/embeddings", ":embedContent", ":batchEmbedContents")
_JSON = (("content-type", "application/json"),)
_EVENTS = (("content-type", "text/event-stream; charset=utf-8"),)


class Script:
    """
    Answers of models, first in first out, and of plain HTTP, first in first out per address.

    An address that is scripted for plain HTTP is answered by that, whatever is sent there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: deque[Answer] = deque()
        self._pages: dict[tuple[str, str], deque[Response]] = defaultdict(deque)
        self._answered = 0

    def add(self, answer: Answer) -> None:
        """Let the next request to a model that has no answer yet be answered so."""
        self._answers.append(answer)

    def add_page(self, method: str, url: str, response: Response) -> None:
        """Let the next request by *method* to *url* be answered so."""
        self._pages[method.upper(), canonical_url(url)].append(response)

    @property
    def left(self) -> tuple[str, ...]:
        """What nobody has asked for, each as the call that scripted it."""
        pages = [
            f"mock_http({method!r}, {url!r})"
            for (method, url), responses in self._pages.items()
            for _ in responses
        ]
        return (*(f"mock_llm.{answer}" for answer in self._answers), *pages)

    def answer(self, request: Request) -> Response:
        """
        Take the answer to *request*, in the format it asks for.

        Raises:
            Unscripted: there is none, or it is of another kind than the request.

        """
        with self._lock:
            if pages := self._pages.get((request.method.upper(), canonical_url(request.url))):
                return pages.popleft()
            it = exchange(Interaction(request))
            family = calls.family_of(it) if it else None
            if it is None or family is None:
                raise self._unscripted_page(request)
            form = _FORMATS.get(family)
            if form is None:
                name = family.__name__.rpartition(".")[2]  # type: ignore[attr-defined] # it is a module
                why = f"mock_llm does not write the format of {name}"
                raise Unscripted(_said(request), why, _page_hint(request))
            if not self._answers:
                why = f"all {self._answered} scripted answers are given" if self._answered else ""
                why = why or "the test has scripted none for a model"
                raise Unscripted(_said(request), why, 'mock_llm.reply("…")')
            self._answered += 1
            asked = Asked(it, self._answered)
            return _written(request, self._answers.popleft(), form, asked)

    def _unscripted_page(self, request: Request) -> Unscripted:
        there = [f"{method} {url}" for (method, url), found in self._pages.items() if found]
        why = f"scripted is {', '.join(there)}" if there else "nothing is scripted for that address"
        return Unscripted(_said(request), why, _page_hint(request))


def page(
    json_: Json, text: str | None, content: bytes, status: int, headers: dict[str, str]
) -> Response:
    """Make the response that a page is answered by."""
    said: Headers = tuple((name.lower(), value) for name, value in headers.items())
    names = [name for name, _ in said]
    if text is not None:
        content, kind = text.encode(), "text/plain; charset=utf-8"
    elif json_ is not None:
        content, kind = json.dumps(json_, ensure_ascii=False).encode(), "application/json"
    else:
        kind = "application/octet-stream"
    if "content-type" not in names and content:
        said = (("content-type", kind), *said)
    return Response(status, phrase(status), said, content)


def _written(request: Request, answer: Answer, form: Format, asked: Asked) -> Response:
    if isinstance(answer, Refused):
        wait = answer.retry_after
        headers = _JSON if wait is None else (*_JSON, ("retry-after", f"{wait:g}"))
        return _whole(answer.status, form.refused(answer), headers)
    embeds = asked.it.path.endswith(_EMBEDS)
    if isinstance(answer, Embedded) is not embeds:
        wanted = "mock_llm.embedding([…])" if embeds else 'mock_llm.reply("…")'
        raise Unscripted(_said(request), f"next in the script is {answer}", wanted)
    if isinstance(answer, Embedded):
        _check_number(request, answer, asked.it)
        return _whole(200, form.embedded(answer, asked))
    if not form.streams(asked):
        return _whole(200, form.said(answer, asked))
    events = list(form.events(answer, asked))
    chunks = tuple(Chunk(len(event), 0.0) for event in events)
    return Response(200, "OK", _EVENTS, b"".join(events), chunks)


def _check_number(request: Request, answer: Embedded, it: Exchange) -> None:
    texts = it.sent.get("input") or it.sent.get("requests")
    many = isinstance(texts, list) and not any(isinstance(text, int) for text in texts)
    wanted = len(texts) if texts and many else 1
    if wanted != len(answer.vectors):
        why = f"it asks for {wanted} embeddings, and {len(answer.vectors)} are scripted"
        raise Unscripted(_said(request), why, "mock_llm.embedding([…], […])")


def _whole(status: int, body: Json, headers: Headers = _JSON) -> Response:
    return Response(status, phrase(status), headers, json.dumps(body, ensure_ascii=False).encode())


def phrase(status: int) -> str:
    """Name a status; those that only one provider knows have no name."""
    known = status in HTTPStatus._value2member_map_
    return HTTPStatus(status).phrase if known else ""


def _said(request: Request) -> str:
    sent = json_body(request.body)
    model = f" ({sent['model']})" if isinstance(sent, dict) and "model" in sent else ""
    return f"{request}{model}"


def _page_hint(request: Request) -> str:
    return f'mock_http("{request.method}", "{request.url}", json=…)'
