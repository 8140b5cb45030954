"""requests, aiohttp, botocore, httplib2, tornado: vcrpy's patches, routed to our tapes."""

from __future__ import annotations

import http.client
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from types import ModuleType
from typing import Any
from unittest import mock

from replay.cassettes.vcr_patch import Builder, show, vcr  # before anything else loads vcrpy

# isort: split
from vcr.cassette import Cassette
from vcr.record_mode import RecordMode
from vcr.request import Request as VcrRequest

from replay.cassettes.coding import decoded
from replay.cassettes.signing import signed_again
from replay.cassettes.tape import Take, Tape
from replay.cassettes.yaml_v1 import grouped
from replay.errors import NotRewritten
from replay.model import Failure, Headers, Interaction, Request, Response

Route = Callable[[Request], Tape | None]

_GROUPS = {
    "aiohttp": ("aiohttp",),
    "botocore.awsrequest": ("boto3",),
    "httplib2": ("httplib2",),
    "tornado.simple_httpclient": ("tornado",),
    "urllib3": ("requests", "urllib3"),
}
"""
Which of vcrpy's patches are for a module.

None for httpx, which has a hook of its own. vcrpy's patch of http.client makes it swap every
patched class back for a moment on each connection, and other threads escape through that window.
"""

_UNDECODED = re.compile("[\udc80-\udcff]")
"""Bytes of a header that are no UTF-8, as aiohttp gives them; no file could hold them so."""


@contextmanager
def vcr_patched(client: ModuleType, route: Route) -> Iterator[None]:
    """Put vcrpy's patches of *client* in place, once for all tapes."""
    show(client)
    skipped = set(vcr.patch.PATCHER_NAMES) - set(_GROUPS[client.__name__])
    with ExitStack() as stack:
        stack.enter_context(_window_closed())
        for patcher in _Builder(RoutedCassette(route, tuple(skipped))).build():
            stack.enter_context(patcher)
        if client.__name__ == "aiohttp":
            stack.enter_context(_aiohttp_told(client, route))
        stack.enter_context(_unlogged())
        yield


@contextmanager
def real_connections() -> Iterator[None]:
    """Give urllib3's own classes to those who import them, to make classes of their own."""
    real = {
        "HTTPConnection": vcr.patch._connHTTPConnection,
        "HTTPSConnection": vcr.patch._connHTTPSConnection,
        "VerifiedHTTPSConnection": vcr.patch._VerifiedHTTPSConnection,
    }
    with mock.patch.multiple(vcr.patch.conn, **real):
        yield


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep vcrpy from logging: it names requests and responses as they are, credentials and all."""
    known = logging.root.manager.loggerDict.items()
    loggers = [found for name, found in known if name.partition(".")[0] == "vcr"]
    silenced = [x for x in loggers if isinstance(x, logging.Logger) and not x.disabled]
    for logger in silenced:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in silenced:
            logger.disabled = False


class _Builder(Builder):
    """vcrpy's patches, whose connections also tell of an answer that never came."""

    def _build_cassette_subclass(self, base_class: type) -> type:
        stub: Any = super()._build_cassette_subclass(base_class)
        if real := getattr(stub, "getresponse", None):

            def getresponse(connection: Any, *args: Any, **kwargs: Any) -> Any:
                with _noting_failures():
                    return real(connection, *args, **kwargs)

            stub.getresponse = getresponse
        built: type = stub
        return built


@contextmanager
def _aiohttp_told(client: ModuleType, route: Route) -> Iterator[None]:
    """
    Let aiohttp's sessions tell of failures, and ask what is to be sent.

    vcrpy's patch of them is in place; it sends what it was called with.
    """
    session: Any = client.ClientSession
    patched = session._request

    async def _request(client: Any, method: str, url: Any, **kwargs: Any) -> Any:
        token = _in_aiohttp.set(True)
        try:
            with _noting_failures():
                changed = _outgoing(route, method, url, kwargs)
                return await patched(client, method, url, **changed)
        finally:
            _in_aiohttp.reset(token)

    session._request = _request
    try:
        yield
    finally:
        session._request = patched


def _outgoing(route: Route, method: str, url: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Change the body of a request by aiohttp as its tape wants it; bodies in pieces stay."""
    body = kwargs.get("json") or kwargs.get("data")
    if not isinstance(body, dict | list | str | bytes):
        return kwargs
    headers = dict(kwargs.get("headers") or {})
    request = Request(method, str(url), _pairs(headers), _bytes(body))
    tape = route(request)
    sent = tape.outgoing(request) if tape else request
    if sent.body == request.body:
        return kwargs
    headers.setdefault("content-type", "application/json")
    return {**kwargs, "json": None, "data": sent.body, "headers": headers}


_begun: ContextVar[list[Take] | None] = ContextVar("replay_begun", default=None)
_in_aiohttp: ContextVar[bool] = ContextVar("replay_in_aiohttp", default=False)


@contextmanager
def _noting_failures() -> Iterator[None]:
    """File what is being recorded in this context as failed, if an exception passes."""
    takes: list[Take] = []
    token = _begun.set(takes)
    try:
        yield
    except BaseException as error:
        for take in takes:
            take.end(error)
        raise
    finally:
        _begun.reset(token)


class RoutedCassette(Cassette):  # type: ignore[misc]
    """What vcrpy's stubs take for a cassette: it asks, per request, which tape is meant."""

    def __init__(self, route: Route, skipped: tuple[str, ...]) -> None:
        super().__init__(path="replay", record_mode=RecordMode.NEW_EPISODES, skip_patchers=skipped)
        self._route = route

    @property
    def write_protected(self) -> bool:
        """Never: a miss is raised while asking, so vcrpy is free to send what gets past that."""
        return False

    def filter_request(self, request: VcrRequest) -> VcrRequest | None:
        """Keep the request as it is; none if no tape wants it: its answer stays a stream."""
        return None if _state(request).passes else request

    def can_play_response_for(self, request: VcrRequest) -> bool:
        """Take the recorded answer, if there is one, and hold it until it is asked for."""
        if _state(request).played or _state(request).take:
            return _state(request).played is not None
        sent = model_request(request)
        tape = self._route(sent)
        state = _state(request)
        if tape is None or tape.ignores(sent.url):
            if tape and not tape.records:
                raise ConnectionRefusedError(f"{sent.url} is not reached under replay")
            state.passes = True
            return False
        made = sent
        if (changed := tape.outgoing(sent)) != sent:
            sent = changed
            request.body = sent.body
            request.headers.update(sent.headers)
        state.played = tape.answer(sent)
        state.tape = tape
        if state.played is None:
            state.take = tape.take(sent)
            state.take.origin = VcrRequest(
                request.method, request.uri, request.body, dict(request.headers)
            )
            if (begun := _begun.get()) is not None:
                begun.append(state.take)
            _rewrite(request, made, tape.on_the_wire(sent))
        return state.played is not None

    def find_requests_with_most_matches(self, request: VcrRequest) -> list[tuple[Any, ...]]:
        """Find what aiohttp's stub asks for to follow a recorded redirect: the request itself."""
        return [(request, [], [])]

    def play_response(self, request: VcrRequest) -> dict[str, Any]:
        """Give the answer that `can_play_response_for` took."""
        state = _state(request)
        assert state.played is not None
        assert state.tape is not None
        state.tape.ended(state.played)
        return _vcr_response(state.played)

    def append(self, request: VcrRequest, response: dict[str, Any]) -> None:
        """Record what the real server answered."""
        take = _state(request).take or self._late_take(request)
        if take is None:
            return
        status = response["status"]
        take.answered(status["code"], _str(status["message"] or ""), _pairs(response["headers"]))
        take.chunk((response.get("body") or {}).get("string") or b"")
        take.end()

    def _late_take(self, request: VcrRequest) -> Take | None:
        """Follow redirects that the client took by itself: vcrpy tells of each step afterwards."""
        sent = model_request(request)
        for take in _begun.get() or ():
            if not take.is_answered and take.request.url == sent.url:
                return take
        tape = self._route(sent)
        return tape.take(sent) if tape and tape.records and not tape.ignores(sent.url) else None


def _rewrite(request: VcrRequest, made: Request, outgoing: Request) -> None:
    """Change what vcrpy's connections are about to send, *made* otherwise; aiohttp's has it."""
    if outgoing == made:
        return
    if _in_aiohttp.get():
        raise NotRewritten(str(made), "aiohttp")
    outgoing = signed_again(outgoing)
    request.uri, request.body = outgoing.url, outgoing.body
    request.headers = dict(outgoing.headers)


class _State:
    """What is known of one request between vcrpy's calls."""

    __slots__ = ("passes", "played", "take", "tape")

    def __init__(self) -> None:
        self.passes = False
        self.played: Interaction | None = None
        self.take: Take | None = None
        self.tape: Tape | None = None


def _state(request: VcrRequest) -> _State:
    state: _State | None = getattr(request, "_replay_state", None)
    if state is None:
        state = request._replay_state = _State()
    return state


def model_request(request: VcrRequest) -> Request:
    """Read vcrpy's request as ours."""
    return Request(request.method, request.uri, _pairs(request.headers), _bytes(request.body))


def vcr_response(played: dict[str, Any]) -> Response:
    """Read vcrpy's response as ours."""
    if "status_code" in played:  # vcrpy's httpx stub before 6
        code = played["status_code"]
        status = {"code": code, "message": http.client.responses.get(code)}
        body = played["content"]
    else:
        status = played["status"]
        body = (played.get("body") or {}).get("string")
    headers = _pairs(played["headers"])
    return decoded(Response(status["code"], status["message"] or "", headers, _bytes(body)))


def _bytes(body: Any) -> bytes:
    """Read what a client may pass as a body: aiohttp hands over the object behind `json=`."""
    if body is None:
        return b""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict | list):
        return json.dumps(body).encode()
    if hasattr(body, "read"):
        return _bytes(body.read())
    return b"".join(_bytes(part) for part in body)


def _pairs(headers: Any) -> Headers:
    items = headers.items() if hasattr(headers, "items") else headers
    found: list[tuple[str, str]] = []
    for name, values in items:
        for value in [values] if isinstance(values, str | bytes) else values:
            found.append((_str(name), _str(value)))
    return tuple(found)


def _str(value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return _UNDECODED.sub(lambda sign: chr(ord(sign[0]) - 0xDC00), text)


def _vcr_response(interaction: Interaction) -> dict[str, Any]:
    response = interaction.response
    if response is None:
        raise _error(interaction.failure or Failure("builtins.ConnectionError"))
    return vcr_form(response)


def vcr_form(response: Response) -> dict[str, Any]:
    """Write our response as vcrpy's."""
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": grouped(response.headers),
        "body": {"string": response.body},
    }


def _error(failure: Failure) -> Exception:
    """
    Make the recorded exception again, of its own class as far as this process knows it.

    Nothing is imported: a cassette must not choose what runs.
    """
    module, _, name = failure.kind.rpartition(".")
    known = getattr(sys.modules.get(module), name, None)
    base = known if isinstance(known, type) and issubclass(known, Exception) else ConnectionError
    said = {
        "__str__": lambda _: failure.message,
        "__repr__": lambda _: f"{base.__name__}({failure.message!r})",
    }
    again: Any = type(base.__name__, (base,), said)
    again.__module__ = base.__module__
    error: Exception = again.__new__(again)
    error.args = (failure.message,)
    return error


@contextmanager
def _window_closed() -> Iterator[None]:
    """
    Keep vcrpy from unpatching live classes while it opens a connection.

    It does so because http.client's classes find their base by a module global that vcrpy replaces;
    as we leave http.client alone, there is nothing to put back.
    """
    real = vcr.patch.force_reset
    originals = (http.client.HTTPConnection, http.client.HTTPSConnection)

    def force_reset() -> AbstractContextManager[None]:
        now = (http.client.HTTPConnection, http.client.HTTPSConnection)
        reset: AbstractContextManager[None] = nullcontext() if now == originals else real()
        return reset

    vcr.patch.force_reset = force_reset
    try:
        yield
    finally:
        vcr.patch.force_reset = real
