"""Telling, when a run has ended, what went past its recording."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from replay.cassettes.guard import not_recorded, watched
from replay.cassettes.tape import Tape

_log = logging.getLogger("replay")


@contextmanager
def telling(tape: Tape, tell: Callable[[str], None]) -> Iterator[None]:
    """Call *tell* at the end with each address that was reached past *tape*."""
    with watched(tape) as watch:
        try:
            yield
        finally:
            for address in watch.seen:
                tell(address)


@lru_cache(maxsize=1_000)
def log_once(address: str) -> None:
    """Log it; only once in a process, for a service reaches the same addresses all day."""
    _log.warning("%s", not_recorded(address))
