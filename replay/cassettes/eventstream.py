"""
Amazon's binary event streams (`vnd.amazon.eventstream`): messages taken out and put back.

Each message is a prelude (lengths of the whole and of the headers, and their CRC-32), the headers,
the payload, and the CRC-32 of all before it:
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import binascii
import re
import struct
from base64 import b64decode, b64encode
from dataclasses import dataclass

MEDIA = "vnd.amazon.eventstream"

RECORD = "\x1e"
"""What stands between the messages, where they are put as text."""

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_WRAPPED = re.compile(
    rb'(?<="bytes":")(?!")(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?=")'
)


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message, at *span* of the body: *headers*, *payload*, and what the payload *says*.

    Some payloads are JSON that holds the actual event in base64; then they say the event. What
    follows the last whole message has no headers, and says itself.
    """

    span: tuple[int, int]
    headers: bytes | None
    payload: bytes
    says: str


def messages(body: bytes) -> list[Message]:
    """Cut *body* into its messages; none if it is no event stream, or cannot be put as text."""
    found: list[Message] = []
    start = 0
    while start < len(body) and (message := _message(body, start)):
        found.append(message)
        start = message.span[1]
    if found and start < len(body):
        rest = body[start:]
        found.append(Message((start, len(body)), None, rest, _text(rest)))
    return [] if any(RECORD in message.says for message in found) else found


def framed(message: Message, says: str) -> bytes:
    """Frame *message* again, with something else to say."""
    data = says.encode("utf-8", "surrogateescape")
    if message.headers is None:
        return data
    payload = data
    if wrapped := _WRAPPED.search(message.payload):
        start, stop = wrapped.span()
        payload = message.payload[:start] + b64encode(data) + message.payload[stop:]
    size = _PRELUDE.size + len(message.headers) + len(payload) + _CRC.size
    lengths = struct.pack(">II", size, len(message.headers))
    whole = lengths + _CRC.pack(binascii.crc32(lengths)) + message.headers + payload
    return whole + _CRC.pack(binascii.crc32(whole))


def _message(body: bytes, start: int) -> Message | None:
    if len(body) - start < _PRELUDE.size + _CRC.size:
        return None
    size, headers, crc = _PRELUDE.unpack_from(body, start)
    stop = start + size
    if crc != binascii.crc32(body[start : start + 8]) or stop > len(body):
        return None
    begin = start + _PRELUDE.size
    if begin + headers + _CRC.size > stop:
        return None
    payload = body[begin + headers : stop - _CRC.size]
    wrapped = _WRAPPED.search(payload)
    said = b64decode(wrapped[0]) if wrapped else payload
    return Message((start, stop), body[begin : begin + headers], payload, _text(said))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
