"""Contents of the store: byte strings kept once, in pieces, each found by its hash."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

from replay.episodes.checked import BROKEN
from replay.episodes.database import File
from replay.episodes.pieces import MOST, cut, pack, unpack
from replay.errors import Damaged

_LOOKED_UP_AT_ONCE = 500


def digest(data: bytes) -> bytes:
    """Hash *data* to the 16 bytes by which it is found; BLAKE2b, as everywhere."""
    return blake2b(data, digest_size=16).digest()


def numbers(db: sqlite3.Connection, table: str, hashes: Iterable[bytes]) -> dict[bytes, int]:
    """Look up which of *hashes* are in *table*, and the number of each."""
    found: dict[bytes, int] = {}
    left = iter(hashes)
    while some := list(islice(left, _LOOKED_UP_AT_ONCE)):
        marks = ", ".join("?" * len(some))
        sql = f"SELECT hash, id FROM {table} WHERE hash IN ({marks})"  # noqa: S608 - our own names
        found.update(db.execute(sql, some).fetchall())
    return found


class NewContents:
    """What a recording is going to add: cut and hashed before the file is locked."""

    def __init__(self) -> None:
        self._pieces: dict[bytes, bytes] = {}
        self._lists: dict[bytes, list[bytes]] = {}
        self._sizes: dict[bytes, int] = {}

    def note(self, data: bytes) -> bytes:
        """Take *data* in; gives its hash."""
        name = digest(data)
        if name not in self._sizes:
            self._sizes[name] = len(data)
            pieces = cut(data)
            if len(pieces) > 1:
                self._lists[name] = [self._piece(piece) for piece in pieces]
            else:
                self._pieces[name] = data
        return name

    def _piece(self, data: bytes) -> bytes:
        name = digest(data)
        self._pieces[name] = data
        self._sizes[name] = len(data)
        return name

    def write(self, db: sqlite3.Connection) -> dict[bytes, int]:
        """
        Add what is not there yet, the pieces of it packed together; gives the number of each.

        Packed together, because what belongs to one recording is alike: an answer, and the message
        that sends it back.
        """
        ids = numbers(db, "content", self._sizes)
        pieces = [name for name in self._pieces if name not in ids]
        lists = [name for name in self._lists if name not in ids]
        free = db.execute("SELECT coalesce(max(id), 0) + 1 FROM content").fetchone()[0]
        ids |= {name: free + place for place, name in enumerate([*pieces, *lists])}
        rows: list[tuple[Any, ...]] = []
        if pieces:
            packed = pack(b"".join(self._pieces[name] for name in pieces))
            number = db.execute("INSERT INTO pack (form, data) VALUES (?, ?)", packed).lastrowid
            start = 0
            for name in pieces:
                rows.append((ids[name], name, number, start, self._sizes[name], None))
                start += self._sizes[name]
        for name in lists:
            parts = ",".join(str(ids[part]) for part in self._lists[name])
            rows.append((ids[name], name, None, None, self._sizes[name], f"[{parts}]"))
        db.executemany("INSERT INTO content VALUES (?, ?, ?, ?, ?, ?)", rows)
        return ids


class Contents:
    """
    Reads contents by their numbers, and checks each against its hash.

    What was unpacked is kept: one of these lives as long as a recording is read.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._packs: dict[int, bytes] = {}
        self._found: dict[int, bytes] = {}

    def load(self, ids: Iterable[int]) -> dict[int, bytes]:
        """
        Give the content of each of *ids*.

        Raises:
            Damaged: one is not there, or is not what its hash says.

        """
        wanted = set(ids)
        self._read(wanted - self._found.keys())
        return {number: self._found[number] for number in wanted}

    def _read(self, ids: set[int]) -> None:
        rows = self._rows(ids)
        lists = {row[0]: self._parts(row[0], row[5]) for row in rows if row[5] is not None}
        pieces = {part for parts in lists.values() for part in parts} - self._found.keys() - ids
        rows += self._rows(pieces) if pieces else []
        self._open({row[2] for row in rows if row[5] is None})
        for row in sorted(rows, key=lambda row: row[0] in lists):  # pieces first
            self._found[row[0]] = self._put_together(row, lists)

    def _put_together(self, row: Sequence[Any], lists: dict[int, list[int]]) -> bytes:
        number, name, held, start, size, parts = row
        if parts is None:
            data = self._packs.get(held, b"")[start : start + size]
        else:  # of pieces, which are no lists: those could hold one another, or more than there is
            found = [self._found.get(part, b"") for part in lists.get(number, ())]
            data = b"".join(found) if sum(map(len, found)) == size <= MOST else b""
        if digest(data) != name:
            raise self._damaged(f"content number {number}")
        return data

    def _rows(self, ids: set[int]) -> list[Any]:
        rows = self._file.rows(
            "SELECT id, hash, pack, start, size, parts FROM content "
            "WHERE id IN (SELECT value FROM json_each(?))",
            json.dumps(list(ids)),
        )
        if len(rows) != len(ids):
            missing = ids - {row[0] for row in rows}
            raise self._damaged(f"content number {min(missing)}")
        return rows

    def _parts(self, number: int, parts: str) -> list[int]:
        try:
            return [int(part) for part in json.loads(parts)]
        except BROKEN:
            raise self._damaged(f"content number {number}") from None

    def _open(self, packs: set[int]) -> None:
        rows = self._file.rows(
            "SELECT id, form, data FROM pack WHERE id IN (SELECT value FROM json_each(?))",
            json.dumps(list(packs - self._packs.keys())),
        )
        for number, form, data in rows:
            try:
                self._packs[number] = unpack(form, data)
            except (ValueError, TypeError) as error:
                raise self._damaged(f"pack {number}") from error

    def _damaged(self, what: str) -> Damaged:
        return self._file.damaged(f"{what} is not what it was")
