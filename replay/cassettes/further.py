"""The tape of a further recording: models are asked anew, tools answer as they were recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from replay.cassettes.tape import Tape
from replay.model import Interaction, Request

Rewrite = Callable[[Request], Request]
Gate = Callable[[Request, Sequence[Interaction]], bool]


class FurtherTape(Tape):
    """
    Answers from *interactions*, and takes down what it answered beside what it records live.

    *gate* decides, knowing what was recorded so far, whether a request that is not there may be
    sent; if not, it misses. *rewrite* changes what is sent. What is taken down is the request as
    the program made it: that is what a replay has to recognize.
    """

    def __init__(
        self, interactions: Sequence[Interaction], *, gate: Gate, rewrite: Rewrite, **options: Any
    ) -> None:
        super().__init__(interactions, **options)
        self._gate = gate
        self._rewrite = rewrite

    def may_send(self, sent: Request) -> bool:
        """Ask the gate."""
        return self._gate(sent, tuple(self._recorded.values()))

    def on_the_wire(self, request: Request) -> Request:
        """Rewrite what is about to be sent."""
        return self._rewrite(request)

    def _play(self, index: int) -> Interaction:
        played = replace(super()._play(index), started=self._now())
        self._sent += 1
        self._recorded[self._sent] = played
        return played
