"""Content codings: bodies are kept decoded, so that a person can read and a filter can see them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from replay.cassettes.limits import BODY_BYTES, TooMuch
from replay.model import Chunk, Headers, Response

Decoder = Callable[[bytes], bytes]
Said = Callable[[str], None]

_STEP = 256
"""Bytes fed to a decoder at once where the result is limited: zstd makes 8 MB of them at most."""

_STEP_OF_BROTLI = 16
"""Brotli makes some 16 MB of ten bytes."""


def unsaid(_: str) -> None:
    """Keep what was healed to itself."""


def decoded(response: Response, *, limit: int | None = None, said: Said = unsaid) -> Response:
    """
    Take the content coding off *response*; every chunk stays the chunk it was.

    A coding that was left in the headers of a body stored decoded is dropped, and a length that
    does not fit is corrected: both make real clients fail, and *said* is told. An unknown coding
    is kept as it is.

    Raises:
        TooMuch: the body has more than *limit* bytes; a compressed one is not unpacked further.

    """
    coding = length = ""
    for name, value in response.headers:
        if len(name) in _LENGTHS:
            lower = name.lower()
            if lower == "content-encoding":
                coding = coding or value.strip().lower()
            elif lower == "content-length":
                length = length or value
    stored = len(response.body)
    if limit is not None and stored > limit:
        raise TooMuch("its bodies are larger", BODY_BYTES)
    if coding and coding != "identity":
        response = _without_coding(response, coding, limit, said)
    if not length or not response.body or length == str(len(response.body)):
        return response
    if length != str(stored):
        said(f"content-length was {length}, the body has {stored} bytes")
    return replace(response, headers=with_length(response.headers, len(response.body)))


def with_length(headers: Headers, length: int) -> Headers:
    """Let the content-length, where there is one, be *length*."""
    return tuple(
        (key, str(length) if key.lower() == "content-length" else value) for key, value in headers
    )


def pieces(body: bytes, chunks: tuple[Chunk, ...]) -> Iterator[tuple[Chunk, bytes]]:
    """Cut *body* at its chunk boundaries; what no chunk accounts for comes as a last piece."""
    start = 0
    for chunk in chunks:
        yield chunk, body[start : start + chunk.size]
        start += chunk.size
    if start < len(body):
        yield Chunk(len(body) - start, chunks[-1].at if chunks else 0.0), body[start:]


_LENGTHS = (len("content-encoding"), len("content-length"))
_MAGIC = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


def _without_coding(response: Response, coding: str, limit: int | None, said: Said) -> Response:
    plain = replace(response, headers=_without(response.headers, "content-encoding"))
    if not response.body:
        return plain
    magic, decode = _MAGIC.get(coding, b""), _decoder(coding)
    if not response.body.startswith(magic) or (decode is None and _is_text(response.body)):
        said(f"content-encoding {coding} was left on a body that is stored decoded")
        return plain
    if decode is None:
        return response
    if limit is not None:
        decode = _limited(decode, limit, _STEP_OF_BROTLI if coding == "br" else _STEP)
    cut = list(pieces(response.body, response.chunks or (Chunk(len(response.body), 0.0),)))
    try:
        bodies = [decode(piece) for _, piece in cut]
    except TooMuch:
        raise
    except Exception:  # noqa: BLE001 - each coding has its own error class
        if magic:
            return response
        said(f"content-encoding {coding} was left on a body that is stored decoded")
        return plain
    chunks = tuple(Chunk(len(b), chunk.at) for (chunk, _), b in zip(cut, bodies, strict=True))
    return replace(plain, body=b"".join(bodies), chunks=chunks if response.chunks else ())


def _is_text(body: bytes) -> bool:
    try:
        return body.decode().isprintable() or body.lstrip()[:1] in (b"{", b"[", b"<")
    except UnicodeDecodeError:
        return False


def _limited(decode: Decoder, limit: int, size: int) -> Decoder:
    """Feed *decode* by steps of *size*, and stop once *limit* bytes have come out of it."""
    left = limit

    def step(piece: bytes) -> bytes:
        nonlocal left
        found = []
        for start in range(0, len(piece), size):
            found.append(decode(piece[start : start + size]))
            left -= len(found[-1])
            if left < 0:
                raise TooMuch("its bodies are larger", BODY_BYTES)
        return b"".join(found)

    return step


def _decoder(coding: str) -> Decoder | None:
    if coding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress
    if coding == "deflate":
        return zlib.decompressobj().decompress
    if coding == "br":
        return _brotli()
    if coding == "zstd":
        return _zstd()
    return None


def _brotli() -> Decoder | None:
    try:
        import brotli
    except ImportError:
        return None
    process: Decoder = brotli.Decompressor().process
    return process


def _zstd() -> Decoder | None:
    try:
        import zstandard
    except ImportError:
        return None
    decompress: Decoder = zstandard.ZstdDecompressor().decompressobj().decompress
    return decompress


def _without(headers: Headers, name: str) -> Headers:
    return tuple((key, value) for key, value in headers if key.lower() != name)
