"""One SQLite file of ours: opened, brought up to date, shared with other processes."""

from __future__ import annotations

import json
import shlex
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replay.episodes.checked import BROKEN
from replay.episodes.schema import NAMES, SET, TABLES, TRIGGERS, migrations
from replay.errors import Damaged

if TYPE_CHECKING:
    from sqlite_utils import Database

_BUSY_SECONDS = 60.0
"""How long a writer waits for the others: each of them holds the file for milliseconds."""

MEMORY = ":memory:"


def unusable(path: str | Path, error: Exception) -> Damaged:
    """Say what SQLite or the system said of a store, and what to do about it."""
    hint = "Is it writable, and its disk not full? REPLAY_STORE=FILE uses another one."
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        hint = "Another program keeps it locked. Once that has ended: the same command again."
    return Damaged(path, f"SQLite cannot use it: {error}", hint=hint)


def distrust(connection: sqlite3.Connection) -> None:
    """
    Let what a stranger has put into a file do as little as possible.

    https://sqlite.org/security.html, "Untrusted SQLite Database Files".
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")


Carry = Callable[["Database"], None]


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
        self._is_absent = not writable and (path == MEMORY or not Path(path).exists())
        with self.intact():
            self._connection = self._to_write() if writable else self._to_read()

    @cached_property
    def db(self) -> Database:
        """All that sqlite-utils can do with it; what is only read does without importing that."""
        from sqlite_utils import Database

        db = Database(self._connection)
        if self._is_absent:
            self._migrate(self._connection)
        return db

    def close(self) -> None:
        """Close the file; what was written is safe before this."""
        with self._lock:
            self._connection.close()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Read all rows."""
        if self._is_absent:
            return []
        with self.intact(), self._lock:
            return self._connection.execute(sql, values).fetchall()

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
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()  # unless SQLite did, as it does where a disk is full
                raise

    @contextmanager
    def intact(self) -> Iterator[None]:
        """Turn what SQLite says of a broken file into our words."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise unusable(self.path, error) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise self.damaged(f"not a whole store: {error}") from error

    @contextmanager
    def believed(self) -> Iterator[None]:
        """Turn what comes of rows that nobody of ours has written into our words."""
        try:
            yield
        except BROKEN as error:
            raise self.damaged(f"not a whole store: {type(error).__name__}: {error}") from error

    def damaged(self, what: str) -> Damaged:
        """Say *what* is not as it was, and what to do about a damaged store."""
        path, aside = shlex.quote(str(self.path)), shlex.quote(f"{self.path}.damaged")
        hint = (
            "What is damaged: replay verify. A backup brings it back: replay restore FILE. Or "
            "move it away, and have what was exported: "
            f"mv {path} {aside}; replay import episodes/*.jsonl"
        )
        return Damaged(self.path, what, hint=hint)

    def _to_write(self) -> sqlite3.Connection:
        if self.path != MEMORY:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        connection = self._connected(self.path)
        with _closed_on_error(connection):
            if self._is_old(connection):
                if self.path != MEMORY:
                    connection.execute("PRAGMA journal_mode = WAL")
                self._migrate(connection)
        return connection

    def _to_read(self) -> sqlite3.Connection:
        if self._is_absent:
            return self._connected(MEMORY)
        connection = self._reading()
        with _closed_on_error(connection):
            if not self._is_old(connection):
                return connection
            copy = self._connected(MEMORY)
            with _closed_on_error(copy):
                connection.backup(copy)
                self._migrate(copy)
        connection.close()
        return copy

    def _reading(self) -> sqlite3.Connection:
        """Open without leave to write; in a folder that is not ours either, as unchanging."""
        address = f"{Path(self.path).resolve().as_uri()}?mode=ro"
        for mode in ("", "&immutable=1"):
            connection = self._connected(f"{address}{mode}")
            with suppress(sqlite3.OperationalError), _closed_on_error(connection):
                connection.execute("SELECT count(*) FROM sqlite_master")
                return connection
        raise sqlite3.OperationalError("it cannot be read")

    def _connected(self, name: str) -> sqlite3.Connection:
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
            connection.execute("PRAGMA wal_autocheckpoint = 4000")  # as many bytes as is usual
            distrust(connection)
        return connection

    def _is_old(self, connection: sqlite3.Connection) -> bool:
        """Whether there is something to migrate; what is newer than we are is refused untouched."""
        applied = set[str]()
        there = connection.execute(_SCHEMA).fetchall()
        for name, kind, sql in there:
            if name in TABLES and not sql.upper().startswith("CREATE TABLE"):
                raise self.damaged(f"{name} is a {kind}, and not the table that it was")
        if any(name == "_sqlite_migrations" for name, *_ in there):
            applied = {name for (name,) in connection.execute(_APPLIED, [SET])}
        if newer := sorted(applied - NAMES):
            what = f"it was written by a newer version ({newer[-1]})"
            raise Damaged(self.path, what, hint="Upgrade: pip install -U golden-replay")
        is_old = applied != NAMES
        for name, kind, _ in there:
            if kind == "trigger" and not (is_old and name in TRIGGERS):
                raise self.damaged(f"{name} is a trigger that is not ours")
        return is_old

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the tables up to date, one process at a time, in one transaction."""
        from sqlite_utils import Database

        db = Database(connection)
        db.execute("BEGIN IMMEDIATE")
        try:
            migrations().apply(db)  # does nothing where another process was first
            self._carry(db)
            db.execute("COMMIT")
        except BaseException as error:
            connection.rollback()
            if isinstance(error, BROKEN):
                raise self.damaged(f"it cannot be brought up to date: {error}") from error
            raise


_SCHEMA = "SELECT name, type, sql FROM sqlite_master WHERE type <> 'index'"
_APPLIED = "SELECT name FROM _sqlite_migrations WHERE migration_set = ?"


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
