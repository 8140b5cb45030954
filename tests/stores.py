"""Stores as older versions left them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from sqlite_utils import Database

from replay.episodes.bundle import interaction_lines, recording_id
from replay.episodes.schema import migrations
from replay.model import Episode

GONE = 2**22 + 1
"""A process id beyond what Linux gives."""


def old_store(path: Path, given: Episode) -> None:
    """A store as it was before bodies were kept in pieces."""
    db = Database(path)
    migrations().apply(db, stop_before="m003_pieces")
    db.execute("BEGIN")
    row = given.id, given.entrypoint, json.dumps(given.inputs), "b2:digest"
    db.execute("INSERT INTO episodes VALUES (?, ?, ?, ?)", row)
    for number, recording in enumerate(given.recordings, 1):
        manifest, output = json.dumps(asdict(recording.manifest)), json.dumps(recording.output)
        row = number, recording_id(recording), given.id, manifest, output, None, recording.elapsed
        db.execute("INSERT INTO recordings VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        for step, item in enumerate(recording.interactions, 1):
            sent, got = item.request, item.response
            for name, data in ((f"s{number}.{step}", sent.body), (f"g{number}.{step}", got.body)):
                db.execute("INSERT INTO bodies VALUES (?, ?)", (name, data))
            row = number, step, sent.method, sent.url, json.dumps(sent.headers)
            row += f"s{number}.{step}", got.status, got.reason, json.dumps(got.headers)
            chunks = json.dumps([[chunk.size, chunk.at] for chunk in got.chunks])
            row += f"g{number}.{step}", chunks, None, item.started, item.elapsed
            db.execute(f"INSERT INTO interactions VALUES ({', '.join('?' * 14)})", row)
    db.execute("INSERT INTO attempts VALUES (1, 'run', '2026-01-01', ?)", (GONE,))
    lines = json.dumps(interaction_lines(1, given.recordings[0].interactions[0]))
    db.execute("INSERT INTO attempt_lines VALUES (1, 1, ?)", (lines,))
    db.execute("COMMIT")
    db.conn.close()
