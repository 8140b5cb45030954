"""The socket guard: under replay, nothing in this process opens a connection or looks up a name."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from replay.errors import Unhermetic

Allowed = Callable[[str], bool]


class Guard:
    """What was attempted while it stood; *allowed* lets a host through."""

    def __init__(self, allowed: Allowed = lambda _host: False) -> None:
        self.attempts: list[Unhermetic] = []
        self._allowed = allowed

    def check(self, event: str, args: tuple[Any, ...]) -> None:
        """Refuse the socket operation that an audit event announces."""
        host, address, action = _ADDRESS[event](args)
        if self._allowed(host):
            return
        attempt = Unhermetic(address, action)
        self.attempts.append(attempt)
        raise attempt


_standing: list[Guard] = []
_lock = threading.Lock()
_hooked = False


@contextmanager
def guarded(guard: Guard | None = None) -> Iterator[Guard]:
    """
    Refuse every connection of this process, in all its threads, and remember who tried.

    Works by an audit hook (PEP 578), so below every Python library; a C library that brings its own
    sockets is out of its reach.
    """
    guard = guard or Guard()
    with _lock:
        _hook()
        _standing.append(guard)
    try:
        yield guard
    finally:
        with _lock:
            _standing.remove(guard)


@contextmanager
def untrusting() -> Iterator[None]:
    """
    Load no trusted certificates, in all threads of this process.

    Each client that is made reads some hundred of them, for connections that a replay never opens:
    40 ms, more than all the rest of a small run.
    """
    context, name = ssl.SSLContext, "load_verify_locations"
    before = vars(context).get(name)
    setattr(context, name, lambda *_args, **_kwargs: None)
    try:
        yield
    finally:
        if before is None:
            delattr(context, name)  # it is inherited
        else:
            setattr(context, name, before)


def _hook() -> None:
    global _hooked  # noqa: PLW0603 - an audit hook cannot be taken out again
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _standing and event in _ADDRESS:
        _standing[-1].check(event, args)


def _connected(args: tuple[Any, ...]) -> tuple[str, str, str]:
    host, address = _place(args[1])
    return host, address, "connect"


def _looked_up(args: tuple[Any, ...]) -> tuple[str, str, str]:
    host = _name(args[0])
    port = args[1] if len(args) > 1 and args[1] is not None else ""
    return host, f"{host}:{port}" if port != "" else host, "look up and connect"


def _place(address: Any) -> tuple[str, str]:
    if isinstance(address, tuple) and len(address) >= 2:
        return _name(address[0]), f"{_name(address[0])}:{address[1]}"
    return _name(address), _name(address)


def _name(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_ADDRESS: dict[str, Callable[[tuple[Any, ...]], tuple[str, str, str]]] = {
    "socket.connect": _connected,
    "socket.sendto": _connected,
    "socket.getaddrinfo": _looked_up,
    "socket.gethostbyname": _looked_up,
}
