"""Edits that a fuzzer chooses by bytes: values where they do not belong, in a good file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from replay.model import Json

ODD: tuple[Json, ...] = (
    *(None, True, 0, -1, 1.5, 10**20, 10**400, float("inf"), float("nan")),
    *("", "x", "\ud800", "\0", "http://[", "//[0]", "a\r\nb: c", "[", "5", '["a"]', '{"a": 1}'),
    *("compact", "chunks", "2026-01-01", "9999-12-31T23:59:59+00:00", "2026-99-99"),
    *([], {}, [[]], [{}], [["a"]], [["a", 5]], [["a", "b"]], {"base64": 5}, {"base64": "x"}),
    *({"string": 5}, {"intValue": "x"}, {"<lines>": 5}, json.loads("[" * 150 + "]" * 150)),
)
"""What a program in any language might write by mistake, and a stranger on purpose."""


def edited(value: Json, data: bytes) -> Json:
    """Copy *value*; every three bytes of *data* change one place in it, or delete that."""
    made = json.loads(json.dumps(value))
    for at in range(0, len(data) - 2, 3):
        places = list(_places(made))
        if not places:
            return made
        holder, key = places[int.from_bytes(data[at : at + 2], "big") % len(places)]
        choice = data[at + 2] % (len(ODD) + 1)
        if choice == len(ODD):
            del holder[key]
        else:
            holder[key] = json.loads(json.dumps(ODD[choice]))
    return made


def _places(value: Json) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
