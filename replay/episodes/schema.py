"""The tables of the store, as migrations that only ever add."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("golden-replay")


@migrations()
def m001_episodes(db: Database) -> None:
    """Episodes and their recordings; bodies once each, named by their content."""
    _execute(
        db,
        """
        CREATE TABLE episodes (
            id TEXT PRIMARY KEY,
            entrypoint TEXT NOT NULL,
            inputs TEXT NOT NULL,
            bundle TEXT NOT NULL DEFAULT ''
        );
        CREATE TABLE recordings (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            episode TEXT NOT NULL REFERENCES episodes(id),
            manifest TEXT NOT NULL,
            output TEXT NOT NULL,
            failure TEXT,
            elapsed REAL NOT NULL,
            UNIQUE (episode, id)
        );
        CREATE TABLE bodies (
            hash TEXT PRIMARY KEY,
            data BLOB NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE interactions (
            recording INTEGER NOT NULL REFERENCES recordings(number),
            step INTEGER NOT NULL,
            method TEXT NOT NULL,
            url TEXT NOT NULL,
            headers TEXT NOT NULL,
            body TEXT NOT NULL REFERENCES bodies(hash),
            status INTEGER,
            reason TEXT,
            answer_headers TEXT,
            answer TEXT REFERENCES bodies(hash),
            chunks TEXT,
            failure TEXT,
            started REAL NOT NULL,
            elapsed REAL NOT NULL,
            PRIMARY KEY (recording, step)
        ) WITHOUT ROWID;
        """,
    )


@migrations()
def m002_attempts(db: Database) -> None:
    """Recordings in progress: what was complete when the process went away is still here."""
    _execute(
        db,
        """
        CREATE TABLE attempts (
            id INTEGER PRIMARY KEY,
            episode TEXT NOT NULL,
            started TEXT NOT NULL,
            pid INTEGER NOT NULL
        );
        CREATE TABLE attempt_lines (
            attempt INTEGER NOT NULL REFERENCES attempts(id),
            step INTEGER NOT NULL,
            lines TEXT NOT NULL,
            PRIMARY KEY (attempt, step)
        ) WITHOUT ROWID;
        """,
    )


def _execute(db: Database, script: str) -> None:
    """Run statements inside of the open transaction, which `executescript` would commit."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)
