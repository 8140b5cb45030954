"""Stores over one another: what is not in the upper one is looked up in the lower."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from replay.config import Config
from replay.episodes.bundle import recording_id
from replay.episodes.database import MEMORY
from replay.episodes.folder import bundle_path, find, known, read_bundle, united
from replay.episodes.queries import Filter, Hit, Row
from replay.episodes.store import Incomplete, Store
from replay.errors import (
    Ambiguous,
    BadFilter,
    BadSetting,
    Damaged,
    NoStore,
    OtherEpisode,
    OtherTenant,
    ReplayError,
    UnknownEpisode,
    UnknownRecording,
)
from replay.model import Episode, Recording

_PATIENCE = 3.0
"""Seconds that one who wants to look waits for the store, and for what is unread to be read."""


class Layered(Store):
    """
    A store over another: look-ups fall through to *below*, writes go to *local*.

    An episode that both have is one, with the recordings of both; of two cases of one name, the
    local one is meant.
    """

    def __init__(self, local: Store, below: Store) -> None:
        self.path, self.tenant, self.file = local.path, local.tenant, local.file
        self._below = below

    def close(self) -> None:
        """Close both."""
        super().close()
        self._below.close()

    def of(self, tenant: str) -> Self:
        """Give both as another tenant sees them."""
        other = super().of(tenant)
        other._below = self._below.of(tenant)
        return other

    def ids(self, prefix: str = "") -> list[str]:
        """List the names of the episodes of both."""
        return sorted({*super().ids(prefix), *self._below.ids(prefix)})

    def rows(self, wanted: Filter | None = None) -> list[Row]:
        """List the recordings of both; one that both have stands there twice."""
        return [*self._below.rows(wanted), *super().rows(wanted)]

    def search(self, words: str, wanted: Filter | None = None) -> list[Hit]:
        """Find messages in both."""
        return list(
            dict.fromkeys([*super().search(words, wanted), *self._below.search(words, wanted)])
        )

    def unread(self) -> int:
        """Count what is unread in either."""
        return super().unread() + self._below.unread()

    def incomplete(self) -> list[Incomplete]:
        """List what was begun and not ended in either."""
        return [*self._below.incomplete(), *super().incomplete()]

    def case(self, episode: str) -> Episode | None:
        """Load an episode of either, without its recordings."""
        return super().case(episode) or self._below.case(episode)

    def get(self, episode: str) -> Episode:
        """Load an episode with the recordings of both."""
        try:
            there = self._below.get(episode)
        except (UnknownEpisode, OtherTenant):
            return super().get(episode)
        try:
            own = super().get(episode)
            return united(there, own)
        except (UnknownEpisode, OtherTenant):
            return there
        except OtherEpisode:
            return own

    def add(self, episode: Episode, bundle_digest: str = "", *, read: bool = True) -> int:
        """Add recordings to the local store, those that *below* has left out."""
        there = self._below.case(episode.id)
        if there is None:
            return super().add(episode, bundle_digest, read=read)
        new = _without(episode, self._below.get(episode.id))
        return super().add(new, bundle_digest, read=read)

    def tag(self, episode: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Tag an episode in the local store, whose it becomes if it was not."""
        there = self._below.case(episode)
        if there is not None and super().case(episode) is None:
            super().add(there)
        super().tag(episode, add, remove)


def _without(episode: Episode, there: Episode) -> Episode:
    """Leave out what is there; raise `OtherEpisode` when it is another case."""
    both = united(there, episode)
    names = {recording_id(recording) for recording in there.recordings}
    new = tuple(r for r in both.recordings if recording_id(r) not in names)
    return replace(episode, recordings=new)


def open_store(config: Config, *, writable: bool = True) -> Store:
    """
    Open the store of the project, over the shared one if there is one.

    Raises:
        BadSetting: the shared store is not there.

    """
    local = Store(config.path(config.store), tenant=config.tenant, writable=writable)
    if config.shared == Path():
        return local
    path = config.path(config.shared)
    if not path.is_file():
        local.close()
        raise BadSetting("tool.replay.shared", str(config.shared), "the path of a store")
    return Layered(local, Store(path, tenant=config.tenant, writable=False))


def open_local(config: Config, *, writable: bool = False) -> Store:
    """Open the project's own store, which has to be there; raise `NoStore` if it is not."""
    path = config.path(config.store)
    if not path.is_file():
        raise NoStore(str(path))
    return Store(path, tenant=config.tenant, writable=writable)


@contextmanager
def reading(config: Config) -> Iterator[tuple[Store, list[ReplayError]]]:
    """
    Open the store to be read, under what only the bundles of the project hold; writes nothing.

    With it come the errors of those bundles that cannot be read.
    """
    with open_store(config, writable=False) as store:
        fresh = Store(MEMORY, tenant=config.tenant)
        damaged: list[ReplayError] = []
        for path in sorted((config.path(config.episodes) / config.tenant).glob("*.jsonl")):
            try:
                episode, digest = read_bundle(path)
                if store.imported(episode.id) != digest:
                    fresh.add(episode, digest)
            except ReplayError as error:
                damaged.append(error)
        with fresh:
            yield Layered(fresh, store), damaged


def catch_up(config: Config) -> None:
    """Read what a service has left unread in the project's own store: where it may, for seconds."""
    with suppress(Damaged, NoStore), open_local(config, writable=True) as local:
        local.file.db.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000:.0f}")
        until = time.monotonic() + _PATIENCE
        for _ in local.catch_up():
            if time.monotonic() >= until:
                break


def resolve(store: Store, bundles: Path, given: str) -> str:
    """
    Tell which episode is meant by *given*: its name, or a beginning of it that no other has.

    Raises:
        Ambiguous: several begin so.

    """
    if store.case(given) or bundle_path(store, bundles, given).is_file():
        return given
    found = known(store, bundles, given)
    if len(found) > 1:
        raise Ambiguous(given, tuple(found))
    return found[0] if found else given


def find_episode(config: Config, given: str) -> Episode:
    """Load the episode that is meant by *given*, from the stores or its bundle; writes nothing."""
    bundles = config.path(config.episodes)
    with open_store(config, writable=False) as store:
        return find(store, bundles, resolve(store, bundles, given))


def recording_of(episode: Episode, prefix: str = "") -> Recording:
    """
    Choose the recording whose id begins with *prefix*, by default the current one.

    Raises:
        UnknownRecording: there is none at all.
        BadFilter: none begins so.
        Ambiguous: several begin so.

    """
    named = {recording_id(recording): recording for recording in episode.recordings}
    found = [name for name in named if name.startswith(prefix)]
    if not named:
        raise UnknownRecording(episode.id, episode.entrypoint)
    if not prefix:
        return episode.current
    if not found:
        raise BadFilter("recording", prefix, f"the beginning of one of {', '.join(named)}")
    if len(found) > 1:
        raise Ambiguous(prefix, tuple(found))
    return named[found[0]]
