"""Recording a run: a `with` block, a decorator, and what `replay record` calls."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from replay.cassettes.redaction import Redactor
from replay.cassettes.routing import is_recorded, using
from replay.cassettes.tape import Tape, failure
from replay.config import Config, load_config
from replay.engine.entrypoint import entrypoint_name
from replay.engine.manifest import build_manifest, chosen_environment, code_version
from replay.episodes.layers import open_store
from replay.episodes.store import Store
from replay.errors import BadEntrypoint, NotJson, ReplayError
from replay.golden.pinning import PinnedClock, pinned
from replay.golden.plain import plain
from replay.model import Episode, Failure, Further, Interaction, Json, Recording

_log = logging.getLogger("replay")

P = ParamSpec("P")
R = TypeVar("R")


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
        self.begun = time.perf_counter()
        self.clock: PinnedClock | None = None

    def begin(self) -> None:
        """Start the count of seconds, and the pinned random generators: the program comes next."""
        if self.clock:
            self.clock.seed()
        self.begun = time.perf_counter()

    def call(self, function: Callable[..., Any], **inputs: Any) -> Any:
        """Call *function* with *inputs*, sync or async, and note both and what it returns."""
        self.entrypoint = entrypoint_name(function)
        self.inputs = plain(inputs, f"The inputs of {self.entrypoint}")
        self.begin()
        value = function(**inputs)
        return self._awaited(value) if inspect.isawaitable(value) else self.note(value)

    async def _awaited(self, value: Any) -> Any:
        return self.note(await value)

    def note(self, value: Any) -> Any:
        """Keep *value* as the output; raise `NotJson` if it has no JSON form."""
        if isinstance(value, Iterator | AsyncIterator):
            why = "it is an iterator, and writing it down would use it up; return a list"
            raise NotJson(f"What {self.entrypoint} returned", why)
        self.output = plain(value, f"What {self.entrypoint} returned")
        return value


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
) -> Iterator[Run]:
    """
    Record what happens in the block as a recording of *episode*.

    An exception that leaves the block is recorded and raised on. Ctrl-C, and with *keep_errors* off
    an exception too, leaves the recording incomplete: what was complete by then is in the store,
    and `replay list` says so.

    *pin* freezes the clock and seeds the random generators of the whole process, so that a replay
    gives the very same ids and times; leave it off in a running service. *tape* makes the tape.
    """
    config = config or load_config(environ=os.environ)
    run = Run(episode)
    with ExitStack() as stack:
        where = store if isinstance(store, Store) else _opened(store, config)
        if where is not store:
            stack.enter_context(where)
        taking = _Taking(run, where, config, seed, tape)
        stack.enter_context(taking.open(pin, keep_errors))
        yield run


def _opened(path: Path | None, config: Config) -> Store:
    return Store(path, tenant=config.tenant) if path else open_store(config)


class _Taking:
    """Takes one run down: journal as it happens, recording at its end."""

    def __init__(
        self, run: Run, store: Store, config: Config, seed: int, tape: Callable[..., Tape]
    ) -> None:
        self._run, self._store, self._config, self._seed = run, store, config, seed
        self._started = datetime.now(UTC)
        self._code = code_version(config.root)
        self._redactor = Redactor(config.redact)
        self._tape = tape(
            records=True,
            redactor=self._redactor,
            ignore_hosts=config.ignore_hosts,
            heard=self._heard,
        )

    @contextmanager
    def open(self, pin: bool, keep_errors: bool) -> Iterator[None]:
        attempt = self._store.begin(self._run.id, self._started.isoformat(), os.getpid())
        self._journal = _Journal(self._store, attempt)
        error: Failure | None = None
        try:
            with ExitStack() as stack:
                if pin:
                    self._run.clock = stack.enter_context(
                        pinned(self._started, self._seed, waits=True)
                    )
                stack.enter_context(using(self._tape))
                self._run.begin()
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
        if not self._tape.recorded:
            self._store.discard(attempt)

    def _heard(self, interaction: Interaction) -> None:
        if self._run.clock:
            self._run.clock.reach(interaction.started + interaction.elapsed)
        self._journal.note(interaction)

    def _finish(self, attempt: int, error: Failure | None) -> None:
        self._journal.close()
        elapsed = round(time.perf_counter() - self._run.begun, 4)
        run, recorded = self._run, self._tape.recorded
        sent = [replace(x, request=self._tape.on_the_wire(x.request)) for x in recorded]
        run.recording = Recording(
            manifest=build_manifest(
                sent,
                started=self._started,
                pinned=self._run.clock is not None,
                seed=self._seed,
                environment=chosen_environment(self._config.environment),
                code=self._code,
                further=run.further,
            ),
            interactions=recorded,
            output=self._redactor.json(run.output),
            failure=replace(error, message=self._redactor.json(error.message)) if error else None,
            elapsed=elapsed,
        )
        episode = Episode(run.id, run.entrypoint, run.inputs, (run.recording,))
        self._store.finish(attempt, episode)


class _Journal:
    """Writes each complete interaction to the store from a thread: an event loop never waits."""

    def __init__(self, store: Store, attempt: int) -> None:
        self._store, self._attempt = store, attempt
        self._queue: queue.SimpleQueue[Interaction | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="replay-journal", daemon=True)
        self._error: BaseException | None = None
        self.open = True
        self._thread.start()

    def note(self, interaction: Interaction) -> None:
        """Queue *interaction*."""
        self._queue.put(interaction)

    def close(self) -> None:
        """Wait for what is queued; raise what went wrong while writing it."""
        self.open = False
        self._queue.put(None)
        self._thread.join()
        if self._error:
            raise self._error

    def _write(self) -> None:
        step = 0
        while (interaction := self._queue.get()) is not None:
            step += 1
            try:
                self._store.note(self._attempt, step, interaction)
            except Exception as error:  # noqa: BLE001 - raised again by close
                self._error = self._error or error


@overload
def episode(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def episode(
    *, name: str = "", store: Path | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def episode(
    function: Callable[P, R] | None = None, /, *, name: str = "", store: Path | None = None
) -> Any:
    """
    Record every call of the decorated function, sync or async, as an episode of its own.

    Its id is *name*, by default the function's, and a unique ending. Inside a run that is already
    recorded or replayed, and with REPLAY_RECORD=off, the function is just called. What goes wrong
    in recording is logged (logger `replay`), and is never the program's.

    Raises:
        BadEntrypoint: the function is a method or a generator, or takes what has no name.

    """

    def decorate(wrapped: Callable[P, R]) -> Callable[P, R]:
        _refuse_what_cannot_be_replayed(wrapped)
        return _decorated(wrapped, name or wrapped.__name__, store)

    return decorate(function) if function else decorate


def _decorated(function: Callable[P, R], name: str, store: Path | None) -> Callable[P, R]:
    signature = inspect.signature(function)

    def inputs(args: Any, kwargs: Any) -> dict[str, Any]:
        given = dict(signature.bind(*args, **kwargs).arguments)
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= given.pop(parameter.name, {})
        return given

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def recorded_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            if _is_off():
                return await function(*args, **kwargs)
            with _noting(function, name, store, inputs(args, kwargs)) as note:
                return note(await function(*args, **kwargs))

        return recorded_async  # type: ignore[return-value] # R is the coroutine

    @functools.wraps(function)
    def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
        if _is_off():
            return function(*args, **kwargs)
        with _noting(function, name, store, inputs(args, kwargs)) as note:
            value: R = note(function(*args, **kwargs))
            return value

    return recorded


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


@contextmanager
def _noting(
    function: Callable[..., Any], name: str, store: Path | None, inputs: dict[str, Any]
) -> Iterator[Callable[[Any], Any]]:
    """
    Record one call of a decorated function; whatever goes wrong in that stays out of the program.

    The caller hands the result through what is yielded.
    """
    failed: list[BaseException] = []
    recording = ExitStack()
    run = Run(name)
    try:
        run = recording.enter_context(record(_unique(name), store=store))
        run.entrypoint = entrypoint_name(function)
        run.inputs = plain(inputs, f"The inputs of {run.entrypoint}")
        run.begin()
    except (ReplayError, OSError) as error:
        failed.append(error)

    def note(value: Any) -> Any:
        try:
            run.note(value)
        except ReplayError as error:
            failed.append(error)
        return value

    try:
        yield note
    except BaseException as raised:
        _closed(recording, failed, raised)
        raise
    _closed(recording, failed, None)


class _Dropped(BaseException):
    """Leaves a recording that cannot be made: what it holds stays incomplete."""


def _closed(
    recording: ExitStack, failed: list[BaseException], raised: BaseException | None
) -> None:
    """End the recording; log why there is none, if so."""
    try:
        error = _Dropped() if failed else raised
        recording.__exit__(type(error) if error else None, error, None)
    except (ReplayError, OSError) as again:
        if again is not raised:
            failed.append(again)
    except BaseException as again:
        if again is not raised and not isinstance(again, _Dropped):
            raise
    if failed:
        _log.warning("not recorded: %s", failed[0])


def _is_off() -> bool:
    return is_recorded() or os.environ.get("REPLAY_RECORD", "on").lower() in ("0", "off", "false")


def _unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"
