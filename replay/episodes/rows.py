"""Recordings as rows: written in one transaction, read back and checked against their names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from replay.canonical import content_hash, members
from replay.episodes.bundle import manifest_from, recording_id
from replay.episodes.contents import Contents, NewContents, digest, numbers
from replay.episodes.database import File
from replay.episodes.said import Said, said
from replay.errors import Damaged
from replay.model import Chunk, Failure, Headers, Interaction, Json, Recording, Request, Response

SAID = {
    "call": "step, provider, operation, requested, answered, streamed, sent, received, cached, "
    "dollars, error",
    "message": "step, place, answer, role, text",
    "tool_call": "step, place, id, name, arguments",
}
"""The tables that say what calls say, with those columns of theirs that are sealed."""

_CONTENTS = ("headers", "body", "answer_head", "answer")

HEAD = "started, models, calls, tokens, dollars"
"""Those columns of a recording that are derived from it, and sealed."""


class NewRecording:
    """A recording ready to be written; all that takes long is done before the file is locked."""

    def __init__(self, recording: Recording, name: str) -> None:
        self.id = name
        self._recording = recording
        self._contents = NewContents()
        self._manifest = self._contents.note(text(members(recording.manifest)).encode())
        self._steps = [self._step(n, i) for n, i in enumerate(recording.interactions, 1)]
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
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        ).lastrowid
        self._write_steps(db, number, ids)
        messages = [(*row[:4], texts[row[4]]) for row in found.messages]
        _insert(db, "call", number, found.calls)
        _insert(db, "message", number, messages)
        _insert(db, "tool_call", number, found.tool_calls)
        return True

    def _write_steps(
        self, db: sqlite3.Connection, number: int | None, ids: dict[bytes, int]
    ) -> None:
        """Insert the interactions, the hashes of their contents replaced by numbers."""
        rows = [
            tuple(ids[value] if name in _CONTENTS and value else value for name, value in step)
            for step in self._steps
        ]
        _insert(db, "interaction", number, rows)

    def _step(self, step: int, interaction: Interaction) -> list[tuple[str, Any]]:
        """Lay out one row, by column; contents as their hashes."""
        request, response = interaction.request, interaction.response
        values: dict[str, Any] = {
            "step": step,
            "method": request.method,
            "url": request.url,
            "headers": self._contents.note(_bytes(request.headers)),
            "body": self._contents.note(request.body),
            **dict.fromkeys(("status", "reason", "answer_head", "answer")),
            "failure": _failure_text(interaction.failure),
            "started": interaction.started,
            "elapsed": interaction.elapsed,
        }
        if response:
            chunks = [[chunk.size, chunk.at] for chunk in response.chunks]
            head = {"headers": response.headers, "chunks": chunks}
            values["status"], values["reason"] = response.status, response.reason
            values["answer_head"] = self._contents.note(_bytes(head))
            values["answer"] = self._contents.note(response.body)
        return list(values.items())


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
        recording = Recording(
            manifest=manifest_from(json.loads(found[manifest])),
            interactions=tuple(_interaction(found, *step) for step in steps),
            output=json.loads(output),
            failure=_failure(failure),
            elapsed=elapsed,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(file.path, f"{what}: {error}", hint=file.hint()) from error
    if recording_id(recording) != name:
        raise Damaged(file.path, what, hint=file.hint())
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
            _headers(head["headers"]),
            found[answer],
            tuple(Chunk(size, at) for size, at in head["chunks"]),
        )
    return Interaction(
        request=Request(method, url, _headers(json.loads(found[headers])), found[body]),
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
    return {item: known[name] for name, item in hashes.items()}


def _insert(
    db: sqlite3.Connection, table: str, recording: int | None, rows: Sequence[Sequence[Any]]
) -> None:
    if rows:
        marks = ", ".join("?" * (len(rows[0]) + 1))
        sql = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 - our own names
        db.executemany(sql, (tuple(chain([recording], row)) for row in rows))


def _bytes(value: Json) -> bytes:
    return text(value).encode()


def _headers(pairs: list[list[str]]) -> Headers:
    return tuple((name, value) for name, value in pairs)


def _failure(value: str | None) -> Failure | None:
    return Failure(**json.loads(value)) if value else None


def _failure_text(failure: Failure | None) -> str | None:
    return text(asdict(failure)) if failure else None
