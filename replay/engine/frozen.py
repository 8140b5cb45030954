"""Frozen-version replay: today's code against the recording of one version, and what may move."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from replay.atomic import write_atomic
from replay.canonical import content_hash, parsed_json
from replay.engine.replayer import Moved, Replay
from replay.errors import Damaged
from replay.model import Difference, Json, Kind, Manifest, Outcome
from replay.wording import counted

_MAY_MOVE = frozenset(("prompt", "tools"))


@dataclass(frozen=True, slots=True)
class Held:
    """
    One line of a manifest: `enforced` by the replay, or seen to be the `same` or `changed`.

    It is `unknown` where the replay ended before it could be seen.
    """

    name: str
    how: str
    recorded: str
    now: str = ""


class Acknowledged:
    """
    Changes of requests that were looked at and found good, in a file to commit.

    A change is known by its episode, its path in the request, and what stands there now: the same
    prompt in all turns is one change, and changing it again is another.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            text = path.read_text("utf-8") if path.exists() else "[]"
            self._entries: set[tuple[str, str, str]] = {
                (entry["episode"], entry["path"], entry["now"]) for entry in parsed_json(text)
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(path, f"not a list of acknowledged changes: {error}") from error

    def covers(self, episode: str, moved: Moved) -> bool:
        """Whether all that differs in one request is acknowledged."""
        return self._keys(episode, moved) <= self._entries

    def add(self, episode: str, moved: Iterable[Moved]) -> None:
        """Acknowledge all of *moved*, and write that down if it is anything new."""
        before = len(self._entries)
        for item in moved:
            self._entries |= self._keys(episode, item)
        if len(self._entries) == before:
            return
        names = ("episode", "path", "now")
        entries = [dict(zip(names, entry, strict=True)) for entry in sorted(self._entries)]
        write_atomic(self._path, json.dumps(entries, indent=2) + "\n")

    def _keys(self, episode: str, moved: Moved) -> set[tuple[str, str, str]]:
        return {(episode, found.path, content_hash(found.now)) for found in moved.differences}


def judged(replay: Replay, acknowledged: Acknowledged) -> Replay:
    """
    Decide over the requests that moved in *replay*.

    Prompts and tools may, once acknowledged; what else moves is a divergence. An outcome that is
    none of agreement stays as it is.
    """
    if not replay.outcome.agreed or not replay.moved:
        return replay
    for item in replay.moved:
        if not _MAY_MOVE.issuperset(item.change):
            what = ", ".join(sorted(set(item.change) - _MAY_MOVE))
            return _diverged(replay, item, f"Its {what} changed; only prompts and tools may move.")
    open_ones = [item for item in replay.moved if not acknowledged.covers(replay.episode, item)]
    if open_ones:
        count = f"{len(open_ones)} of {counted(replay.recorded, 'request')} moved"
        detail = f"{count}; the output stays as it was. If that is good: --acknowledge"
        return _diverged(replay, open_ones[0], detail)
    return replace(replay, outcome=Outcome(Kind.EQUIVALENT))


def held(manifest: Manifest, replay: Replay, code: tuple[str, bool]) -> tuple[Held, ...]:
    """
    Tell of every line of *manifest* whether *replay* enforced it, or how it is now.

    *code* is what was run, as `code_version` gives it.
    """
    changes = {change.path: change for change in replay.changes}
    moved = {kind for item in replay.moved for kind in item.change}

    def sent(kind: str) -> str:
        """Tell by what was played; a divergence leaves the rest unseen."""
        is_seen = kind in moved or replay.played == replay.recorded
        return _how(kind in moved) if is_seen else "unknown"

    lines = (
        Held("model", "enforced", ", ".join(manifest.models_answered) or "none"),
        Held("clock", "enforced", manifest.clock),
        Held("seed", "enforced", str(manifest.seed)),
        *(_variable(k, v, changes) for k, v in manifest.environment.items()),
        Held("sampling", sent("parameters"), _short(manifest.sampling)),
        Held("prompts", sent("prompt"), manifest.prompts or "none"),
        Held("tools", sent("tools"), manifest.tools or "none"),
        _code(manifest, code),
    )
    return (*lines, *_versions(manifest, changes))


def _variable(name: str, value: str, changes: Mapping[str, Difference]) -> Held:
    line = f"environment {name}"
    if line in changes:
        return Held(line, "changed", value, str(changes[line].now))
    return Held(line, "enforced", value)


def _versions(manifest: Manifest, changes: Mapping[str, Difference]) -> Iterable[Held]:
    watched = {"python": manifest.python, "recorder": manifest.recorder} | manifest.packages
    for name, version in watched.items():
        now = str(changes[name].now) if name in changes else ""
        line = f"package {name}" if name in manifest.packages else name
        yield Held(line, _how(name in changes), version, now)


def _code(manifest: Manifest, now: tuple[str, bool]) -> Held:
    then = (manifest.code_revision, manifest.code_dirty)
    return Held("code", _how(then != now or now[1]), _revision(*then), _revision(*now))


def _revision(revision: str, is_dirty: bool) -> str:
    return f"{revision[:12] or 'unknown'}{' and uncommitted changes' if is_dirty else ''}"


def _how(is_changed: bool) -> str:
    return "changed" if is_changed else "same"


def _short(value: Json) -> str:
    return json.dumps(value) if value else "none"


def _diverged(replay: Replay, moved: Moved, detail: str) -> Replay:
    outcome = Outcome(Kind.DIVERGED, moved.step, "request", detail, moved.differences)
    return replace(replay, outcome=outcome)
