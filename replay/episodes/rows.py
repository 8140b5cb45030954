"""Recordings as rows: written in one transaction, read back and checked against their names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from replay.canonical import content_hash, members, parsed_json
from replay.episodes.bundle import headers_from, manifest_from, recording_id
from replay.episodes.checked import BROKEN, checked
from replay.episodes.contents import Contents, NewContents, digest, numbers
from replay.episodes.database import File
from replay.episodes.said import Said, said
from replay.model import Chunk, Failure, Interaction, Json, Recording, Request, Response

SAID = {
    "call": "step, provider, operation, requested, answered, streamed, sent, received, cached, "
    "dollars, error",
    "message": "step, place, answer, role, text",
    "tool_call": "step, place, id, name, arguments",
}
"""The tables that say what calls say, with those columns of theirs that are sealed."""

_Noted: TypeAlias = tuple[bytes, bytes, bytes, bytes]
"""The hashes of headers, body, head of the answer and answer."""

_NO_ANSWER = (None, None, None, None)

HEAD = "started, models, calls, tokens, dollars"
"""Those columns of a recording that are derived from it, and sealed."""


class NewRecording:
    """A recording ready to be written; all that takes long is done before the file is locked."""

    def __init__(self, recording: Recording, name: str) -> None:
        self.id = name
        self._recording = recording
        self._contents = NewContents()
        self._manifest = self._contents.note(text(members(recording.manifest)).encode())
        self._steps = [(item, self._noted(item)) for item in recording.interactions]
        self._said = said(recording)

    def write(self, db: sqlite3.Connection, episode: int) -> bool:
        """Write it, unless *episode* has it; tell whether it was new."""
        there = "SELECT 1 FROM recording WHERE episode = ? AND id = ?"
        if db.execute(there, [episode, self.id]).fetchone():
            return False
        ids = self._contents.write(db)
        recording, found = self._recording, self._said
        head = (
            recording.manifest.clock,
            text(found.models),
            len(recording.interactions),
            found.tokens,
            found.dollars,
        )
        texts = _write_texts(db, [message[4] for message in found.messages])
        number = db.execute(
            f"INSERT INTO recording (id, episode, manifest, output, failure, elapsed, {HEAD}, seal)"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
            [
                self.id,
                episode,
                ids[self._manifest],
                text(recording.output),
                _failure_text(recording.failure),
                recording.elapsed,
                *head,
                seal(episode, self.id, head, found),
            ],
        ).fetchone()[0]
        steps = [_step(ids, *step) for step in self._steps]
        _insert(db, "interaction", [(number, n, *row) for n, row in enumerate(steps, 1)])
        _insert(db, "call", [(number, *row) for row in found.calls])
        _insert(db, "message", [(number, *row[:4], texts[row[4]]) for row in found.messages])
        _insert(db, "tool_call", [(number, *row) for row in found.tool_calls])
        return True

    def _noted(self, interaction: Interaction) -> _Noted:
        """Take the contents of one interaction in; gives their hashes, empty for no answer."""
        note, request, response = self._contents.note, interaction.request, interaction.response
        headers, body = note(_bytes(request.headers)), note(request.body)
        if not response:
            return headers, body, b"", b""
        chunks = [[chunk.size, chunk.at] for chunk in response.chunks]
        head = {"headers": response.headers, "chunks": chunks}
        return headers, body, note(_bytes(head)), note(response.body)


def _step(ids: dict[bytes, int], interaction: Interaction, noted: _Noted) -> tuple[Any, ...]:
    """Lay out one row, the hashes of its contents replaced by numbers."""
    request, response = interaction.request, interaction.response
    headers, body, head, answer = noted
    answered: tuple[Any, ...] = _NO_ANSWER
    if response:
        answered = response.status, response.reason, ids[head], ids[answer]
    asked = request.method, request.url, ids[headers], ids[body]
    failure = _failure_text(interaction.failure)
    return *asked, *answered, failure, interaction.started, interaction.elapsed


def read_recordings(file: File, episode: int, name: str) -> tuple[Recording, ...]:
    """
    Load the recordings of the episode with the number *episode*, oldest first.

    Raises:
        Damaged: one does not have the content that names it.

    """
    contents = Contents(file)
    rows = file.rows(
        "SELECT number, id, manifest, output, failure, elapsed FROM recording "
        "WHERE episode = ? ORDER BY number",
        episode,
    )
    return tuple(_recording(file, contents, name, row) for row in rows)


def _recording(file: File, contents: Contents, episode: str, row: Sequence[Any]) -> Recording:
    number, name, manifest, output, failure, elapsed = row
    what = f"recording {name} of {episode} does not have the content of that name"
    steps = file.rows(
        "SELECT headers, body, answer_head, answer, method, url, status, reason, "
        "failure, started, elapsed FROM interaction WHERE recording = ? ORDER BY step",
        number,
    )
    found = contents.load(
        [manifest, *(item for step in steps for item in step[:4] if item is not None)]
    )
    try:
        recording = checked(
            Recording(
                manifest=manifest_from(json.loads(found[manifest])),
                interactions=tuple(_interaction(found, *step) for step in steps),
                output=parsed_json(output),
                failure=_failure(failure),
                elapsed=elapsed,
            )
        )
    except BROKEN as error:
        raise file.damaged(f"{what}: {error}") from error
    if recording_id(recording) != name:
        raise file.damaged(what)
    return recording


def _interaction(found: dict[int, bytes], *row: Any) -> Interaction:
    headers, body, answer_head, answer, method, url, status, reason = row[:8]
    failure, started, elapsed = row[8:]
    response = None
    if status is not None:
        head = json.loads(found[answer_head])
        response = Response(
            status,
            reason,
            headers_from(head["headers"]),
            found[answer],
            tuple(Chunk(size, at) for size, at in head["chunks"]),
        )
    return Interaction(
        request=Request(method, url, headers_from(json.loads(found[headers])), found[body]),
        response=response,
        failure=_failure(failure),
        started=started,
        elapsed=elapsed,
    )


def seal(episode: int, recording: str, head: Sequence[Any], found: Said) -> str:
    """Hash what a recording's name does not cover: whose it is, and what its calls say."""
    said_there = [found.calls, found.messages, found.tool_calls]
    return content_hash([episode, recording, list(head), said_there])


def text(value: Json) -> str:
    """Write *value* as JSON that SQLite takes, whatever stands in it."""
    return json.dumps(value, ensure_ascii=True)


def _write_texts(db: sqlite3.Connection, texts: list[str]) -> dict[str, int]:
    """Add the texts that are not there yet; gives the number of each."""
    hashes = {digest(item.encode()): item for item in texts}
    known = numbers(db, "text", hashes)
    new = [name for name in hashes if name not in known]
    free = db.execute("SELECT coalesce(max(id), 0) + 1 FROM text").fetchone()[0]
    known |= {name: free + place for place, name in enumerate(new)}
    rows = ((known[name], name, hashes[name]) for name in new)
    db.executemany("INSERT INTO text VALUES (?, ?, ?)", rows)
    db.execute("INSERT INTO text_fts (rowid, text) SELECT id, text FROM text WHERE id >= ?", [free])
    return {item: known[name] for name, item in hashes.items()}


def _insert(db: sqlite3.Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - our own names


def _bytes(value: Json) -> bytes:
    return text(value).encode()


def _failure(value: str | None) -> Failure | None:
    return Failure(**json.loads(value)) if value else None


def _failure_text(failure: Failure | None) -> str | None:
    return text(asdict(failure)) if failure else None
