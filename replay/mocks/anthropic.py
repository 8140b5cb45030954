"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replay.llm.conversation import Tokens
from replay.llm.payload import written
from replay.mocks import openai_chat
from replay.mocks.answers import Embedded, Refused, Said
from replay.mocks.format import Asked, event
from replay.model import Json

_FINISH = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

streams = openai_chat.streams


def said(answer: Said, asked: Asked) -> Json:
    """Write a message: its text as one block, then the calls."""
    return _begun(asked) | {
        "content": _blocks(answer, asked),
        "stop_reason": _finish(answer),
        "usage": _usage(answer.tokens),
    }


def events(answer: Said, asked: Asked) -> Iterator[bytes]:
    """Write the events that build a message up."""
    for data in _events(answer, asked):
        yield event(data, data["type"])


def embedded(_answer: Embedded, _asked: Asked) -> Json:
    """Write nothing: Anthropic has no embeddings."""
    return None


def refused(answer: Refused) -> Json:
    """Write an error."""
    kind = _KINDS.get(answer.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": answer.message}}


def _begun(asked: Asked) -> dict[str, Any]:
    return {
        "id": asked.name("msg_"),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(Tokens()),
    }


def _finish(answer: Said) -> str:
    return _FINISH.get(answer.finish, answer.finish)


def _blocks(answer: Said, asked: Asked) -> list[dict[str, Any]]:
    text = [{"type": "text", "text": answer.text}] if answer.pieces else []
    return text + [
        {
            "type": "tool_use",
            "id": asked.name("toolu_", index),
            "name": call.name,
            "input": call.arguments,
        }
        for index, call in enumerate(answer.calls)
    ]


def _usage(tokens: Tokens) -> Json:
    cached, stored = tokens.cached, tokens.stored
    return {
        "input_tokens": tokens.sent - cached - stored,
        "cache_creation_input_tokens": stored,
        "cache_read_input_tokens": cached,
        "output_tokens": tokens.received,
    }


def _events(answer: Said, asked: Asked) -> Iterator[dict[str, Any]]:
    begun = _begun(asked) | {"usage": _usage(answer.tokens) | {"output_tokens": 0}}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(_blocks(answer, asked)):
        text = block["type"] == "text"
        blank: dict[str, Any] = {"text": ""} if text else {"input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": block | blank}
        for delta in _texts(answer) if text else [_arguments(block)]:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {"stop_reason": _finish(answer), "stop_sequence": None}
    usage = {"output_tokens": answer.tokens.received}
    yield {"type": "message_delta", "delta": ending, "usage": usage}
    yield {"type": "message_stop"}


def _texts(answer: Said) -> list[dict[str, Any]]:
    return [{"type": "text_delta", "text": piece} for piece in answer.pieces]


def _arguments(block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": written(block["input"])}
