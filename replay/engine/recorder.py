"""Recording a run: a `with` block, a decorator, and what `replay record` calls."""

from __future__ import annotations

import functools
import inspect
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from replay.cassettes.redaction import Redactor
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape, failure
from replay.config import Config, load_config
from replay.engine.background import ServiceRun
from replay.engine.entrypoint import entrypoint_name
from replay.engine.run import Run, episode_of
from replay.engine.service import Recorder, Sample, unique
from replay.engine.unrecorded import log_once, telling
from replay.episodes.layers import open_store
from replay.episodes.store import Store
from replay.errors import BadEntrypoint
from replay.golden.pinning import pinned
from replay.model import Failure, Interaction

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def record(
    episode: str,
    *,
    store: Store | Path | None = None,
    pin: bool = False,
    seed: int = 0,
    keep_errors: bool = True,
    config: Config | None = None,
    tape: Callable[..., Tape] = Tape,
    unrecorded: Callable[[str], None] = log_once,
) -> Iterator[Run]:
    """
    Record what happens in the block as a recording of *episode*.

    An exception that leaves the block is recorded and raised on. Ctrl-C, and with *keep_errors* off
    an exception too, leaves the recording incomplete: what was complete by then is in the store,
    and `replay list` says so.

    *pin* freezes the clock and seeds the random generators of the whole process, so that a replay
    gives the very same ids and times. *tape* makes the tape. *unrecorded* is told, at the end, of
    the addresses that were reached past it. For a running service there is `record_in_background`.
    """
    config = config or load_config(environ=os.environ)
    run = Run(episode)
    with ExitStack() as stack:
        where = store if isinstance(store, Store) else _opened(store, config)
        if where is not store:
            stack.enter_context(where)
        taking = _Taking(run, where, config, seed, tape)
        stack.enter_context(taking.open(pin, keep_errors, unrecorded))
        yield run


def _opened(path: Path | None, config: Config) -> Store:
    return Store(path, tenant=config.tenant) if path else open_store(config)


@contextmanager
def record_in_background(
    name: str, *, sample: Sample | None = None, store: Path | None = None
) -> Iterator[Run]:
    """
    Record what happens in the block as an episode of its own, while a service runs.

    Its id is *name* and a unique ending. It is written by a thread, later; what goes wrong in that
    is logged (logger `replay`) and in `recording_stats`, and never raised. *sample* is the share of
    blocks that is recorded, 0 to 1, or a function that tells it.
    """
    recorder = Recorder(sample=sample, store=store)
    if recorder.is_off:
        yield _Unkept(name)
        return
    with recorder.run(ServiceRun, lambda: unique(name), {}) as run:
        yield run or _Unkept(name)


class _Unkept(Run):
    """A run that nothing becomes of."""

    def given(self, function: Callable[..., Any], inputs: dict[str, Any]) -> None:
        """Keep nothing."""

    def note(self, value: Any) -> Any:
        """Keep nothing."""
        return value


class _Taking:
    """Takes one run down: journal as it happens, recording at its end."""

    def __init__(
        self, run: Run, store: Store, config: Config, seed: int, tape: Callable[..., Tape]
    ) -> None:
        self._run, self._store, self._config, self._seed = run, store, config, seed
        self._redactor = Redactor(config.redact)
        self._tape = tape(
            records=True,
            redactor=self._redactor,
            ignore_hosts=config.ignore_hosts,
            heard=self._heard,
        )

    @contextmanager
    def open(
        self, pin: bool, keep_errors: bool, unrecorded: Callable[[str], None]
    ) -> Iterator[None]:
        run = self._run
        attempt = self._store.begin(run.id, run.started.isoformat(), os.getpid())
        self._journal = _Journal(self._store, attempt)
        error: Failure | None = None
        try:
            with ExitStack() as stack:
                if pin:
                    run.clock = stack.enter_context(pinned(run.started, self._seed, waits=True))
                stack.enter_context(using(self._tape))
                stack.enter_context(telling(self._tape, unrecorded))
                run.begin()
                yield
            if self._tape.misses:  # which the program may have swallowed
                raise self._tape.misses[0]
        except (Exception, SystemExit) as raised:
            error = failure(raised)
            if not keep_errors:
                self._leave(attempt)
            raise
        except BaseException:
            self._leave(attempt)
            raise
        finally:
            if self._journal.open:
                self._finish(attempt, error)

    def _leave(self, attempt: int) -> None:
        """End without a recording; an attempt that sent nothing is no loss."""
        self._journal.close()
        if self._journal.error:
            raise self._journal.error
        if not self._tape.recorded:
            self._store.discard(attempt)

    def _heard(self, interaction: Interaction) -> None:
        if self._run.clock:
            self._run.clock.heard(interaction)
        self._journal.note(interaction)

    def _finish(self, attempt: int, error: Failure | None) -> None:
        self._journal.close()
        recorded = self._tape.recorded
        episode = episode_of(
            self._run,
            recorded,
            [replace(x, request=self._tape.on_the_wire(x.request)) for x in recorded],
            config=self._config,
            redactor=self._redactor,
            error=error,
            elapsed=round(time.perf_counter() - self._run.begun, 4),
            seed=self._seed,
        )
        self._store.finish(attempt, episode)


class _Journal:
    """Writes each complete interaction to the store from a thread: an event loop never waits."""

    def __init__(self, store: Store, attempt: int) -> None:
        self._store, self._attempt = store, attempt
        self._queue: queue.SimpleQueue[Interaction | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="replay-journal", daemon=True)
        self.error: Exception | None = None
        self.open = True
        self._thread.start()

    def note(self, interaction: Interaction) -> None:
        """Queue *interaction*."""
        self._queue.put(interaction)

    def close(self) -> None:
        """Wait for what is queued; an error is a loss only where no recording follows."""
        self.open = False
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        step = 0
        while (interaction := self._queue.get()) is not None:
            step += 1
            try:
                self._store.note(self._attempt, step, interaction)
            except Exception as error:  # noqa: BLE001 - raised again if all ends here
                self.error = self.error or error


@overload
def episode(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def episode(
    *, name: str = "", sample: Sample | None = None, store: Path | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def episode(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str = "",
    sample: Sample | None = None,
    store: Path | None = None,
) -> Any:
    """
    Record every call of the decorated function, sync or async, as an episode of its own.

    Its id is *name*, by default the function's, and a unique ending. *sample* is the share of calls
    that is recorded, 0 to 1, or a function of the arguments, by name, that tells it. Inside a run
    that is already recorded or replayed, and with REPLAY_RECORD=off, the function is just called.

    A thread writes it down, later. What goes wrong in that is logged (logger `replay`) and in
    `recording_stats`, and is never the program's.

    Raises:
        BadEntrypoint: the function is a method or a generator, or takes what has no name.

    """

    def decorate(wrapped: Callable[P, R]) -> Callable[P, R]:
        _refuse_what_cannot_be_replayed(wrapped)
        recorder = Recorder(sample=sample, store=store)
        return _decorated(wrapped, name or wrapped.__name__, recorder)

    return decorate(function) if function else decorate


def _decorated(function: Callable[P, R], name: str, recorder: Recorder) -> Callable[P, R]:
    signature = inspect.signature(function)

    def inputs(args: Any, kwargs: Any) -> dict[str, Any] | None:
        """Name the arguments; None where they do not fit, which the function itself will say."""
        try:
            given = dict(signature.bind(*args, **kwargs).arguments)
        except TypeError:
            return None
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= given.pop(parameter.name, {})
        return given

    @contextmanager
    def running(args: Any, kwargs: Any) -> Iterator[Callable[[Any], Any]]:
        """Record one call; its result goes through what is yielded."""
        if recorder.is_off or (given := inputs(args, kwargs)) is None:
            yield _as_it_is
            return
        with recorder.run(ServiceRun, lambda: unique(name), given) as run:
            if run:
                run.given(function, given)
                run.begin()
            yield run.note if run else _as_it_is

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def recorded_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with running(args, kwargs) as note:
                return note(await function(*args, **kwargs))

        return recorded_async  # type: ignore[return-value] # R is the coroutine

    @functools.wraps(function)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
        with running(args, kwargs) as note:
            value: R = note(function(*args, **kwargs))
            return value

    return recorded


def _as_it_is(value: Any) -> Any:
    return value


def _refuse_what_cannot_be_replayed(function: Callable[..., Any]) -> None:
    """Raise `BadEntrypoint` where it is decorated, not where it is replayed."""
    name = entrypoint_name(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise BadEntrypoint(name, "it is a generator; record the function that uses it up")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise BadEntrypoint(name, f"{parameter} cannot be given by name")
        if parameter.name == "self":
            raise BadEntrypoint(name, "it is a method; a replay has no object to call it on")
