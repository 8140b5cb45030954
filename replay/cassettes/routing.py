"""Which tape is mine? Clients are patched once; every request asks for the tape of its context."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import ModuleType

from replay.cassettes.tape import Tape
from replay.errors import UnroutedRequest
from replay.imports import around_import, imported
from replay.model import Request

_current: ContextVar[Tape | None] = ContextVar("replay_tape", default=None)


CLIENTS = (
    "aiohttp",
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
        self._patches = ExitStack()
        self._patched: set[str] = set()

    def add(self, tape: Tape) -> None:
        with self._lock:
            self._open.append(tape)
            if len(self._open) == 1:
                self._patches.enter_context(around_import(CLIENTS, self._import))
                for client in filter(None, map(imported, CLIENTS)):
                    self._patch(client)

    def remove(self, tape: Tape) -> None:
        with self._lock:
            self._open.remove(tape)
            if not self._open:
                self._patches.close()
                self._patched.clear()

    def _import(self, client: ModuleType, run: Callable[[], None]) -> None:
        """Have *client* imported, and patched before anybody has it."""
        with ExitStack() as stack:
            if client.__name__ == "botocore.awsrequest" and "urllib3" in self._patched:
                from replay.cassettes.vcr_bridge import real_connections

                stack.enter_context(real_connections())
            run()
        self._patch(client)

    def _patch(self, client: ModuleType) -> None:
        with self._lock:
            if not self._open or client.__name__ in self._patched:
                return
            self._patched.add(client.__name__)
            if client.__name__ in ("httpx", "httpx2"):
                from replay.cassettes.httpx_hook import httpx_patched

                self._patches.enter_context(httpx_patched(client, self.tape_for))
            else:
                from replay.cassettes.vcr_bridge import vcr_patched

                self._patches.enter_context(vcr_patched(client, self.tape_for))

    def tape_for(self, request: Request) -> Tape | None:
        """Find the tape of this context; a thread outside every context uses the only open one."""
        tape = _current.get()
        if tape is None:
            tape = self._only(request)
        return tape

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


def current_tape() -> Tape | None:
    """Give the tape of this context, if it has one."""
    return _current.get()


def is_recorded() -> bool:
    """Whether this context already has a tape."""
    return current_tape() is not None
