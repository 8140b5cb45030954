"""How values are spelled: the usual forms of JSON, and bytes where only JSON can stand."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

from replay.model import Json

SPELLINGS: dict[str, dict[str, Any]] = {
    "compact": {"separators": (",", ":"), "ensure_ascii": False},
    "spaced": {"separators": (", ", ": "), "ensure_ascii": True},
    "compact-ascii": {"separators": (",", ":"), "ensure_ascii": True},
    "spaced-utf8": {"separators": (", ", ": "), "ensure_ascii": False},
    "indented": {"indent": 2, "ensure_ascii": False},
}
"""How the usual clients and servers spell JSON: httpx, requests, orjson, …"""

_ENCODERS = {name: json.JSONEncoder(**options) for name, options in SPELLINGS.items()}


def respelled(value: Json, spelling: str) -> bytes:
    """
    Write *value* in one of the known spellings.

    >>> respelled({"a": [1, "é"]}, "spaced")
    b'{"a": [1, "\\\\u00e9"]}'
    """
    return _ENCODERS[spelling].encode(value).encode("utf-8", "surrogatepass")


def bytes_as_json(data: bytes) -> Json:
    """
    Write *data* as text, or in base64 where it is none; `json_as_bytes` gives it back.

    >>> bytes_as_json(b"a"), bytes_as_json(b"\\xff")
    ('a', {'base64': '/w=='})
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def json_as_bytes(value: Json) -> bytes:
    """Read what `bytes_as_json` wrote."""
    return value.encode() if isinstance(value, str) else b64decode(value["base64"])


def spelling_of(body: bytes, value: Json) -> str:
    """
    Name the spelling in which *value* gives *body*, byte for byte; empty when none does.

    >>> spelling_of(b'{"a":1}', {"a": 1}), spelling_of(b'{"a" : 1}', {"a": 1})
    ('compact', '')
    """
    try:
        return next((name for name in SPELLINGS if respelled(value, name) == body), "")
    except RecursionError:
        return ""
