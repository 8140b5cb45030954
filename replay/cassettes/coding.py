"""Content codings: bodies are kept decoded, so that a person can read and a filter can see them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from replay.canonical import header
from replay.model import Chunk, Headers, Response

Decoder = Callable[[bytes], bytes]


def decoded(response: Response) -> Response:
    """
    Take the content coding off *response*; every chunk stays the chunk it was.

    A coding that was left in the headers of a body stored decoded is dropped, and a length that
    does not fit is corrected: both make real clients fail. An unknown coding is kept as it is.
    """
    coding = header(response.headers, "content-encoding").strip().lower()
    if coding and coding != "identity":
        response = _without_coding(response, coding)
    return replace(response, headers=_with_length(response))


def pieces(body: bytes, chunks: tuple[Chunk, ...]) -> Iterator[tuple[Chunk, bytes]]:
    """Cut *body* at its chunk boundaries; what no chunk accounts for comes as a last piece."""
    start = 0
    for chunk in chunks:
        yield chunk, body[start : start + chunk.size]
        start += chunk.size
    if start < len(body):
        yield Chunk(len(body) - start, chunks[-1].at if chunks else 0.0), body[start:]


def _without_coding(response: Response, coding: str) -> Response:
    plain = replace(response, headers=_without(response.headers, "content-encoding"))
    if not response.body:
        return plain
    decode = _decoder(coding)
    if decode is None:
        return response
    cut = list(pieces(response.body, response.chunks or (Chunk(len(response.body), 0.0),)))
    try:
        bodies = [decode(piece) for _, piece in cut]
    except Exception:  # noqa: BLE001 - each coding has its own error class
        return response if _looks_coded(response.body, coding) else plain
    chunks = tuple(Chunk(len(b), chunk.at) for (chunk, _), b in zip(cut, bodies, strict=True))
    return replace(plain, body=b"".join(bodies), chunks=chunks if response.chunks else ())


def _looks_coded(body: bytes, coding: str) -> bool:
    magic = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
    return body.startswith(magic.get(coding, b"\0never"))


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


def _with_length(response: Response) -> Headers:
    length = str(len(response.body))
    return tuple(
        (key, length if key.lower() == "content-length" and response.body else value)
        for key, value in response.headers
    )
