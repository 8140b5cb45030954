"""The recorded request that is nearest to one that has no answer: what a miss is explained by."""

from __future__ import annotations

from replay.canonical import canonical_url
from replay.cassettes.index import Index
from replay.cassettes.matching import Matcher, change_of
from replay.model import Closest, Request


def closest(
    sent: Request, index: Index, matcher: Matcher, *, elsewhere: bool = False
) -> Closest | None:
    """
    Rank what was recorded for the address of *sent* by the fields, then the text, it shares.

    With *elsewhere*, for the same path of any host: a base URL that is not set as it was.
    """
    wanted = matcher.fields(sent)
    best: tuple[bool, int, bool, int, int] | None = None
    for place, request in enumerate(index.requests):
        if not _same_address(request, sent, elsewhere=elsewhere):
            continue
        there = matcher.fields(request)
        alike = sum(there.get(path) == value for path, value in wanted.items())
        waiting = place not in index.taken
        text = _shared(request.body, sent.body)
        candidate = (waiting or there == wanted, alike, waiting, text, -place)
        best = max(best, candidate) if best else candidate
    if best is None:
        return None
    place = -best[-1]
    found = matcher.differences(index.requests[place], sent)
    return Closest(place + 1, found, place in index.taken, change_of(found) if found else ())


def _shared(one: bytes, other: bytes) -> int:
    """Count the bytes that two texts begin and end with alike."""
    return _prefix(one, other) + _prefix(one[::-1], other[::-1])


def _prefix(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:  # by halves: comparing slices is fast, stepping through bytes is not
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _same_address(recorded: Request, sent: Request, *, elsewhere: bool) -> bool:
    """Whether both go to one URL, query (and with *elsewhere* host) aside, with one method."""
    urls = [canonical_url(request.url).partition("?")[0] for request in (recorded, sent)]
    if elsewhere:
        urls = [url.partition("://")[2].partition("/")[2] for url in urls]
    return urls[0] == urls[1] and recorded.method.upper() == sent.method.upper()
