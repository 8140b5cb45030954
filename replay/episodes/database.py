"""One SQLite file of ours: opened, brought up to date, shared with other processes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from replay.episodes.schema import NAMES, migrations
from replay.errors import Damaged

_BUSY_SECONDS = 60.0
"""How long a writer waits for the others: each of them holds the file for milliseconds."""

MEMORY = ":memory:"

Carry = Callable[[Database], None]


class File:
    """
    A connection that threads share; *carry* fills new tables from old ones after a migration.

    One that is not *writable* changes nothing on disk: where there is no file, it is an empty
    store; one of an older version is brought up to date in memory.
    """

    def __init__(self, path: str, *, writable: bool, carry: Carry) -> None:
        self.path = path
        self._carry = carry
        self._lock = threading.RLock()
        with self.intact():
            self.db = self._to_write() if writable else self._to_read()

    def close(self) -> None:
        """Close the file; what was written is safe before this."""
        with self._lock:
            self.db.conn.close()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Read all rows."""
        with self.intact(), self._lock:
            return list(self.db.execute(sql, values).fetchall())

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the one write transaction; a nested use joins it."""
        with self.intact(), self._lock:
            connection = self.db.conn
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def intact(self) -> Iterator[None]:
        """Turn what SQLite says of a broken file into our words."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            hint = "Is it writable, and its disk not full? REPLAY_STORE=FILE uses another one."
            raise Damaged(self.path, f"SQLite cannot use it: {error}", hint=hint) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise Damaged(self.path, f"not a whole store: {error}", hint=self.hint()) from error

    def hint(self) -> str:
        """Say what to do about a damaged store."""
        return (
            "What is damaged: replay verify. A backup brings it back: replay restore FILE. Or "
            "move it away, and have what was exported: "
            f"mv {self.path} {self.path}.damaged; replay import episodes/*.jsonl"
        )

    def _to_write(self) -> Database:
        if self.path != MEMORY:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        db = self._connected(self.path)
        with _closed_on_error(db):
            if self._is_old(db):
                if self.path != MEMORY:
                    db.enable_wal()
                self._migrate(db)
        return db

    def _to_read(self) -> Database:
        if self.path == MEMORY or not Path(self.path).exists():
            return self._migrated_copy(None)
        db = self._reading()
        with _closed_on_error(db):
            if not self._is_old(db):
                return db
            copy = self._migrated_copy(db)
        db.conn.close()
        return copy

    def _reading(self) -> Database:
        """Open without leave to write; in a folder that is not ours either, as unchanging."""
        address = f"{Path(self.path).resolve().as_uri()}?mode=ro"
        for mode in ("", "&immutable=1"):
            db = self._connected(f"{address}{mode}")
            try:
                db.execute("SELECT count(*) FROM sqlite_master")
            except sqlite3.OperationalError:
                db.conn.close()
            else:
                return db
        raise sqlite3.OperationalError("it cannot be read")

    def _migrated_copy(self, original: Database | None) -> Database:
        copy = self._connected(MEMORY)
        with _closed_on_error(copy):
            if original:
                original.conn.backup(copy.conn)
            self._migrate(copy)
        return copy

    def _connected(self, name: str) -> Database:
        connection = sqlite3.connect(
            name,
            timeout=_BUSY_SECONDS,
            check_same_thread=False,
            isolation_level=None,
            uri=name.startswith("file:"),
        )
        with suppress(sqlite3.DatabaseError):  # what is no database says so when it is read
            connection.execute("PRAGMA page_size = 1024")  # of a new file: its rows are short
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")  # in WAL: a crash loses nothing whole
        return Database(connection)

    def _is_old(self, db: Database) -> bool:
        """Whether there is something to migrate; what is newer than we are is refused untouched."""
        pending = {migration.name for migration in migrations.pending(db)}
        known = pending | {migration.name for migration in migrations.applied(db)}
        if newer := sorted(known - NAMES):
            what = f"it was written by a newer version ({newer[-1]})"
            raise Damaged(self.path, what, hint="Upgrade: pip install -U golden-replay")
        return bool(pending)

    def _migrate(self, db: Database) -> None:
        """Bring the tables up to date, one process at a time, in one transaction."""
        db.execute("BEGIN IMMEDIATE")
        try:
            migrations.apply(db)  # does nothing where another process was first
            self._carry(db)
        except BaseException as error:
            db.execute("ROLLBACK")
            if isinstance(error, ValueError):
                what = f"it cannot be brought up to date: {error}"
                raise Damaged(self.path, what, hint=self.hint()) from error
            raise
        db.execute("COMMIT")


@contextmanager
def _closed_on_error(db: Database) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.conn.close()
        raise
