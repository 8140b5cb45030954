"""Pinning: the clock, the seeds and the time zone that a program sees are those we choose."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from replay.imports import sparing
from replay.model import Interaction

if TYPE_CHECKING:
    from time_machine import Traveller

_NODE = 0x0123456789AB
_PLACEHOLDER = "replay-placeholder"
API_KEYS = (
    "ANTHROPIC_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "COHERE_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
)
"""Variables without which the providers' SDKs refuse to start, even if nothing is sent."""


class PinnedClock:
    """
    The program's clock: it stands still, and moves when a response ends or the program sleeps.

    So it shows the same in a replay that takes milliseconds as in the recording that took minutes.
    `seed` puts the random generators back to their start: to be called right before the program, as
    what is imported on the way there draws numbers too.
    """

    def __init__(self, traveller: Traveller, seed: Callable[[], None]) -> None:
        self._traveller = traveller
        self.seed = seed
        self._lock = threading.Lock()
        self._offset = 0.0

    def reach(self, offset: float) -> None:
        """Move forward to *offset* seconds after the start; never back."""
        with self._lock:
            if offset > self._offset:
                self._traveller.shift(round(offset - self._offset, 6))
                self._offset = offset

    def heard(self, interaction: Interaction) -> None:
        """Move forward to where the program has all that it wants of *interaction*."""
        self.reach(interaction.started + interaction.elapsed)

    def advance(self, seconds: float) -> None:
        """Move forward by *seconds*."""
        self.reach(self._offset + max(seconds, 0.0))


@contextmanager
def pinned(
    start: datetime, seed: int, *, waits: bool, secrets: bool = False
) -> Iterator[PinnedClock]:
    """
    Pin clock, time zone (UTC), `random`, numpy's generators and `uuid` for this process.

    Generators that are made without a seed are seeded too; with *secrets*, so are `secrets` and
    `random.SystemRandom`. With *waits* off, sleeping moves the clock and takes no time.
    `time.monotonic` keeps running: timeouts and event loops need it. The order of sets is Python's,
    by PYTHONHASHSEED at its start; nothing in the process can pin it.
    """
    with sparing("time_machine", {"pytest"} - sys.modules.keys()):
        import time_machine

    with ExitStack() as stack:
        stack.enter_context(_random_state())
        source = stack.enter_context(_uuids())
        _unseeded(stack, source)
        if secrets:
            _replace(stack, random, "_urandom", lambda _: source.randbytes)
        at = start.astimezone(ZoneInfo("UTC"))
        clock = PinnedClock(
            stack.enter_context(time_machine.travel(at, tick=False)), lambda: _seed(seed, source)
        )
        clock.seed()
        stack.enter_context(_sleeping(clock, waits))
        yield clock


@contextmanager
def environment(values: Mapping[str, str], names: Collection[str] = ()) -> Iterator[None]:
    """
    Give the variables *names* their *values*, and take away those that have none.

    No other is set, whatever *values* holds: it may come from a stranger. API keys that are missing
    here are filled with a placeholder: the SDKs ask for one, and under replay nothing is sent.
    """
    missing = {name: _PLACEHOLDER for name in API_KEYS if name not in os.environ}
    chosen = {name: values[name] for name in names if name in values}
    before = {name: os.environ.get(name) for name in {*names, *missing}}
    for name in names:
        os.environ.pop(name, None)
    os.environ.update({**missing, **chosen})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _seed(seed: int, uuids: random.Random) -> None:
    random.seed(seed)
    uuids.seed(f"replay-uuid-{seed}")
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)


@contextmanager
def _random_state() -> Iterator[None]:
    numpy = sys.modules.get("numpy")
    before = random.getstate()
    arrays = numpy.random.get_state() if numpy else None
    try:
        yield
    finally:
        random.setstate(before)
        if numpy:
            numpy.random.set_state(arrays)


def _unseeded(stack: ExitStack, source: random.Random) -> None:
    """Seed from *source* what would take its seed from the system."""

    def build(original: Any) -> Any:
        def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
            original(generator, source.getrandbits(64) if a is None else a, version)

        return seed

    _replace(stack, random.Random, "seed", build)
    if numpy := sys.modules.get("numpy.random.bit_generator"):
        _replace(stack, numpy, "randbits", lambda _: source.getrandbits)


@contextmanager
def _uuids() -> Iterator[random.Random]:
    """Seed what `uuid` draws from: keys and tokens stay unpredictable."""
    source = random.Random()  # noqa: S311 - meant to be predictable
    module: Any = uuid
    before = (module.os, module._node)
    module.os = SimpleNamespace(**vars(os) | {"urandom": source.randbytes})
    module._node = _NODE
    try:
        yield source
    finally:
        module.os, module._node = before


@contextmanager
def _sleeping(clock: PinnedClock, waits: bool) -> Iterator[None]:
    with ExitStack() as stack:
        _replace(stack, time, "sleep", _sync_sleep(clock, waits))
        for name in ("asyncio", "anyio"):
            if module := sys.modules.get(name):
                _replace(stack, module, "sleep", _async_sleep(clock, waits))
        yield


def _replace(stack: ExitStack, module: Any, name: str, build: Callable[[Any], Any]) -> None:
    original = getattr(module, name)
    setattr(module, name, build(original))
    stack.callback(setattr, module, name, original)


def _sync_sleep(clock: PinnedClock, waits: bool) -> Callable[[Any], Any]:
    def build(original: Any) -> Any:
        def sleep(seconds: float, /) -> None:
            original(seconds if waits else 0)
            clock.advance(seconds)

        return sleep

    return build


def _async_sleep(clock: PinnedClock, waits: bool) -> Callable[[Any], Any]:
    def build(original: Any) -> Any:
        async def sleep(delay: float, *result: Any) -> Any:
            given = await original(delay if waits else 0, *result)
            clock.advance(delay)
            return given

        return sleep

    return build
