"""Edits of a body: pieces replaced by others, and chunk boundaries that go along."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from replay.model import Chunk

Edit = tuple[int, int, str]
"""From where to where, in characters, and what stands there then."""

Moved = tuple[int, int, int]
"""From where to where, in bytes, and how many bytes are there then."""


def edited(text: str, edits: Iterable[Edit]) -> tuple[str, list[Moved]]:
    """Make *edits*, which do not overlap; text was decoded with `surrogateescape`."""
    parts: list[str] = []
    moved: list[Moved] = []
    end = size = 0
    for start, stop, new in sorted(edits):
        parts += (text[end:start], new)
        begun = size + byte_size(text[end:start])
        size = begun + byte_size(text[start:stop])
        moved.append((begun, size, byte_size(new)))
        end = stop
    return "".join([*parts, text[end:]]), moved


def carried(chunks: Sequence[Chunk], moved: Sequence[Moved]) -> tuple[Chunk, ...]:
    """
    Carry chunk boundaries over; one inside of what was replaced moves behind what replaces it.

    >>> carried([Chunk(4, 0.1), Chunk(6, 0.2)], [(2, 8, 3)])
    (Chunk(size=5, at=0.1), Chunk(size=2, at=0.2))
    """
    starts = [start for start, _, _ in moved]
    grown = [0]
    for start, stop, size in moved:
        grown.append(grown[-1] + size - (stop - start))
    edges, edge = [0], 0
    for chunk in chunks:
        edge += chunk.size
        before = bisect_left(starts, edge)
        inside = max(moved[before - 1][1] - edge, 0) if before else 0
        edges.append(edge + inside + grown[before])
    sizes = [b - a for a, b in pairwise(edges)]
    return tuple(Chunk(size, chunk.at) for size, chunk in zip(sizes, chunks, strict=True))


def byte_size(text: str) -> int:
    """Count the bytes of *text*, where `surrogateescape` may have made half characters of some."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass")) - 2 * len(_ESCAPED.findall(text))


_ESCAPED = re.compile("[\udc80-\udcff]")
