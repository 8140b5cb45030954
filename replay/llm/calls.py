"""Reading one interaction as an LLM call, whatever provider it went to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from replay.canonical import json_body
from replay.llm.conversation import Call, Message, Tokens, ToolCall
from replay.model import Interaction, Json, Response

__all__ = ["Call", "Message", "Tokens", "ToolCall", "read_call", "sse_data"]

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
)


def read_call(interaction: Interaction) -> Call | None:
    """Read *interaction* as an LLM call; None when it is none."""
    sent = json_body(interaction.request.body)
    if not isinstance(sent, dict) or not isinstance(sent.get("model"), str):
        return None
    answers = list(_answers(interaction.response)) if interaction.response else []
    return Call(
        provider="openai",
        operation="chat",
        requested=sent["model"],
        answered=next((m for m in map(_model, answers) if m), ""),
        streamed=bool(sent.get("stream")),
        tokens=_tokens(answers),
        sampling={name: sent[name] for name in _SAMPLING if sent.get(name) is not None},
        system=_system(sent),
        tools=sent.get("tools"),
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


def _answers(response: Response) -> Iterator[dict[str, Any]]:
    """List the JSON objects of a response: one, or one an event."""
    whole = json_body(response.body)
    if isinstance(whole, dict):
        yield whole
        return
    for data in sse_data(response.body):
        try:
            event = json.loads(data)
        except ValueError:
            continue  # `[DONE]`, and whatever else is no object
        if isinstance(event, dict):
            yield event


def _model(answer: dict[str, Any]) -> str:
    for holder in (answer, answer.get("response"), answer.get("message")):
        if isinstance(holder, dict) and isinstance(holder.get("model"), str):
            return str(holder["model"])
    return ""


def _tokens(answers: list[dict[str, Any]]) -> Tokens:
    """Merge the usage of all events: Anthropic sends input and output tokens in different ones."""
    usage: dict[str, Any] = {}
    for answer in answers:
        for holder in (answer.get("message"), answer.get("response"), answer):
            if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                usage |= {k: v for k, v in holder["usage"].items() if v is not None}
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    cached = usage.get("cache_read_input_tokens") or details.get("cached_tokens") or 0
    return Tokens(
        sent=usage.get("prompt_tokens") or usage.get("input_tokens") or 0,
        received=usage.get("completion_tokens") or usage.get("output_tokens") or 0,
        cached=cached,
    )


def _system(sent: dict[str, Any]) -> Json:
    if found := sent.get("system") or sent.get("instructions"):
        return found
    messages = sent.get("messages")
    if not isinstance(messages, list):
        return None
    roles = ("system", "developer")
    return [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") in roles]
