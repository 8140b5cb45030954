"""Which recording is meant: a version is an id, an answered model, a tag, an alias or a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType

from replay.episodes.bundle import recording_id
from replay.errors import AmbiguousVersion, UnknownRecording, UnknownVersion
from replay.model import Episode, Further, Recording

NO_TAGS: Mapping[str, str] = MappingProxyType({})
_SHORTEST_ID = 7
"""So many characters of a recording's id, its `b2:` included, name it."""


@dataclass(frozen=True, slots=True)
class Version:
    """What there is of an episode: one recording, and the names by which it can be asked for."""

    recording: str
    answered: tuple[str, ...]
    requested: tuple[str, ...]
    made: str
    further: Further = ""

    def __str__(self) -> str:
        answered = " + ".join(self.answered) or "no model"
        asked = [name for name in self.requested if name not in self.answered]
        alias = f", asked for as {', '.join(asked)}" if asked else ""
        how = f", {self.further}" if self.further else ""
        return f"{self.recording[:15]}  {answered}{alias}, made {self.made[:10]}{how}"


def versions(episode: Episode) -> tuple[Version, ...]:
    """List the recordings of *episode*, in the order in which they were added."""
    return tuple(map(_version, episode.recordings))


def resolve(episode: Episode, version: str = "", tags: Mapping[str, str] = NO_TAGS) -> Recording:
    """
    Find the recording of *episode* that *version* means; without one, the current one.

    Of several recordings of one answered model, that is the newest that can be replayed.

    Raises:
        UnknownRecording: there is no recording at all.
        UnknownVersion: there is none of that name.
        AmbiguousVersion: there are several, made with different models.

    """
    if not episode.recordings:
        raise UnknownRecording(episode.id, episode.entrypoint)
    if not version:
        return episode.current
    found = meant(episode, version, tags)
    playable = [one for one in found if one.manifest.further != "teacher-forced"]
    return (playable or found)[-1]


def meant(
    episode: Episode, version: str, tags: Mapping[str, str] = NO_TAGS
) -> tuple[Recording, ...]:
    """
    Find all recordings of *episode* that *version* means, in the order in which they were added.

    A version is, in this order: the id of a recording or its beginning, an answered model id, one
    of the *tags*, which stand for other versions, a requested model (an alias) that always was
    answered by one and the same, or `@2026-09-01` for what was current at the end of that day
    (UTC).

    Raises:
        UnknownVersion: there is none of that name.
        AmbiguousVersion: there are several, made with different models.

    """
    there = versions(episode)
    for chosen in _readings(there, version, tags):
        if len({item.answered for item in chosen}) > 1:
            raise AmbiguousVersion(episode.id, version, tuple(map(str, chosen)))
        if chosen:
            return tuple(episode.recordings[n] for n in sorted(map(there.index, chosen)))
    raise UnknownVersion(episode.id, version, tuple(map(str, there)))


def _readings(
    there: tuple[Version, ...], version: str, tags: Mapping[str, str]
) -> Iterator[list[Version]]:
    """Read *version* in every way there is, the most exact first."""
    if version.startswith("@"):
        yield _as_of(there, version[1:])
        return
    if len(version) >= _SHORTEST_ID:
        yield [item for item in there if item.recording.startswith(version)]
    yield [item for item in there if item.answered == (version,)]
    yield [item for item in there if version in item.answered]
    if version in tags:
        yield from _readings(there, tags[version], NO_TAGS)
    yield [item for item in there if version in item.requested]


def _as_of(there: tuple[Version, ...], day: str) -> list[Version]:
    try:
        end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time())
    except ValueError:
        return []
    before = [item for item in there if item.made < end.isoformat() and not item.further]
    return sorted(before, key=lambda item: item.made)[-1:]


def _version(recording: Recording) -> Version:
    manifest = recording.manifest
    return Version(
        recording_id(recording),
        manifest.models_answered,
        manifest.models_requested,
        manifest.clock,
        manifest.further,
    )
