"""What an LLM call says, in words that fit every provider."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from replay.llm.payload import first, written
from replay.model import Json


@dataclass(frozen=True, slots=True)
class Tokens:
    """
    Tokens billed.

    *cached* is the part of *sent* that was read from the provider's cache, *stored* the part that
    was written to it; *reasoning* is the part of *received* that was spent on thinking.
    """

    sent: int = 0
    received: int = 0
    cached: int = 0
    reasoning: int = 0
    stored: int = 0

    @property
    def total(self) -> int:
        """All of them, sent and received."""
        return self.sent + self.received


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants to be called; *arguments* are parsed when they are JSON, else text."""

    id: str
    name: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class Message:
    """
    One turn of a conversation.

    *tool_call_id* says which call a tool's result answers. *others* are the parts that are not
    text, as they stand in the payload: images, thinking, citations.
    """

    role: str
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str = ""
    tool_call_id: str = ""
    others: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """
    What one interaction says about the model behind it, and what was said.

    *provider* and *operation* are short names: `openai`, `anthropic`, `gemini`; `chat`,
    `responses`, `embeddings`. *requested* is the model that was asked for, *answered* the one that
    answered. *sent* is the conversation without the *system* prompt that stands beside it;
    *answers* has one message a choice, put together from its deltas when it was *streamed*. *error*
    is what the provider said instead.
    """

    provider: str
    operation: str
    requested: str
    answered: str = ""
    streamed: bool = False
    tokens: Tokens = field(default_factory=Tokens)
    sampling: dict[str, Json] = field(default_factory=dict)
    system: Json = None
    tools: Json = None
    sent: tuple[Message, ...] = ()
    answers: tuple[Message, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of a message: what the model says where it will not answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Other:
    """A part of a message that is not text, as it stands in the payload."""

    value: Json


Part: TypeAlias = str | ToolCall | Refusal | Other | Message
"""What a message is made of; a message in it is a tool's result, which some providers put there."""

_ROLES = {"model": "assistant", "chatbot": "assistant", "human": "user", "function": "tool"}


def message(role: str, parts: Iterable[Part], tool_call_id: str = "") -> Message:
    """
    Put a message together from its *parts*; roles are named alike for all providers.

    The parts of what a person wrote are separate texts, those of an answer are cut anywhere:

    >>> message("user", ["Read this:", "Hello"]).text.splitlines()
    ['Read this:', 'Hello']
    >>> message("model", ["Hel", "lo"])
    Message(role='assistant', text='Hello', tool_calls=(), refusal='', tool_call_id='', others=())
    """
    role = role.lower()
    role = _ROLES.get(role, role)
    texts, calls, refusals, others = list[str](), list[ToolCall](), list[str](), list[Json]()
    for part in parts:
        if isinstance(part, str):
            if part:
                texts.append(part)
        elif isinstance(part, ToolCall):
            calls.append(part)
        elif isinstance(part, Refusal):
            refusals.append(part.text)
        elif isinstance(part, Other):
            others.append(part.value)
    text = ("" if role == "assistant" else "\n").join(texts)
    return Message(role, text, tuple(calls), "".join(refusals), tool_call_id, tuple(others))


def system_text(system: Json) -> str:
    """
    Read the text of a system prompt, in any provider's form.

    >>> system_text({"parts": [{"text": "Be kind."}]}), system_text([{"text": "Be exact."}])
    ('Be kind.', 'Be exact.')
    """
    if isinstance(system, list):
        return "\n\n".join(map(system_text, system))
    said = first(system, "text", "parts", "content")
    return system_text(said) if said else written(system)


def turns(role: str, parts: Iterable[Part]) -> Iterator[Message]:
    """Put together the message of *parts*, after the tools' results that stand among them."""
    own = list[Part]()
    results = 0
    for part in parts:
        if isinstance(part, Message):
            results += 1
            yield part
        else:
            own.append(part)
    if own or not results:
        yield message(role, own)
