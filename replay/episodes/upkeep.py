"""Keeping a store well: looked through, cleared, copied, put back, merged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replay.atomic import replacing
from replay.canonical import content_hash
from replay.episodes.checked import BROKEN
from replay.episodes.contents import Contents, digest
from replay.episodes.database import MEMORY, File
from replay.episodes.pieces import unpack
from replay.episodes.processes import is_running
from replay.episodes.rows import HEAD, SAID, read_recordings, seal
from replay.episodes.said import Said
from replay.episodes.store import Store, case_of
from replay.errors import BadName, Damaged, InUse, OtherEpisode, ReplayError, WouldOverwrite

_PATIENCE = 2.0
"""Seconds after which a store that others have open is not replaced."""

_AT_ONCE = 200
"""Lists of pieces that are put together before what was unpacked for them is dropped."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What nothing refers to any more, or nobody will end: numbers, and *freed* bytes."""

    attempts: int
    contents: int
    texts: int
    freed: int


@dataclass(frozen=True, slots=True)
class Merged:
    """What came over from another store, and a sentence for each episode that did not."""

    episodes: int
    recordings: int
    refused: tuple[str, ...]


def verify(store: Store) -> Iterator[str]:
    """Derive every hash in *store* anew, of all tenants; gives a sentence for each that differs."""
    file = store.file
    for check in (_structure, _tables, _packs, _lists, _texts, _episodes, _attempts, _index):
        try:
            yield from check(file)
        except Damaged as error:
            yield error.what
        except (ReplayError, sqlite3.DatabaseError, *BROKEN) as error:
            yield f"{check.__name__[1:]}: {error}"


def gc(store: Store, *, dry_run: bool = False) -> Garbage:
    """
    Clear what nothing refers to: recordings whose process died, bodies and texts without a user.

    With *dry_run*, tell what that would be. A recording is never cleared. Pieces are kept in packs,
    one a recording: room is freed when all of a pack is without a user.
    """
    db = store.file.db.conn
    before = _size(db)
    with store.file.intact():
        db.execute("PRAGMA foreign_keys = OFF")  # else each row looks for users in every table
        try:
            db.execute("BEGIN IMMEDIATE")
            with store.file.believed():
                found = _cleared(db)
            db.execute("ROLLBACK" if dry_run else "COMMIT")
        finally:
            db.rollback()  # where the disk was full
            db.execute("PRAGMA foreign_keys = ON")
        if dry_run:
            return found
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    attempts, contents, texts = found.attempts, found.contents, found.texts
    return Garbage(attempts, contents, texts, max(before - _size(db), 0))


def backup(store: Store, path: Path, *, force: bool = False) -> None:
    """
    Copy *store* to *path* as it is at one moment, whoever else is writing to it.

    Raises:
        WouldOverwrite: there is a file, and *force* is not given.

    """
    if path.exists() and not force:
        raise WouldOverwrite(str(path), f"replay backup --force {path}")
    with store.file.intact():
        _copy(store.file.db.conn, path)


def restore(path: Path, source: Path, *, force: bool = False) -> Path | None:
    """
    Put the backup *source* in the place of the store at *path*; what was there stays beside it.

    Tells where that is.

    Raises:
        Damaged: *source* is not a whole store.
        WouldOverwrite: the store at *path* is whole, and *force* is not given.
        InUse: somebody else has the store at *path* open.

    """
    with _given(source) as good:
        if problem := next(verify(good), ""):
            raise Damaged(source, f"not a whole store: {problem}")
        db = good.file.db.conn
        if not path.exists():
            with good.file.intact():
                _copy(db, path)
            return None
        if not force and _is_whole(path):
            raise WouldOverwrite(str(path), f"replay restore --force {source}")
        aside = _free_beside(path)
        try:
            _replace(path, db, aside)
        except sqlite3.DatabaseError as error:
            aside.unlink(missing_ok=True)
            match error.sqlite_errorcode & 0xFF:  # above that, it says more than we ask
                case sqlite3.SQLITE_BUSY:
                    raise InUse(str(path), f"replay restore --force {source}") from None
                case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:  # so nobody writes to it
                    _move(path, aside)
                    _copy(db, path)
                case _:
                    raise Damaged(path, f"it cannot be replaced: {error}") from error
        return aside


def merge(store: Store, source: Path) -> Merged:
    """Add what the store at *source* holds, of all tenants; it stays as it is."""
    episodes, recordings, refused = 0, 0, list[str]()
    with _given(source) as other:
        for tenant in other.tenants():
            theirs, ours = other.of(tenant), store.of(tenant)
            for name in theirs.ids():
                try:
                    recordings += ours.add(theirs.get(name))
                    episodes += 1
                except (OtherEpisode, Damaged, BadName) as error:
                    refused.append(str(error))
    return Merged(episodes, recordings, tuple(refused))


@contextmanager
def _given(source: Path) -> Iterator[Store]:
    """Open a store that somebody names; that it is damaged is no reason to move it away."""
    if not source.is_file():
        raise Damaged(source, "there is no such file")
    try:
        with Store(source, writable=False) as found:
            yield found
    except Damaged as error:
        if str(error.path) != str(source):
            raise
        hint = "It takes a store, or what was made of one: replay backup FILE"
        raise Damaged(source, error.what, hint=hint) from error


def _copy(source: sqlite3.Connection, path: Path) -> None:
    """Write a store beside *path*, then over it; all pages at once, else a writer holds it up."""
    with replacing(path) as beside, closing(sqlite3.connect(beside)) as target:
        target.execute("PRAGMA journal_mode = OFF")  # what is not done is not there
        source.backup(target, pages=-1)


def _is_whole(path: Path) -> bool:
    try:
        with Store(path, writable=False) as there:
            return next(verify(there), None) is None
    except ReplayError:
        return False


def _replace(path: Path, good: sqlite3.Connection, aside: Path) -> None:
    """Copy the store at *path* to *aside*, then *good* over it: alone with it, in a transaction."""
    with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as there:
        there.execute("PRAGMA locking_mode = EXCLUSIVE")
        there.execute("PRAGMA journal_mode = DELETE")  # takes who has it to himself, and all pages
        there.execute("BEGIN EXCLUSIVE")
        there.execute("COMMIT")  # the lock stays
        with closing(sqlite3.connect(aside)) as kept:
            there.backup(kept)
        good.backup(there)
        there.execute("PRAGMA journal_mode = WAL")
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)  # which an exclusive lock leaves


def replaced(path: Path) -> list[Path]:
    """List what `restore` has put beside the store at *path*; nobody but a person deletes that."""
    return sorted(path.parent.glob(f"{path.name}{_REPLACED}*"))


_REPLACED = ".replaced-"


def _free_beside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}{_REPLACED}{number}")).exists():
        number += 1
    return aside


def _move(path: Path, aside: Path) -> None:
    """Move a store with what belongs to it; a log of the old one must not meet the new one."""
    for end in ("-wal", "-shm", ""):
        part = path.with_name(path.name + end)
        if part.exists():
            part.replace(aside.with_name(aside.name + end))


def _cleared(db: sqlite3.Connection) -> Garbage:
    begun = db.execute("SELECT id, host, pid, born FROM attempt").fetchall()
    dead = [number for number, *process in begun if not is_running(*process)]
    size = 0
    for number in dead:
        size += _one(db, "SELECT total(length(lines)) FROM attempt_line WHERE attempt = ?", number)
        db.execute("DELETE FROM attempt_line WHERE attempt = ?", [number])
        db.execute("DELETE FROM attempt WHERE id = ?", [number])
    contents = db.execute(f"DELETE FROM content WHERE id NOT IN ({_USED})").rowcount  # noqa: S608
    unused = "id NOT IN (SELECT pack FROM content WHERE pack IS NOT NULL)"
    size += _one(db, f"SELECT total(length(data)) FROM pack WHERE {unused}")  # noqa: S608
    db.execute(f"DELETE FROM pack WHERE {unused}")  # noqa: S608 - our own
    alone = "id NOT IN (SELECT text FROM message)"
    size += _one(db, f"SELECT total(length(text)) FROM text WHERE {alone}")  # noqa: S608
    gone = f"SELECT 'delete', id, text FROM text WHERE {alone}"  # noqa: S608 - our own
    db.execute(f"INSERT INTO text_fts (text_fts, rowid, text) {gone}")
    texts = db.execute(f"DELETE FROM text WHERE {alone}").rowcount  # noqa: S608 - our own
    return Garbage(len(dead), contents, texts, size)


_IN_USE = """
    SELECT manifest FROM recording
    UNION SELECT headers FROM interaction UNION SELECT body FROM interaction
    UNION SELECT answer_head FROM interaction WHERE answer_head IS NOT NULL
    UNION SELECT answer FROM interaction WHERE answer IS NOT NULL
"""
_USED = (
    f"{_IN_USE} UNION SELECT value FROM content c, json_each(c.parts) "  # noqa: S608 - our own
    f"WHERE c.id IN ({_IN_USE})"
)


def _one(db: sqlite3.Connection, sql: str, *values: Any) -> int:
    return int(db.execute(sql, values).fetchone()[0])


def _size(db: sqlite3.Connection) -> int:
    return _one(db, "PRAGMA page_count") * _one(db, "PRAGMA page_size")


def _structure(file: File) -> Iterator[str]:
    for (said,) in file.db.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield f"SQLite: {said}"
    for table, row, *_ in file.db.execute("PRAGMA foreign_key_check"):
        yield f"{table} {row} refers to something that is not there"


def _tables(file: File) -> Iterator[str]:
    """Compare tables, views and triggers with those of a new store: one of them could lie."""
    sql = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND sql IS NOT NULL"
    there = dict(file.rows(sql))
    with Store(MEMORY) as new:
        ours = dict(new.file.rows(sql))
    for name, wanted in ours.items():
        if there.get(name) != wanted:
            yield f"{name} is not the {wanted.split()[1].lower()} that it was"
    for name, wanted in there.items():
        if wanted.upper().startswith("CREATE TRIGGER") and name not in ours:
            yield f"{name} is a trigger that is not ours"


def _packs(file: File) -> Iterator[str]:
    for number, form, data in file.db.execute("SELECT id, form, data FROM pack"):
        try:
            whole = unpack(form, data)
        except (ValueError, TypeError) as error:
            yield f"pack {number} cannot be unpacked: {error}"
            continue
        sql = "SELECT hash, start, size FROM content WHERE pack = ?"
        for name, start, size in file.rows(sql, number):
            if digest(whole[start : start + size]) != name:
                yield f"content {name.hex()} is not what it was"


def _lists(file: File) -> Iterator[str]:
    contents = Contents(file)
    rows = file.rows("SELECT id, size FROM content WHERE pack IS NULL")
    for place, (number, size) in enumerate(rows):
        if place % _AT_ONCE == 0:
            contents = Contents(file)
        try:
            found = contents.load([number])[number]
        except Damaged as error:
            yield error.what
        else:
            if len(found) != size:
                yield f"content number {number} is not as long as it was"


def _texts(file: File) -> Iterator[str]:
    for name, text in file.db.execute("SELECT hash, text FROM text"):
        if digest(text.encode()) != name:
            yield f"text {name.hex()} is not what it was"


def _episodes(file: File) -> Iterator[str]:
    for number, name in file.rows("SELECT number, id FROM episode"):
        try:
            case_of(file, number)
            read_recordings(file, number, name)
        except Damaged as error:
            yield error.what
        yield from _seals(file, number, name)


def _seals(file: File, episode: int, name: str) -> Iterator[str]:
    sql = f"SELECT number, id, seal, {HEAD} FROM recording WHERE episode = ?"  # noqa: S608
    for number, recording, sealed, *head in file.rows(sql, episode):
        found = _said(file, number)
        is_unread = found == Said() and sealed == seal(episode, recording, head, None)
        if not is_unread and sealed != seal(episode, recording, head, found):
            yield f"what the calls of recording {recording} of {name} say is not what it was"


def _said(file: File, recording: int) -> Said:
    """Read back what was written of the calls of a recording."""
    where = "WHERE recording = ? ORDER BY step"
    texts = dict(
        file.rows("SELECT t.id, t.text FROM message m JOIN text t ON t.id = m.text "
                  "WHERE m.recording = ?", recording)
    )  # fmt: skip
    tools = f"SELECT {SAID['tool_call']} FROM tool_call"  # noqa: S608
    messages = file.rows(f"SELECT {SAID['message']} FROM message {where}, place", recording)  # noqa: S608
    return Said(
        calls=file.rows(f"SELECT {SAID['call']} FROM call {where}", recording),  # noqa: S608
        messages=[(*row[:4], texts.get(row[4], "")) for row in messages],
        tool_calls=file.rows(f"{tools} {where}, place", recording),
    )


def _attempts(file: File) -> Iterator[str]:
    for table, columns in (
        ("attempt", "tenant, episode, started, host, pid, born"),
        ("attempt_line", "attempt, step, lines"),
    ):
        for *values, sealed in file.rows(f"SELECT {columns}, seal FROM {table}"):  # noqa: S608
            if content_hash(values) != sealed:
                yield f"a recording in progress is not what it was: {json.dumps(values)[:80]}"


def _index(file: File) -> Iterable[str]:
    """Compare the search index with the texts; the command for that wants leave to write."""
    try:
        with file.writing() as db:
            db.execute("INSERT INTO text_fts (text_fts, rank) VALUES ('integrity-check', 1)")
    except Damaged as error:
        if "readonly" not in error.what:
            yield f"the search index does not fit the texts: {error.what}"
