"""The events of a model's stream put together: where a provider cuts a text means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from replay.canonical import parsed_json
from replay.model import Json


def assembled(events: list[Json]) -> Json:
    """
    Put the *events* of one stream together to the message that they tell; others stay a list.

    Knows the chunks of OpenAI's chat completions, the events of its Responses and of Anthropic's
    Messages.
    """
    if not events or not all(isinstance(event, dict) for event in events):
        return events
    if all(event.get("object") == "chat.completion.chunk" for event in events):
        return _chat(events)
    if isinstance(whole := events[-1].get("response"), dict) and "response." in str(
        events[-1].get("type")
    ):
        return whole
    if events[0].get("type") == "message_start":
        return _messages(events)
    return events


def _chat(chunks: Sequence[dict[str, Any]]) -> Json:
    choices: dict[int, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for chunk in chunks:
        whole |= {name: item for name, item in chunk.items() if item is not None}
        for piece in chunk.get("choices") or ():
            choice = choices.setdefault(piece.get("index", 0), {"message": {}})
            _merge(choice["message"], piece.get("delta") or {})
            choice |= {k: v for k, v in piece.items() if k != "delta" and v is not None}
    ordered = [choices[index] for index in sorted(choices)]
    return whole | {"object": "chat.completion", "choices": ordered}


def _merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add what came: texts go on, lists go by their index, the rest is said once."""
    for name, item in delta.items():
        if item is None:
            message.setdefault(name, None)
        elif isinstance(item, list):
            there = message[name] = message.get(name) or []
            for entry in item:
                _merge(_entry(there, entry), entry)
        elif isinstance(item, dict):
            inner = message[name] = message.get(name) or {}
            _merge(inner, item)
        elif isinstance(item, str) and name in ("content", "refusal", "arguments", "reasoning"):
            message[name] = (message.get(name) or "") + item
        else:
            message[name] = item


def _entry(entries: list[Any], entry: Any) -> dict[str, Any]:
    index = entry.get("index") if isinstance(entry, dict) else None
    found = next((e for e in entries if index is not None and e.get("index") == index), None)
    if found is None:
        found = {}
        entries.append(found)
    return found


def _messages(events: Sequence[dict[str, Any]]) -> Json:
    whole: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "message_start":
            whole = dict(event["message"])
        elif kind == "content_block_start":
            blocks[index] = dict(event["content_block"])
        elif kind == "content_block_delta":
            _grow(blocks.setdefault(index, {}), event["delta"])
        elif kind == "message_delta":
            whole |= {k: v for k, v in event["delta"].items() if v is not None}
            usage = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
            whole["usage"] = (whole.get("usage") or {}) | usage
    return whole | {"content": [_closed(blocks[index]) for index in sorted(blocks)]}


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, item in delta.items():
        if name == "type" or item is None:
            continue
        if isinstance(item, str):
            block[name] = (block.get(name) or "") + item
        else:
            block[name] = [*(block.get(name) or []), item]


def _closed(block: dict[str, Any]) -> Json:
    """Read the arguments of a tool, which came as pieces of JSON."""
    pieces = block.pop("partial_json", None)
    if pieces:
        try:
            block["input"] = parsed_json(pieces)
        except ValueError:
            block["input"] = pieces
    return block
