"""Ollama's own interface: https://github.com/ollama/ollama/blob/main/docs/api.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from replay.llm.conversation import Call, Tokens, message
from replay.llm.exchange import Exchange
from replay.llm.openai_chat import leading, prompts, read_message
from replay.llm.payload import count, objects, text
from replay.llm.sampling import Spelling, read_sampling, spelled

_SPELLING = spelled(
    temperature="options.temperature",
    top_p="options.top_p",
    top_k="options.top_k",
    seed="options.seed",
    max_tokens="options.num_predict",
    presence_penalty="options.presence_penalty",
    frequency_penalty="options.frequency_penalty",
)
_OPERATIONS = {
    "/api/chat": "chat",
    "/api/generate": "completions",
    "/api/embed": "embeddings",
    "/api/embeddings": "embeddings",
}


def fits(it: Exchange) -> bool:
    """Whether *it* is for this family."""
    return it.path.endswith(tuple(_OPERATIONS)) and bool(text(it.sent, "model"))


def spelling(_: Exchange) -> Spelling:
    """Spell the sampling parameters."""
    return _SPELLING


def read(it: Exchange) -> Call:
    """Read a chat, a generation or an embedding."""
    sent = it.sent
    answer = _joined(it.events) if it.streamed else it.answer
    system, rest = leading(objects(sent, "messages"))
    said = answer.get("message")
    answers = [read_message(said)] if isinstance(said, dict) else []
    if "response" in answer:
        answers = [message("assistant", [text(answer, "response")])]
    return it.call(
        "ollama",
        next(name for end, name in _OPERATIONS.items() if it.path.endswith(end)),
        requested=text(sent, "model"),
        answered=text(answer, "model"),
        tokens=Tokens(count(answer, "prompt_eval_count"), count(answer, "eval_count")),
        sampling=read_sampling(sent, _SPELLING),
        system=sent.get("system") or system,
        tools=sent.get("tools"),
        sent=(*map(read_message, rest), *prompts(sent)),
        answers=tuple(answers),
        finish_reasons=tuple(filter(None, [text(answer, "done_reason")])),
    )


def _joined(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the lines of a stream together into what a plain answer says."""
    whole, said, calls = dict[str, Any](), dict[str, Any](), list[Any]()
    response = ""
    for event in events:
        whole |= event
        response += text(event, "response")
        piece = event.get("message")
        if isinstance(piece, dict):
            calls += objects(piece, "tool_calls")
            grown = {name: text(said, name) + text(piece, name) for name in ("content", "thinking")}
            said = piece | grown
    told = {"message": said | {"tool_calls": calls}} if said else {}
    return whole | told | ({"response": response} if "response" in whole else {})
