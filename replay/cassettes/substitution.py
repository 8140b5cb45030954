"""Replacing text in a body whose chunk boundaries have to stay where they were."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from replay.model import Chunk, Response

Replacement = Callable[[re.Match[bytes]], bytes]


def substituted(response: Response, pattern: re.Pattern[bytes], new: Replacement) -> Response:
    """
    Replace every match of *pattern* in the body.

    A chunk boundary inside a match moves behind its replacement, which so stands in one chunk.
    """
    found = [(match.start(), match.end(), new(match)) for match in pattern.finditer(response.body)]
    if not found:
        return response
    parts, end = [], 0
    for start, stop, text in found:
        parts += [response.body[end:start], text]
        end = stop
    body = b"".join([*parts, response.body[end:]])
    return replace(response, body=body, chunks=_moved(response.chunks, found))


def _moved(chunks: tuple[Chunk, ...], found: list[tuple[int, int, bytes]]) -> tuple[Chunk, ...]:
    starts = [start for start, _, _ in found]
    grown = [0]
    for start, stop, text in found:
        grown.append(grown[-1] + len(text) - (stop - start))
    edges, edge = [0], 0
    for chunk in chunks:
        edge += chunk.size
        before = bisect_left(starts, edge)
        inside = max(found[before - 1][1] - edge, 0) if before else 0
        edges.append(edge + inside + grown[before])
    sizes = [b - a for a, b in pairwise(edges)]
    return tuple(Chunk(size, chunk.at) for size, chunk in zip(sizes, chunks, strict=True))
