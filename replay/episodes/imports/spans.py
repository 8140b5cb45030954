"""
OpenTelemetry spans of LLM calls, as JSON lines of OTLP (the collector's file exporter).

Spans hold messages, not bodies. Those that hold them, under the names of the GenAI semantic
conventions or of OpenLLMetry, become exchanges of OpenAI's chat form, which says the same; spans
without messages are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from replay.episodes.imports.exchanges import Exchanges, exchange, timed
from replay.model import Json

_INDEXED = re.compile(r"gen_ai\.(prompt|completion)\.(\d+)\.(role|content|tool_calls.*)")
_SETTINGS = ("temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "seed")


def spans(values: list[Any]) -> Exchanges | None:
    """Read the spans that hold what was said; None when these are no spans."""
    if not values or not all(isinstance(v, dict) and "resourceSpans" in v for v in values):
        return None
    found = [(span, _attributes(span)) for value in values for span in _spans(value)]
    return timed([_read(span, names) for span, names in found if _said(names, "input")])


def _spans(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in value["resourceSpans"]:
        for scope in resource.get("scopeSpans", ()):
            yield from scope.get("spans", ())


def _attributes(span: dict[str, Any]) -> dict[str, Any]:
    """Flatten the attributes of a span, and of its events, which older conventions used."""
    found: dict[str, Any] = {}
    for holder in (*span.get("events", ()), span):
        found |= {item["key"]: _plain(item["value"]) for item in holder.get("attributes", ())}
    return found


def _plain(value: dict[str, Any]) -> Json:
    """Read an `AnyValue`; 64-bit numbers are written as text there."""
    if "arrayValue" in value:
        return [_plain(item) for item in value["arrayValue"].get("values", ())]
    if "kvlistValue" in value:
        return {i["key"]: _plain(i["value"]) for i in value["kvlistValue"].get("values", ())}
    if "intValue" in value:
        return int(value["intValue"])
    return next(iter(value.values()), None)


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
