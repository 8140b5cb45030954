"""cassetter: `version: 1` like vcrpy's, with a bare status and bodies by type."""

from __future__ import annotations

from typing import Any

from replay.cassettes.formats.vcrpy import vcrpy_1
from replay.spelling import respelled


def cassetter(value: Any) -> list[Any] | None:
    """Read HTTP interactions; those of gRPC and WebSockets stand elsewhere in the file."""
    found = vcrpy_1(value)
    if not found or not all(_is_its(item) for item in found):
        return None
    return [
        item | {name: item[name] | {"body": _body(item[name]["body"])} for name in _HALVES}
        for item in found
    ]


_HALVES = ("request", "response")


def _is_its(item: Any) -> bool:
    return isinstance(item, dict) and all(
        isinstance(item.get(name), dict)
        and isinstance(item[name].get("body"), dict)
        and "type" in item[name]["body"]
        for name in _HALVES
    )


def _body(body: Any) -> Any:
    content = body.get("content")
    if body["type"] == "json":
        return {"string": respelled(content, "compact")}
    if body["type"] == "binary":
        return {"string": bytes.fromhex(content)}
    return {"string": content or ""}
