"""
The files of vcrpy's cassettes, in vcrpy's own form, written so that nothing gets lost.

What vcrpy is to save is compared with what stands in the file by now: an interaction that is the
same keeps its text, one that vcrpy's filters changed is written as they leave it, and what another
process has added since the file was read stays.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vcr.serialize import deserialize, serialize
from vcr.serializers import jsonserializer, yamlserializer

from replay.atomic import write_atomic
from replay.cassettes.files import locked
from replay.cassettes.reading import read_bytes, read_source
from replay.cassettes.rewriting import spliced
from replay.errors import Damaged

_FRAME = ("interactions:\n", "version: 1\n")
"""What vcrpy's YAML puts around the interactions."""


class SafePersister:
    """
    Where one cassette of vcrpy is saved to, in turns with other processes; *inner* reads it.

    A file that is damaged is an error, not an empty cassette. A cassette that is saved without
    having been loaded is recorded anew, and replaces what is there.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._loaded: str | None = None

    def load_cassette(self, path: str, serializer: Any) -> Any:
        """Read it as *inner* does, which may read others with it."""
        self._loaded = _text(Path(path), serializer)
        return self._inner.load_cassette(path, serializer)

    def save_cassette(self, path: str, content: Any, serializer: Any) -> None:
        """Write it, whole or not at all."""
        file = Path(path)
        with locked(file):
            there = self._there(file, serializer)
            text = self._merged(file, there, serialize(content, _Values), serializer)
            if text != there:
                write_atomic(file, text)

    def _there(self, path: Path, serializer: Any) -> str:
        try:
            return _text(path, serializer)
        except Damaged:
            if self._loaded is None:
                return ""
            raise

    def _merged(self, path: Path, there: str, wanted: Any, serializer: Any) -> str:
        found = _interactions(there, serializer)
        before = found if self._loaded in (None, there) else _interactions(self._loaded, serializer)
        plan = _plan(wanted["interactions"], found, before)
        if there and serializer is yamlserializer:
            source = read_source(path, there.encode())
            texts = [entry if isinstance(entry, int) else _item(entry) for entry in plan]
            if not wanted.get("metadata") and (text := spliced(source, texts)):
                return text
        items = [found[entry] if isinstance(entry, int) else entry for entry in plan]
        written: str = serializer.serialize(wanted | {"interactions": items})
        return written


class _Values:
    """Stands where vcrpy wants a serializer, and gives the values that it would write."""

    @staticmethod
    def serialize(value: Any) -> Any:
        return value


def _text(path: Path, serializer: Any) -> str:
    """Read what stands there, nothing if there is no file; look into what is of a form we know."""
    if not path.is_file() or not path.stat().st_size:
        return ""
    if serializer in (yamlserializer, jsonserializer):
        return read_source(path, read_bytes(path)).text
    return path.read_text("utf-8")


def _interactions(text: str | None, serializer: Any) -> list[Any]:
    """List what vcrpy would write had it only read *text*."""
    if not text:
        return []
    requests, responses, *_ = deserialize(text, serializer)
    found: list[Any] = serialize({"requests": requests, "responses": responses}, _Values)[
        "interactions"
    ]
    return found


def _plan(wanted: Sequence[Any], there: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """
    List what the file is to hold: by its index what stands there, and as a value what is new.

    What stands there and neither is wanted nor was there *before* comes from another process: it
    goes on standing behind what is kept.
    """
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for index, value in enumerate(there):
        waiting[_key(value)].append(index)
    plan = [waiting[key].popleft() if waiting[key := _key(value)] else value for value in wanted]
    kept = {entry for entry in plan if isinstance(entry, int)}
    known = Counter(map(_key, before)) - Counter(_key(there[index]) for index in kept)
    others = []
    for index, value in enumerate(there):
        if index not in kept:
            key = _key(value)
            if known[key]:
                known[key] -= 1
            else:
                others.append(index)
    last = max((place for place, entry in enumerate(plan) if isinstance(entry, int)), default=-1)
    return [*plan[: last + 1], *others, *plan[last + 1 :]]


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=lambda other: [repr(other)])


def _item(value: Any) -> str:
    text: str = yamlserializer.serialize({"interactions": [value], "version": 1})
    return text.removeprefix(_FRAME[0]).removesuffix(_FRAME[1])
