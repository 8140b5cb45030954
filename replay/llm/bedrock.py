"""
Amazon Bedrock: converse, and invoke in the form that the model's own vendor gave it.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from replay.canonical import header
from replay.llm import anthropic, cohere, openai_chat
from replay.llm.conversation import Call, Message, Other, Part, Tokens, ToolCall, message, turns
from replay.llm.exchange import Exchange, Family
from replay.llm.openai_chat import add, prompts
from replay.llm.payload import at, count, first, members, objects, parsed, text, written
from replay.llm.sampling import Spelling, read_sampling, spelled
from replay.model import Json

_PATH = re.compile(r"/model/.+/(?:converse|invoke)[a-z-]*$")
_CONVERSE = spelled(
    temperature="inferenceConfig.temperature",
    top_p="inferenceConfig.topP inferenceConfig.top_p",
    max_tokens="inferenceConfig.maxTokens inferenceConfig.max_new_tokens",
)
_NOVA = _CONVERSE | spelled(
    max_tokens="inferenceConfig.max_new_tokens inferenceConfig.maxTokens",
)
_TITAN = spelled(
    temperature="textGenerationConfig.temperature",
    top_p="textGenerationConfig.topP",
    max_tokens="textGenerationConfig.maxTokenCount",
)
_TEXT = spelled(
    temperature="temperature",
    top_p="top_p topP p",
    top_k="top_k topK k",
    max_tokens="max_tokens max_gen_len maxTokens",
)
_WRAPPERS = (
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
)
_LISTS = ("results", "generations", "outputs", "completions")
_WAYS = ("input", "output")


def fits(it: Exchange) -> bool:
    """Whether *it* is for this family."""
    return bool(_PATH.search(it.path))


def spelling(it: Exchange) -> Spelling:
    """Spell the sampling parameters as the form of the body wants them."""
    if "/converse" in it.path:
        return _CONVERSE
    if _is_nova(it):
        return _NOVA
    if vendor := _vendor(it):
        return vendor.spelling(it)
    return _TITAN if "inputText" in it.sent else _TEXT


def read(it: Exchange) -> Call:
    """Read what was conversed or invoked; the tokens stand in the headers if nowhere else."""
    if "/converse" in it.path or _is_nova(it):
        call = _conversed(it)
    elif vendor := _vendor(it):
        call = vendor.read(it)
    else:
        call = _completed(it)
    tokens = call.tokens if any((call.tokens.sent, call.tokens.received)) else _metered(it)
    return replace(call, provider="bedrock", requested=it.model, tokens=tokens)


def _is_nova(it: Exchange) -> bool:
    return any(name in it.sent for name in ("schemaVersion", "inferenceConfig"))


def _vendor(it: Exchange) -> Family | None:
    if "anthropic_version" in it.sent or "max_tokens_to_sample" in it.sent:
        return anthropic
    if isinstance(it.sent.get("message"), str) or "texts" in it.sent:
        return cohere
    return openai_chat if isinstance(it.sent.get("messages"), list) else None


def _conversed(it: Exchange) -> Call:
    sent = it.sent
    answer = _joined(it.events) if it.streamed else it.answer
    said = at(answer, "output", "message")
    return it.call(
        "bedrock",
        "chat",
        requested="",
        tokens=_tokens(answer.get("usage")),
        sampling=read_sampling(sent, spelling(it)),
        system=sent.get("system"),
        tools=at(sent, "toolConfig", "tools"),
        sent=tuple(turn for m in objects(sent, "messages") for turn in _turns(m)),
        answers=tuple(_turns(said)) if isinstance(said, dict) else (),
        finish_reasons=tuple(filter(None, [text(answer, "stopReason")])),
    )


def _turns(sent: dict[str, Any]) -> Iterator[Message]:
    return turns(text(sent, "role"), _parts(sent.get("content")))


def _parts(content: Json) -> Iterator[Part]:
    for block in objects(content):
        use, result = block.get("toolUse"), block.get("toolResult")
        if isinstance(block.get("text"), str):
            yield text(block, "text")
        elif isinstance(use, dict):
            yield ToolCall(text(use, "toolUseId"), text(use, "name"), use.get("input"))
        elif isinstance(result, dict):
            yield message("tool", _result(result), text(result, "toolUseId"))
        else:
            yield Other(block)


def _result(result: dict[str, Any]) -> Iterator[Part]:
    for block in objects(result, "content"):
        yield written(block["json"]) if "json" in block else next(_parts([block]), "")


def _tokens(usage: Json) -> Tokens:
    """Count what was cached in, which Bedrock counts beside the input."""
    cached = first(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    stored = first(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    beside = {"cached": cached, "stored": stored}
    return Tokens(
        sent=count(usage, "inputTokens") + count(beside, "cached") + count(beside, "stored"),
        received=count(usage, "outputTokens"),
        cached=count(beside, "cached"),
        stored=count(beside, "stored"),
    )


def _joined(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the events of a stream together into what a plain answer says."""
    whole, blocks, role = dict[str, Any](), dict[int, dict[str, Any]](), "assistant"
    for wrapped in events:
        event = members(first(wrapped, *_WRAPPERS)) or wrapped
        role = text(event, "role") or role
        whole |= {name: event[name] for name in ("stopReason", "usage") if event.get(name)}
        place = count(event, "contentBlockIndex")
        for piece in (event.get("start"), event.get("delta")):
            if isinstance(piece, dict):
                add(blocks.setdefault(place, {}), piece)
    for block in blocks.values():
        if isinstance(use := block.get("toolUse"), dict):
            use["input"] = parsed(use.get("input"))
    message = {"role": role, "content": [blocks[place] for place in sorted(blocks)]}
    return whole | ({"output": {"message": message}} if blocks else {})


def _completed(it: Exchange) -> Call:
    """Read the plain text that Titan, Llama, Mistral and others take and give."""
    pieces = [_piece(event) for event in it.events]
    embeds = "embed" in it.model or any("embedding" in event for event in it.events)
    said = "".join(piece for piece, _ in pieces)
    return it.call(
        "bedrock",
        "embeddings" if embeds else "completions",
        requested="",
        tokens=_counted(it.answer),
        sampling=read_sampling(it.sent, spelling(it)),
        sent=tuple(prompts(it.sent, "prompt", "inputText")),
        answers=(message("assistant", [said]),) if said else (),
        finish_reasons=tuple(reason for _, reason in pieces if reason),
    )


def _piece(event: dict[str, Any]) -> tuple[str, str]:
    """Read the text of an answer or of one event of it, and why it ended."""
    lists = (objects(event, name) for name in _LISTS)
    holder = next((found[0] for found in lists if found), event)
    said = first(holder, "outputText", "generation", "text", "completion")
    reason = first(holder, "completionReason", "stop_reason", "finish_reason")
    return (
        text(said or at(holder, "data", "text")),
        text(reason or at(holder, "finishReason", "reason")),
    )


def _counted(answer: dict[str, Any]) -> Tokens:
    results = objects(answer, "results")
    return Tokens(
        sent=count(answer, "inputTextTokenCount") or count(answer, "prompt_token_count"),
        received=count(results[0] if results else answer, "tokenCount")
        or count(answer, "generation_token_count"),
    )


def _metered(it: Exchange) -> Tokens:
    """Read what Bedrock itself counted: in the last event of a stream, or in the headers."""
    metrics = (members(event, "amazon-bedrock-invocationMetrics") for event in reversed(it.events))
    said = next((found for found in metrics if found), {})
    return Tokens(*(count(said, f"{way}TokenCount") or _header(it, way) for way in _WAYS))


def _header(it: Exchange, way: str) -> int:
    said = header(it.headers, f"x-amzn-bedrock-{way}-token-count")
    return int(said) if re.fullmatch(r"[0-9]{1,15}", said) else 0
