"""What the fuzzer begins with: an example of each form, and the words that its readers know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from replay.cassettes.yaml_v1 import END, item
from replay.model import Chunk, Failure, Interaction, Request, Response
from tests.planting import planted

ROOT = Path(__file__).parent.parent
_SEEDS = 12

WORDS = (
    *("interactions", "request", "response", "version", "body", "string", "headers", "status"),
    *("code", "message", "uri", "url", "method", "status_code", "content", "parsed_body", "replay"),
    *("http_interactions", "base64_string", "encoding", "scope", "path", "reply", "rawHeaders"),
    *("began", "started", "elapsed", "chunks", "failure", "kind", "type", "json", "binary"),
    *("!!binary |", "!!python/tuple", "!!int", "!!float", "&a", "*a", "<<: *a", "? ", "- ", "|2-"),
    *("{}", "[]", ".inf", ".nan", "0x", "1:1", "1e999", "null", "~", "'", '\\"', "\\\\ud800"),
    *("data: ", "event: ", "\\x0d\\x0a", "\\x1e", "\\x00\\x00", "<secret:x:1>", "Bearer "),
    *("choices", "delta", "messages", "model", "usage", "candidates", "parts", "output", "text"),
    *("tool_calls", "function", "arguments", "input", "system", "error", "bytes", "index", "role"),
    *("call", "sent", "received", "manifest", "recording", "ended", "answer", "at", "text"),
    *('name=\\\\"', "boundary", "api_key", "password", "-----BEGIN PRIVATE KEY-----", "://a:b@"),
)


def dictionary() -> str:
    """Spell the words as libFuzzer reads them."""
    return "".join(f'"{word}"\n' for word in dict.fromkeys(WORDS) if word.count('"') != 1)


def seeds(target: str) -> Iterator[bytes]:
    """Give a few inputs that get far into *target*."""
    yield from _SOURCES.get(target, _bodies)()


def _cassettes() -> Iterator[bytes]:
    for path in sorted((ROOT / "cassettes").glob("*.yaml")):
        text = path.read_text()
        yield text[:4000].encode()
    call = {"request": {"method": "get", "uri": "http://x/", "headers": {}, "body": None}}
    answer = {"status": {"code": 200, "message": "OK"}, "headers": {"a": ["b"]}, "body": {}}
    whole = call | {"response": answer}
    forms = (
        {"version": 1, "interactions": [whole]},
        [whole],
        {"http_interactions": [whole]},
        {"requests": [call["request"]], "responses": [answer]},
        [{"scope": "http://x:80", "path": "/", "response": {"a": 1}, "rawHeaders": ["a", "b"]}],
        {"request": call["request"], "response": {"status": 200, "headers": {"a": "b"}}},
        {"interactions": [{**whole, "response": answer | {"code": 200, "status": "200 OK"}}]},
        {"interactions": [{**whole, "request": call["request"] | {"parsed_body": {"a": [1]}}}]},
    )
    yield from (json.dumps(form).encode() for form in forms)


def _items() -> Iterator[bytes]:
    request = Request("POST", "http://x/v1?a=b", (("a", "b"), ("c", "d: e")), b'{"a": [1, 2]}')
    stream = Response(200, "OK", (), b"data: 1\r\n\r\ndata: 2\r\n\r\n", (Chunk(11, 0.1),) * 2)
    for response, failure in ((stream, None), (None, Failure("a.B", "no: 'x'")), (stream, None)):
        text = item(Interaction(request, response, failure, 0.5, 1.25))
        assert END not in text
        yield text.encode()
    yield item(Interaction(request, Response(200, "", (), b"\xff\x00"))).encode()
    yield from (
        _STOCK % written for written in (b"'a  b\n\n        c'", b'"\\xE9\\\n        \\  \\_"')
    )


_STOCK = b"""\
- request:
    body: null
    headers:
      a:
      - b
    method: GET
    uri: http://x/
  response:
    body:
      string: %s
    headers: {}
    status:
      code: 200
      message: OK
"""


def _bundles() -> Iterator[bytes]:
    for path in sorted((ROOT / "episodes").glob("*.jsonl")):
        lines = path.read_text().split("\n")
        few = [*lines[:25], lines[-3]]
        yield "\n".join(few).encode()


def _bodies() -> Iterator[bytes]:
    random = Random(7)
    for number in range(_SEEDS):
        interaction = planted(random).interaction
        assert interaction.response
        yield (
            bytes([number])
            + interaction.request.body[:1500]
            + b"\0\0"
            + interaction.response.body[:2000]
        )


def _edits() -> Iterator[bytes]:
    for number in range(_SEEDS):
        yield bytes([number, 7, number, 2 * number])


_SOURCES = {
    "cassette": _cassettes,
    "yaml": _cassettes,
    "quick": _items,
    "episode": _bundles,
    **dict.fromkeys(("forged", "recorded", "stored", "golden"), _edits),
}
