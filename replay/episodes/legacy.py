"""The tables of stores from before bodies were kept in pieces, and how their episodes are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from replay.episodes.bundle import headers_from, manifest_from, recording_id
from replay.model import Chunk, Episode, Failure, Interaction, Recording, Request, Response

if TYPE_CHECKING:
    from sqlite_utils import Database

PREFIX = "before_m003_"
"""What the names of the tables begin with once the new ones are there."""

TABLES = ("episodes", "recordings", "bodies", "interactions", "attempts", "attempt_lines")

EPISODES = """
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
"""

ATTEMPTS = """
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
"""


def episodes(db: Database) -> Iterator[tuple[Episode, str]]:
    """
    Read every recording, as an episode of one and the digest of its bundle, oldest first.

    Raises:
        ValueError: a recording does not have the content that names it.

    """
    if not db[f"{PREFIX}episodes"].exists():
        return
    for row in db.query(
        "SELECT e.id AS name, e.entrypoint, e.inputs, e.bundle, r.* "  # noqa: S608 - our own
        f"FROM {PREFIX}episodes e LEFT JOIN {PREFIX}recordings r ON r.episode = e.id "
        "ORDER BY r.number"
    ):
        recordings = (_recording(db, row),) if row["number"] else ()
        inputs = json.loads(row["inputs"])
        yield Episode(row["name"], row["entrypoint"], inputs, recordings), row["bundle"]


def attempts(db: Database) -> Iterator[tuple[tuple[str, str, str, int], list[tuple[int, str]]]]:
    """Read the recordings in progress: episode, start, host and process, and the lines of each."""
    if not db[f"{PREFIX}attempts"].exists():
        return
    for attempt in db.query(f"SELECT * FROM {PREFIX}attempts"):  # noqa: S608 - our own
        lines = db.query(
            f"SELECT step, lines FROM {PREFIX}attempt_lines WHERE attempt = ?",  # noqa: S608
            [attempt["id"]],
        )
        row = attempt["episode"], attempt["started"], "", attempt["pid"]
        yield row, [(line["step"], line["lines"]) for line in lines]


def drop(db: Database) -> None:
    """Drop the tables, once what they hold is elsewhere."""
    for name in reversed(TABLES):
        db.execute(f"DROP TABLE IF EXISTS {PREFIX}{name}")


def _recording(db: Database, row: dict[str, Any]) -> Recording:
    steps = db.query(
        f"SELECT i.*, sent.data AS sent_data, got.data AS got_data FROM {PREFIX}interactions i "  # noqa: S608
        f"JOIN {PREFIX}bodies sent ON sent.hash = i.body "
        f"LEFT JOIN {PREFIX}bodies got ON got.hash = i.answer WHERE recording = ? ORDER BY step",
        [row["number"]],
    )
    found = Recording(
        manifest=manifest_from(json.loads(row["manifest"])),
        interactions=tuple(map(_interaction, steps)),
        output=json.loads(row["output"]),
        failure=_failure(row["failure"]),
        elapsed=row["elapsed"],
    )
    if recording_id(found) != row["id"]:
        raise ValueError(f"recording {row['id']} does not have the content of that name")
    return found


def _interaction(row: dict[str, Any]) -> Interaction:
    response = None
    if row["status"] is not None:
        response = Response(
            row["status"],
            row["reason"],
            headers_from(json.loads(row["answer_headers"])),
            row["got_data"],
            tuple(Chunk(size, at) for size, at in json.loads(row["chunks"])),
        )
    return Interaction(
        request=Request(
            row["method"], row["url"], headers_from(json.loads(row["headers"])), row["sent_data"]
        ),
        response=response,
        failure=_failure(row["failure"]),
        started=row["started"],
        elapsed=row["elapsed"],
    )


def _failure(text: str | None) -> Failure | None:
    return Failure(**json.loads(text)) if text else None
