"""Writing what a service records: in a thread, in bounded memory, never the service's trouble."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from replay.cassettes.redaction import Redactor, Unredacted
from replay.cassettes.tape import Tape
from replay.config import Config
from replay.engine.kept_stores import KeptStores
from replay.engine.run import Run, episode_of
from replay.episodes.store import Store
from replay.errors import Damaged, NotJson, ReplayError
from replay.model import Episode, Failure, Interaction

_log = logging.getLogger("replay")

_RUN_BYTES = 10_000
"""What a run takes in memory besides what passes through it."""

_JOURNAL_SECONDS = 1.0
"""How old a run gets before what is complete of it is written down ahead of its end."""

_GRACE_SECONDS = 0.005
"""How long the thread lets the program go on after a run, before it takes its share of Python."""

_AT_ONCE = 50
"""Runs that are written in one transaction, where so many wait: it takes longer than a run."""

_REPORT_SECONDS = 60.0

_UNREDACTED = Unredacted()


class Loss(StrEnum):
    """Why a run was not recorded."""

    TOO_LARGE = "too large"
    NO_ROOM = "no room"
    NOT_JSON = "not JSON"
    CUT_SHORT = "cut short"
    STORE = "store"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RecordingStats:
    """
    What became of this process's runs so far.

    *lost* counts by kind those that were chosen and are not in the store; *passed* are those that
    sampling left out. *open* are being recorded and *waiting* to be written, *held* their bytes.
    """

    recorded: int
    passed: int
    lost: dict[str, int]
    open: int
    waiting: int
    held: int


class Writer:
    """
    The one thread of this process that writes runs down, and the account of what they hold.

    It starts with the first run, so after a server has forked; a child that is forked later begins
    with nothing. May be shared by threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left_to_parents: list[Any] = []
        self._stores = KeptStores()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._open: dict[ServiceRun, None] = {}
        self._ended: deque[ServiceRun] = deque()
        self._busy = 0
        self._flushing = False
        self._read_until = 0.0
        self._patience = 0.0
        self._held = 0
        self._recorded = self._passed = 0
        self._lost: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    def forked(self) -> None:
        """Forget, in a child, what is its parent's; SQLite's connections may not even be closed."""
        self._left_to_parents.append(self._stores)
        self._stores = KeptStores()
        self._begin_anew()

    def begin(self, run: ServiceRun) -> None:
        """Take *run* into account; its thread is there from now on."""
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="replay-writer", daemon=True)
                thread.start()
                atexit.register(self._exit, thread)
                self._thread = thread
            self._patience = run.config.service.exit_seconds
            self._open[run] = None
        self.grant(run, _RUN_BYTES)

    def end(self, run: ServiceRun) -> None:
        """Hand *run* over to be written."""
        with self._changed:
            if self._open.pop(run, run) is None:
                self._ended.append(run)
                self._changed.notify_all()

    def grant(self, run: ServiceRun, size: int) -> bool:
        """Let *run* hold *size* bytes more, or lose it."""
        limits = run.config.service
        with self._changed:
            if run not in self._open:
                return False
            run.size += size
            self._held += size
            if run.size <= limits.run_bytes and self._held <= limits.held_bytes:
                return True
        if run.size > limits.run_bytes:
            self.lose(run, Loss.TOO_LARGE, f"it holds more than {limits.run_bytes:,} bytes")
        else:
            self.lose(run, Loss.NO_ROOM, f"all runs hold more than {limits.held_bytes:,} bytes")
        return False

    def lose(self, run: ServiceRun, kind: Loss, why: str) -> None:
        """Drop *run*, which is open, whole."""
        with self._changed:
            if self._open.pop(run, run) is run:
                return
            self._held -= run.size
        run.forget()
        self.lost(kind, f"{run.id}: {why}")

    def passes(self) -> None:
        """Count a run that sampling leaves out."""
        with self._changed:
            self._passed += 1

    def lost(self, kind: Loss, why: str) -> None:
        """Count a run that is not recorded; say so, once a minute for each *kind*."""
        with self._changed:
            self._lost[kind] += 1
            self._untold[kind] += 1
            now = self._clock()
            told = self._told.get(kind)
            if told is not None and now - told < _REPORT_SECONDS:
                return
            self._told[kind] = now
            count = self._untold.pop(kind)
        _log.warning("not recorded: %s", why if count == 1 else f"{count} runs; the last is {why}")

    def stats(self) -> RecordingStats:
        """Tell what became of the runs."""
        with self._changed:
            return RecordingStats(
                recorded=self._recorded,
                passed=self._passed,
                lost={str(kind): count for kind, count in self._lost.items()},
                open=len(self._open),
                waiting=len(self._ended) + self._busy,
                held=self._held,
            )

    def flush(self, seconds: float | None = None) -> bool:
        """
        Write all that has ended and close the stores; tell whether *seconds* were enough.

        By default they are those that the settings give to an exit. For half of them what is unread
        is read. What ends later opens the stores again.
        """
        with self._changed:
            if self._thread is None:
                return True
            seconds = self._patience if seconds is None else seconds
            self._flushing = True
            self._read_until = self._clock() + seconds / 2
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._flushing, seconds)
            untold = dict(self._untold)
            self._untold.clear()
        for kind, count in untold.items():
            _log.warning("not recorded: %s more (%s)", count, kind)
        return done

    def finish(self) -> None:
        """Write what has ended, as far as the settings give it time; say what is left."""
        self.flush()
        with self._changed:
            left = len(self._open) + len(self._ended) + self._busy
        if left:
            _log.warning("not recorded: %s, for want of time at the end (exit_seconds)", left)

    def _exit(self, thread: threading.Thread) -> None:
        if thread is self._thread:  # a forked child inherits what its parent registered
            self.finish()

    # In the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        journaled = self._clock()
        while True:
            with self._changed:
                idle = not self._ended
                patience = 0.0 if self._may_catch_up() else _JOURNAL_SECONDS
                self._changed.wait_for(lambda: self._ended or self._flushing, patience)
            if idle and not self._flushing:
                time.sleep(_GRACE_SECONDS)
            with self._changed:
                self._busy = min(len(self._ended), _AT_ONCE)
                runs = [self._ended.popleft() for _ in range(self._busy)]
                in_time = not self._ended
            if runs:
                self._write(runs, read=in_time)
            if in_time and self._may_catch_up():
                self._stores.catch_up()
            elif not runs and self._flushing:
                self._close()
            if self._clock() - journaled >= _JOURNAL_SECONDS:
                journaled = self._clock()
                self._journal(journaled - _JOURNAL_SECONDS)

    def _write(self, runs: list[ServiceRun], *, read: bool) -> None:
        """
        Write those of one store together; if that fails, each by itself, to lose no other.

        Where still more wait, what they say is *read* later: to be safe comes first.
        """
        for place in dict.fromkeys(run.place for run in runs):
            some = [run for run in runs if run.place == place]
            all_of_them = partial(_write, runs=some, read=read)
            together = len(some) > 1 and not self._stores.attempt(place, all_of_them)
            for run in some:
                alone = partial(run.write, read=read)
                self._wrote(run, None if together else self._stores.attempt(place, alone))
            if not read:
                self._stores.leave_unread(place)

    def _may_catch_up(self) -> bool:
        """Whether something is unread, no more waits than is written at once, and there is time."""
        if not self._stores.are_behind or len(self._ended) > _AT_ONCE:
            return False
        return not self._flushing or self._clock() < self._read_until

    def _wrote(self, run: ServiceRun, error: Exception | None) -> None:
        with self._changed:
            self._busy -= 1
            self._held -= run.size
            self._recorded += error is None
        if error:
            kind, why = _why(error)
            self.lost(kind, f"{run.id}: {why}")

    def _journal(self, before: float) -> None:
        """Write down what is complete of the runs that were begun *before*."""
        with self._changed:
            running = [run for run in self._open if run.since <= before]
        for run in running:
            if error := self._stores.attempt(run.place, run.journal):
                self.lose(run, *_why(error))

    def _close(self) -> None:
        self._stores.close()
        with self._changed:
            self._flushing = bool(self._ended)
            self._changed.notify_all()


def _write(store: Store, runs: list[ServiceRun], *, read: bool) -> None:
    for run in runs:
        _ = run.episode  # to make it takes long: before the file is locked
    with store.file.writing():
        for run in runs:
            run.write(store, read=read)


def _why(error: Exception) -> tuple[Loss, str]:
    """Say what an error made of a run."""
    if isinstance(error, Damaged | OSError):
        return Loss.STORE, str(error)
    if isinstance(error, ReplayError):
        return Loss.ERROR, str(error)
    return Loss.ERROR, f"{type(error).__name__}: {error}"


class ServiceRun(Run):
    """
    One of many runs of a service: held in memory as it is, redacted and written by the thread.

    What cannot be kept loses the recording; nothing is raised into the program.
    """

    def __init__(self, episode: str, *, config: Config, path: Path, writer: Writer) -> None:
        super().__init__(episode)
        self.config = config
        self.place = (path, config.tenant)
        self.size = 0
        self.since = time.monotonic()
        self._writer = writer
        self._elapsed = 0.0
        self._error: Failure | None = None
        self._attempt = 0
        self._journaled = 0
        self._complete: list[Interaction] = []
        self._redactor = Redactor(config.redact)
        self.tape = Tape(
            records=True,
            redactor=_UNREDACTED,
            ignore_hosts=config.ignore_hosts,
            heard=self._complete.append,
            room=self.room,
        )

    def room(self, size: int) -> bool:
        """Ask to hold *size* bytes more."""
        return self._writer.grant(self, size)

    def lose(self, kind: Loss, why: str) -> None:
        """Give the recording up."""
        self._writer.lose(self, kind, why)

    def end(self, error: Failure | None) -> None:
        """Note how the program ended; the rest is the thread's."""
        self._elapsed = round(time.perf_counter() - self.begun, 4)
        self._error = error
        self._writer.end(self)

    def given(self, function: Callable[..., Any], inputs: dict[str, Any]) -> None:
        """Keep what is called, and with what."""
        with self._quietly():
            super().given(function, inputs)

    def note(self, value: Any) -> Any:
        """Keep *value* as the output."""
        with self._quietly():
            super().note(value)
        return value

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Give the recording up because of what cannot be written down."""
        try:
            yield
        except NotJson as error:
            self.lose(Loss.NOT_JSON, str(error))
        except Exception as error:  # noqa: BLE001 - whatever the program's own objects raise
            self.lose(Loss.ERROR, f"{type(error).__name__}: {error}")

    def forget(self) -> None:
        """Let go of what is held."""
        self.tape.void()
        self._complete.clear()

    def write(self, store: Store, *, read: bool) -> None:
        """Put the episode into *store*, to be *read* at once or later."""
        if self._attempt:
            store.finish(self._attempt, self.episode, read=read)
        else:
            store.add(self.episode, read=read)

    def journal(self, store: Store) -> None:
        """Put into *store* what is complete of a run that is not, in case the process is killed."""
        complete = self._complete[self._journaled :]
        if complete and not self._attempt:
            self._attempt = store.begin(self.id, self.started.isoformat(), os.getpid())
        for interaction in complete:
            self._journaled += 1
            store.note(self._attempt, self._journaled, self._redactor.interaction(interaction))

    @cached_property
    def episode(self) -> Episode:
        """The episode that is made of it, once it has ended."""
        recorded = tuple(map(self._redactor.interaction, self.tape.recorded))
        return episode_of(
            self,
            recorded,
            recorded,
            config=self.config,
            redactor=self._redactor,
            error=self._error,
            elapsed=self._elapsed,
        )
