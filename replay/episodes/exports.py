"""Recordings as files of other tools; bundles, which hold all of an episode, are the folder's."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from replay.atomic import write_atomic
from replay.cassettes.files import write_anew
from replay.cassettes.scanner import guard
from replay.episodes.imports.har import har_text
from replay.episodes.layers import recording_of
from replay.errors import WouldOverwrite
from replay.model import Episode


def export_cassette(episode: Episode, recording: str, folder: Path, *, force: bool = False) -> Path:
    """
    Write one recording of *episode* as a cassette into *folder*, by default the newest.

    Raises:
        WouldOverwrite: there is such a file, and *force* is not given.
        SecretFound: it holds a secret that is not redacted.

    """
    path = _free(folder / f"{episode.id}.yaml", episode, "cassette", force=force)
    found = recording_of(episode, recording)
    write_anew(path, found.interactions, datetime.fromisoformat(found.manifest.clock))
    return path


def export_har(episode: Episode, recording: str, folder: Path, *, force: bool = False) -> Path:
    """Write one recording of *episode* as a HAR file; otherwise as `export_cassette`."""
    path = _free(folder / f"{episode.id}.har", episode, "har", force=force)
    found = recording_of(episode, recording)
    guard(path, found.interactions)
    write_atomic(path, har_text(found))
    return path


def _free(path: Path, episode: Episode, form: str, *, force: bool) -> Path:
    if path.exists() and not force:
        command = f"replay export {episode.id} --format {form} --to {path.parent} --force"
        raise WouldOverwrite(str(path), command)
    return path
