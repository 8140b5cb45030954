"""The hook for httpx and httpx2: streams are teed while recording, and replayed chunk by chunk."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from replay.cassettes.signing import signed_again
from replay.cassettes.tape import Take, Tape, pause, pause_async
from replay.model import Failure, Interaction, Request

Route = Callable[[Request], Tape | None]


@contextmanager
def httpx_patched(http: ModuleType, route: Route) -> Iterator[None]:
    """Put the hook into the network transports of *http*, which is httpx or httpx2."""
    streams = _streams(http)
    with ExitStack() as stack:
        for owner, attribute, hook in (
            (http.HTTPTransport, "handle_request", _sync_hook),
            (http.AsyncHTTPTransport, "handle_async_request", _async_hook),
        ):
            original = getattr(owner, attribute)
            setattr(owner, attribute, hook(http, streams, original, route))
            stack.callback(setattr, owner, attribute, original)
        yield


def _sync_hook(http: Any, streams: _Streams, real: Any, route: Route) -> Any:
    def handle_request(transport: Any, request: Any) -> Any:
        request.read()
        made = _sent(request)
        tape = route(made)
        if tape is None or _bypassed(http, tape, request):
            return real(transport, request)
        sent = tape.outgoing(made)
        if recorded := tape.answer(sent):
            return _played(http, streams, tape, recorded, request)
        take = tape.take(sent)
        try:
            response = real(transport, _on_the_wire(http, request, made, tape.on_the_wire(sent)))
        except BaseException as error:
            take.end(error)
            raise
        return _teed(response, streams.sync_tee, take)

    return handle_request


def _async_hook(http: Any, streams: _Streams, real: Any, route: Route) -> Any:
    async def handle_async_request(transport: Any, request: Any) -> Any:
        await request.aread()
        made = _sent(request)
        tape = route(made)
        if tape is None or _bypassed(http, tape, request):
            return await real(transport, request)
        sent = tape.outgoing(made)
        if recorded := tape.answer(sent):
            await _cancelled_again(recorded)
            return _played(http, streams, tape, recorded, request)
        take = tape.take(sent)
        try:
            response = await real(
                transport, _on_the_wire(http, request, made, tape.on_the_wire(sent))
            )
        except BaseException as error:
            take.end(error)
            raise
        return _teed(response, streams.async_tee, take)

    return handle_async_request


def _sent(request: Any) -> Request:
    return Request(request.method, str(request.url), _headers(request.headers), request.content)


def _on_the_wire(http: Any, request: Any, made: Request, out: Request) -> Any:
    """Give the program's *request*, which *made* tells of, unless what is to go *out* differs."""
    if out == made:
        return request
    out = signed_again(out)
    return http.Request(
        out.method,
        out.url,
        headers=list(out.headers),
        content=out.body,
        extensions=request.extensions,
    )


def _headers(headers: Any) -> tuple[tuple[str, str], ...]:
    return tuple(headers.multi_items())


def _bypassed(http: Any, tape: Tape, request: Any) -> bool:
    """Let telemetry through while recording; while replaying it meets a host that is down."""
    if not tape.ignores(str(request.url)):
        return False
    if not tape.records:
        raise http.ConnectError(f"{request.url.host} is not reached under replay", request=request)
    return True


def _teed(response: Any, tee: Any, take: Take) -> Any:
    take.answered(response.status_code, response.reason_phrase, _headers(response.headers))
    response.stream = tee(response.stream, take)
    return response


def _played(http: Any, streams: _Streams, tape: Tape, recorded: Interaction, request: Any) -> Any:
    response = recorded.response
    if response is None:
        tape.ended(recorded)
        raise _error(http, recorded.failure or Failure(""), request)
    return http.Response(
        response.status,
        headers=list(response.headers),
        stream=streams.playback(tape, recorded, request),
        extensions={
            "reason_phrase": response.reason.encode("ascii", "ignore"),
            "http_version": b"HTTP/1.1",
        },
        request=request,
    )


async def _cancelled_again(recorded: Interaction) -> None:
    """Wait for the cancellation that ended the recorded request."""
    if recorded.failure and recorded.failure.is_cancellation:
        await asyncio.Future()


def _error(http: Any, failure: Failure, request: Any) -> Exception:
    """Raise again what was raised while recording, in the words of the module that asks."""
    found: Any = getattr(http, failure.kind.rpartition(".")[2], None)
    if not (isinstance(found, type) and issubclass(found, http.RequestError)):
        found = http.TransportError
    error: Exception = found(failure.message, request=request)
    return error


@functools.cache
def _streams(http: ModuleType) -> _Streams:
    return _Streams(http)


class _Streams:
    """The response streams, built on the base classes of one httpx module."""

    def __init__(self, http: Any) -> None:
        class SyncTee(http.SyncByteStream):  # type: ignore[misc]
            def __init__(self, inner: Any, take: Take) -> None:
                self._inner, self._take = inner, take

            def __iter__(self) -> Iterator[bytes]:
                try:
                    for data in self._inner:
                        self._take.chunk(data)
                        yield data
                except GeneratorExit:
                    raise
                except BaseException as error:
                    self._take.end(error)
                    raise
                self._take.end()

            def close(self) -> None:
                try:
                    self._inner.close()
                finally:
                    self._take.end()

        class AsyncTee(http.AsyncByteStream):  # type: ignore[misc]
            def __init__(self, inner: Any, take: Take) -> None:
                self._inner, self._take = inner, take

            async def __aiter__(self) -> AsyncIterator[bytes]:
                try:
                    async for data in self._inner:
                        self._take.chunk(data)
                        yield data
                except GeneratorExit:
                    raise
                except BaseException as error:
                    self._take.end(error)
                    raise
                self._take.end()

            async def aclose(self) -> None:
                try:
                    await self._inner.aclose()
                finally:
                    self._take.end()

        class Playback(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
            def __init__(self, tape: Tape, recorded: Interaction, request: Any) -> None:
                self._tape, self._recorded, self._request = tape, recorded, request
                self._ended = False

            def __iter__(self) -> Iterator[bytes]:
                for gap, data in self._pieces():
                    pause(gap)
                    yield data
                self._finish()

            async def __aiter__(self) -> AsyncIterator[bytes]:
                for gap, data in self._pieces():
                    await pause_async(gap)
                    yield data
                self._finish()

            def _pieces(self) -> Iterator[tuple[float, bytes]]:
                assert self._recorded.response is not None
                return self._tape.pieces(self._recorded.response)

            def _finish(self) -> None:
                self.close()
                if self._recorded.failure:
                    raise _error(http, self._recorded.failure, self._request)

            def close(self) -> None:
                if not self._ended:
                    self._ended = True
                    self._tape.ended(self._recorded)

            async def aclose(self) -> None:
                self.close()

        self.sync_tee = SyncTee
        self.async_tee = AsyncTee
        self.playback = Playback
