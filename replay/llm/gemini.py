"""
Google's Gemini, by its own address and by Vertex: https://ai.google.dev/api/generate-content.

The model stands in the path; members are spelled `likeThis`, and some clients write `like_this`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from replay.llm.conversation import Call, Message, Other, Part, Tokens, ToolCall, message, turns
from replay.llm.exchange import Exchange
from replay.llm.payload import at, count, first, objects, parsed, text, written
from replay.llm.sampling import Spelling, read_sampling, spelled
from replay.model import Json

_VERBS = (
    ":generateContent",
    ":streamGenerateContent",
    ":embedContent",
    ":batchEmbedContents",
)
_SPELLING = spelled(
    temperature="generationConfig.temperature generation_config.temperature",
    top_p="generationConfig.topP generation_config.top_p",
    top_k="generationConfig.topK generation_config.top_k",
    seed="generationConfig.seed generation_config.seed",
    max_tokens="generationConfig.maxOutputTokens generation_config.max_output_tokens",
    presence_penalty="generationConfig.presencePenalty generation_config.presence_penalty",
    frequency_penalty="generationConfig.frequencyPenalty generation_config.frequency_penalty",
)


def fits(it: Exchange) -> bool:
    """Whether *it* is for this family."""
    return it.path.endswith(_VERBS)


def spelling(_: Exchange) -> Spelling:
    """Spell the sampling parameters."""
    return _SPELLING


def read(it: Exchange) -> Call:
    """Read the candidates, or an embedding."""
    sent, answer = it.sent, _joined(it.events)
    candidates = objects(answer, "candidates")
    embeds = it.path.endswith(_VERBS[2:])
    blocked = text(answer, "promptFeedback", "blockReason")
    return it.call(
        "gemini",
        "embeddings" if embeds else "chat",
        requested=it.model,
        answered=text(answer, "modelVersion"),
        tokens=_tokens(answer.get("usageMetadata")),
        sampling=read_sampling(sent, _SPELLING),
        system=first(sent, "systemInstruction", "system_instruction"),
        tools=sent.get("tools"),
        sent=tuple(_sent(sent)),
        answers=tuple(
            message("assistant", _parts(at(candidate, "content", "parts")))
            for candidate in candidates
            if "content" in candidate
        ),
        finish_reasons=tuple(
            str(reason)
            for reason in (*(candidate.get("finishReason") for candidate in candidates), blocked)
            if reason
        ),
    )


def _sent(sent: dict[str, Any]) -> Iterator[Message]:
    for turn in _listed(sent.get("contents")):
        yield from turns(text(turn, "role") or "user", _parts(turn.get("parts")))
    for holder in (sent, *objects(sent, "requests")):
        if "content" in holder:
            yield message("user", _parts(at(holder, "content", "parts")))


def _parts(parts: Json) -> Iterator[Part]:
    for part in _listed(parts):
        call = first(part, "functionCall", "function_call")
        result = first(part, "functionResponse", "function_response")
        if isinstance(part.get("text"), str) and not part.get("thought"):
            yield text(part, "text")
        elif isinstance(call, dict):
            yield ToolCall(text(call, "id"), text(call, "name"), parsed(call.get("args")))
        elif isinstance(result, dict):
            name = text(result, "id") or text(result, "name")
            yield message("tool", [written(result.get("response"))], name)
        else:
            yield Other(part)


def _listed(value: Json) -> list[dict[str, Any]]:
    """Read a list that may be left out where it has one entry."""
    return objects(value if isinstance(value, list) else [value])


def _tokens(usage: Json) -> Tokens:
    """Count the thoughts, which Gemini counts beside the candidates, with what was received."""
    thoughts = count(usage, "thoughtsTokenCount")
    return Tokens(
        sent=count(usage, "promptTokenCount") + count(usage, "toolUsePromptTokenCount"),
        received=count(usage, "candidatesTokenCount") + thoughts,
        cached=count(usage, "cachedContentTokenCount"),
        reasoning=thoughts,
    )


def _joined(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the pieces of a stream together into what a plain answer says."""
    whole, candidates = dict[str, Any](), dict[int, dict[str, Any]]()
    for event in events:
        whole |= {key: value for key, value in event.items() if value is not None}
        for candidate in objects(event, "candidates"):
            known = candidates.setdefault(count(candidate, "index"), {})
            parts = [*objects(known, "content", "parts"), *objects(candidate, "content", "parts")]
            known |= candidate
            if "content" in known:
                known["content"] = {"parts": parts}
    return whole | {"candidates": [candidates[i] for i in sorted(candidates)]}
