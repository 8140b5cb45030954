"""OpenAI's chat and embeddings, and those of all who speak the same."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

from replay.llm.conversation import Tokens
from replay.llm.payload import at, written
from replay.mocks.answers import Embedded, Refused, Said
from replay.mocks.format import CREATED, Asked, event
from replay.model import Json

_KINDS = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_exceeded",
}


def streams(asked: Asked) -> bool:
    """Whether the request asks for a stream."""
    return asked.it.sent.get("stream") is True


def said(answer: Said, asked: Asked) -> Json:
    """Write a completion with one choice."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.calls:
        message["tool_calls"] = _calls(answer, asked)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
    return _head(asked, "chat.completion") | {"choices": [choice], "usage": _usage(answer.tokens)}


def events(answer: Said, asked: Asked) -> Iterator[bytes]:
    """Write the chunks of a completion; its usage, if that is asked for, comes last."""
    yield _chunk(asked, {"role": "assistant", "content": ""})
    for piece in answer.pieces:
        yield _chunk(asked, {"content": piece})
    for index, call in enumerate(_calls(answer, asked)):
        yield _chunk(asked, {"tool_calls": [{"index": index, **call}]})
    yield _chunk(asked, {}, answer.finish)
    if at(asked.it.sent, "stream_options", "include_usage"):
        head = _head(asked, "chat.completion.chunk")
        yield event(head | {"choices": [], "usage": _usage(answer.tokens)})
    yield b"data: [DONE]\n\n"


def embedded(answer: Embedded, asked: Asked) -> Json:
    """Write a list of embeddings, in base64 where that is asked for, as the SDK does."""
    packed = asked.it.sent.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _packed(v) if packed else list(v)}
        for i, v in enumerate(answer.vectors)
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data, "model": asked.model, "usage": usage}


def refused(answer: Refused) -> Json:
    """Write an error."""
    kind = _KINDS.get(answer.status, "server_error")
    return {"error": {"message": answer.message, "type": kind, "param": None, "code": None}}


def _head(asked: Asked, kind: str) -> dict[str, Any]:
    return {
        "id": asked.name("chatcmpl-"),
        "object": kind,
        "created": CREATED,
        "model": asked.model,
    }


def _chunk(asked: Asked, delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event(_head(asked, "chat.completion.chunk") | {"choices": [choice]})


def _calls(answer: Said, asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "id": asked.name("call_", index),
            "type": "function",
            "function": {"name": call.name, "arguments": written(call.arguments)},
        }
        for index, call in enumerate(answer.calls)
    ]


def _usage(tokens: Tokens) -> Json:
    return {
        "prompt_tokens": tokens.sent,
        "completion_tokens": tokens.received,
        "total_tokens": tokens.sent + tokens.received,
    }


def _packed(vector: tuple[float, ...]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
