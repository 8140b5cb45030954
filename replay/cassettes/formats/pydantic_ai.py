"""pydantic-ai: vcrpy's format v1, with JSON bodies stored as trees under `parsed_body`."""

from __future__ import annotations

from typing import Any

from replay.cassettes.formats.vcrpy import vcrpy_1
from replay.spelling import SPELLINGS, respelled

_KEY = "parsed_body"


def pydantic_ai(value: Any) -> list[Any] | None:
    """
    Put the text back that each tree was parsed from.

    It is spelled as its length was recorded, or else as pydantic-ai's own reader spells it.
    """
    found = vcrpy_1(value)
    if found is None or not any(_has_tree(item) for item in found):
        return None
    return [_with_text(item) if _has_tree(item) else item for item in found]


def _has_tree(item: Any) -> bool:
    return isinstance(item, dict) and any(
        isinstance(half, dict) and _KEY in half for half in item.values()
    )


def _with_text(item: Any) -> Any:
    return item | {
        name: half | {"body": _text(half)}
        for name, half in item.items()
        if isinstance(half, dict) and _KEY in half
    }


def _text(half: Any) -> Any:
    tree = half[_KEY]
    if tree is None:
        return half.get("body")
    spelled = [respelled(tree, spelling) for spelling in ("spaced", *SPELLINGS)]
    length = _length(half.get("headers") or {})
    return {"string": next((text for text in spelled if len(text) == length), spelled[0])}


def _length(headers: Any) -> int:
    for name, values in headers.items():
        value = values[0] if isinstance(values, list) and values else values
        if name.lower() == "content-length" and str(value).isdecimal():
            return int(value)
    return -1
