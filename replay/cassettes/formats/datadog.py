"""Datadog's test agent: a JSON file an exchange, bodies that are not text behind `base64:`."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

_MARK = "base64:"


def datadog(value: Any) -> list[Any] | None:
    """Read the one exchange; its headers are bare text by design, one value each."""
    if not isinstance(value, dict) or not {"request", "response"} <= value.keys():
        return None
    return [{name: _half(value[name]) for name in ("request", "response")}]


def _half(half: Any) -> Any:
    headers = {name: [value] for name, value in (half.get("headers") or {}).items()}
    return half | {"headers": headers, "body": {"string": _body(half.get("body") or "")}}


def _body(text: Any) -> Any:
    return b64decode(text.removeprefix(_MARK)) if str(text).startswith(_MARK) else text
