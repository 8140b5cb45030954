"""Looking into JSON that may have any shape: what is not there, or is something else, is empty."""

from __future__ import annotations

import json
import math
from typing import Any

from replay.canonical import parsed_json
from replay.model import Json

_MOST = 10**12


def at(value: Json, *path: str) -> Json:
    """Follow *path* through objects; None where it ends early."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text(value: Json, *path: str) -> str:
    """Read a string."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def count(value: Json, *path: str) -> int:
    """Read a number of something; some providers write it as `28.0`. Nobody has a trillion."""
    found = at(value, *path)
    if type(found) is float and math.isfinite(found):
        found = int(found)
    return found if type(found) is int and 0 < found < _MOST else 0


def objects(value: Json, *path: str) -> list[dict[str, Any]]:
    """Read the objects of a list."""
    found = at(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def members(value: Json, *path: str) -> dict[str, Any]:
    """Read an object."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def first(value: Json, *names: str) -> Json:
    """Read the first member of *names* that says something, for what is spelled in several ways."""
    values = (at(value, name) for name in names)
    return next((found for found in values if found not in (None, "")), None)


def parsed(arguments: Json) -> Json:
    """
    Parse the arguments of a tool call where they are JSON in a string.

    >>> parsed('{"city": "Oslo"}'), parsed('{"city": "Os'), parsed({"city": "Oslo"})
    ({'city': 'Oslo'}, '{"city": "Os', {'city': 'Oslo'})
    """
    if not isinstance(arguments, str):
        return arguments
    try:
        return parsed_json(arguments)
    except ValueError:
        return arguments


def written(value: Json) -> str:
    """Write *value* as it would stand in a prompt: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
