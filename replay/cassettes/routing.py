"""Which tape is mine? Clients are patched once; every request asks for the tape of its context."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any

from replay.cassettes.tape import Tape
from replay.errors import UnroutedRequest
from replay.imports import around_import, imported
from replay.model import Request

_NOBODY = Tape(records=True)
"""The tape of a context that was chosen not to be recorded; nothing ever reaches it."""
_NOBODY.close()

_current: ContextVar[Tape | None] = ContextVar("replay_tape", default=None)


CLIENTS = (
    "aiohttp",
    "botocore.auth",
    "botocore.awsrequest",
    "httplib2",
    "httpx",
    "httpx2",
    "tornado.simple_httpclient",
    "urllib3",
)
"""The modules that are patched, from when the program has imported them; requests is urllib3's."""


class _Switchboard:
    """The open tapes of this process, and the patches that are in place while there are any."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: list[Tape] = []
        self._strays: list[Tape] = []
        self._patches = ExitStack()
        self._patched: set[str] = set()
        self._active = False
        self._kept = False

    def add(self, tape: Tape, strays: bool) -> None:
        with self._lock:
            self._activate()
            self._open.append(tape)
            if strays:
                self._strays.append(tape)

    def remove(self, tape: Tape) -> None:
        with self._lock:
            self._open.remove(tape)
            if tape in self._strays:
                self._strays.remove(tape)
            if not self._open and not self._kept:
                self._patches.close()
                self._patched.clear()
                self._active = False

    def keep(self) -> None:
        with self._lock:
            self._activate()
            self._kept = True

    def _activate(self) -> None:
        """Patch the clients that are imported, and each that will be."""
        if self._active:
            return
        self._active = True
        self._patches.enter_context(_pools_patched())
        self._patches.enter_context(around_import(CLIENTS, self._import))
        for client in filter(None, map(imported, CLIENTS)):
            self._patch(client)

    def _import(self, client: ModuleType, run: Callable[[], None]) -> None:
        """Have *client* imported, and patched before anybody has it."""
        with ExitStack() as stack:
            if client.__name__ == "botocore.awsrequest":
                import_module("urllib3")  # or it would be patched half-way
                from replay.cassettes.vcr_clients import real_connections

                stack.enter_context(real_connections())
            run()
        self._patch(client)

    def _patch(self, client: ModuleType) -> None:
        with self._lock:
            if not self._active or client.__name__ in self._patched:
                return
            self._patched.add(client.__name__)
            if client.__name__ in ("httpx", "httpx2"):
                from replay.cassettes.httpx_hook import httpx_patched

                self._patches.enter_context(httpx_patched(client, self.tape_for))
            elif client.__name__ == "botocore.auth":
                from replay.cassettes.signing import signers_heard

                self._patches.enter_context(signers_heard(client))
            else:
                from replay.cassettes.vcr_clients import vcr_patched

                self._patches.enter_context(vcr_patched(client, self.tape_for))

    def tape_for(self, request: Request) -> Tape | None:
        """Find the tape of this context; a thread outside every context uses the only open one."""
        tape = _current.get() or self._only(request)
        return tape if tape and not tape.is_over and tape.wants(request) else None

    def in_charge(self) -> Tape | None:
        """Find whose traffic that of this context is; None where it cannot be told."""
        tapes = list(self._strays)
        return _current.get() or (tapes[0] if len(tapes) == 1 else None)

    def _only(self, request: Request) -> Tape | None:
        tapes = list(self._strays)
        if len(tapes) == 1:
            return tapes[0]
        if any(not tape.records for tape in tapes):
            raise UnroutedRequest(str(request), len(tapes))
        return None


_switchboard = _Switchboard()


@contextmanager
def using(tape: Tape, *, strays: bool = True) -> Iterator[Tape]:
    """
    Answer the requests of this context from *tape*, whatever client sends them.

    With *strays* it also gets those of threads that belong to no context, while it is the only one
    that takes them: right for one run at a time, and wrong for a service.
    """
    _switchboard.add(tape, strays)
    token = _current.set(tape)
    try:
        yield tape
    finally:
        _current.reset(token)
        _switchboard.remove(tape)
        tape.close()


@contextmanager
def unrecorded() -> Iterator[None]:
    """Let the requests of this context pass, whoever is recorded beside it."""
    token = _current.set(_NOBODY)
    try:
        yield
    finally:
        _current.reset(token)


def keep_patched() -> None:
    """Leave clients patched while no tape is open: a service would patch them for each request."""
    _switchboard.keep()


def tape_in_charge() -> Tape | None:
    """Give the tape of this context; where it has none, the only one that takes strays."""
    return _switchboard.in_charge()


def current_tape() -> Tape | None:
    """Give the tape of this context, if it has one."""
    return _current.get()


def is_recorded() -> bool:
    """Whether this context belongs to a run, or to one that was chosen not to be recorded."""
    tape = current_tape()
    return tape is _NOBODY or not (tape is None or tape.is_over)


@contextmanager
def _pools_patched() -> Iterator[None]:
    """Give what is submitted to a pool of threads the tape of who submits it."""
    original = ThreadPoolExecutor.submit

    @functools.wraps(original)  # type: ignore[arg-type] # of Executor, by its annotation
    def submit(
        pool: ThreadPoolExecutor, work: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        tape = _current.get()
        if tape is None:
            return original(pool, work, *args, **kwargs)
        token = _current.set(None)  # a thread that the pool starts now serves others later
        try:
            return original(pool, _carrying, tape, work, *args, **kwargs)
        finally:
            _current.reset(token)

    pools: Any = ThreadPoolExecutor
    pools.submit = submit
    try:
        yield
    finally:
        pools.submit = original


def _carrying(tape: Tape, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = _current.set(tape)
    try:
        return work(*args, **kwargs)
    finally:
        _current.reset(token)
