"""OpenAI's responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replay.llm.payload import written
from replay.mocks import openai_chat
from replay.mocks.answers import Called, Embedded, Said
from replay.mocks.format import CREATED, Asked, event
from replay.model import Json

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

streams = openai_chat.streams
refused = openai_chat.refused


def said(answer: Said, asked: Asked) -> Json:
    """Write a response: its text as one message, then the calls."""
    reason = _INCOMPLETE.get(answer.finish)
    tokens = answer.tokens
    return _begun(asked) | {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": _items(answer, asked),
        "usage": {
            "input_tokens": tokens.sent,
            "input_tokens_details": {"cached_tokens": tokens.cached},
            "output_tokens": tokens.received,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
            "total_tokens": tokens.sent + tokens.received,
        },
    }


def events(answer: Said, asked: Asked) -> Iterator[bytes]:
    """Write the events that build a response up, numbered as OpenAI numbers them."""
    for number, data in enumerate(_events(answer, asked)):
        yield event(data | {"sequence_number": number}, data["type"])


def embedded(_answer: Embedded, _asked: Asked) -> Json:
    """Write nothing: responses are no embeddings."""
    return None


def _begun(asked: Asked) -> dict[str, Any]:
    return {
        "id": asked.name("resp_"),
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.it.sent.get("instructions"),
        "metadata": {},
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": asked.it.sent.get("temperature"),
        "tool_choice": asked.it.sent.get("tool_choice", "auto"),
        "tools": asked.it.sent.get("tools", []),
        "top_p": asked.it.sent.get("top_p"),
        "usage": None,
    }


def _items(answer: Said, asked: Asked) -> list[dict[str, Any]]:
    calls = [_call(call, asked, index) for index, call in enumerate(answer.calls)]
    return calls if answer.calls and not answer.pieces else [_message(answer, asked), *calls]


def _message(answer: Said, asked: Asked) -> dict[str, Any]:
    return {
        "type": "message",
        "id": asked.name("msg_"),
        "status": "completed",
        "role": "assistant",
        "content": [_part(answer.text)],
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _call(call: Called, asked: Asked, index: int) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": asked.name("fc_", index),
        "call_id": asked.name("call_", index),
        "name": call.name,
        "arguments": written(call.arguments),
        "status": "completed",
    }


def _events(answer: Said, asked: Asked) -> Iterator[dict[str, Any]]:
    whole = said(answer, asked)
    for kind in ("created", "in_progress"):
        yield {"type": f"response.{kind}", "response": _begun(asked)}
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        begun = item | empty | {"status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        if item["type"] == "message":
            yield from _text(answer, {**place, "content_index": 0})
        else:
            kind, arguments = "response.function_call_arguments", item["arguments"]
            yield {"type": f"{kind}.delta", **place, "delta": arguments}
            yield {"type": f"{kind}.done", **place, "arguments": arguments, "name": item["name"]}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _text(answer: Said, place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.content_part.added", **place, "part": _part("")}
    for piece in answer.pieces:
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": answer.text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": _part(answer.text)}
