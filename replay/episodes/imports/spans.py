"""
OpenTelemetry spans of LLM calls, and the events beside them, as JSON lines of OTLP.

They hold messages, not bodies. Calls with messages, under the names of the GenAI semantic
conventions or of OpenLLMetry, become exchanges of OpenAI's chat form, which says the same; spans
without messages are left out.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from replay.episodes.imports.events import calls_in
from replay.episodes.imports.exchanges import Exchanges, exchange, timed
from replay.episodes.imports.otlp import Item, attributes, spans_in
from replay.model import Json

_INDEXED = re.compile(r"gen_ai\.(prompt|completion)\.(\d+)\.(role|content|tool_calls.*)")
_KINDS_OF_FILE = {"resourceSpans", "resourceLogs"}
_SETTINGS = ("temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "seed")


def spans(values: list[Any]) -> Exchanges | None:
    """Read the calls of which it is told what was said; None when these are no spans or events."""
    if not values or not all(isinstance(v, dict) and _KINDS_OF_FILE & v.keys() for v in values):
        return None
    told = {_id(call): call for call in calls_in(values)}
    found = []
    for span in (span for value in values for span in spans_in(value)):
        names = attributes((*span.get("events", ()), span))  # older conventions used events
        found.append((span, told.pop(_id(span), {"names": {}})["names"] | names))
    found += [(call, call["names"]) for call in told.values()]
    return timed([_read(span, names) for span, names in found if _said(names, "input")])


def _id(span: Item) -> tuple[Any, ...]:
    """Name a span; what has no name of its own is only itself."""
    return (span.get("traceId"), span["spanId"]) if span.get("spanId") else (id(span),)


def _read(span: dict[str, Any], names: dict[str, Any]) -> tuple[dict[str, Any], datetime]:
    start, end = int(span["startTimeUnixNano"]), int(span.get("endTimeUnixNano") or 0)
    asked = names.get("gen_ai.request.model", "")
    system = _parsed(names.get("gen_ai.system_instructions"))
    opening = [{"role": "system", "content": _content(system)}] if system else []
    sent = {"model": asked, "messages": [*opening, *_said(names, "input")]}
    sent |= {n: names[k] for n in _SETTINGS if (k := f"gen_ai.request.{n}") in names}
    if tools := _parsed(names.get("gen_ai.tool.definitions")):
        sent["tools"] = tools
    answer = {
        "id": names.get("gen_ai.response.id", ""),
        "object": "chat.completion",
        "model": names.get("gen_ai.response.model", asked),
        "choices": [
            {
                "index": place,
                "message": message,
                "finish_reason": message.pop("finish_reason", None),
            }
            for place, message in enumerate(_said(names, "output"))
        ],
        "usage": {
            "prompt_tokens": names.get("gen_ai.usage.input_tokens", 0),
            "completion_tokens": names.get("gen_ai.usage.output_tokens", 0),
        },
    }
    host = names.get("server.address") or f"{_provider(names)}.invalid"
    facts = {"elapsed": max(end - start, 0) / 1e9}
    at = datetime.fromtimestamp(start / 1e9, UTC)
    return exchange(f"https://{host}/v1/chat/completions", sent, answer, facts=facts), at


def _provider(names: dict[str, Any]) -> str:
    name = names.get("gen_ai.provider.name") or names.get("gen_ai.system") or "unknown"
    return re.sub(r"[^a-z0-9.]+", "-", str(name).lower()).strip("-.") or "unknown"


def _said(names: dict[str, Any], side: str) -> list[dict[str, Any]]:
    """Read the messages of one *side*, `input` or `output`, under whichever names they stand."""
    older = {"input": "prompt", "output": "completion"}[side]
    for name in (f"gen_ai.{side}.messages", f"gen_ai.{older}"):
        found = _parsed(names.get(name))
        if isinstance(found, list):
            return [_message(item) for item in found if isinstance(item, dict)]
    indexed: dict[int, dict[str, Any]] = {}
    for name, value in names.items():
        if (match := _INDEXED.fullmatch(name)) and match[1] == older:
            indexed.setdefault(int(match[2]), {})[match[3]] = value
    return [_indexed(indexed[place]) for place in sorted(indexed)]


def _indexed(item: dict[str, Any]) -> dict[str, Any]:
    """Build a message of OpenLLMetry's numbered attributes."""
    calls: dict[str, dict[str, Any]] = {}
    for name, value in item.items():
        if name.startswith("tool_calls."):
            _, place, what = name.split(".", 2)
            calls.setdefault(place, {})[what] = value
    message = {"role": item.get("role", "assistant"), "content": item.get("content")}
    if calls:
        message["tool_calls"] = [_call(calls[place]) for place in sorted(calls, key=int)]
    return message


def _message(item: dict[str, Any]) -> dict[str, Any]:
    """Turn a message of the conventions, a role and parts, into one of OpenAI's."""
    parts = item.get("parts")
    if not isinstance(parts, list):
        return dict(item)
    message: dict[str, Any] = {"role": item.get("role", "user"), "content": _content(parts)}
    kinds = {kind: [p for p in parts if p.get("type") == kind] for kind in _KINDS}
    if kinds["tool_call"]:
        message["tool_calls"] = [_call(part) for part in kinds["tool_call"]]
    for part in kinds["tool_call_response"]:
        result = part.get("response", part.get("result"))
        content = result if isinstance(result, str) else json.dumps(result)
        message |= {"role": "tool", "tool_call_id": part.get("id", ""), "content": content}
    if "finish_reason" in item:
        message["finish_reason"] = item["finish_reason"]
    return message


_KINDS = ("tool_call", "tool_call_response")


def _call(part: dict[str, Any]) -> dict[str, Any]:
    arguments = part.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": part.get("name", ""), "arguments": text}
    return {"id": part.get("id", ""), "type": "function", "function": function}


def _content(parts: Json) -> str:
    if isinstance(parts, str):
        return parts
    texts = (part.get("content") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _parsed(value: Any) -> Json:
    """Parse what an attribute holds: JSON in a string, or the value itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
