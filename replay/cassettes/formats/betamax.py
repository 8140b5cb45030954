"""betamax, and Ruby's VCR that it is modelled on: `http_interactions`, binary bodies in base64."""

from __future__ import annotations

from base64 import b64decode
from typing import Any


def betamax(value: Any) -> list[Any] | None:
    """Read both; of the bodies, those that are not text are in base64."""
    if not isinstance(value, dict) or not isinstance(value.get("http_interactions"), list):
        return None
    return [
        item | {name: item[name] | {"body": _body(item[name])} for name in ("request", "response")}
        for item in value["http_interactions"]
    ]


def _body(half: Any) -> Any:
    body = half.get("body")
    if not isinstance(body, dict):
        return {"string": body or ""}
    if "base64_string" in body:
        return {"string": b64decode(body["base64_string"])}
    encoding = body.get("encoding") or "utf-8"
    text = body.get("string") or ""
    try:
        return {"string": text.encode(encoding)}
    except (LookupError, UnicodeEncodeError):  # Ruby's ASCII-8BIT, or a charset that was guessed
        return {"string": text}
