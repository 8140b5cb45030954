"""What an LLM call says, in words that fit every provider."""

from __future__ import annotations

from dataclasses import dataclass, field

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
