"""
The tables of the store, as migrations; docs/store.md describes them.

Tables have singular names and are ours; the views with plural names are for people, and keep their
columns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replay.canonical import content_hash
from replay.episodes import legacy

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

SET = "golden-replay"
"""The name of our migrations, in SQLite's table of those that were applied."""


def m001_episodes(db: Database) -> None:
    """Episodes and their recordings; bodies once each, named by their content."""
    _execute(db, legacy.EPISODES)


def m002_attempts(db: Database) -> None:
    """Recordings in progress: what was complete when the process went away is still here."""
    _execute(db, legacy.ATTEMPTS)


def m003_pieces(db: Database) -> None:
    """Bodies in shared pieces, tenants, tags, what the calls say, and search."""
    _execute(db, "".join(f"ALTER TABLE {n} RENAME TO {legacy.PREFIX}{n};" for n in legacy.TABLES))
    _execute(db, _TABLES)
    _execute(db, _VIEWS)
    for statement in _SEARCH:
        db.execute(statement)


def m004_index_at_once(db: Database) -> None:
    """Texts are indexed by who writes them, many at once: a trigger has FTS5 flush after each."""
    db.execute("DROP TRIGGER text_ai")
    db.execute("DROP TRIGGER text_ad")


def m005_read_later(db: Database) -> None:
    """Recordings may wait to be read; a process is known by when it was born, not by a clock."""
    db.execute("CREATE INDEX recording_unread ON recording (number) WHERE seal GLOB 'unread *'")
    db.execute("ALTER TABLE attempt ADD COLUMN born TEXT NOT NULL DEFAULT ''")
    columns = "tenant, episode, started, host, pid"
    begun = db.execute(f"SELECT id, seal, {columns} FROM attempt").fetchall()  # noqa: S608
    for number, seal, *values in begun:
        if seal == content_hash(values):
            sealed = content_hash([*values, ""])
            db.execute("UPDATE attempt SET seal = ? WHERE id = ?", [sealed, number])


# `started` and `elapsed` have no type: SQLite would make 0.0 of 0, which has another hash.
_TABLES = """
CREATE TABLE pack (
    id INTEGER PRIMARY KEY,
    form TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    pack INTEGER REFERENCES pack(id),
    start INTEGER,
    size INTEGER NOT NULL,
    parts TEXT
);
CREATE TABLE episode (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    entrypoint TEXT NOT NULL,
    inputs TEXT NOT NULL,
    tags TEXT NOT NULL,
    bundle TEXT NOT NULL,
    seal TEXT NOT NULL,
    UNIQUE (tenant, id)
);
CREATE TABLE recording (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    episode INTEGER NOT NULL REFERENCES episode(number),
    manifest INTEGER NOT NULL REFERENCES content(id),
    output TEXT NOT NULL,
    failure TEXT,
    elapsed NOT NULL,
    started TEXT NOT NULL,
    models TEXT NOT NULL,
    calls INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    dollars REAL,
    seal TEXT NOT NULL,
    UNIQUE (episode, id)
);
CREATE TABLE interaction (
    recording INTEGER NOT NULL REFERENCES recording(number),
    step INTEGER NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    headers INTEGER NOT NULL REFERENCES content(id),
    body INTEGER NOT NULL REFERENCES content(id),
    status INTEGER,
    reason TEXT,
    answer_head INTEGER REFERENCES content(id),
    answer INTEGER REFERENCES content(id),
    failure TEXT,
    started NOT NULL,
    elapsed NOT NULL,
    PRIMARY KEY (recording, step)
) WITHOUT ROWID;
CREATE TABLE call (
    recording INTEGER NOT NULL REFERENCES recording(number),
    step INTEGER NOT NULL,
    provider TEXT NOT NULL,
    operation TEXT NOT NULL,
    requested TEXT NOT NULL,
    answered TEXT NOT NULL,
    streamed INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    received INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    dollars REAL,
    error TEXT NOT NULL,
    PRIMARY KEY (recording, step)
) WITHOUT ROWID;
CREATE TABLE text (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    text TEXT NOT NULL
);
CREATE TABLE message (
    recording INTEGER NOT NULL REFERENCES recording(number),
    step INTEGER NOT NULL,
    place INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    role TEXT NOT NULL,
    text INTEGER NOT NULL REFERENCES text(id),
    PRIMARY KEY (recording, step, place)
) WITHOUT ROWID;
CREATE INDEX message_text ON message (text);
CREATE TABLE tool_call (
    recording INTEGER NOT NULL REFERENCES recording(number),
    step INTEGER NOT NULL,
    place INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    PRIMARY KEY (recording, step, place)
);
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    episode TEXT NOT NULL,
    started TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    seal TEXT NOT NULL
);
CREATE TABLE attempt_line (
    attempt INTEGER NOT NULL REFERENCES attempt(id),
    step INTEGER NOT NULL,
    lines TEXT NOT NULL,
    seal TEXT NOT NULL,
    PRIMARY KEY (attempt, step)
) WITHOUT ROWID;
"""

# Named as sqlite-utils names it, whose search finds it so.
_SEARCH = (
    """
    CREATE VIRTUAL TABLE text_fts
    USING fts5(text, tokenize='porter', content='text', content_rowid='id')
    """,
    """
    CREATE TRIGGER text_ai AFTER INSERT ON text BEGIN
        INSERT INTO text_fts (rowid, text) VALUES (new.id, new.text);
    END
    """,
    """
    CREATE TRIGGER text_ad AFTER DELETE ON text BEGIN
        INSERT INTO text_fts (text_fts, rowid, text) VALUES ('delete', old.id, old.text);
    END
    """,
)

_VIEWS = """
CREATE VIEW episodes AS
    SELECT e.tenant, e.id AS episode, e.entrypoint, e.inputs, e.tags, count(r.number) AS recordings,
           max(r.started) AS last_recorded, total(r.calls) AS calls, total(r.tokens) AS tokens,
           sum(r.dollars) AS dollars
    FROM episode e LEFT JOIN recording r ON r.episode = e.number
    GROUP BY e.number;
CREATE VIEW recordings AS
    SELECT e.tenant, e.id AS episode, r.id AS recording, r.started, r.elapsed AS seconds,
           CASE WHEN r.failure IS NULL THEN 'returned' ELSE 'raised' END AS outcome, r.output,
           r.failure, r.models, r.calls, r.tokens, r.dollars
    FROM recording r JOIN episode e ON e.number = r.episode;
CREATE VIEW calls AS
    SELECT e.tenant, e.id AS episode, r.id AS recording, i.step, i.method, i.url, i.status,
           i.started AS at, i.elapsed AS seconds, c.provider, c.operation,
           c.requested AS model_requested, c.answered AS model_answered, c.streamed,
           c.sent AS tokens_sent, c.received AS tokens_received, c.cached AS tokens_cached,
           c.dollars, coalesce(i.failure, c.error) AS error
    FROM interaction i JOIN recording r ON r.number = i.recording
    JOIN episode e ON e.number = r.episode
    LEFT JOIN call c ON c.recording = i.recording AND c.step = i.step;
CREATE VIEW messages AS
    SELECT e.tenant, e.id AS episode, r.id AS recording, m.step,
           CASE m.answer WHEN 0 THEN 'sent' ELSE 'received' END AS direction, m.role, t.text
    FROM message m JOIN text t ON t.id = m.text JOIN recording r ON r.number = m.recording
    JOIN episode e ON e.number = r.episode;
CREATE VIEW tool_calls AS
    SELECT e.tenant, e.id AS episode, r.id AS recording, t.step, t.name, t.arguments,
           t.id AS tool_call
    FROM tool_call t JOIN recording r ON r.number = t.recording
    JOIN episode e ON e.number = r.episode;
CREATE VIEW tokens AS
    SELECT tenant, episode, recording, coalesce(nullif(model_answered, ''), model_requested)
           AS model, count(*) AS calls, sum(tokens_sent) AS sent, sum(tokens_received) AS received,
           sum(tokens_cached) AS cached
    FROM calls WHERE provider IS NOT NULL GROUP BY tenant, episode, recording, model;
CREATE VIEW costs AS
    SELECT tenant, episode, recording, coalesce(nullif(model_answered, ''), model_requested)
           AS model, sum(dollars) AS dollars, sum(dollars IS NULL) AS calls_without_price
    FROM calls WHERE provider IS NOT NULL GROUP BY tenant, episode, recording, model;
"""


def _execute(db: Database, script: str) -> None:
    """Run statements inside of the open transaction, which `executescript` would commit."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)


_STEPS = (m001_episodes, m002_attempts, m003_pieces, m004_index_at_once, m005_read_later)
NAMES = frozenset(step.__name__ for step in _STEPS)
"""The migrations that we know."""

TABLES = frozenset(
    {"_sqlite_migrations", "batch_results"}
    | set(re.findall(r"CREATE TABLE (\w+)", _TABLES))
    | {f"{legacy.PREFIX}{name}" for name in legacy.TABLES}
)
"""The names under which we read; what answers there has to be a table."""

TRIGGERS = frozenset({"text_ai", "text_ad"})
"""Those that there were between `m003_pieces` and `m004_index_at_once`."""


def migrations() -> Migrations:
    """Give the migrations that we know, in their order."""
    from sqlite_utils import Migrations

    found = Migrations(SET)
    for step in _STEPS:
        found()(step)
    return found
