"""Which tape is mine? Clients are patched once; every request asks for the tape of its context."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from replay.cassettes.tape import Tape
from replay.errors import UnroutedRequest
from replay.model import Request

_current: ContextVar[Tape | None] = ContextVar("replay_tape", default=None)


class _Switchboard:
    """The open tapes of this process, and the patches that are in place while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[Tape] = []
        self._patches = ExitStack()

    def add(self, tape: Tape) -> None:
        with self._lock:
            if not self._open:
                self._patches = _patched()
            self._open.append(tape)

    def remove(self, tape: Tape) -> None:
        with self._lock:
            self._open.remove(tape)
            if not self._open:
                self._patches.close()

    def tape_for(self, request: Request) -> Tape | None:
        """Find the tape of this context; a thread outside every context uses the only open one."""
        tape = _current.get()
        if tape is None:
            tape = self._only(request)
        return tape

    def in_charge(self) -> Tape | None:
        """Find whose traffic that of this context is; None where it cannot be told."""
        tapes = list(self._open)
        return _current.get() or (tapes[0] if len(tapes) == 1 else None)

    def _only(self, request: Request) -> Tape | None:
        tapes = list(self._open)
        if len(tapes) == 1:
            return tapes[0]
        if any(not tape.records for tape in tapes):
            raise UnroutedRequest(f"{request.method} {request.url}", len(tapes))
        return None


_switchboard = _Switchboard()


@contextmanager
def using(tape: Tape) -> Iterator[Tape]:
    """Answer the requests of this context from *tape*, whatever client sends them."""
    _switchboard.add(tape)
    token = _current.set(tape)
    try:
        yield tape
    finally:
        _current.reset(token)
        _switchboard.remove(tape)
        tape.close()


def tape_in_charge() -> Tape | None:
    """Give the tape of this context; where it has none, the only one that is open."""
    return _switchboard.in_charge()


def current_tape() -> Tape | None:
    """Give the tape of this context, if it has one."""
    return _current.get()


def is_recorded() -> bool:
    """Whether this context already has a tape."""
    return current_tape() is not None


def _patched() -> ExitStack:
    from replay.cassettes.httpx_hook import httpx_patched
    from replay.cassettes.vcr_bridge import vcr_patched

    stack = ExitStack()
    stack.enter_context(vcr_patched(_switchboard.tape_for))  # first: it keeps httpx's originals
    stack.enter_context(httpx_patched(_switchboard.tape_for))
    return stack
