"""JSON paths (RFC 9535): where they point in a value, and how such a place is spoken of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replay.errors import BadSetting
from replay.model import Json


def locations(path: str, value: Json) -> Iterator[tuple[str | int, ...]]:
    """
    List the keys and indexes that lead to each value that *path* points at; `$.` may be left out.

    >>> list(locations("a[*].b", {"a": [{"b": 1}, {}, {"b": 2}]}))
    [('a', 0, 'b'), ('a', 2, 'b')]

    Raises:
        BadSetting: *path* is no JSON path.

    """
    import jsonpath

    if not isinstance(value, dict | list):
        return  # the library would take a text for a document to be parsed
    whole = path if path.startswith("$") else f"$.{path}"
    try:
        yield from (tuple(match.parts) for match in jsonpath.finditer(whole, value))
    except jsonpath.JSONPathError as error:
        raise BadSetting("JSON path", path, f"a path as in RFC 9535; {error}") from error


def path_text(path: Sequence[str | int]) -> str:
    """
    Spell *path* as it is spoken of.

    >>> path_text(("choices", 0, "delta"))
    'choices[0].delta'
    """
    text = "".join([f"[{part}]" if isinstance(part, int) else f".{part}" for part in path])
    return text.removeprefix(".")
