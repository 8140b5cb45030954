"""Cohere's chat in both versions, generate and embed: https://docs.cohere.com/reference/chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from replay.llm.conversation import Call, Message, Part, Tokens, ToolCall, message
from replay.llm.exchange import Exchange
from replay.llm.openai_chat import add, leading, prompts, read_message
from replay.llm.payload import at, count, members, objects, text, written
from replay.llm.sampling import Spelling, read_sampling, spelled

_SPELLING = spelled(
    temperature="temperature",
    top_p="p",
    top_k="k",
    seed="seed",
    max_tokens="max_tokens",
    presence_penalty="presence_penalty",
    frequency_penalty="frequency_penalty",
)
_EMBEDS = ("texts", "images", "inputs")


def fits(it: Exchange) -> bool:
    """Whether *it* is for this family."""
    sent, end = it.sent, it.path.rpartition("/")[2]
    if end == "chat":
        second = it.path.endswith("/v2/chat") and isinstance(sent.get("messages"), list)
        return second or isinstance(sent.get("message"), str)
    return (end == "embed" and any(name in sent for name in _EMBEDS)) or (
        end == "generate" and it.provider == "cohere"
    )


def spelling(_: Exchange) -> Spelling:
    """Spell the sampling parameters."""
    return _SPELLING


def read(it: Exchange) -> Call:
    """Read a chat of either version, a generation or an embedding; answers never name the model."""
    sent = it.sent
    answer = _joined(it.events) if it.streamed else it.answer
    system, rest = leading(objects(sent, "messages"))
    embeds, generates = any(name in sent for name in _EMBEDS), "prompt" in sent
    answers = tuple(_answers(answer))
    finish = answer.get("finish_reason")
    return it.call(
        "cohere",
        "embeddings" if embeds else "completions" if generates else "chat",
        requested=text(sent, "model"),
        tokens=_tokens(answer),
        sampling=read_sampling(sent, _SPELLING),
        system=sent.get("preamble") or system,
        tools=sent.get("tools"),
        sent=(
            *_history(sent),
            *map(read_message, rest),
            *prompts(sent, "prompt", "texts"),
        ),
        answers=() if embeds else answers,
        finish_reasons=(str(finish),) if finish else (),
    )


def _history(sent: dict[str, Any]) -> Iterator[Message]:
    """Read the first version, where the newest message and the tools' results stand apart."""
    for turn in objects(sent, "chat_history"):
        yield message(text(turn, "role") or "user", [text(turn, "message"), *_calls(turn)])
        yield from _results(turn)
    if said := text(sent, "message"):
        yield message("user", [said])
    yield from _results(sent)


def _results(turn: dict[str, Any]) -> Iterator[Message]:
    for result in objects(turn, "tool_results"):
        yield message("tool", [written(result.get("outputs"))], text(result, "call", "name"))


def _calls(turn: dict[str, Any]) -> Iterator[Part]:
    for call in objects(turn, "tool_calls"):
        yield ToolCall(text(call, "id"), text(call, "name"), call.get("parameters"))


def _answers(answer: dict[str, Any]) -> Iterator[Message]:
    if isinstance(answer.get("message"), dict):
        yield read_message(answer["message"])
    elif "text" in answer or "tool_calls" in answer:
        yield message("assistant", [text(answer, "text"), *_calls(answer)])
    for generation in objects(answer, "generations"):
        yield message("assistant", [text(generation, "text")])


def _tokens(answer: dict[str, Any]) -> Tokens:
    """Count what is billed, which is less than what the model saw."""
    usage = answer.get("usage") or answer.get("meta")
    billed = at(usage, "billed_units") or at(usage, "tokens")
    return Tokens(count(billed, "input_tokens"), count(billed, "output_tokens"))


def _joined(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the events of a stream, of either version, together into what a plain answer says."""
    grown = dict[str, Any]()
    for event in events:
        if whole := members(event, "response"):  # the end of version 1 says it all again
            return whole
        if text(event, "event_type") == "text-generation":
            add(grown, {"text": text(event, "text")})
        delta = event.get("delta")
        if isinstance(delta, dict):
            add(grown, _listed(delta, count(event, "index")))
    return grown


def _listed(delta: dict[str, Any], index: int) -> dict[str, Any]:
    """Write a delta of one content, call or citation as a list, where it has its index."""
    said = delta.get("message")
    if not isinstance(said, dict):
        return delta
    listed = {k: [v | {"index": index}] if isinstance(v, dict) else v for k, v in said.items()}
    return delta | {"message": listed}
