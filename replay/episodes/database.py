"""One SQLite file of ours: opened, brought up to date, shared with other processes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replay.episodes.schema import NAMES, SET, migrations
from replay.errors import Damaged

if TYPE_CHECKING:
    from sqlite_utils import Database

_BUSY_SECONDS = 60.0
"""How long a writer waits for the others: each of them holds the file for milliseconds."""

MEMORY = ":memory:"

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
        return connection

    def _is_old(self, connection: sqlite3.Connection) -> bool:
        """Whether there is something to migrate; what is newer than we are is refused untouched."""
        applied = set[str]()
        if connection.execute(_HAS_MIGRATIONS).fetchone():
            applied = {name for (name,) in connection.execute(_APPLIED, [SET])}
        if newer := sorted(applied - NAMES):
            what = f"it was written by a newer version ({newer[-1]})"
            raise Damaged(self.path, what, hint="Upgrade: pip install -U golden-replay")
        return applied != NAMES

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the tables up to date, one process at a time, in one transaction."""
        from sqlite_utils import Database

        db = Database(connection)
        db.execute("BEGIN IMMEDIATE")
        try:
            migrations().apply(db)  # does nothing where another process was first
            self._carry(db)
        except BaseException as error:
            db.execute("ROLLBACK")
            if isinstance(error, ValueError):
                what = f"it cannot be brought up to date: {error}"
                raise Damaged(self.path, what, hint=self.hint()) from error
            raise
        db.execute("COMMIT")


_HAS_MIGRATIONS = "SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'"
_APPLIED = "SELECT name FROM _sqlite_migrations WHERE migration_set = ?"


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
