"""What vcrpy's stubs take for a cassette, and their requests and answers in our words."""

from __future__ import annotations

import http.client
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import replay.cassettes.vcr_patch  # noqa: F401 - before anything else loads vcrpy

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

_UNDECODED = re.compile("[\udc80-\udcff]")
"""Bytes of a header that are no UTF-8, as aiohttp gives them; no file could hold them so."""


in_aiohttp: ContextVar[bool] = ContextVar("replay_in_aiohttp", default=False)
_asked: ContextVar[list[Asked] | None] = ContextVar("replay_asked", default=None)


@contextmanager
def noting() -> Iterator[list[Asked]]:
    """List what is asked in this context; what has no answer when an exception passes failed."""
    requests: list[Asked] = []
    token = _asked.set(requests)
    try:
        yield requests
    except BaseException as error:
        for asked in requests:
            if asked.take and not asked.take.is_answered:
                asked.take.end(error)
        raise
    finally:
        _asked.reset(token)


def begun() -> Take | None:
    """Give what is being recorded of the last request in this context."""
    asked = _asked.get()
    return asked[-1].take if asked else None


class Asked:
    """What is known of one request between vcrpy's calls."""

    __slots__ = ("passes", "played", "take", "tape")

    def __init__(self) -> None:
        self.passes = False
        self.played: Interaction | None = None
        self.take: Take | None = None
        self.tape: Tape | None = None

    def stream(self) -> Stream | None:
        """Give the pieces of a played answer, and what broke it; None for one that is whole."""
        if not (self.tape and self.played and self.played.response):
            return None
        response, failure = self.played.response, self.played.failure
        if len(response.chunks) < 2 and not failure:
            return None
        return Stream(self.tape.pieces(response), failure)


@dataclass(frozen=True, slots=True)
class Stream:
    """A played answer that comes piece by piece, each after a gap, and breaks by a *failure*."""

    pieces: Iterator[tuple[float, bytes]]
    failure: Failure | None


class RoutedCassette(Cassette):  # type: ignore[misc]
    """What vcrpy's stubs take for a cassette: it asks, per request, which tape is meant."""

    def __init__(self, route: Route, skipped: tuple[str, ...]) -> None:
        super().__init__(path="replay", record_mode=RecordMode.NEW_EPISODES, skip_patchers=skipped)
        self.route = route

    @property
    def write_protected(self) -> bool:
        """Never: a miss is raised while asking, so vcrpy is free to send what gets past that."""
        return False

    def filter_request(self, request: VcrRequest) -> VcrRequest | None:
        """Keep the request as it is; none if no tape wants it, or its answer is teed."""
        return None if asked_of(request).passes or in_aiohttp.get() else request

    def can_play_response_for(self, request: VcrRequest) -> bool:
        """Take the recorded answer, if there is one, and hold it until it is asked for."""
        state = asked_of(request)
        if state.played or state.take:
            return state.played is not None
        sent = model_request(request)
        tape = self.route(sent)
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
        if (noted := _asked.get()) is not None:
            noted.append(state)
        if state.played is None:
            state.take = tape.take(sent)
            state.take.origin = VcrRequest(
                request.method, request.uri, request.body, dict(request.headers)
            )
            _rewrite(request, made, tape.on_the_wire(sent))
        return state.played is not None

    def find_requests_with_most_matches(self, request: VcrRequest) -> list[tuple[Any, ...]]:
        """Find what aiohttp's stub asks for to follow a recorded redirect: the request itself."""
        return [(request, [], [])]

    def play_response(self, request: VcrRequest) -> dict[str, Any]:
        """Give the answer that `can_play_response_for` took."""
        state = asked_of(request)
        assert state.played is not None
        assert state.tape is not None
        state.tape.ended(state.played)
        return _vcr_response(state.played)

    def append(self, request: VcrRequest, response: dict[str, Any]) -> None:
        """Record what the real server answered."""
        take = asked_of(request).take or self.late_take(model_request(request))
        if take is None:
            return
        status = response["status"]
        answered(take, status["code"], status["message"], response["headers"])
        take.chunk((response.get("body") or {}).get("string") or b"")
        take.end()

    def late_take(self, sent: Request) -> Take | None:
        """Follow redirects that the client took by itself: it tells of each step afterwards."""
        for asked in _asked.get() or ():
            if asked.take and not asked.take.is_answered and asked.take.request.url == sent.url:
                return asked.take
        tape = self.route(sent)
        return tape.take(sent) if tape and tape.records and not tape.ignores(sent.url) else None


def _rewrite(request: VcrRequest, made: Request, outgoing: Request) -> None:
    """Change what vcrpy's connections are about to send, *made* otherwise; aiohttp's has it."""
    if outgoing == made:
        return
    if in_aiohttp.get():
        raise NotRewritten(str(made), "aiohttp")
    outgoing = signed_again(outgoing)
    request.uri, request.body = outgoing.url, outgoing.body
    request.headers = dict(outgoing.headers)


def asked_of(request: VcrRequest) -> Asked:
    """Give what is known of *request*."""
    asked: Asked | None = getattr(request, "_replay_asked", None)
    if asked is None:
        asked = request._replay_asked = Asked()
    return asked


def answered(take: Take, status: int, reason: str | None, headers: Any) -> None:
    """Note the head of an answer in the words of a client."""
    take.answered(status, _str(reason or ""), in_pairs(headers))


def model_request(request: VcrRequest) -> Request:
    """Read vcrpy's request as ours."""
    return Request(request.method, request.uri, in_pairs(request.headers), in_bytes(request.body))


def vcr_response(played: dict[str, Any]) -> Response:
    """Read vcrpy's response as ours."""
    if "status_code" in played:  # vcrpy's httpx stub before 6
        code = played["status_code"]
        status = {"code": code, "message": http.client.responses.get(code)}
        body = played["content"]
    else:
        status = played["status"]
        body = (played.get("body") or {}).get("string")
    headers = in_pairs(played["headers"])
    return decoded(Response(status["code"], status["message"] or "", headers, in_bytes(body)))


def in_bytes(body: Any) -> bytes:
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
        return in_bytes(body.read())
    return b"".join(in_bytes(part) for part in body)


def in_pairs(headers: Any) -> Headers:
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
        raise raised_again(interaction.failure or Failure("builtins.ConnectionError"))
    return vcr_form(response)


def vcr_form(response: Response) -> dict[str, Any]:
    """Write our response as vcrpy's."""
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": grouped(response.headers),
        "body": {"string": response.body},
    }


def raised_again(failure: Failure) -> Exception:
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
