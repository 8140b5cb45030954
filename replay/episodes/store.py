"""The episode store: one SQLite file, recordings write-once."""

from __future__ import annotations

import copy
import re
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from replay.canonical import content_hash, parsed_json
from replay.episodes import bundle, legacy
from replay.episodes.checked import checked
from replay.episodes.database import File
from replay.episodes.processes import born, is_running
from replay.episodes.queries import Filter, Hit, Row, Summary, search, select, summed
from replay.episodes.rows import IS_UNREAD, NewRecording, catch_up, read_recordings, text
from replay.errors import BadName, OtherEpisode, OtherTenant, UnknownEpisode
from replay.filenames import is_device
from replay.model import Episode, Interaction

if TYPE_CHECKING:
    from sqlite_utils import Database

__all__ = ["Filter", "Hit", "Incomplete", "Store", "Summary", "check_name"]

_NAME = re.compile(r"\w[\w.\-+=@]{0,119}")


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A recording that was begun and not ended: its *interactions* are those that were complete."""

    number: int
    episode: str
    started: str
    pid: int
    interactions: tuple[Interaction, ...]


class Store:
    """
    Episodes and their recordings in one SQLite file, or in memory with `":memory:"`.

    A recording is named by its content and never changed: adding one that is there does nothing.
    Every read derives the names anew, so that a flipped byte is found where it is used. All of it
    is about the episodes of one *tenant*. A store that is not *writable* leaves the disk alone:
    where there is no file, it is empty.
    """

    def __init__(self, path: Path | str, *, tenant: str = "", writable: bool = True) -> None:
        if tenant:
            check_name(tenant)
        self.path = str(path)
        self.tenant = tenant
        self.file = File(self.path, writable=writable, carry=_carry_over)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was added is safe before this."""
        self.file.close()

    def ids(self, prefix: str = "") -> list[str]:
        """List the names of all episodes that begin with *prefix*, sorted."""
        rows = self.file.rows(
            "SELECT id FROM episode WHERE tenant = ? AND id >= ? AND id < ? ORDER BY id",
            self.tenant,
            prefix,
            prefix + chr(0x10FFFF),
        )
        return [row[0] for row in rows]

    def rows(self, wanted: Filter | None = None) -> list[Row]:
        """List the recordings that *wanted* lets through, as plain facts, oldest first."""
        with self.file.believed():
            return select(self.file, self.tenant, wanted or Filter())

    def summaries(self, wanted: Filter | None = None) -> list[Summary]:
        """List the episodes that have a recording which *wanted* lets through."""
        return summed(self.rows(wanted))

    def search(self, words: str, wanted: Filter | None = None) -> list[Hit]:
        """
        Find messages that hold all *words*, the best matches first.

        What stands in double quotes is looked for as it is; words match whatever their ending.
        """
        with self.file.believed():
            return search(self.file, self.tenant, words, wanted or Filter())

    def get(self, episode: str) -> Episode:
        """
        Load one episode with all its recordings, oldest first.

        Raises:
            UnknownEpisode: there is none of that name.
            OtherTenant: there is, and it belongs to another tenant.
            Damaged: something in it does not have the content that names it.

        """
        rows = self.file.rows(f"{_EPISODE} WHERE tenant = ? AND id = ?", self.tenant, episode)
        if not rows:
            self._refuse_another_tenant(episode)
            raise UnknownEpisode(episode, self.ids())
        number, *columns = rows[0]
        with self.file.believed():
            found = _episode(self.file, columns)
            return replace(found, recordings=read_recordings(self.file, number, episode))

    def add(self, episode: Episode, bundle_digest: str = "", *, read: bool = True) -> int:
        """
        Add *episode*, or those of its recordings and tags that are not there yet; count the former.

        *bundle_digest* notes the bundle it came from, for `imported`. What is not *read* at once is
        safe, and `get` loads it; listings, search and views know what its calls say once somebody
        has called `catch_up`.

        Raises:
            OtherEpisode: one of that name is there, with another entrypoint or other inputs.
            OtherTenant: it belongs to another tenant than this store is open for.

        """
        for name in (episode.id, *filter(None, [self.tenant])):
            check_name(name)  # a store that is merged has tenants of its own
        if episode.tenant and episode.tenant != self.tenant:
            raise OtherTenant(episode.id, episode.tenant, self.tenant)
        known = self._known(episode.id)
        named = {bundle.recording_id(recording): recording for recording in episode.recordings}
        new = [
            NewRecording(found, name, read=read)
            for name, found in named.items()
            if name not in known
        ]
        with self.file.writing() as db:
            number = self._episode_number(db, episode, bundle_digest)
            return sum(recording.write(db, number) for recording in new)

    def catch_up(self) -> Iterator[int]:
        """
        Read what was added unread, of all tenants; gives how many after each short transaction.

        What is damaged stays unread.
        """
        return catch_up(self.file)

    def unread(self) -> int:
        """Count the recordings that `catch_up` would read, of all tenants."""
        sql = f"SELECT count(*) FROM recording WHERE {IS_UNREAD}"  # noqa: S608 - our own
        return sum(row[0] for row in self.file.rows(sql))

    def case(self, episode: str) -> Episode | None:
        """Load one episode without its recordings; None where there is none of that name."""
        found = self._stored(episode)
        return found[1] if found else None

    def of(self, tenant: str) -> Self:
        """Give the same store as another tenant sees it."""
        other = copy.copy(self)
        other.tenant = tenant
        return other

    def tenants(self) -> list[str]:
        """List those who have episodes here."""
        return [row[0] for row in self.file.rows("SELECT DISTINCT tenant FROM episode ORDER BY 1")]

    def tag(self, episode: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Add and take away tags of an episode that is there; raise `UnknownEpisode` if not."""
        with self.file.writing() as db:
            found = self._stored(episode)
            if found is None:
                raise UnknownEpisode(episode, self.ids())
            number, case, digest = found
            kept = (tag for tag in dict.fromkeys([*case.tags, *add]) if tag not in remove)
            _update(db, number, replace(case, tags=tuple(kept)), digest)

    def imported(self, episode: str) -> str:
        """Tell which bundle *episode* was last imported from, by digest; empty for none."""
        rows = self.file.rows(
            "SELECT bundle FROM episode WHERE tenant = ? AND id = ?", self.tenant, episode
        )
        return str(rows[0][0]) if rows else ""

    def begin(self, episode: str, started: str, pid: int) -> int:
        """Note that a recording begins; `finish` or a later `discard` takes the note away."""
        check_name(episode)
        values = (self.tenant, episode, started, socket.gethostname(), pid, born(pid))
        with self.file.writing() as db:
            return _begin(db, values)

    def note(self, attempt: int, step: int, interaction: Interaction) -> None:
        """Keep a complete interaction of a recording in progress."""
        lines = text(bundle.interaction_lines(step, interaction))
        with self.file.writing() as db:
            _note(db, (attempt, step, lines))

    def finish(self, attempt: int, episode: Episode, *, read: bool = True) -> None:
        """Turn a recording in progress into a recording, in one transaction."""
        with self.file.writing():
            self.add(episode, read=read)
            self.discard(attempt)

    def discard(self, attempt: int) -> None:
        """Drop the note of a recording that was not ended."""
        with self.file.writing() as db:
            db.execute("DELETE FROM attempt_line WHERE attempt = ?", [attempt])
            db.execute("DELETE FROM attempt WHERE id = ?", [attempt])

    def incomplete(self) -> list[Incomplete]:
        """List the recordings that were begun and not ended, and whose process is gone."""
        rows = self.file.rows(
            "SELECT id, episode, started, pid, host, born FROM attempt WHERE tenant = ?",
            self.tenant,
        )
        with self.file.believed():
            return [
                checked(Incomplete(number, episode, started, pid, self._noted(number)))
                for number, episode, started, pid, host, since in rows
                if not is_running(host, pid, since)
            ]

    def _noted(self, attempt: int) -> tuple[Interaction, ...]:
        rows = self.file.rows(
            "SELECT lines FROM attempt_line WHERE attempt = ? ORDER BY step", attempt
        )
        lines = [line for row in rows for line in parsed_json(row[0], bundle.DEEPEST)]
        return tuple(bundle.interactions(lines))

    def _known(self, episode: str) -> set[str]:
        rows = self.file.rows(
            "SELECT r.id FROM recording r JOIN episode e ON e.number = r.episode "
            "WHERE e.tenant = ? AND e.id = ?",
            self.tenant,
            episode,
        )
        return {row[0] for row in rows}

    def _stored(self, episode: str) -> tuple[int, Episode, str] | None:
        rows = self.file.rows(f"{_EPISODE} WHERE tenant = ? AND id = ?", self.tenant, episode)
        if not rows:
            return None
        number, *columns = rows[0]
        with self.file.believed():
            return number, _episode(self.file, columns), columns[-2]

    def _episode_number(self, db: sqlite3.Connection, episode: Episode, digest: str) -> int:
        """Insert the row of *episode*, or see that the one that is there is the same case."""
        found = self._stored(episode.id)
        if found is None:
            return _insert(db, replace(episode, tenant=self.tenant), digest)
        number, there, held = found
        if (there.entrypoint, there.inputs) != (episode.entrypoint, episode.inputs):
            raise OtherEpisode(episode.id)
        tags = tuple(dict.fromkeys([*there.tags, *episode.tags]))
        if tags != there.tags or digest not in ("", held):
            _update(db, number, replace(there, tags=tags), digest or held)
        return number

    def _refuse_another_tenant(self, episode: str) -> None:
        rows = self.file.rows("SELECT tenant FROM episode WHERE id = ? ORDER BY tenant", episode)
        if rows:
            raise OtherTenant(episode, rows[0][0], self.tenant)


_COLUMNS = "tenant, id, entrypoint, inputs, tags, bundle, seal"
_EPISODE = f"SELECT number, {_COLUMNS} FROM episode"  # noqa: S608 - our own names


def case_of(file: File, number: int) -> Episode:
    """Load the episode with that number, without its recordings; raise `Damaged` if it changed."""
    rows = file.rows(f"{_EPISODE} WHERE number = ?", number)
    if not rows:
        raise file.damaged(f"episode number {number} is not where it was")
    return _episode(file, rows[0][1:])


def _episode(file: File, columns: Sequence[Any]) -> Episode:
    """Build an episode without its recordings; raise `Damaged` when its seal does not fit."""
    tenant, name, entrypoint, inputs, tags, _, sealed = columns
    if content_hash(list(columns[:-1])) != sealed:
        raise file.damaged(f"episode {name} is not what it was")
    inputs, tags = parsed_json(inputs), tuple(parsed_json(tags))
    return checked(Episode(name, entrypoint, inputs, tags=tags, tenant=tenant))


def _row(episode: Episode, digest: str) -> list[str]:
    row = [episode.tenant, episode.id, episode.entrypoint]
    row += [text(episode.inputs), text(episode.tags), digest]
    return [*row, content_hash(row)]


def _insert(db: sqlite3.Connection, episode: Episode, digest: str) -> int:
    sql = f"INSERT INTO episode ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number"  # noqa: S608
    return int(db.execute(sql, _row(episode, digest)).fetchone()[0])


def _update(db: sqlite3.Connection, number: int, episode: Episode, digest: str) -> None:
    sql = f"UPDATE episode SET ({_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?) WHERE number = ?"  # noqa: S608
    db.execute(sql, [*_row(episode, digest), number])


def _begin(db: sqlite3.Connection, values: tuple[Any, ...]) -> int:
    sql = (
        "INSERT INTO attempt (tenant, episode, started, host, pid, born, seal) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id"
    )
    return int(db.execute(sql, [*values, content_hash(values)]).fetchone()[0])


def _note(db: sqlite3.Connection, values: tuple[Any, ...]) -> None:
    db.execute("INSERT INTO attempt_line VALUES (?, ?, ?, ?)", [*values, content_hash(values)])


def _carry_over(db: Database) -> None:
    """Take over what a store from before `m003_pieces` holds."""
    for episode, digest in legacy.episodes(db):
        there = "SELECT number FROM episode WHERE tenant = '' AND id = ?"
        found = db.execute(there, [episode.id]).fetchone()
        number = found[0] if found else _insert(db.conn, episode, digest)
        for recording in episode.recordings:
            NewRecording(recording, bundle.recording_id(recording)).write(db.conn, number)
    for started, lines in legacy.attempts(db):
        attempt = _begin(db.conn, ("", *started, ""))
        for step, line in lines:
            _note(db.conn, (attempt, step, line))
    legacy.drop(db)


def check_name(episode: str) -> None:
    """Raise `BadName` unless *episode* is safe as a file name on every system."""
    if not _NAME.fullmatch(episode) or is_device(episode):
        raise BadName(episode)
