"""
Bodies in pieces: each message of a conversation is kept once, however often it is sent.

An agent sends its whole history with every call. A JSON body is cut behind every long value of its
top level, and behind every long element of the arrays there (`messages`, `input`, `contents`,
`tools`): what two bodies have in common becomes the same pieces. The text is cut, not rewritten, so
that the pieces put together are the body, byte for byte, however it is spelled.
"""

from __future__ import annotations

import json
import re
import zlib

from replay.cassettes.limits import MEBIBYTE

_WORTH_CUTTING = 1024
"""Bytes below which a body stays whole: its pieces would take more than they save."""

_SHORTEST = 96
"""Characters below which a value is no piece of its own."""

_WORTH_PACKING = 120
MOST = 256 * MEBIBYTE
"""Bytes that are cut or packed; what is larger stays as it is, so that neither can be a bomb."""

_PAYS = 0.9
"""A packed form is kept when it takes less than this part of the plain one."""

_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\r\n]*").match


def cut(body: bytes) -> list[bytes]:
    """
    Cut *body* into pieces that other bodies are likely to share; put together they are *body*.

    What is no JSON object or array, or a short one, is one piece.
    """
    if not _WORTH_CUTTING <= len(body) <= MOST or body[:1] not in (b"{", b"["):
        return [body]
    ends: list[int] = []
    try:
        text = body.decode()
        _walk(text, 0, 1, ends)
    except (ValueError, IndexError, RecursionError):
        return [body]
    starts = [0, *ends]
    pieces = [text[start:end].encode() for start, end in zip(starts, [*ends, None], strict=True)]
    return [piece for piece in pieces if piece]


def pack(data: bytes) -> tuple[str, bytes]:
    """
    Compress *data* where it pays; gives the form, `plain` or `zlib`, and the bytes.

    zlib, because the standard library of every Python has it: a store has to open anywhere.
    """
    if _WORTH_PACKING <= len(data) <= MOST:
        packed = zlib.compress(data, 6)
        if len(packed) < _PAYS * len(data):
            return "zlib", packed
    return "plain", data


def unpack(form: str, data: bytes) -> bytes:
    """Undo `pack`; raise ValueError where *data* is not what it gave."""
    if form == "plain":
        return data
    if form != "zlib":
        raise ValueError(f"it is of the form {form!r}, which is none")
    packed = zlib.decompressobj()
    try:
        found = packed.decompress(data, MOST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not packed.eof:
        raise ValueError("it is cut off, or larger than any that is written")
    return found


def _walk(text: str, at: int, deep: int, ends: list[int]) -> int:
    """Note the *ends* of the long values in the object or array at *at*; gives its own end."""
    named = text[at] == "{"
    at = _past(text, at + 1)
    while text[at] not in "}]":
        if named:
            at = _past(text, _past(text, _decode(text, at)[1]) + 1)
        start = at
        if deep and text[at] == "[":
            at = _walk(text, at, deep - 1, ends)
        else:
            at = _decode(text, at)[1]
            if at - start >= _SHORTEST:
                ends.append(at)
        at = _past(text, at)
        if text[at] == ",":
            at = _past(text, at + 1)
    return at + 1


def _past(text: str, at: int) -> int:
    found = _space(text, at)
    return found.end() if found else at
