"""What a test scripts: answers of a model in words that fit every provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from replay.llm.conversation import Tokens
from replay.model import Json


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a tool that the model asks for."""

    name: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class Said:
    """
    A message of the model: the *pieces* of its text, then its *calls*.

    Where the request asks for a stream, each piece is an event; else they are put together.
    *finish* is `stop`, `tool_calls`, `length` or `content_filter`; it is spelled as the provider
    spells it.
    """

    pieces: tuple[str, ...] = ()
    calls: tuple[Called, ...] = ()
    finish: str = "stop"
    tokens: Tokens = field(default_factory=Tokens)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    def __str__(self) -> str:
        calls = ", ".join(f"tool_call({call.name!r})" for call in self.calls)
        return calls or f"reply({self.text!r})"


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings: a vector for each text that is asked about."""

    vectors: tuple[tuple[float, ...], ...]

    def __str__(self) -> str:
        return f"embedding(… {len(self.vectors)} vectors)"


@dataclass(frozen=True, slots=True)
class Refused:
    """An error of the provider; *retry_after* is in seconds."""

    status: int
    message: str
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"error({self.status})"


Answer: TypeAlias = Said | Embedded | Refused
