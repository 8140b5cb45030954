"""aiohttp: its answers are teed while recording, and replayed piece by piece."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any
from unittest import mock

from aiohttp import ClientResponse, ClientSession, RequestInfo, StreamReader
from vcr.stubs.aiohttp_stubs import MockClientResponse, vcr_request

from replay.cassettes.tape import Take, pause_async
from replay.cassettes.vcr_bridge import (
    Route,
    RoutedCassette,
    Stream,
    answered,
    begun,
    in_aiohttp,
    in_bytes,
    in_pairs,
    noting,
    raised_again,
)
from replay.model import Request

_SHORT = 2**16
"""Bytes of an answer, told beforehand, that are recorded whether they are read or not."""


def aiohttp_patched(cassette: RoutedCassette, real: Any) -> AbstractContextManager[Any]:
    """Put vcrpy's patch of sessions in place, within ours; *real* is what they send by."""
    patched = vcr_request(cassette, _recorded(cassette, real))

    async def _request(client: Any, method: str, url: Any, **kwargs: Any) -> Any:
        token = in_aiohttp.set(True)
        try:
            with noting() as asked:
                changed = _outgoing(cassette.route, method, url, kwargs)
                response = await patched(client, method, url, **changed)
        finally:
            in_aiohttp.reset(token)
        if asked and (stream := asked[-1].stream()):
            _play(response, stream)
        return response

    return mock.patch.object(ClientSession, "_request", _request)


def _recorded(cassette: RoutedCassette, real: Any) -> Any:
    """Have what *real* sends recorded: the answer, and each redirection that it followed."""

    async def _request(*args: Any, **kwargs: Any) -> Any:
        response = await real(*args, **kwargs)
        take = begun()
        for step, following in pairwise((*response.history, response)):
            if take:
                answered(take, step.status, step.reason, step.headers)
                take.end()
                take = cassette.late_take(_followed(following.request_info))
        if take:
            await _tee(response, take)
        return response

    return _request


def _followed(info: RequestInfo) -> Request:
    """Give the request that aiohttp made of a redirection."""
    return Request(info.method, str(info.url), in_pairs(info.headers))


def _outgoing(route: Route, method: str, url: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Change the body of a request as its tape wants it; bodies in pieces stay."""
    body = kwargs.get("json") or kwargs.get("data")
    if not isinstance(body, dict | list | str | bytes):
        return kwargs
    headers = dict(kwargs.get("headers") or {})
    request = Request(method, str(url), in_pairs(headers), in_bytes(body))
    tape = route(request)
    sent = tape.outgoing(request) if tape else request
    if sent.body == request.body:
        return kwargs
    headers.setdefault("content-type", "application/json")
    return {**kwargs, "json": None, "data": sent.body, "headers": headers}


async def _tee(response: ClientResponse, take: Take) -> None:
    """Record into *take* what is read of *response*, as it is read; a short one in any case."""
    answered(take, response.status, response.reason, response.headers)
    if response.content.at_eof():
        take.end()
        return
    response.content = body = _Teed(response, take)
    if (response.content_length or _SHORT + 1) > _SHORT:
        return
    try:
        await body.come()
    except asyncio.CancelledError:
        response.close()
        raise
    except Exception:  # noqa: BLE001, S110 - whoever reads it will hear of it
        pass


def _play(response: MockClientResponse, stream: Stream) -> None:
    """Have *response* give *stream*, and no body before that is read."""
    response.__class__ = _PlayedResponse
    response.content = _Played(stream, limit=response.content.get_read_buffer_limits()[0])
    response._body = None


class _Nowhere:
    """A connection that has nothing to hold back."""

    connected = True
    _reading_paused = False

    def pause_reading(self) -> None:
        """Go on."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on."""


class _Pulled(StreamReader):
    """A body that comes when somebody waits for it: all that reads waits by `_wait`."""

    def __init__(self, limit: int) -> None:
        nowhere: Any = _Nowhere()
        super().__init__(nowhere, limit, loop=asyncio.get_running_loop())


class _Teed(_Pulled):
    def __init__(self, response: ClientResponse, take: Take) -> None:
        self._inner = response.content
        super().__init__(self._inner.get_read_buffer_limits()[0])
        self._take = take
        self._is_plain = "content-length" in response.headers
        self._is_within = False
        self._cancelled: BaseException | None = None
        if "chunked" in response.headers.get("transfer-encoding", "").lower():
            self.begin_http_chunk_receiving()

    async def come(self) -> None:
        """Have it here, whole."""
        while not self.is_eof():
            await self._wait("come")

    async def _wait(self, func_name: str) -> None:  # noqa: ARG002 - as aiohttp calls it
        try:
            data, is_whole = await self._inner.readchunk()
        except asyncio.CancelledError as error:
            self._cancelled = error  # whoever waited may come back
            raise
        except RuntimeError:
            raise  # two of them wait at once
        except Exception as error:
            self._take.end(error)
            raise
        self._cancelled = None
        self._take.chunk(data, continues=self._is_plain or self._is_within)
        self.feed_data(data)
        if self._http_chunk_splits is not None:
            self._is_within = not is_whole
            if is_whole:
                self.end_http_chunk_receiving()
        if self._inner.at_eof():
            self._take.end()
            self.feed_eof()

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Hear that the program is done with the response."""
        self._take.left(self._cancelled)
        self._inner.set_exception(exc, *cause)
        super().set_exception(exc, *cause)


class _Played(_Pulled):
    def __init__(self, stream: Stream, limit: int) -> None:
        super().__init__(limit)
        self._pieces, self._failure = stream.pieces, stream.failure
        self._due = next(self._pieces, None)

    async def _wait(self, func_name: str) -> None:  # noqa: ARG002 - as aiohttp calls it
        if self._due:
            gap, data = self._due
            await pause_async(gap)
            self.feed_data(data)
            self._due = next(self._pieces, None)
        elif self._failure:
            if self._failure.is_cancellation:
                await asyncio.Future()
            raise raised_again(self._failure)
        if not (self._due or self._failure):
            self.feed_eof()


class _PlayedResponse(MockClientResponse):  # type: ignore[misc]
    """vcrpy's, whose body is not there before it is read."""

    _body: bytes | None

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await self.content.read()
        return self._body

    async def text(self, *args: Any, **kwargs: Any) -> str:
        await self.read()
        text: str = await super().text(*args, **kwargs)
        return text

    async def json(self, **kwargs: Any) -> Any:
        await self.read()
        return await super().json(**kwargs)
