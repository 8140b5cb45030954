"""The formats that answers are written in: what each provider's module offers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from replay.llm.exchange import Exchange
from replay.mocks.answers import Embedded, Refused, Said
from replay.model import Json

CREATED = 1735689600
"""2025-01-01, when everything is created that a mock answers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is answered; *number* counts the answers of a test from 1."""

    it: Exchange
    number: int

    @property
    def model(self) -> str:
        """The model that is asked, which is the one that answers."""
        return str(self.it.sent.get("model") or self.it.model)

    def name(self, kind: str, index: int = 0) -> str:
        """
        Name what is answered: `chatcmpl-mock1`; for the second of a kind, `call_mock1_2`.

        No two names of a test are equal, and they are the same in every run.
        """
        return f"{kind}mock{self.number}" + (f"_{index + 1}" if index else "")


def event(data: Json, name: str = "") -> bytes:
    """Write a server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class Format(Protocol):
    """The wire format of one family of providers: a module each."""

    def streams(self, asked: Asked, /) -> bool:
        """Whether the request asks for a stream."""

    def said(self, answer: Said, asked: Asked, /) -> Json:
        """Write *answer* as a whole."""

    def events(self, answer: Said, asked: Asked, /) -> Iterator[bytes]:
        """Write *answer* as the events of a stream."""

    def embedded(self, answer: Embedded, asked: Asked, /) -> Json:
        """Write embeddings; None where the provider has none."""

    def refused(self, answer: Refused, /) -> Json:
        """Write an error."""
