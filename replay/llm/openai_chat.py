"""
OpenAI's chat, completions and embeddings, which most other providers and gateways speak as well.

https://platform.openai.com/docs/api-reference/chat; Mistral, Azure, Groq, OpenRouter, vLLM, …
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from replay.llm.conversation import Call, Message, Other, Part, Refusal, Tokens, ToolCall, message
from replay.llm.exchange import Exchange
from replay.llm.payload import at, count, objects, parsed, text
from replay.llm.sampling import Spelling, read_sampling, spelled
from replay.model import Json

_SPELLING = spelled(
    temperature="temperature",
    top_p="top_p",
    top_k="top_k",
    seed="seed random_seed",
    max_tokens="max_tokens max_completion_tokens",
    presence_penalty="presence_penalty",
    frequency_penalty="frequency_penalty",
    reasoning_effort="reasoning_effort reasoning.effort",
)
_NEWER = _SPELLING | spelled(max_tokens="max_completion_tokens max_tokens")
_PATHS = ("/chat/completions", "/completions", "/embeddings")
_SYSTEM = ("system", "developer")
_PLAIN = frozenset(("role", "content"))
_BESIDE_TEXT = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "tool_plan",
    "annotations",
    "citations",
    "audio",
    "images",
)
_KEPT = ("id", "index", "name", "role", "type")
"""Members of a delta that are said once, though some servers repeat them."""


def fits(it: Exchange) -> bool:
    """Whether *it* is for this family: by its path, or on any other path by its members."""
    asked = (it.sent.get(name) for name in ("messages", "prompt", "input"))
    spoken = any(isinstance(value, list | str) for value in asked) and bool(text(it.sent, "model"))
    return it.path.endswith(_PATHS) or spoken


def spelling(it: Exchange) -> Spelling:
    """Spell the sampling parameters; OpenAI's newer models refuse `max_tokens`, others know it."""
    return _NEWER if it.provider in ("openai", "azure") else _SPELLING


def read(it: Exchange) -> Call:
    """Read a chat, a completion or an embedding."""
    sent = it.sent
    answer = _joined(it.events) if it.streamed else it.answer
    choices = objects(answer, "choices")
    system, messages = leading(objects(sent, "messages"))
    return it.call(
        "openai",
        _operation(it),
        requested=text(sent, "model") or it.model,
        answered=text(answer, "model"),
        tokens=read_tokens(answer.get("usage")),
        sampling=read_sampling(sent, spelling(it)),
        system=system,
        tools=sent.get("tools") or sent.get("functions"),
        sent=(*map(read_message, messages), *prompts(sent)),
        answers=tuple(map(_answer, choices)),
        finish_reasons=tuple(str(c["finish_reason"]) for c in choices if c.get("finish_reason")),
    )


def leading(messages: list[dict[str, Any]]) -> tuple[Json, list[dict[str, Any]]]:
    """Take the system prompt, which are the messages of its role at the beginning, off the rest."""
    lead = list(takewhile(lambda turn: turn.get("role") in _SYSTEM, messages))
    return [turn.get("content") for turn in lead] or None, messages[len(lead) :]


def read_message(turn: dict[str, Any]) -> Message:
    """Read one message as it is sent and answered."""
    legacy = text(turn, "name") if turn.get("role") == "function" else ""
    role = text(turn, "role") or "assistant"
    return message(role, _parts(turn), text(turn, "tool_call_id") or legacy)


def read_tokens(usage: Json) -> Tokens:
    """Read the usage, in the names of chat and of responses."""
    if not isinstance(usage, dict):
        return Tokens()
    sent = count(usage, "prompt_tokens") or count(usage, "input_tokens")
    received = count(usage, "completion_tokens") or count(usage, "output_tokens")
    read = at(usage, "prompt_tokens_details") or at(usage, "input_tokens_details")
    wrote = at(usage, "completion_tokens_details") or at(usage, "output_tokens_details")
    return Tokens(
        sent=sent or max(count(usage, "total_tokens") - received, 0),
        received=received,
        cached=count(read, "cached_tokens") or count(usage, "prompt_cache_hit_tokens"),
        reasoning=count(wrote, "reasoning_tokens"),
        stored=count(read, "cache_write_tokens"),
    )


def prompts(sent: dict[str, Any], *names: str) -> Iterator[Message]:
    """Read the texts of a completion or an embedding, one or many, or as numbers of tokens."""
    for name in names or ("prompt", "input"):
        value = sent.get(name)
        if isinstance(value, list) and value and not any(isinstance(v, int) for v in value):
            yield from (_prompt(item) for item in value)
        elif value:
            yield _prompt(value)


def content(value: Json) -> list[Part]:
    """Read what stands in `content`: a text, or parts of which the type is named."""
    if isinstance(value, str):
        return [value]
    return list(map(_part, value)) if isinstance(value, list) else []


def _part(part: Json) -> Part:
    if isinstance(part, str):
        return part
    if text(part, "type").endswith("text") and isinstance(at(part, "text"), str):
        return text(part, "text")
    if text(part, "type") == "refusal":
        return Refusal(text(part, "refusal"))
    return Other(part)


def tool_call(call: dict[str, Any]) -> ToolCall:
    """Read a call of a function, or of a tool that takes free text."""
    function = at(call, "function") or at(call, "custom") or call
    arguments = at(function, "arguments")
    return ToolCall(
        id=text(call, "id"),
        name=text(function, "name"),
        arguments=parsed(arguments if arguments is not None else at(function, "input")),
    )


def _prompt(value: Json) -> Message:
    return message("user", [value] if isinstance(value, str) else [Other(value)])


def _operation(it: Exchange) -> str:
    if it.path.endswith("/embeddings") or "input" in it.sent:
        return "embeddings"
    if it.path.endswith("/images/generations"):
        return "images"
    completes = it.path.endswith("/completions") and not it.path.endswith("/chat/completions")
    return "completions" if completes or "prompt" in it.sent else "chat"


def _parts(turn: dict[str, Any]) -> list[Part]:
    parts = content(turn.get("content"))
    if turn.keys() <= _PLAIN:
        return parts
    if refusal := text(turn, "refusal"):
        parts.append(Refusal(refusal))
    parts += map(tool_call, objects(turn, "tool_calls"))
    if isinstance(turn.get("function_call"), dict):
        parts.append(tool_call(turn["function_call"]))
    parts += (Other({name: turn[name]}) for name in _BESIDE_TEXT if turn.get(name))
    return parts


def _answer(choice: dict[str, Any]) -> Message:
    if isinstance(choice.get("message"), dict):
        return read_message(choice["message"])
    return message("assistant", [text(choice, "text")])


def _joined(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the chunks of a stream together into what a plain answer says."""
    model, usage, choices = "", None, dict[int, dict[str, Any]]()
    for event in events:
        model = model or text(event, "model")
        usage = event.get("usage") or at(event, "x_groq", "usage") or usage
        for choice in objects(event, "choices"):
            whole = choices.setdefault(count(choice, "index"), {})
            said = {"message": choice.get("delta"), "text": choice.get("text")}
            add(whole, {name: piece for name, piece in said.items() if piece})
            whole["finish_reason"] = choice.get("finish_reason") or whole.get("finish_reason")
    return {"model": model, "usage": usage, "choices": [choices[i] for i in sorted(choices)]}


def add(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a *delta* to the *whole*: texts grow, entries of lists belong together by their index."""
    for key, value in delta.items():
        there = whole.get(key)
        if isinstance(value, dict):
            if not isinstance(there, dict):
                there = whole[key] = {}
            add(there, value)
        elif isinstance(value, list):
            if not isinstance(there, list):
                there = whole[key] = []
            _extend(there, value)
        elif isinstance(value, str) and isinstance(there, str) and key not in _KEPT:
            whole[key] = there + value
        elif not there or (value is not None and key not in _KEPT):
            whole[key] = value


def _extend(whole: list[Any], delta: list[Any]) -> None:
    for entry in delta:
        index = at(entry, "index")
        same = (known for known in whole if index is not None and at(known, "index") == index)
        if not isinstance(entry, dict):
            whole.append(entry)
        elif known := next(same, None):
            add(known, entry)
        else:
            whole.append(dict(entry))
