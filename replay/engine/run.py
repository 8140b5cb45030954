"""One run while it is being recorded, and the episode that is made of it."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from replay.cassettes.redaction import Redactor
from replay.config import Config
from replay.engine.entrypoint import entrypoint_name
from replay.engine.manifest import build_manifest, chosen_environment, code_version
from replay.errors import NotJson
from replay.golden.pinning import PinnedClock
from replay.golden.plain import plain
from replay.model import Episode, Failure, Further, Interaction, Json, Recording


class Run:
    """
    One run while it is being recorded.

    `call` notes entrypoint, inputs and output by itself; a block that does without it sets
    *entrypoint*, *inputs* and *output*.
    """

    def __init__(self, episode: str) -> None:
        self.id = episode
        self.entrypoint = ""
        self.inputs: dict[str, Json] = {}
        self.output: Json = None
        self.further: Further = ""
        self.recording: Recording | None = None
        self.started = datetime.now(UTC)
        self.begun = time.perf_counter()
        self.clock: PinnedClock | None = None

    def begin(self) -> None:
        """Start the count of seconds, and the pinned random generators: the program comes next."""
        if self.clock:
            self.clock.seed()
        self.begun = time.perf_counter()

    def call(self, function: Callable[..., Any], **inputs: Any) -> Any:
        """Call *function* with *inputs*, sync or async, and note both and what it returns."""
        self.given(function, inputs)
        self.begin()
        value = function(**inputs)
        return self._awaited(value) if inspect.isawaitable(value) else self.note(value)

    async def _awaited(self, value: Any) -> Any:
        return self.note(await value)

    def given(self, function: Callable[..., Any], inputs: dict[str, Any]) -> None:
        """Keep what is called, and with what; raise `NotJson` if that has no JSON form."""
        self.entrypoint = entrypoint_name(function)
        self.inputs = plain(inputs, f"The inputs of {self.entrypoint}")

    def note(self, value: Any) -> Any:
        """Keep *value* as the output; raise `NotJson` if it has no JSON form."""
        if isinstance(value, Iterator | AsyncIterator):
            why = "it is an iterator, and writing it down would use it up; return a list"
            raise NotJson(f"What {self.entrypoint} returned", why)
        self.output = plain(value, f"What {self.entrypoint} returned")
        return value

    def said(self, redactor: Redactor) -> tuple[dict[str, Json], Json]:
        """Give the inputs, and the output without its secrets, as they are kept."""
        return self.inputs, redactor.json(self.output)


def episode_of(
    run: Run,
    interactions: tuple[Interaction, ...],
    sent: Iterable[Interaction],
    *,
    config: Config,
    redactor: Redactor,
    error: Failure | None,
    elapsed: float,
    seed: int = 0,
) -> Episode:
    """
    Make the episode of a *run* that has ended after *elapsed* seconds, in *error* or not.

    *sent* are its *interactions* as they went over the wire, which is what the manifest is about.
    """
    inputs, output = run.said(redactor)
    run.recording = Recording(
        manifest=build_manifest(
            sent,
            started=run.started,
            pinned=run.clock is not None,
            seed=seed,
            environment=chosen_environment(config.environment),
            code=code_version(config.root, config.recorded),
            further=run.further,
        ),
        interactions=interactions,
        output=output,
        failure=replace(error, message=redactor.json(error.message)) if error else None,
        elapsed=elapsed,
    )
    return Episode(run.id, run.entrypoint, inputs, (run.recording,))
