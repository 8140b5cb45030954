"""Recordings as rows: written in one transaction, read back and checked against their names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from replay.canonical import content_hash, members, parsed_json
from replay.episodes.bundle import headers_from, manifest_from, recording_id
from replay.episodes.checked import BROKEN, checked
from replay.episodes.contents import Contents, NewContents, digest, numbers
from replay.episodes.database import File
from replay.episodes.said import Said, said
from replay.errors import Damaged
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

_UNREAD = "unread "
"""
What the seal of a recording begins with whose calls are not read.

It is whole; the views lack what they say.
"""

IS_UNREAD = f"seal GLOB '{_UNREAD}*'"
"""By which SQLite finds such recordings: word for word as in `schema`, which has an index of it."""

_AT_ONCE = 50
_BYTES_AT_ONCE = 1_000_000
"""
Recordings, and their bodies, of which `catch_up` reads no more before it writes.

So each step is short, and of small ones many share a transaction, which takes longer than they do.
"""


class NewRecording:
    """
    A recording ready to be written; all that takes long is done before the file is locked.

    What is not *read* now is left to `catch_up`.
    """

    def __init__(self, recording: Recording, name: str, *, read: bool = True) -> None:
        self.id = name
        self._recording = recording
        self._contents = NewContents()
        self._manifest = self._contents.note(text(members(recording.manifest)).encode())
        self._steps = [(item, self._noted(item)) for item in recording.interactions]
        self._said = said(recording) if read else None

    def write(self, db: sqlite3.Connection, episode: int) -> bool:
        """Write it, unless *episode* has it; tell whether it was new."""
        there = "SELECT 1 FROM recording WHERE episode = ? AND id = ?"
        if db.execute(there, [episode, self.id]).fetchone():
            return False
        ids = self._contents.write(db)
        recording = self._recording
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
                *_sealed(episode, self.id, recording, self._said),
            ],
        ).fetchone()[0]
        steps = [_step(ids, *step) for step in self._steps]
        _insert(db, "interaction", [(number, n, *row) for n, row in enumerate(steps, 1)])
        if self._said:
            _write_said(db, {number: self._said})
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


def catch_up(file: File) -> Iterator[int]:
    """
    Read the calls of recordings that were written unread; gives how many after each transaction.

    What is damaged stays unread: `verify` says where.
    """
    last = 0
    while some := file.rows(_NEXT, last, _AT_ONCE):
        read: list[_Read] = []
        size = 0
        for (last,) in some:
            if found := _read(file, last):
                read.append(found)
                size += found.size
            if size > _BYTES_AT_ONCE:
                break
        yield _write_read(file, read) if read else 0


_NEXT = f"SELECT number FROM recording WHERE {IS_UNREAD} AND number > ? ORDER BY number LIMIT ?"  # noqa: S608


@dataclass(frozen=True, slots=True)
class _Read:
    """What the calls of the recording with that *number* say; *size* are the bytes of them."""

    number: int
    unread: str
    sealed: list[Any]
    said: Said
    size: int


def _read(file: File, number: int) -> _Read | None:
    """Read the calls of one recording; None where it is damaged, or not there any more."""
    sql = f"SELECT episode, seal, {_COLUMNS} FROM recording WHERE number = ?"  # noqa: S608
    try:
        with file.believed():
            ((episode, unread, *row),) = file.rows(sql, number)
            recording = _recording(file, Contents(file), str(episode), row)
            name = row[1]
            if unread != _sealed(episode, name, recording, None)[-1]:
                return None
            found = said(recording)
    except Damaged:
        return None
    size = sum(
        len(item.request.body) + (len(item.response.body) if item.response else 0)
        for item in recording.interactions
    )
    return _Read(number, unread, _sealed(episode, name, recording, found), found, size)


def _write_read(file: File, read: list[_Read]) -> int:
    """Write what was read, unless another has, or the recording is gone; tell how many it is of."""
    with file.writing() as db:
        done = {one.number: one.said for one in read if _seal(db, one)}
        _write_said(db, done)
    return len(done)


def _seal(db: sqlite3.Connection, read: _Read) -> bool:
    """Make a recording one that is read; tell whether it still was the one, and was not."""
    sql = f"UPDATE recording SET ({HEAD}, seal) = (?, ?, ?, ?, ?, ?) "  # noqa: S608 - our own
    sql += "WHERE number = ? AND seal = ?"  # a number is given again, once its recording is deleted
    if not db.execute(sql, [*read.sealed, read.number, read.unread]).rowcount:
        return False
    for table in SAID:  # nothing is there, unless somebody has put it there
        db.execute(f"DELETE FROM {table} WHERE recording = ?", [read.number])  # noqa: S608
    return True


def _sealed(episode: int, name: str, recording: Recording, found: Said | None) -> list[Any]:
    """Lay out the columns of `HEAD` and the seal; what takes reading is empty until *found*."""
    told = (text(found.models), found.tokens, found.dollars) if found else ("[]", 0, None)
    models, tokens, dollars = told
    head = [recording.manifest.clock, models, len(recording.interactions), tokens, dollars]
    return [*head, seal(episode, name, head, found)]


def _write_said(db: sqlite3.Connection, read: Mapping[int, Said]) -> None:
    """Write what the calls of recordings say, by the numbers of these."""
    texts = _write_texts(db, [row[4] for found in read.values() for row in found.messages])
    messages = ((n, *row[:4], texts[row[4]]) for n, found in read.items() for row in found.messages)
    _insert(db, "message", list(messages))
    _insert(db, "call", [(n, *row) for n, found in read.items() for row in found.calls])
    _insert(db, "tool_call", [(n, *row) for n, found in read.items() for row in found.tool_calls])


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


_COLUMNS = "number, id, manifest, output, failure, elapsed"


def read_recordings(file: File, episode: int, name: str) -> tuple[Recording, ...]:
    """
    Load the recordings of the episode with the number *episode*, oldest first.

    Raises:
        Damaged: one does not have the content that names it.

    """
    contents = Contents(file)
    sql = f"SELECT {_COLUMNS} FROM recording WHERE episode = ? ORDER BY number"  # noqa: S608
    rows = file.rows(sql, episode)
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


def seal(episode: int, recording: str, head: Sequence[Any], found: Said | None) -> str:
    """Hash what a recording's name does not cover: whose it is, and what its calls say, if read."""
    known = [episode, recording, list(head)]
    if found is None:
        return _UNREAD + content_hash(known)
    return content_hash([*known, [found.calls, found.messages, found.tool_calls]])


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
