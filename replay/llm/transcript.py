"""
A run as a person reads it: every call's new messages, the tools it used, and what it took.

Recorded text is whatever a model or a stranger wrote. It stands in code fences that are longer than
any in it, and what would steer a terminal is spelled out, so that nothing in it can pass for ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from replay.llm.calls import read_call
from replay.llm.conversation import Call, Message, system_text
from replay.llm.prices import dollars
from replay.model import Interaction, Json
from replay.visible import visible

_MARKUP = re.compile(r"[\\`*<>\[\]|]")
_FENCE = re.compile(r"`{3,}")
_LONG = 2_000
_WIDTH = 300


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one call said, to be continued by others."""

    number: int
    system: Json
    sent: tuple[Message, ...]
    answer: tuple[Message, ...]


def transcript(
    interactions: Iterable[Interaction], *, at: datetime | None = None, timings: bool = False
) -> str:
    """
    Write *interactions* as Markdown, a section each.

    Of a conversation that goes on, only what is new since the last call is written; the system
    prompt once. Dollars are those *at* a time, and left out without one; *timings* adds seconds.
    """
    lines, known = list[str](), list[_Turn]()
    for number, interaction in enumerate(interactions, 1):
        call = read_call(interaction)
        try:
            lines += list(_call(number, call, known)) if call else _plain(number, interaction)
        except RecursionError:  # nested deeper than any payload is
            lines += _plain(number, interaction)
        took = _took(call, at) if call else []
        if timings:
            took.append(f"{interaction.elapsed:.2f} s")
        lines += [" · ".join(took), ""] if took else []
    return "\n".join(lines)


def _plain(number: int, interaction: Interaction) -> Iterator[str]:
    request, response = interaction.request, interaction.response
    ended = str(response.status) if response else "no answer"
    yield f"## {number}. {_inline(str(request))} → {ended}"
    yield ""


def _call(number: int, call: Call, known: list[_Turn]) -> Iterator[str]:
    models = " → ".join(dict.fromkeys(filter(None, (call.requested, call.answered))))
    yield f"## {number}. {_inline(f'{call.provider} {call.operation} {models}'.rstrip())}"
    yield ""
    before = _before(call, known)
    new = call.sent[_shared(call.sent, before) :] if before else call.sent
    if before:
        left = len(call.sent) - len(new)
        yield f"Continues {before.number}: {left} message{'s' if left > 1 else ''} as above."
        yield ""
    if call.system and not any(turn.system == call.system for turn in known):
        yield from _said("system", system_text(call.system))
    for message in new:
        yield from _message(message)
    for index, answer in enumerate(call.answers, 1):
        yield from _message(answer, f"answer {index}" if len(call.answers) > 1 else "answer")
    if call.error:
        yield from _said("error", call.error)
    known.append(_Turn(number, call.system, call.sent, call.answers[:1]))


def _before(call: Call, known: list[_Turn]) -> _Turn | None:
    """Find the call that *call* goes on from: the one with the longest beginning in common."""
    longest = sorted(known, key=lambda turn: (len(turn.sent), turn.number), reverse=True)
    same = (turn for turn in longest if turn.sent and turn.system == call.system)
    return next((turn for turn in same if _alike(call.sent, turn.sent)), None)


def _shared(sent: tuple[Message, ...], turn: _Turn) -> int:
    """Count the messages of *sent* that *turn* sent or got as its answer."""
    length = len(turn.sent)
    return length + len(turn.answer) if _alike(sent[length:], turn.answer) else length


def _alike(sent: Sequence[Message], beginning: Sequence[Message]) -> bool:
    """Whether *sent* begins so; clients leave out of an answer what the model only thought."""
    return len(sent) >= len(beginning) and all(
        (now.role, now.text, now.tool_calls) == (then.role, then.text, then.tool_calls)
        for now, then in zip(sent, beginning, strict=False)
    )


def _message(message: Message, role: str = "") -> Iterator[str]:
    role = role or message.role
    title = f"{role} {message.tool_call_id}" if message.tool_call_id else role
    texts = [message.text] if message.text else []
    nothing = not (message.tool_calls or message.refusal or message.others)
    if texts or nothing:
        yield from _said(title, "".join(texts))
    if message.refusal:
        yield from _said(f"{title}, refusal", message.refusal)
    for other in message.others:
        yield from _said(f"{title}, {_kind(other)}", _short(_json(other)))
    for call in message.tool_calls:
        name = f"{call.name} {call.id}".strip()
        yield from _said(f"{role} calls {name}", _json(call.arguments), "json")


def _said(title: str, text: str, language: str = "text") -> Iterator[str]:
    text = visible(text)
    longest = max((len(run) for run in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    yield from (f"**{_inline(title) or 'message'}**", "", fence + language, text, fence, "")


def _took(call: Call, at: datetime | None) -> list[str]:
    tokens = call.tokens
    parts = {"cached": tokens.cached, "stored": tokens.stored, "reasoning": tokens.reasoning}
    details = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    price = dollars(call, at) if at else None
    said = f"{tokens.sent:,} → {tokens.received:,} tokens{f' ({details})' if details else ''}"
    return [
        *([said] if tokens.sent or tokens.received else []),
        *([f"${price:.6f}"] if price is not None else []),
        *([f"ended with {ends}"] if (ends := _inline(", ".join(call.finish_reasons))) else []),
    ]


def _inline(text: str) -> str:
    """Write *text* where it stands among our own words: on one line, no markup."""
    line = visible(" ".join(text[:_WIDTH].split()))
    return _MARKUP.sub(lambda found: f"\\{found[0]}", line)


def _kind(other: Json) -> str:
    if not isinstance(other, dict):
        return "other"
    return str(other.get("type") or next(iter(other), "other"))


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}… {len(text):,} characters in all"


def _json(value: Json) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)
