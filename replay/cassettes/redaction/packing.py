"""Bodies as text: taken out of what they are packed in, and packed again when they were edited."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Protocol, TypeVar

from replay.canonical import header
from replay.cassettes.coding import decoded, with_length
from replay.cassettes.edits import Moved
from replay.cassettes.eventstream import MEDIA, RECORD, framed, messages
from replay.cassettes.limits import MEBIBYTE, TooMuch
from replay.model import Chunk, Headers, Request, Response

Half = TypeVar("Half", bound=Request | Response)
Packed = tuple[bytes, list[list[Moved]]]
"""A body, and step by step what moved in it."""

GZIP = b"\x1f\x8b"

_LARGEST = 64 * MEBIBYTE
"""Bytes that are unpacked; what has more is taken as it is."""

_LAYERS = 3
"""How often one is unpacked; there are gzip files that hold themselves."""

_CODING = "content-encoding"
_LENGTH = len(_CODING)
_IDENTITY = ("", "identity")
_DIGESTS = frozenset({"content-md5", "digest", "content-digest", "repr-digest"})


class Body(Protocol):
    """A body whose *text* can be edited."""

    @property
    def text(self) -> str:
        """What it says; bytes that are no UTF-8 are in it as `surrogateescape` puts them."""

    def packed(self, text: str, steps: list[list[Moved]], /) -> Packed:
        """Make a body of the edited *text*; *steps* are what the edits moved."""


def opened(body: bytes, media: str, depth: int = 0) -> Body:
    """Take the text out of *body*, which its headers say is *media*."""
    if depth < _LAYERS and body[:2] == GZIP and (plain := _unzipped(body)):
        return _Zipped(len(body), opened(plain, media, depth + 1))
    if MEDIA in media and (found := _Messages(body)).text:
        return found
    return _Plain(body)


def media_of(half: Request | Response) -> str:
    """Tell what a body is; what is plainly JSON is JSON, whatever its header says."""
    return "" if half.body[:1] in (b"{", b"[") else header(half.headers, "content-type").lower()


def without_coding(half: Half) -> Half:
    """Take the content coding off the body of *half*, if it has one that we know."""
    codings = [v for k, v in half.headers if len(k) == _LENGTH and k.lower() == _CODING]
    if not half.body or not codings or codings[0].lower() in _IDENTITY:
        return half
    try:
        plain = _decoded(Response(0, headers=half.headers, body=half.body, chunks=_chunks(half)))
    except TooMuch:
        return half
    if isinstance(half, Response):
        return replace(half, headers=plain.headers, body=plain.body, chunks=plain.chunks)
    return replace(half, headers=plain.headers, body=plain.body)


def fitting(headers: Headers, body: bytes) -> Headers:
    """Let *headers* speak of *body*: of its length, and not of a digest of what it was."""
    kept = [pair for pair in headers if not _is_digest(pair[0].lower())]
    return with_length(tuple(kept), len(body))


class _Plain:
    def __init__(self, body: bytes) -> None:
        self.text = body.decode("utf-8", "surrogateescape")

    def packed(self, text: str, steps: list[list[Moved]], /) -> Packed:
        return text.encode("utf-8", "surrogateescape"), steps


class _Zipped:
    """A body that is a gzip file: no header says it is coded, so it has to stay one."""

    def __init__(self, size: int, inner: Body) -> None:
        self.text = inner.text
        self._size, self._inner = size, inner

    def packed(self, text: str, steps: list[list[Moved]], /) -> Packed:
        body = gzip.compress(self._inner.packed(text, steps)[0], mtime=0)
        return body, [[(0, self._size, len(body))]]


class _Messages:
    """The messages of a binary event stream, one behind the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._messages = messages(body)
        self.text = RECORD.join(message.says for message in self._messages)

    def packed(self, text: str, _steps: Sequence[object], /) -> Packed:
        pieces: list[bytes] = []
        moved: list[Moved] = []
        for message, says in zip(self._messages, text.split(RECORD), strict=True):
            start, stop = message.span
            if says == message.says:
                pieces.append(self._body[start:stop])
            else:
                pieces.append(framed(message, says))
                moved.append((start, stop, len(pieces[-1])))
        return b"".join(pieces), [moved]


def _decoded(response: Response) -> Response:
    """Decode chunk by chunk, or, where that fails, the whole, which then came with the last one."""
    plain, chunks = decoded(response, limit=_LARGEST), response.chunks
    whole = (
        decoded(replace(response, chunks=()), limit=_LARGEST)
        if plain.body == response.body
        else plain
    )
    if whole.body == plain.body or not chunks:
        return plain
    last = Chunk(len(whole.body), chunks[-1].at)
    return replace(whole, chunks=(*(Chunk(0, chunk.at) for chunk in chunks[:-1]), last))


def _chunks(half: Request | Response) -> tuple[Chunk, ...]:
    return half.chunks if isinstance(half, Response) else ()


def _unzipped(body: bytes) -> bytes | None:
    try:
        with gzip.GzipFile(fileobj=BytesIO(body)) as file:
            plain = file.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return plain if len(plain) <= _LARGEST else None


def _is_digest(name: str) -> bool:
    return name in _DIGESTS or name.startswith("x-amz-checksum-")
