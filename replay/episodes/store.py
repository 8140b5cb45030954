"""The episode store: one SQLite file, recordings write-once."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlite_utils import Database

from replay.atomic import write_atomic
from replay.canonical import bytes_hash
from replay.cassettes.scanner import guard
from replay.episodes import bundle
from replay.episodes.schema import migrations
from replay.errors import BadName, Damaged, OtherEpisode, UnknownEpisode
from replay.model import (
    Chunk,
    Episode,
    Failure,
    Headers,
    Interaction,
    Json,
    Manifest,
    Recording,
    Request,
    Response,
)

_BUSY_SECONDS = 30.0
_NAME = re.compile(r"\w[\w.\-+=@]{0,119}")


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a listing."""

    id: str
    entrypoint: str
    recordings: int
    interactions: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A recording that was begun and not ended: its *interactions* are those that were complete."""

    number: int
    episode: str
    started: str
    pid: int
    interactions: tuple[Interaction, ...]


class Store:
    """
    Episodes and their recordings in one SQLite file, or in memory with `":memory:"`.

    A recording is named by its content and never changed: adding one that is there does nothing.
    Every read derives the names anew, so that a flipped byte is found where it is used.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        with self._intact():
            self._db = self._opened()

    def _opened(self) -> Database:
        if self.path != ":memory:":
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        db = Database(connection)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            self._refuse_the_future(db)
            if migrations.pending(db):
                self._migrate(db)
        except BaseException:
            connection.close()
            raise
        return db

    def _migrate(self, db: Database) -> None:
        """Bring the tables up to date, one process at a time."""
        if self.path != ":memory:":
            db.enable_wal()
        db.execute("BEGIN IMMEDIATE")
        try:
            migrations.apply(db)  # does nothing where another process was first
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def _refuse_the_future(self, db: Database) -> None:
        known = {m.name for m in migrations.pending(db)} | {m.name for m in migrations.applied(db)}
        ours = {name for name in dir(_schema()) if name.startswith("m0")}
        if newer := sorted(known - ours):
            what = f"it was written by a newer version ({newer[-1]})"
            raise Damaged(self.path, what, hint="Upgrade: pip install -U golden-replay")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was added is safe before this."""
        with self._lock:
            self._db.conn.close()

    def ids(self) -> list[str]:
        """List the names of all episodes, sorted."""
        with self._intact():
            return [row[0] for row in self._all("SELECT id FROM episodes ORDER BY id")]

    def summaries(self) -> list[Summary]:
        """List all episodes with what there is of each."""
        rows = self._all(
            """
            SELECT e.id, e.entrypoint, count(DISTINCT r.number), count(i.step),
                   group_concat(DISTINCT r.manifest ->> '$.models_answered')
            FROM episodes e LEFT JOIN recordings r ON r.episode = e.id
            LEFT JOIN interactions i ON i.recording = r.number
            GROUP BY e.id ORDER BY e.id
            """
        )
        return [
            Summary(episode, entrypoint, recordings, interactions, _distinct(models))
            for episode, entrypoint, recordings, interactions, models in rows
        ]

    def get(self, episode: str) -> Episode:
        """
        Load one episode with all its recordings, oldest first.

        Raises:
            UnknownEpisode: there is none of that name.
            Damaged: something in it does not have the content that names it.

        """
        with self._intact():
            found = self._all("SELECT entrypoint, inputs FROM episodes WHERE id = ?", episode)
            if not found:
                raise UnknownEpisode(episode, self.ids())
            entrypoint, inputs = found[0]
            rows = self._all("SELECT * FROM recordings WHERE episode = ? ORDER BY number", episode)
            recordings = tuple(self._recording(episode, row) for row in rows)
            return Episode(episode, entrypoint, json.loads(inputs), recordings)

    def add(self, episode: Episode, bundle_digest: str = "") -> int:
        """
        Add *episode*, or those of its recordings that are not there yet; count those.

        *bundle_digest* notes the bundle it came from, for `imported`.

        Raises:
            OtherEpisode: one of that name is there, with another entrypoint or other inputs.

        """
        check_name(episode.id)
        with self._intact(), self._writing():
            self._db.execute(
                "INSERT INTO episodes (id, entrypoint, inputs) VALUES (?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                [episode.id, episode.entrypoint, _text(episode.inputs)],
            )
            self._refuse_another_case(episode)
            if bundle_digest:
                self._db.execute(
                    "UPDATE episodes SET bundle = ? WHERE id = ?", [bundle_digest, episode.id]
                )
            return sum(self._add_recording(episode.id, r) for r in episode.recordings)

    def imported(self, episode: str) -> str:
        """Tell which bundle *episode* was last imported from, by digest; empty for none."""
        with self._intact():
            rows = self._all("SELECT bundle FROM episodes WHERE id = ?", episode)
            return str(rows[0][0]) if rows else ""

    def begin(self, episode: str, started: str, pid: int) -> int:
        """Note that a recording begins; `finish` or a later `discard` takes the note away."""
        check_name(episode)
        with self._intact(), self._writing():
            row = self._db.execute(
                "INSERT INTO attempts (episode, started, pid) VALUES (?, ?, ?) RETURNING id",
                [episode, started, pid],
            ).fetchone()
            return int(row[0])

    def note(self, attempt: int, step: int, interaction: Interaction) -> None:
        """Keep a complete interaction of a recording in progress."""
        lines = _text(bundle.interaction_lines(step, interaction))
        with self._intact(), self._writing():
            self._db.execute("INSERT INTO attempt_lines VALUES (?, ?, ?)", [attempt, step, lines])

    def finish(self, attempt: int, episode: Episode) -> None:
        """Turn a recording in progress into a recording, in one transaction."""
        with self._intact(), self._writing():
            self.add(episode)
            self.discard(attempt)

    def discard(self, attempt: int) -> None:
        """Drop the note of a recording that was not ended."""
        with self._intact(), self._writing():
            self._db.execute("DELETE FROM attempt_lines WHERE attempt = ?", [attempt])
            self._db.execute("DELETE FROM attempts WHERE id = ?", [attempt])

    def incomplete(self) -> list[Incomplete]:
        """List the recordings that were begun and neither ended nor discarded."""
        with self._intact():
            rows = self._all("SELECT id, episode, started, pid FROM attempts")
            return [
                Incomplete(number, episode, started, pid, self._noted(number))
                for number, episode, started, pid in rows
            ]

    def _noted(self, attempt: int) -> tuple[Interaction, ...]:
        rows = self._all("SELECT lines FROM attempt_lines WHERE attempt = ? ORDER BY step", attempt)
        lines = [line for row in rows for line in json.loads(row[0])]
        return tuple(bundle.interactions(lines))

    def _refuse_another_case(self, episode: Episode) -> None:
        rows = self._all("SELECT entrypoint, inputs FROM episodes WHERE id = ?", episode.id)
        entrypoint, inputs = rows[0]
        if (entrypoint, json.loads(inputs)) != (episode.entrypoint, episode.inputs):
            raise OtherEpisode(episode.id)

    def _add_recording(self, episode: str, recording: Recording) -> int:
        row = self._db.execute(
            "INSERT INTO recordings (id, episode, manifest, output, failure, elapsed) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING number",
            [
                bundle.recording_id(recording),
                episode,
                _text(asdict(recording.manifest)),
                _text(recording.output),
                _text(asdict(recording.failure)) if recording.failure else None,
                recording.elapsed,
            ],
        ).fetchone()
        if row is None:
            return 0
        for step, interaction in enumerate(recording.interactions, 1):
            self._add_interaction(row[0], step, interaction)
        return 1

    def _add_interaction(self, recording: int, step: int, interaction: Interaction) -> None:
        request, response = interaction.request, interaction.response
        values = {
            "recording": recording,
            "step": step,
            "method": request.method,
            "url": request.url,
            "headers": _text(request.headers),
            "body": self._add_body(request.body),
            "failure": _text(asdict(interaction.failure)) if interaction.failure else None,
            "started": interaction.started,
            "elapsed": interaction.elapsed,
        }
        if response:
            values |= {
                "status": response.status,
                "reason": response.reason,
                "answer_headers": _text(response.headers),
                "answer": self._add_body(response.body),
                "chunks": _text([[chunk.size, chunk.at] for chunk in response.chunks]),
            }
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        self._db.execute(
            f"INSERT INTO interactions ({names}) VALUES ({marks})",  # noqa: S608 - our own names
            values,
        )

    def _add_body(self, data: bytes) -> str:
        name = bytes_hash(data)
        self._db.execute("INSERT INTO bodies VALUES (?, ?) ON CONFLICT DO NOTHING", [name, data])
        return name

    def _recording(self, episode: str, row: Any) -> Recording:
        number, name, _, manifest, output, failure, elapsed = row
        steps = self._all(
            "SELECT method, url, headers, body, status, reason, answer_headers, answer, chunks, "
            "failure, started, elapsed FROM interactions WHERE recording = ? ORDER BY step",
            number,
        )
        recording = Recording(
            manifest=_manifest(manifest),
            interactions=tuple(self._interaction(*step) for step in steps),
            output=json.loads(output),
            failure=Failure(**json.loads(failure)) if failure else None,
            elapsed=elapsed,
        )
        if bundle.recording_id(recording) != name:
            what = f"recording {name} of {episode} does not have the content of that name"
            raise Damaged(self.path, what, hint=self._hint())
        return recording

    def _interaction(self, *row: Any) -> Interaction:
        method, url, headers, body, status, reason, answer_headers, answer, chunks = row[:9]
        failure, started, elapsed = row[9:]
        response = None
        if status is not None:
            pieces = tuple(Chunk(size, at) for size, at in json.loads(chunks))
            response = Response(
                status, reason, _headers(answer_headers), self._body(answer), pieces
            )
        return Interaction(
            request=Request(method, url, _headers(headers), self._body(body)),
            response=response,
            failure=Failure(**json.loads(failure)) if failure else None,
            started=started,
            elapsed=elapsed,
        )

    def _body(self, name: str) -> bytes:
        rows = self._all("SELECT data FROM bodies WHERE hash = ?", name)
        data = rows[0][0] if rows else None
        if not isinstance(data, bytes) or bytes_hash(data) != name:
            raise Damaged(self.path, f"body {name} is not what it was", hint=self._hint())
        return data

    def _all(self, sql: str, *values: Json) -> list[Any]:
        with self._lock:
            return list(self._db.execute(sql, values).fetchall())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the one write transaction; a nested use joins it."""
        with self._lock:
            if self._db.conn.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _intact(self) -> Iterator[None]:
        """Turn what SQLite says of a broken file into our words."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            hint = "Is it writable, and its disk not full? REPLAY_STORE=FILE uses another one."
            raise Damaged(self.path, f"SQLite cannot use it: {error}", hint=hint) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise Damaged(self.path, f"not a whole store: {error}", hint=self._hint()) from error

    def _hint(self) -> str:
        return (
            "The store is derived from the bundles beside it: move it away, and the next command "
            f"makes it anew: mv {self.path} {self.path}.damaged"
        )


def check_name(episode: str) -> None:
    """Raise `BadName` unless *episode* is safe as a file name on every system."""
    if not _NAME.fullmatch(episode):
        raise BadName(episode)


def read_bundle(path: Path) -> tuple[Episode, str]:
    """Read the bundle at *path*; with it its digest, which tells one version of it from another."""
    try:
        text = path.read_bytes().decode().replace("\r\n", "\n")
    except OSError as error:
        raise Damaged(path, f"it cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Damaged(path, f"byte {error.start} is not UTF-8") from error
    episode = bundle.load(text, path)
    return episode, _digest_of(text)


def import_bundle(store: Store, path: Path) -> tuple[str, int]:
    """Import the bundle at *path* unless that was done; tell the episode and what was new."""
    episode, digest = read_bundle(path)
    if store.imported(episode.id) == digest:
        return episode.id, 0
    return episode.id, store.add(episode, digest)


def export_bundle(store: Store, episode: str, folder: Path) -> Path:
    """
    Write *episode* as a bundle into *folder*, and note it as imported.

    Raises:
        SecretFound: it holds a secret that is not redacted; the bundle is as it was.

    """
    path = folder / f"{episode}.jsonl"
    if path.exists():  # what it holds and the store does not has to survive being written anew
        import_bundle(store, path)
    found = store.get(episode)
    _refuse_secrets(path, found)
    text = bundle.dump(found)
    write_atomic(path, text)
    store.add(found, _digest_of(text))
    return path


def _refuse_secrets(path: Path, episode: Episode) -> None:
    recordings = episode.recordings
    kept_as_they_are = {
        "inputs": episode.inputs,
        "outputs": [recording.output for recording in recordings],
        "environment": [recording.manifest.environment for recording in recordings],
        "failures": [asdict(recording.failure) for recording in recordings if recording.failure],
    }
    interactions = [item for recording in recordings for item in recording.interactions]
    guard(path, interactions, kept_as_they_are)


def find(store: Store, bundles: Path, episode: str) -> Episode:
    """
    Load *episode*; its bundle is imported first when it is new to the store, or has changed.

    Raises:
        UnknownEpisode: neither the store nor the folder *bundles* has it.
        Damaged: the bundle or the store is.

    """
    check_name(episode)
    path = bundles / f"{episode}.jsonl"
    if path.is_file():
        held, _ = import_bundle(store, path)
        if held != episode:
            raise Damaged(path, f"it holds the episode {held!r}, not the one it is named for")
    with suppress(UnknownEpisode):
        return store.get(episode)
    raise UnknownEpisode(episode, {*store.ids(), *(p.stem for p in bundles.glob("*.jsonl"))})


def _digest_of(text: str) -> str:
    return str(json.loads(text.rstrip("\n").rpartition("\n")[2])["digest"])


def _schema() -> Any:
    from replay.episodes import schema

    return schema


def _manifest(text: str) -> Manifest:
    return bundle.manifest_from(json.loads(text))


def _headers(text: str) -> Headers:
    return tuple((name, value) for name, value in json.loads(text))


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True)


def _distinct(joined: str | None) -> tuple[str, ...]:
    found: Iterable[str] = json.loads(f"[{joined}]") if joined else []
    return tuple(dict.fromkeys(model for models in found for model in models))
