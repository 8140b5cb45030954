"""What every staged test has, wherever its answers come from: pinned clock and seeds, one tape."""

from __future__ import annotations

import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import thread as pools
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from replay.cassettes.guard import Guard, guarded, not_recorded, watched
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.config import Staging
from replay.errors import ReplayWarning
from replay.golden.pinning import PinnedClock, environment, pinned
from replay.llm.calls import read_call
from replay.llm.rewriting import rewritten
from replay.model import Interaction, Request

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
"""When a test begins that has no recording to tell."""


class Stage(ABC):
    """
    The stage of one test, which begins at *began* by its clock. Subclasses bring the tape.

    If it is *live*, real traffic passes, and what no tape sees of it is a warning. Else nothing
    does, and `guard` knows who tried. `proposed` is what waits for a person after its end.
    """

    def __init__(self, test: Staging, *, began: datetime, live: bool) -> None:
        self.began = began
        self.guard = Guard(subprocesses=test.subprocesses)
        self._test = test
        self._live = live
        self.proposed = ""
        self._reached: list[str] = []
        self._left: list[threading.Thread] = []

    @contextmanager
    def playing(self) -> Iterator[Tape]:
        """Answer the test's requests from the tape."""
        test = self._test
        threads = set(threading.enumerate())
        with ExitStack() as stack:
            if not self._live:
                stack.enter_context(environment({}))
                stack.enter_context(guarded(self.guard))
            clock = stack.enter_context(
                pinned(self.began, test.seed, waits=self._live, secrets=test.pin_secrets)
            )
            self.tape = stack.enter_context(using(self._new_tape(clock)))
            watch = stack.enter_context(watched(self.tape)) if self._live else None
            clock.seed()
            yield self.tape
        self._left = [thread for thread in threading.enumerate() if thread not in threads]
        self._reached = list(watch.seen) if watch else []

    def end(self, *, passed: bool) -> None:
        """
        Put away what the test left; raise what it did not show.

        What was seen and is neither recorded nor under control is a warning.
        """
        self._end(passed)
        self._warn()

    @property
    def stale(self) -> str:
        """The cassette that was played, if it is older than the project wants it."""
        return ""

    @abstractmethod
    def _new_tape(self, clock: PinnedClock) -> Tape:
        """Make the tape that answers."""

    @abstractmethod
    def _end(self, passed: bool) -> None:
        """Do what `end` says."""

    def _complain(self) -> None:
        """Raise what was refused, and the test may have swallowed."""
        for error in (*self.guard.attempts, *self.tape.misses):
            raise error

    def _warn(self) -> None:
        for address in self._reached:
            _warn(not_recorded(address))
        if self._live:
            return
        for command in self.guard.started:
            how = 'subprocesses = "allow" or "refuse" in [tool.replay.test] decides'
            _warn(f"UNHERMETIC: the subprocess {command!r} may do what it likes; {how}")
        for thread in filter(_is_at_work, self._left):
            _warn(f"UNHERMETIC: the thread {thread.name!r} outlives its test, and its cassette")

    def story(self) -> Iterator[str]:
        """Tell what was pinned, and what matched, was recorded or missed."""
        test = self._test
        forced = "as sent" if test.temperature is None else f"forced to {test.temperature}"
        yield f"pinned: clock {self.began.isoformat()}, UTC, seed {test.seed}, temperature {forced}"
        for play in self.tape.plays:
            verb = "matched" if play.verbatim else "matched, tokens rebound"
            yield f"{verb}: #{play.index + 1} {self.tape.interactions[play.index].request}"
        for interaction in self.tape.recorded:
            yield f"live: {interaction.request}"
        for miss in self.tape.misses:
            yield f"missed: {str(miss).splitlines()[0]}"


def forcing(temperature: float | None) -> Callable[[Request], Request]:
    """
    Make the change to outgoing requests that TEST_TEMPERATURE asks for.

    Requests to Bedrock stay: they are signed by now. None leaves all as they are.
    """

    def forced(request: Request) -> Request:
        call = None if temperature is None else read_call(Interaction(request))
        if call is None or call.provider == "bedrock":
            return request
        return rewritten(request, sampling={"temperature": temperature})

    return forced


def _is_at_work(thread: threading.Thread) -> bool:
    """Whether *thread* is neither a daemon nor an idle worker of a pool."""
    target: Any = getattr(thread, "_target", None)
    return not thread.daemon and target is not getattr(pools, "_worker", None)


def _warn(text: str) -> None:
    warnings.warn(ReplayWarning(text), stacklevel=2)
