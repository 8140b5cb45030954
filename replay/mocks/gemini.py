"""Google's Gemini."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replay.llm.conversation import Tokens
from replay.mocks.answers import Embedded, Refused, Said
from replay.mocks.format import Asked, event
from replay.model import Json

_FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def streams(asked: Asked) -> bool:
    """Whether the request asks for a stream."""
    return asked.it.path.endswith(":streamGenerateContent")


def said(answer: Said, asked: Asked) -> Json:
    """Write one candidate."""
    texts = [{"text": answer.text}] if answer.pieces else []
    return _candidate(asked, texts + _calls(answer), answer)


def events(answer: Said, asked: Asked) -> Iterator[bytes]:
    """Write a candidate for each piece; the last one says why it ended."""
    parts: list[list[dict[str, Any]]] = [[{"text": piece}] for piece in answer.pieces]
    parts += [[call] for call in _calls(answer)]
    *before, last = parts or [[]]
    for part in before:
        yield event(_candidate(asked, part))
    yield event(_candidate(asked, last, answer))


def embedded(answer: Embedded, asked: Asked) -> Json:
    """Write the embeddings of a batch, or the one that was asked for."""
    vectors = [{"values": list(vector)} for vector in answer.vectors]
    return {"embeddings": vectors} if "requests" in asked.it.sent else {"embedding": vectors[0]}


def refused(answer: Refused) -> Json:
    """Write an error."""
    default = "INTERNAL" if answer.status >= 500 else "FAILED_PRECONDITION"
    status = _STATUS.get(answer.status, default)
    return {"error": {"code": answer.status, "message": answer.message, "status": status}}


def _candidate(asked: Asked, parts: list[dict[str, Any]], ending: Said | None = None) -> Json:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    whole: dict[str, Any] = {"candidates": [candidate], "modelVersion": asked.model}
    if ending:
        candidate["finishReason"] = _FINISH.get(ending.finish, ending.finish)
        whole["usageMetadata"] = _usage(ending.tokens)
    return whole | {"responseId": asked.name("mock-")}


def _calls(answer: Said) -> list[dict[str, Any]]:
    calls = answer.calls
    return [{"functionCall": {"name": call.name, "args": call.arguments}} for call in calls]


def _usage(tokens: Tokens) -> Json:
    return {
        "promptTokenCount": tokens.sent,
        "candidatesTokenCount": tokens.received,
        "totalTokenCount": tokens.sent + tokens.received,
    }
