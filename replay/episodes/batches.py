"""Results of batches, in the file of the store: written as they come, one a run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database, Migrations

from replay.episodes.database import distrust, unusable
from replay.errors import Damaged
from replay.model import Json

migrations = Migrations("golden-replay-batches")

_BUSY_SECONDS = 60.0


@migrations()
def m001_batches(db: Database) -> None:
    """One row a run; *place* is its place in the list of the batch."""
    db.execute(
        "CREATE TABLE batch_results ("
        "batch TEXT NOT NULL, place INTEGER NOT NULL, result TEXT NOT NULL, "
        "PRIMARY KEY (batch, place)) WITHOUT ROWID"
    )


class Batches:
    """
    What is known of the runs of batches.

    A set of tables of its own, so that the store can change without regard to it. Writing the same
    result again does nothing, so that a run that was executed twice counts once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._intact():
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            distrust(connection)
            self._db = Database(connection)
            self._db.enable_wal()
            connection.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing
            if migrations.pending(self._db):
                migrations.apply(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.conn.close()

    def put(self, batch: str, place: int, result: Json) -> None:
        """Keep a result; the first one of a run stays."""
        with self._intact():
            self._db.execute(
                "INSERT INTO batch_results VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [batch, place, json.dumps(result)],
            )

    def results(self, batch: str) -> Iterator[Json]:
        """Read all results of a batch, in the order of its list."""
        sql = "SELECT result FROM batch_results WHERE batch = ? ORDER BY place"
        with self._intact():
            for (result,) in self._db.execute(sql, [batch]):
                yield json.loads(result)

    def done(self, batch: str) -> set[int]:
        """Tell which places of a batch have a result."""
        with self._intact():
            rows = self._db.execute("SELECT place FROM batch_results WHERE batch = ?", [batch])
            return {row[0] for row in rows}

    def forget(self, batch: str, places: list[int]) -> None:
        """Drop results, for the batch to be run anew."""
        with self._intact():
            self._db.conn.executemany(
                "DELETE FROM batch_results WHERE batch = ? AND place = ?",
                [(batch, place) for place in places],
            )

    @contextmanager
    def _intact(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise unusable(self._path, error) from error
        except ValueError as error:
            raise Damaged(self._path, f"a result in it is not JSON: {error}") from error
