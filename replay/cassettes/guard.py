"""
The socket guard: under replay, nothing in this process opens a connection or looks up a name.

While recording, a watch notes what goes past the tape, and lets it pass.
"""

from __future__ import annotations

import os
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from replay.cassettes.routing import tape_in_charge
from replay.cassettes.tape import Tape
from replay.config import Subprocesses
from replay.errors import Unhermetic

Allowed = Callable[[str], bool]


class Guard:
    """
    What was attempted while it stood; *allowed* lets a host through.

    What a subprocess does is out of its sight, so it notes those that are *started*, or refuses
    them.
    """

    def __init__(
        self,
        allowed: Allowed = lambda _host: False,
        subprocesses: Subprocesses = Subprocesses.ALLOW,
    ) -> None:
        self.attempts: list[Unhermetic] = []
        self.started: list[str] = []
        self._allowed = allowed
        self._subprocesses = subprocesses

    def check(self, event: str, args: tuple[Any, ...]) -> None:
        """Refuse the socket operation that an audit event announces."""
        if event in _COMMAND:
            if (command := _COMMAND[event](args)) not in _HARMLESS:
                self._start(command)
            return
        host, address, action = _ADDRESS[event](args)
        if not self._allowed(host):
            self._refuse(Unhermetic(address, action))

    def _start(self, command: str) -> None:
        if self._subprocesses is Subprocesses.REFUSE:
            self._refuse(Unhermetic(command, "start a subprocess:"))
        if self._subprocesses is Subprocesses.WARN and command not in self.started:
            self.started.append(command)

    def _refuse(self, attempt: Unhermetic) -> None:
        self.attempts.append(attempt)
        raise attempt


class Watch:
    """
    The addresses that were reached while *tape* was not recording anything: `seen`.

    Names are told where they are looked up; of the connections that follow, only those to an
    address that was not. What the tape ignores is not told.
    """

    def __init__(self, tape: Tape) -> None:
        self.seen: dict[str, None] = {}
        self._tape = tape
        self._known: set[str] = set()

    def check(self, event: str, args: tuple[Any, ...]) -> None:
        """Note the socket operation that an audit event announces."""
        if event in _COMMAND:
            return
        host, address, action = _ADDRESS[event](args)
        port = address.rpartition(":")[2]
        looked_up = action != _CONNECT
        if looked_up:
            self._known.add(port)
        elif port in self._known:
            return
        if self._tape.is_recording or address in self.seen:
            return
        if not _is_local(host) and not self._tape.ignores(f"https://{host}"):
            self.seen[address] = None


def not_recorded(address: str) -> str:
    """Say what becomes of traffic to *address*, which went past the tape."""
    why = "no client that we record was used (urllib.request, a raw socket, a driver)"
    return f"not recorded: {address}; {why}, so a replay will refuse it"


_CONNECT = "connect to"
_standing: list[Guard] = []
_watches: dict[Tape, Watch] = {}
_lock = threading.Lock()
_hooked = False


@contextmanager
def guarded(guard: Guard | None = None) -> Iterator[Guard]:
    """Refuse every connection of this process, in all its threads, and remember who tried."""
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
def watched(tape: Tape) -> Iterator[Watch]:
    """
    Note what goes past *tape*: from its context and, if it takes strays, from threads that have
    none.
    """
    with _lock:
        _hook()
    watch = _watches[tape] = Watch(tape)
    try:
        yield watch
    finally:
        del _watches[tape]


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
    """
    Hear of the sockets and subprocesses of this process.

    By an audit hook (PEP 578), so below every Python library; a C library that brings its own
    sockets is out of its reach.
    """
    global _hooked  # noqa: PLW0603 - an audit hook cannot be taken out again
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not (_standing or _watches) or event not in _HEARD:
        return
    if _standing:
        _standing[-1].check(event, args)
    if _watches and (tape := tape_in_charge()) and (watch := _watches.get(tape)):
        watch.check(event, args)


def _connected(args: tuple[Any, ...]) -> tuple[str, str, str]:
    host, address = _place(args[1])
    return host, address, _CONNECT


def _looked_up(args: tuple[Any, ...]) -> tuple[str, str, str]:
    host = _name(args[0])
    port = args[1] if len(args) > 1 and args[1] is not None else ""
    return host, f"{host}:{port}" if port != "" else host, "look up and connect to"


def _place(address: Any) -> tuple[str, str]:
    if isinstance(address, tuple) and len(address) >= 2:
        return _name(address[0]), f"{_name(address[0])}:{address[1]}"
    return _name(address), _name(address)


def _is_local(host: str) -> bool:
    """Whether *host* is a socket in the file system, or what a server listens on."""
    return "/" in host or host in ("", "None")


def _name(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_ADDRESS: dict[str, Callable[[tuple[Any, ...]], tuple[str, str, str]]] = {
    "socket.connect": _connected,
    "socket.sendto": _connected,
    "socket.getaddrinfo": _looked_up,
    "socket.gethostbyname": _looked_up,
}


def _popen(args: tuple[Any, ...]) -> str:
    return _command(args[1] or args[0])


def _command(value: Any) -> str:
    words = value if isinstance(value, list | tuple) else [value]
    return " ".join(os.fsdecode(word) for word in words)


_COMMAND: dict[str, Callable[[tuple[Any, ...]], str]] = {
    "subprocess.Popen": _popen,
    "os.system": lambda args: _command(args[0]),
}
_HARMLESS = {"uname -p"}  # `platform` asks for the processor, and the SDKs ask `platform`
_HEARD = {*_ADDRESS, *_COMMAND}
