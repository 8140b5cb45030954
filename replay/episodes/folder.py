"""The folder of bundles beside a store: what is committed, and what only it holds."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from replay.atomic import write_atomic
from replay.cassettes.scanner import guard
from replay.episodes import bundle
from replay.episodes.store import Store, check_name
from replay.errors import Damaged, NotSaved, OtherEpisode, OtherTenant, UnknownEpisode
from replay.model import Episode


def bundle_path(store: Store, folder: Path, episode: str) -> Path:
    """Tell where the bundle of *episode* lies: tenants have folders of their own in *folder*."""
    return folder / store.tenant / f"{episode}.jsonl"


def read_bundle(path: Path) -> tuple[Episode, str]:
    """Read the bundle at *path*; with it its digest, which tells one version of it from another."""
    try:
        content = path.read_bytes().decode()
    except OSError as error:
        raise Damaged(path, f"it cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Damaged(path, f"byte {error.start} is not UTF-8") from error
    episode = bundle.load(content, path)
    return episode, _digest_of(content)


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
        NotSaved: it could not be written; what was recorded is in the store.
        Damaged: where it belongs lies another episode's, as where `a.jsonl` and `A.jsonl` are one.

    """
    path = bundle_path(store, folder, episode)
    if path.exists():  # what it holds and the store does not has to survive being written anew
        there, _ = import_bundle(store, path)
        _check_named(path, there, episode)
    found = store.get(episode)
    _refuse_secrets(path, found)
    content = bundle.dump(found)
    try:
        write_atomic(path, content)
    except NotSaved as error:
        hint = f"replay export {episode}   # the store has what was recorded"
        raise NotSaved(error.path, error.why, hint) from error
    store.add(found, _digest_of(content))
    return path


def find(store: Store, bundles: Path, episode: str) -> Episode:
    """
    Load *episode*, with what only its bundle holds; nothing is written.

    Raises:
        UnknownEpisode: neither the store nor the folder *bundles* has it.
        OtherTenant: it belongs to another tenant.
        Damaged: the bundle or the store is.

    """
    check_name(episode)
    path = bundle_path(store, bundles, episode)
    if not path.is_file():
        try:
            return store.get(episode)
        except UnknownEpisode:
            raise UnknownEpisode(episode, known(store, bundles)) from None
    there, _ = read_bundle(path)
    _check_named(path, there.id, episode)
    if there.tenant != store.tenant:
        raise OtherTenant(episode, there.tenant, store.tenant)
    with suppress(UnknownEpisode):
        return united(store.get(episode), there)
    return there


def known(store: Store, bundles: Path, prefix: str = "") -> list[str]:
    """List the episodes of the store and of the folder *bundles* that begin with *prefix*."""
    stems = (path.stem for path in (bundles / store.tenant).glob("*.jsonl"))
    return sorted({*store.ids(prefix), *(stem for stem in stems if stem.startswith(prefix))})


def united(older: Episode, newer: Episode) -> Episode:
    """
    Put together what two places hold of one episode.

    Raises:
        OtherEpisode: they are two cases of one name.

    """
    if (older.entrypoint, older.inputs) != (newer.entrypoint, newer.inputs):
        raise OtherEpisode(newer.id)
    there = {bundle.recording_id(recording) for recording in older.recordings}
    new = (r for r in newer.recordings if bundle.recording_id(r) not in there)
    tags = tuple(dict.fromkeys([*older.tags, *newer.tags]))
    return replace(older, recordings=(*older.recordings, *new), tags=tags)


def _check_named(path: Path, there: str, episode: str) -> None:
    if there != episode:
        raise Damaged(path, f"it holds the episode {there!r}, not {episode!r}")


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


def _digest_of(content: str) -> str:
    return str(json.loads(content.rstrip("\n").rpartition("\n")[2])["digest"])
