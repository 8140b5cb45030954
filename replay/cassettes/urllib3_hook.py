"""
urllib3, and so requests and botocore: answers are teed while recording, replayed by their pieces.

It asks a connection for an answer, and whether that shall be unread. Who wants it read, as those
do that know of no other, gets it from vcrpy.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vcr.stubs import VCRHTTPResponse

from replay.cassettes.tape import Take, pause
from replay.cassettes.vcr_bridge import Stream, answered, asked_of, noting, raised_again
from replay.cassettes.vcr_patch import vcr

_UNREAD = ("preload_content", "decode_content", "enforce_content_length")
"""What urllib3 says of the answer it wants when it sends a request."""


def told(stub: Any) -> None:
    """Let the connections of *stub*, a class of vcrpy's, tell of failures and of what is read."""
    sends, answers, closes = stub.request, stub.getresponse, stub.close

    def request(connection: Any, *args: Any, **kwargs: Any) -> Any:
        wanted = {option: kwargs[option] for option in _UNREAD if option in kwargs}
        vars(connection)["_replay_wanted"] = wanted
        return sends(connection, *args, **kwargs)

    def getresponse(connection: Any, *args: Any, **kwargs: Any) -> Any:
        wanted = vars(connection).get("_replay_wanted", {})
        with noting():
            if wanted.get("preload_content", True):
                return answers(connection, *args, **kwargs)
            sent = connection._vcr_request
            if connection.cassette.can_play_response_for(sent):
                return _played(answers(connection, *args, **kwargs), asked_of(sent).stream())
            response = _answer(connection, sent, wanted)
            vars(connection)["_replay_answer"] = weakref.ref(response)
            return _teed(response, asked_of(sent).take)

    def close(connection: Any) -> None:
        """Close, unless it is vcrpy at the end of recording, and an answer is still being read."""
        answer = vars(connection).get("_replay_answer", lambda: None)()
        if answer is None or answer.closed or not _is_over(connection):
            closes(connection)

    stub.request, stub.getresponse, stub.close = request, getresponse, close


def _is_over(connection: Any) -> bool:
    return getattr(connection, "_vcr_cassette_exited", False)


def _answer(connection: Any, sent: Any, wanted: dict[str, bool]) -> Any:
    """Send as vcrpy does, and leave the answer unread."""
    real = connection.real_connection
    with vcr.patch.force_reset():
        if deferred := vars(connection).get("_deferred_connect"):
            connection._deferred_connect = None
            real.connect(*deferred[0], **deferred[1])
        url = connection._url(sent.uri)
        real.request(sent.method, url, body=sent.body_bytes, headers=sent.headers, **wanted)
    return real.getresponse()


def _teed(response: Any, take: Take | None) -> Any:
    if take:
        answered(take, response.status, response.reason, response.headers)
        kind: Any = type(response)
        response.__class__ = _teeing(kind)
        response.tells(take)
    return response


@functools.cache
def _teeing(kind: Any) -> Any:
    """Make of *kind*, a response of urllib3's, one that tells a take of what it reads."""

    class Teed(kind):  # type: ignore[misc]
        _connection: Any

        def tells(self, take: Take) -> None:
            self._take = take
            self._continues = False
            self._is_quiet = False
            reader = kind(headers=self.headers, preload_content=False)
            reader._init_decoder()
            self._decoded_for_take = reader._decoder and reader._decoder.decompress

        def _fp_read(self, amt: int | None = None, **options: Any) -> bytes:
            data: bytes = super()._fp_read(amt, **options)
            self._note(data)
            is_cut = bool(self._fp.chunk_left) if self.chunked else len(data) == amt
            self._continues = is_cut or self.length_remaining is not None
            return data

        def _handle_chunk(self, amt: int | None) -> bytes:
            data: bytes = super()._handle_chunk(amt)
            self._note(data)
            self._continues = self.chunk_left is not None
            return data

        def _note(self, data: bytes) -> None:
            if self._decoded_for_take and data:
                try:
                    data = self._decoded_for_take(data)
                except self.DECODER_ERROR_CLASSES:
                    self._decoded_for_take = None  # it is not what its header says
            self._take.chunk(data, continues=self._continues)

        def _update_chunk_length(self) -> None:
            self._is_quiet = True  # what is wrong there, it closes before it says so
            super()._update_chunk_length()
            self._is_quiet = False

        @contextmanager
        def _error_catcher(self) -> Iterator[None]:
            try:
                with super()._error_catcher():
                    yield
            except GeneratorExit:
                raise
            except BaseException as error:
                self._take.end(error)
                raise
            if self.closed:
                self._take.end()

        def close(self) -> None:
            try:
                super().close()
            finally:
                if not self._is_quiet:
                    self._take.left()

        def __del__(self) -> None:
            self._is_quiet = True  # as `left` says
            super().__del__()

        def release_conn(self) -> None:
            if self._pool and self._connection and _is_over(self._connection):
                self._connection.close()
                self._connection = None
                self._pool._put_conn(None)  # its slot; the next one is urllib3's own
            super().release_conn()

    return Teed


def _played(response: Any, stream: Stream | None) -> Any:
    from urllib3 import HTTPHeaderDict

    headers = response.recorded_response["headers"]
    response.headers = HTTPHeaderDict((name, value) for name in headers for value in headers[name])
    if stream:
        response.__class__ = _Played
        response.gives(stream)
    return response


class _Played(VCRHTTPResponse):  # type: ignore[misc]
    """vcrpy's answer, piece by piece where that can be seen."""

    def gives(self, stream: Stream) -> None:
        self._stream = stream
        self._end = 0

    def stream(self, amt: int | None = 2**16, *_: Any, **__: Any) -> Iterator[bytes]:
        while data := self.read1(amt):
            yield data

    def read1(self, amt: int | None = None, **_: Any) -> bytes:
        """Give a piece, once its time has come, or of it as much as is asked for."""
        while (left := self._end - self._content.tell()) <= 0:
            gap, piece = next(self._stream.pieces, (0.0, None))
            if piece is None:
                return self.read(amt)
            pause(gap)
            self._end += len(piece)
        return self.read(left if amt is None or amt < 0 else min(amt, left))

    def read(self, amt: int | None = None, **options: Any) -> bytes:
        data: bytes = super().read(amt, **options)
        if self._stream.failure and (not data or amt is None):
            raise raised_again(self._stream.failure)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
