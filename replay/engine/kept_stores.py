"""The stores that a service's writing thread keeps open, and what in them is left to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from replay.episodes.store import Store
from replay.errors import Damaged, ReplayError

Place: TypeAlias = tuple[Path, str]
"""A store: its file, and whose episodes are meant."""


class KeptStores:
    """Open stores by their places; for one thread."""

    def __init__(self) -> None:
        self._kept: dict[Place, _Kept] = {}

    @property
    def are_behind(self) -> bool:
        """Whether something in one of them may be unread."""
        return any(kept.reading for kept in self._kept.values())

    def attempt(self, place: Place, write: Callable[[Store], None]) -> Exception | None:
        """Try to *write*; gives what went wrong, if so, and lets go of a store that is no good."""
        try:
            write(self._store(place))
        except Exception as error:  # noqa: BLE001 - the thread serves the other runs too
            if isinstance(error, Damaged) or not isinstance(error, ReplayError):
                self._let_go(place)
            return error
        return None

    def leave_unread(self, place: Place) -> None:
        """Hear that something was written there without being read."""
        if kept := self._kept.get(place):
            kept.reading = kept.reading or kept.store.catch_up()

    def catch_up(self) -> None:
        """Read a few of the recordings that were written unread; what fails, another will read."""
        for place, kept in list(self._kept.items()):
            if kept.file != _file(place[0]):
                self._let_go(place)  # a new one is begun by who has something to write
            elif kept.reading:
                self.attempt(place, kept.catch_up)

    def close(self) -> None:
        """Close them; what is written later opens them again."""
        for place in list(self._kept):
            self._let_go(place)

    def _store(self, place: Place) -> Store:
        """Open the store at *place*, anew if its file was moved away."""
        kept = self._kept.get(place)
        if kept is None or kept.file != _file(place[0]):
            self._let_go(place)
            path, tenant = place
            store = Store(path, tenant=tenant)
            kept = self._kept[place] = _Kept(store, _file(path), store.catch_up())
        return kept.store

    def _let_go(self, place: Place) -> None:
        if kept := self._kept.pop(place, None):
            kept.store.close()


@dataclass(slots=True)
class _Kept:
    """
    An open store, which file it is, and the *reading* of what is there unread, until that is done.

    At first, another process may have left some.
    """

    store: Store
    file: tuple[int, int] | None
    reading: Iterator[int] | None

    def catch_up(self, _store: Store) -> None:
        """Read some more; not again, where that fails."""
        reading, self.reading = self.reading, None
        if reading and next(reading, None) is not None:
            self.reading = reading


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
