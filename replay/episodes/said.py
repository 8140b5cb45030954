"""What the calls of a recording say, as rows for people to read and to search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from replay.llm.calls import read_call
from replay.llm.conversation import Call, Message, system_text
from replay.llm.prices import dollars
from replay.model import Json, Recording

_Key: TypeAlias = tuple[str, str, str, tuple[tuple[str, str], ...]]
"""By what a message is known when it is sent again."""


@dataclass(slots=True)
class Said:
    """
    The rows of one recording, each without the number of the recording.

    *messages* has each message at the step at which it was first sent or received, not the history
    that every further call repeats.
    """

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    messages: list[tuple[int, int, int, str, str]] = field(default_factory=list)
    tool_calls: list[tuple[int, int, str, str, str]] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """The models that answered, or were asked where none did; each once."""
        return list(dict.fromkeys(row[4] or row[3] for row in self.calls if row[4] or row[3]))

    @property
    def tokens(self) -> int:
        """Tokens billed, sent and received."""
        return sum(row[6] + row[7] for row in self.calls)

    @property
    def dollars(self) -> float | None:
        """What all calls cost; None where the price of one is not known."""
        prices = [row[9] for row in self.calls]
        return None if None in prices else float(sum(prices))


def said(recording: Recording) -> Said:
    """Read every call of *recording*."""
    found = Said()
    at = datetime.fromisoformat(recording.manifest.clock)
    heard: dict[_Key, int] = {}
    for step, interaction in enumerate(recording.interactions, 1):
        if call := read_call(interaction):
            found.calls.append(_row(step, call, at))
            _note(found, step, [*_new(call, heard), *((1, message) for message in call.answers)])
            for message in call.answers:
                key = _key(message)
                heard[key] = heard.get(key, 0) + 1
    return found


def _note(found: Said, step: int, messages: list[tuple[int, Message]]) -> None:
    tools = [tool for _, message in messages for tool in message.tool_calls]
    found.messages += [
        (step, place, answer, _plain(message.role), _plain(message.text or message.refusal))
        for place, (answer, message) in enumerate(messages)
        if message.text or message.refusal
    ]
    found.tool_calls += [
        (step, place, _plain(tool.id), _plain(tool.name), _text(tool.arguments))
        for place, tool in enumerate(tools)
    ]


def _new(call: Call, heard: dict[_Key, int]) -> Iterator[tuple[int, Message]]:
    """Give what is sent for the first time: more often than it was ever sent or received before."""
    sent: dict[_Key, int] = {}
    system = [Message("system", system_text(call.system))] if call.system else []
    for message in (*system, *call.sent):
        key = _key(message)
        sent[key] = times = sent.get(key, 0) + 1
        if times > heard.get(key, 0):
            heard[key] = times
            yield 0, message


def _key(message: Message) -> _Key:
    tools = tuple((tool.id, tool.name) for tool in message.tool_calls)
    return message.role, message.text, message.tool_call_id, tools


def _row(step: int, call: Call, at: datetime) -> tuple[Any, ...]:
    tokens, price = call.tokens, dollars(call, at)
    return (
        step,
        call.provider,
        call.operation,
        _plain(call.requested),
        _plain(call.answered),
        int(call.streamed),
        tokens.sent,
        tokens.received,
        tokens.cached,
        None if price is None else float(price),
        _plain(call.error),
    )


def _text(arguments: Json) -> str:
    if isinstance(arguments, str):
        return _plain(arguments)
    return _plain(json.dumps(arguments, ensure_ascii=False))


def _plain(text: str) -> str:
    """Write *text* so that SQLite takes it: half of a surrogate pair has no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
