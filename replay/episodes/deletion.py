"""Deleting episodes: the one way in which a recording goes, and only by its episode's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from replay.atomic import saving
from replay.episodes.folder import bundle_path, find
from replay.episodes.store import Store, check_name
from replay.errors import OnlyShared


@dataclass(frozen=True, slots=True)
class Doomed:
    """What goes with *episode*: what the store has of it, and the *bundle*, where there is one."""

    episode: str
    recordings: int
    calls: int
    bundle: Path | None


def doomed(store: Store, bundles: Path, episode: str) -> Doomed:
    """
    Work out what goes with *episode*; nothing of it is loaded, so that what is damaged can go too.

    Raises:
        UnknownEpisode: there is none of that name, of which a beginning is not enough.
        OtherTenant: it belongs to another tenant.
        OnlyShared: the shared store has it, which is never written.

    """
    check_name(episode)
    path = bundle_path(store, bundles, episode)
    rows = store.file.rows(
        "SELECT count(r.number), total(r.calls) FROM episode e "
        "LEFT JOIN recording r ON r.episode = e.number "
        "WHERE e.tenant = ? AND e.id = ? GROUP BY e.number",
        store.tenant,
        episode,
    )
    if not rows and not path.is_file():
        find(store, bundles, episode)
        raise OnlyShared(episode)
    recordings, calls = rows[0] if rows else (0, 0)
    return Doomed(episode, recordings, int(calls), path if path.is_file() else None)


def delete(store: Store, found: Doomed) -> None:
    """
    Delete what was *found*; what others may share of it, bodies and texts, is left to `upkeep.gc`.

    Raises:
        NotSaved: the bundle cannot be removed, so all is as it was.

    """
    key = store.tenant, found.episode
    with store.file.writing() as db:
        for sql in _DELETIONS:
            db.execute(sql, key)
        if found.bundle:
            with saving(found.bundle):
                found.bundle.unlink(missing_ok=True)


_RECORDINGS = (
    "SELECT r.number FROM recording r JOIN episode e ON e.number = r.episode "
    "WHERE e.tenant = ? AND e.id = ?"
)
_DELETIONS = (
    *(
        f"DELETE FROM {table} WHERE recording IN ({_RECORDINGS})"  # noqa: S608 - our own
        for table in ("interaction", "call", "message", "tool_call")
    ),
    f"DELETE FROM recording WHERE number IN ({_RECORDINGS})",  # noqa: S608 - our own
    "DELETE FROM episode WHERE tenant = ? AND id = ?",
)
