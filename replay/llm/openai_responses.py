"""OpenAI's responses: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from replay.llm.conversation import Call, Message, Other, Part, ToolCall, message
from replay.llm.exchange import Exchange
from replay.llm.openai_chat import content, read_tokens
from replay.llm.payload import at, count, objects, parsed, text, written
from replay.llm.sampling import Spelling, read_sampling, spelled
from replay.model import Json

_SPELLING = spelled(
    temperature="temperature",
    top_p="top_p",
    max_tokens="max_output_tokens",
    reasoning_effort="reasoning.effort",
)
_CALLS = ("function_call", "custom_tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
_GROWING = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
}


def fits(it: Exchange) -> bool:
    """Whether *it* is for this family: by its path, or on any other path by what came back."""
    event = text(it.answer, "type").startswith("response.")
    return it.path.endswith("/responses") or event or text(it.answer, "object") == "response"


def spelling(_: Exchange) -> Spelling:
    """Spell the sampling parameters; there is no seed."""
    return _SPELLING


def read(it: Exchange) -> Call:
    """Read a response; its output is one answer."""
    sent = it.sent
    answer = _joined(it.events) if it.streamed else it.answer
    output = objects(answer, "output")
    finish = text(answer, "incomplete_details", "reason") or text(answer, "status")
    return it.call(
        "openai",
        "responses",
        requested=text(sent, "model"),
        answered=text(answer, "model"),
        tokens=read_tokens(answer.get("usage")),
        sampling=read_sampling(sent, _SPELLING),
        system=sent.get("instructions"),
        tools=sent.get("tools"),
        sent=tuple(_input(sent.get("input"))),
        answers=(message("assistant", _parts(output)),) if output else (),
        finish_reasons=(finish,) if finish else (),
    )


def _input(value: Json) -> Iterator[Message]:
    """Read the input; what the model said in one turn is one message, as it was when it came."""
    if isinstance(value, str):
        yield message("user", [value])
    items = objects(value)
    for answered, group in groupby(items, lambda item: _role(item) == "assistant"):
        if answered:
            yield message("assistant", _parts(group))
        else:
            yield from map(_sent, group)


def _role(item: dict[str, Any]) -> str:
    if text(item, "type") in _RESULTS:
        return "tool"
    return text(item, "role") or "assistant"


def _sent(item: dict[str, Any]) -> Message:
    if text(item, "type") not in _RESULTS:
        return message(_role(item), content(item.get("content")))
    output = item.get("output")
    parts: Iterable[Part] = content(output) if isinstance(output, list) else [written(output)]
    return message("tool", parts, text(item, "call_id"))


def _parts(items: Iterable[dict[str, Any]]) -> Iterator[Part]:
    for item in items:
        kind = text(item, "type")
        if kind in _CALLS:
            arguments = item.get("arguments" if kind == "function_call" else "input")
            yield ToolCall(text(item, "call_id"), text(item, "name"), parsed(arguments))
        elif kind in ("message", "") and "content" in item:
            yield from content(item["content"])
        else:
            yield Other(item)


def _joined(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Take the response of the last event, or what was said until then when it broke off."""
    response, items = dict[str, Any](), dict[int, dict[str, Any]]()
    for event in events:
        if isinstance(event.get("response"), dict):
            response = event["response"]
        kind, place = text(event, "type"), count(event, "output_index")
        if isinstance(event.get("item"), dict):
            items[place] = dict(event["item"])
        elif kind in _GROWING:
            _grow(items.setdefault(place, {"type": "message"}), _GROWING[kind], event)
    if objects(response, "output"):
        return response
    return {**response, "output": [items[i] for i in sorted(items)]}


def _grow(item: dict[str, Any], member: str, event: dict[str, Any]) -> None:
    holder = item
    if member in ("text", "refusal"):
        kind = "output_text" if member == "text" else "refusal"
        parts = item["content"] = objects(item, "content")
        last = parts[-1] if parts else {}
        if at(last, "type") != kind:
            parts.append(last := {"type": kind})
        holder = last
    holder[member] = text(holder, member) + text(event, "delta")
