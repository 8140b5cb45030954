"""nock, for Node.js: a JSON list of definitions with `scope`, `method`, `path` and `response`."""

from __future__ import annotations

import re
from typing import Any

from replay.spelling import respelled

_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_HEADERS = "reqheaders", "rawHeaders", "headers"


def nock(value: Any) -> list[Any] | None:
    """Read what nock's recorder gives as objects, and what `nock.back` keeps in a fixture."""
    if not isinstance(value, list) or not value or not all(map(_is_definition, value)):
        return None
    return [_exchange(item) for item in value]


def _is_definition(item: Any) -> bool:
    return isinstance(item, dict) and {"scope", "path", "response"} <= item.keys()


def _exchange(item: Any) -> Any:
    asked, raw, answered = (item.get(name) or {} for name in _HEADERS)
    headers = _pairs(raw) or _pairs(answered)
    coded = any(name.lower() == "content-encoding" for name, _ in headers)
    return {
        "request": {
            "method": item.get("method", "GET"),
            "uri": _url(item),
            "headers": _pairs(asked),
            "body": {"string": _bytes(item.get("body"))},
        },
        "response": {
            "status": int(item.get("reply") or item.get("status") or 200),
            "headers": headers,
            "body": {"string": _answer(item, coded)},
        },
    }


def _url(item: Any) -> str:
    port = f":{item['port']}" if "port" in item else ""
    scope = item["scope"]
    return f"{scope if scope.endswith(port) else scope + port}{item['path']}"


def _pairs(headers: Any) -> list[tuple[Any, list[Any]]]:
    """Read a mapping, or names and values taking turns."""
    if isinstance(headers, dict):
        turns = list(headers.items())
    else:
        turns = list(zip(headers[::2], headers[1::2], strict=True))
    return [(name, value if isinstance(value, list) else [value]) for name, value in turns]


def _answer(item: Any, coded: bool) -> bytes:
    body = item["response"]
    if item.get("responseIsBinary"):
        return bytes.fromhex(body)
    if coded and isinstance(body, list) and all(map(_is_hex, body)):
        return b"".join(map(bytes.fromhex, body))
    return _bytes(body)


def _is_hex(piece: Any) -> bool:
    return isinstance(piece, str) and bool(_HEX.fullmatch(piece))


def _bytes(body: Any) -> bytes:
    """Spell what nock has parsed as JavaScript does."""
    if body is None or isinstance(body, str):
        return (body or "").encode("utf-8", "surrogatepass")
    return respelled(body, "compact")
