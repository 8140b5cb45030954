"""
The compiled form of a cassette, so that a suite does not parse the same YAML twice.

It lies under the digest of the cassette's bytes, is made of JSON, numbers and the bodies as they
are, and is checked before it is used: deleting it, or all of them, is always safe. Nothing in it is
code. But it is what is played instead of the cassette, so the folder is the user's own and not the
project's: nobody can send one along.

    golden-replay compiled 2 little\\n, which is the format and the machine's order of bytes
    a checksum of all that follows: 4 bytes, big-endian
    the size of what is JSON, and of each column of numbers: 4 bytes each, in the machine's order
    the JSON, the columns, the bodies of the requests, those of the responses
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from replay.atomic import write_atomic
from replay.canonical import header
from replay.cassettes.reading import CassetteFile
from replay.errors import NotSaved
from replay.model import Chunk, Failure, Interaction, Request, Response

FORMAT = 2
"""To be raised whenever the same cassette would be read otherwise than before."""

WORTH_IT = 16_384
"""Bytes of a cassette from which on the compiled form is faster than reading it."""

KEPT = 1_000
"""Compiled forms in one folder; of more, the half that was not written for longest is deleted."""

_NO_ANSWER = Response(-1)
_MAGIC = f"golden-replay compiled {FORMAT} {sys.byteorder}\n".encode()
_CHECKSUM = struct.Struct(">I")
_COLUMNS = {
    "methods": "I",
    "urls": "I",
    "statuses": "i",
    "reasons": "I",
    "counts": "I",
    "headers": "I",
    "sizes": "I",
    "started": "d",
    "elapsed": "d",
    "pieces": "I",
    "lengths": "I",
    "times": "d",
}
"""The columns of numbers in their order, and what `array` calls their kind."""

_UNTRUE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error)
"""What comes of a file that is not what `_dumped` gave."""

_SIZES = struct.Struct(f"={1 + len(_COLUMNS)}I")


class Compiled:
    """The compiled forms in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, data: bytes) -> CassetteFile | None:
        """Look up the cassette whose bytes are *data*; None if it is not there, whole."""
        try:
            return _loaded(self._path(data).read_bytes())
        except (*_UNTRUE, OSError):
            return None

    def keep(self, data: bytes, cassette: CassetteFile) -> None:
        """Keep what *data* was read as; where that cannot be done, it is read anew next time."""
        if not _is_settled(cassette):
            return
        with suppress(OSError, OverflowError, NotSaved):
            self._prepare()
            write_atomic(self._path(data), _dumped(cassette), durable=False)

    def forget(self, data: bytes) -> None:
        """Delete the compiled form of *data*, which holds what was to be taken out of it."""
        self._path(data).unlink(missing_ok=True)

    def _path(self, data: bytes) -> Path:
        return self.folder / f"{sha256(data).hexdigest()}.v{FORMAT}"

    def _prepare(self) -> None:
        """Make the folder, and do not let it grow for ever."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = list(self.folder.glob("*.v*"))
        if len(there) > KEPT:
            for path in sorted(there, key=lambda p: p.stat().st_mtime)[: KEPT // 2]:
                path.unlink(missing_ok=True)


def cache_folder() -> Path | None:
    """Find where compiled forms belong: in the cache of this user, who may have no home."""
    from platformdirs import user_cache_path

    try:
        return user_cache_path("golden-replay", appauthor=False) / "compiled"
    except RuntimeError:
        return None


def _is_settled(cassette: CassetteFile) -> bool:
    """Whether it is read the same everywhere: a coding is undone only if its library is there."""
    responses = (i.response for i in cassette.interactions if i.response)
    return not any(header(response.headers, "content-encoding") for response in responses)


class _Table:
    """Distinct values, each with a number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        found = self._numbers.setdefault(value, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found


def _dumped(cassette: CassetteFile) -> bytes:
    found = cassette.interactions
    requests = [interaction.request for interaction in found]
    answers = [interaction.response or _NO_ANSWER for interaction in found]
    halves: list[Request | Response] = [*requests, *answers]
    chunks = [chunk for answer in answers for chunk in answer.chunks]
    texts, fields = _Table(), _Table()
    columns: dict[str, Iterable[float]] = {
        "methods": [texts.number(request.method) for request in requests],
        "urls": [texts.number(request.url) for request in requests],
        "statuses": [answer.status for answer in answers],
        "reasons": [texts.number(answer.reason) for answer in answers],
        "counts": [len(half.headers) for half in halves],
        "headers": [fields.number(field) for half in halves for field in half.headers],
        "sizes": [len(half.body) for half in halves],
        "started": [interaction.started for interaction in found],
        "elapsed": [interaction.elapsed for interaction in found],
        "pieces": [len(answer.chunks) for answer in answers],
        "lengths": [chunk.size for chunk in chunks],
        "times": [chunk.at for chunk in chunks],
    }
    failures = {i: interaction.failure for i, interaction in enumerate(found)}
    index = {
        "form": cassette.form,
        "began": cassette.began and cassette.began.isoformat(),
        "healed": cassette.healed,
        "texts": texts.values,
        "fields": fields.values,
        "failures": {i: [f.kind, f.message] for i, f in failures.items() if f},
    }
    parts = [json.dumps(index, separators=(",", ":")).encode()]
    parts += [array(kind, columns[name]).tobytes() for name, kind in _COLUMNS.items()]
    rest = b"".join([_SIZES.pack(*map(len, parts)), *parts, *(half.body for half in halves)])
    return _MAGIC + _CHECKSUM.pack(zlib.crc32(rest)) + rest


def _loaded(compiled: bytes) -> CassetteFile:
    """Read what `_dumped` gave; raise `ValueError` and its like when it is not that, whole."""
    start = len(_MAGIC) + _CHECKSUM.size
    checksum = zlib.crc32(memoryview(compiled)[start:])
    if compiled[:start] != _MAGIC + _CHECKSUM.pack(checksum):
        raise ValueError("not a compiled cassette, or not whole")
    sizes = _SIZES.unpack_from(compiled, start)
    head, *spans = _spans(sizes, start + _SIZES.size)
    index = json.loads(compiled[slice(*head)])
    column = {
        name: array(kind, compiled[slice(*span)])
        for (name, kind), span in zip(_COLUMNS.items(), spans, strict=True)
    }
    text, count = index["texts"].__getitem__, len(column["methods"])
    pairs = list(map(tuple, index["fields"]))
    fields = [pairs[number] for number in column["headers"]]
    headers = [tuple(fields[a:b]) for a, b in _spans(column["counts"], 0)]
    bodies = [compiled[a:b] for a, b in _spans(column["sizes"], spans[-1][1])]
    requests = map(
        Request, map(text, column["methods"]), map(text, column["urls"]), headers, bodies
    )
    reasons = map(text, column["reasons"])
    chunks = list(map(Chunk, column["lengths"], column["times"]))
    pieces = [tuple(chunks[a:b]) for a, b in _spans(column["pieces"], 0)]
    answers: list[Response | None] = list(
        map(Response, column["statuses"], reasons, headers[count:], bodies[count:], pieces)
    )
    failures: list[Failure | None] = [None] * count
    for key, failure in index["failures"].items():
        failures[int(key)] = Failure(*failure)
        if column["statuses"][int(key)] == _NO_ANSWER.status:
            answers[int(key)] = None
    times = column["started"], column["elapsed"]
    found = tuple(map(Interaction, requests, answers, failures, *times))
    began = index["began"] and datetime.fromisoformat(index["began"])
    return CassetteFile(index["form"], found, began, tuple(index["healed"]))


def _spans(sizes: Iterable[int], start: int) -> list[tuple[int, int]]:
    return list(pairwise(accumulate(sizes, initial=start)))
