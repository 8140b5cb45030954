"""langchain: requests and responses as two lists, in YAML, usually packed by gzip."""

from __future__ import annotations

from typing import Any


def langchain(value: Any) -> list[Any] | None:
    """Pair the lists."""
    if not isinstance(value, dict):
        return None
    requests, responses = value.get("requests"), value.get("responses")
    if not isinstance(requests, list) or not isinstance(responses, list):
        return None
    pairs = zip(requests, responses, strict=True)
    return [{"request": request, "response": response} for request, response in pairs]
