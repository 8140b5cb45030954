"""Anthropic's messages, also where Bedrock and Vertex serve them: https://docs.anthropic.com/en/api."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from replay.llm.conversation import Call, Message, Other, Part, Tokens, ToolCall, message, turns
from replay.llm.exchange import Exchange
from replay.llm.payload import count, members, objects, parsed, text, written
from replay.llm.sampling import Spelling, read_sampling, spelled
from replay.model import Json

_SPELLING = spelled(
    temperature="temperature",
    top_p="top_p",
    top_k="top_k",
    max_tokens="max_tokens max_tokens_to_sample",
    reasoning_effort="output_config.effort",
)
_GROWING = {
    "text_delta": "text",
    "input_json_delta": "partial",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}


def fits(it: Exchange) -> bool:
    """Whether *it* is for this family: by its path, its members, or what came back."""
    legacy = it.path.endswith("/complete") and "max_tokens_to_sample" in it.sent
    told = text(it.answer, "type") in ("message", "message_start")
    messages = isinstance(it.sent.get("messages"), list)
    ours = it.path.endswith("/messages") or "anthropic_version" in it.sent or told
    return legacy or (messages and ours)


def spelling(_: Exchange) -> Spelling:
    """Spell the sampling parameters; there is no seed."""
    return _SPELLING


def read(it: Exchange) -> Call:
    """Read a message, or one of the completions that came before them."""
    sent = it.sent
    answer = _joined(it.events) if it.streamed else it.answer
    completes = "messages" not in sent
    said = text(answer, "completion") or answer.get("content")
    asked = sent.get("prompt")
    return it.call(
        "anthropic",
        "completions" if completes else "chat",
        requested=text(sent, "model") or it.model,
        answered=text(answer, "model"),
        tokens=_tokens(answer.get("usage")),
        sampling=read_sampling(sent, _SPELLING),
        system=sent.get("system"),
        tools=sent.get("tools"),
        sent=(
            *(turn for m in objects(sent, "messages") for turn in _turns(m)),
            *([message("user", [asked])] if isinstance(asked, str) else ()),
        ),
        answers=(message("assistant", _parts(said)),) if said else (),
        finish_reasons=tuple(filter(None, [text(answer, "stop_reason")])),
    )


def _turns(sent: dict[str, Any]) -> Iterator[Message]:
    return turns(text(sent, "role"), _parts(sent.get("content")))


def _parts(content: Json) -> Iterator[Part]:
    if isinstance(content, str):
        yield content
    for block in objects(content):
        match text(block, "type"):
            case "text":
                yield text(block, "text")
                if citations := block.get("citations"):
                    yield Other({"citations": citations})
            case "tool_use":
                yield ToolCall(text(block, "id"), text(block, "name"), block.get("input"))
            case "tool_result":
                said = block.get("content")
                parts = _parts(said) if isinstance(said, str | list) else [written(said or "")]
                yield message("tool", parts, text(block, "tool_use_id"))
            case _:
                yield Other(block)


def _tokens(usage: Json) -> Tokens:
    """Count what was cached in, which Anthropic counts beside the input."""
    cached = count(usage, "cache_read_input_tokens")
    stored = count(usage, "cache_creation_input_tokens")
    sent = count(usage, "input_tokens") + cached + stored
    return Tokens(sent, count(usage, "output_tokens"), cached=cached, stored=stored)


def _joined(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the events of a stream together into what a plain answer says."""
    whole, usage, blocks = dict[str, Any](), dict[str, Any](), dict[int, dict[str, Any]]()
    for event in events:
        start, delta = event.get("message"), event.get("delta")
        for holder in (event, start):
            usage |= {k: v for k, v in members(holder, "usage").items() if v is not None}
        match text(event, "type"):
            case "message_start" if isinstance(start, dict):
                whole |= start
            case "content_block_start" if isinstance(event.get("content_block"), dict):
                blocks[count(event, "index")] = dict(event["content_block"])
            case "content_block_delta" if isinstance(delta, dict):
                _grow(blocks.setdefault(count(event, "index"), {"type": "text"}), delta)
            case "message_delta" if isinstance(delta, dict):
                whole |= delta
            case "completion":
                said = text(whole, "completion") + text(event, "completion")
                whole |= event | {"completion": said}
    for block in blocks.values():
        if partial := block.pop("partial", ""):
            block["input"] = parsed(partial)
    return whole | {"usage": usage, "content": [blocks[i] for i in sorted(blocks)]}


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    kind = text(delta, "type")
    if member := _GROWING.get(kind):
        said = text(delta, "partial_json" if member == "partial" else member)
        block[member] = text(block, member) + said
    elif kind == "citations_delta":
        block["citations"] = [*objects(block, "citations"), delta.get("citation")]
