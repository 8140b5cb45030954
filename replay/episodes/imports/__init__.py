"""
Recorded traffic of other tools as episodes: one small reader each, found by content, not by name.

A reader takes the JSON values of a file and gives the exchanges in it, or None when the file is not
its own. What is nobody's is read as a cassette.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from replay.canonical import header
from replay.cassettes.coding import pieces
from replay.cassettes.files import read_cassette
from replay.cassettes.healing import built, parts
from replay.cassettes.limits import Allowance
from replay.cassettes.reading import read_bytes
from replay.cassettes.redaction import Redactor
from replay.config import Redaction
from replay.episodes.checked import BROKEN
from replay.episodes.folder import read_bundle
from replay.episodes.imports.exchanges import Exchanges
from replay.episodes.imports.har import har
from replay.episodes.imports.logs import logs
from replay.episodes.imports.spans import spans
from replay.episodes.store import Store
from replay.errors import Damaged
from replay.llm.calls import models_of, read_calls
from replay.model import Chunk, Episode, Interaction, Manifest, Recording

READERS: dict[str, Callable[[list[Any]], Exchanges | None]] = {
    "HAR": har,
    "OpenTelemetry": spans,
    "request log": logs,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """
    What was read of one file: an episode of one recording, and the *form* the file has.

    *healed* says in a sentence each what was put right on reading; *new* counts the recordings that
    the store did not have.
    """

    episode: Episode
    form: str
    healed: tuple[str, ...] = ()
    new: int = 0


def import_file(store: Store, path: Path, rules: Redaction, name: str = "") -> Imported:
    """
    Add what *path* holds to *store*, as `read_recorded` reads it; a bundle as what it is.

    Raises:
        Damaged: nobody can read it.
        OtherEpisode: an episode of that name is there, and is another case.

    """
    if _begins(path, b'{"bundle"'):
        episode, digest = read_bundle(path)
        return Imported(episode, "bundle", new=store.add(episode, digest))
    if _begins(path, b"SQLite format 3"):
        hint = f"Merge it: replay merge {path}"
        raise Damaged(path, "it is a store, which is not imported", hint=hint)
    found = read_recorded(path, rules, name)
    return replace(found, new=store.add(found.episode))


def read_recorded(path: Path, rules: Redaction, name: str = "") -> Imported:
    """
    Read *path* as an episode called *name*, by default for the file; secrets are replaced.

    It has no entrypoint and no inputs: nothing in such a file tells them. The clock of its
    recording is when the file says that it began, else the first answer's `Date`.

    Raises:
        Damaged: nobody can read it.

    """
    text = read_bytes(path).decode("utf-8", "replace")
    form, interactions, began, healed = _exchanges(path, _values(text)) or _cassette(path)
    redactor = Redactor(rules)
    clean = tuple(_fitting(redactor.interaction(item)) for item in interactions)
    requested, answered = models_of(read_calls(clean))
    last = max((item.started + item.elapsed for item in clean), default=0.0)
    recording = Recording(
        manifest=Manifest(
            clock=(began or _dated(clean)).isoformat(),
            pinned=False,
            seed=0,
            models_requested=requested,
            models_answered=answered,
            recorder=f"imported: {form}",
        ),
        interactions=clean,
        elapsed=last,
    )
    return Imported(Episode(name or _name(path), "", {}, (recording,)), form, healed)


_Read = tuple[str, tuple[Interaction, ...], datetime | None, tuple[str, ...]]


def _exchanges(path: Path, values: list[Any]) -> _Read | None:
    for form, reader in READERS.items():
        try:
            found = reader(values)
            if found is not None:
                return form, *_built(found)
        except BROKEN as error:
            what = f"a {form} file that is broken: {type(error).__name__}: {error}"
            raise Damaged(path, what) from error
    return None


def _built(found: Exchanges) -> tuple[tuple[Interaction, ...], datetime | None, tuple[str, ...]]:
    healed, allowance = list[str](), Allowance()
    interactions = [
        built(parts(raw, healed.append), allowance, healed.append) for raw in found.exchanges
    ]
    return tuple(interactions), found.began, tuple(healed)


def _fitting(interaction: Interaction) -> Interaction:
    """Let the chunks add up to the body, which somebody may have edited."""
    response = interaction.response
    if not response or not response.chunks:
        return interaction
    cut = pieces(response.body, response.chunks)
    chunks = tuple(Chunk(len(data), chunk.at) for chunk, data in cut)
    return replace(interaction, response=replace(response, chunks=chunks))


def _cassette(path: Path) -> _Read:
    found = read_cassette(path)
    return found.form, found.interactions, found.began, found.healed


def _values(text: str) -> list[Any]:
    """Parse *text* as one JSON value, or as one a line; empty when it is neither."""
    if text.lstrip()[:1] not in ("{", "["):
        return []
    for texts in ([text], text.splitlines()):
        try:
            return [json.loads(piece) for piece in texts if piece.strip()]
        except (ValueError, RecursionError):
            continue
    return []


def _dated(interactions: tuple[Interaction, ...]) -> datetime:
    """Tell when the first answer was given, by its own word; 1970 where none says so."""
    for interaction in interactions:
        if interaction.response:
            try:
                found = parsedate_to_datetime(header(interaction.response.headers, "date"))
            except ValueError:
                continue
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(0, UTC)


def _begins(path: Path, head: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head
    except OSError as error:
        raise Damaged(path, f"it cannot be opened: {error.strerror}") from error


def _name(path: Path) -> str:
    """Make an episode's name of a file's."""
    stem = re.sub(r"(\.(yaml|yml|json|jsonl|har|gz))+$", "", path.name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.\-+=@]+", "_", stem).lstrip(".-+=@")[:120] or "imported"
