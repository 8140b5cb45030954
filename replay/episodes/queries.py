"""Listing and searching the store by what its recordings say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from replay.canonical import parsed_json
from replay.episodes.checked import checked
from replay.episodes.database import File
from replay.errors import BadFilter

_SHOWN_AROUND = 24
"""Words shown of a message that was found."""


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Which recordings are meant; what is empty lets all through.

    *model* and *entrypoint* are globs such as `gpt-4o*`, a model asked for or answered. *since* and
    *until* are ISO 8601 dates or times, UTC where they say nothing; *until* a date includes it.
    *cost* is the least a run cost, in dollars. Other tenants' are let through by *all_tenants*.
    """

    tags: tuple[str, ...] = ()
    model: str = ""
    entrypoint: str = ""
    since: str = ""
    until: str = ""
    outcome: str = ""
    cost: Decimal = Decimal(0)
    all_tenants: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One recording of an episode, as plain facts; an empty *recording*: it has none."""

    tenant: str
    episode: str
    entrypoint: str
    tags: tuple[str, ...]
    recording: str = ""
    started: str = ""
    outcome: str = ""
    models: tuple[str, ...] = ()
    calls: int = 0
    tokens: int = 0
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """
    One line of a listing: an episode, and its recordings together.

    *dollars* is None when the price of a recording is not known; *outcome* is the newest one's.
    """

    id: str
    entrypoint: str
    recordings: int
    interactions: int
    models: tuple[str, ...]
    tenant: str = ""
    tags: tuple[str, ...] = ()
    started: str = ""
    outcome: str = ""
    tokens: int = 0
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found, with the matches in its *excerpt* in square brackets."""

    episode: str
    recording: str
    step: int
    role: str
    excerpt: str
    tenant: str = ""


def select(file: File, tenant: str, wanted: Filter) -> list[Row]:
    """List recordings, and the episodes without any where nothing is asked of recordings."""
    where, values = _where(tenant, wanted)
    found = file.rows(
        "SELECT e.tenant, e.id, e.entrypoint, e.tags, r.id, r.started, "  # noqa: S608 - our own
        "iif(r.failure IS NULL, 'returned', 'raised'), r.models, r.calls, r.tokens, r.dollars "
        "FROM episode e LEFT JOIN recording r ON r.episode = e.number "
        f"WHERE {where} ORDER BY e.tenant, e.id, r.number",
        *values,
    )
    return [checked(_row(*row)) for row in found]


def summed(rows: Iterable[Row]) -> list[Summary]:
    """Put the recordings of each episode together; the same one twice counts once."""
    episodes: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        episodes.setdefault((row.tenant, row.episode), {})[row.recording] = row
    return [_summary(list(episodes[key].values())) for key in sorted(episodes)]


def search(file: File, tenant: str, words: str, wanted: Filter) -> list[Hit]:
    """Find messages by words; raise `BadFilter` when there is none in *words*."""
    query = file.db.quote_fts(words)
    if not query.strip():
        raise BadFilter("search", words, "words to look for")
    where, values = _where(tenant, wanted)
    found = file.rows(
        "SELECT e.id, r.id, m.step, m.role, "  # noqa: S608 - our own
        f"snippet(text_fts, 0, '[', ']', '…', {_SHOWN_AROUND}), e.tenant "
        "FROM text_fts JOIN message m ON m.text = text_fts.rowid "
        "JOIN recording r ON r.number = m.recording JOIN episode e ON e.number = r.episode "
        f"WHERE text_fts MATCH ? AND {where} ORDER BY text_fts.rank, r.number, m.step",
        query,
        *values,
    )
    return [checked(Hit(*row)) for row in found]


def _where(tenant: str, wanted: Filter) -> tuple[str, list[Any]]:
    """Write *wanted* as a condition, and the values of its marks."""
    asked: list[tuple[str, list[Any]]] = [(_TAG, [tag]) for tag in wanted.tags]
    if not wanted.all_tenants:
        asked.append(("e.tenant = ?", [tenant]))
    if wanted.entrypoint:
        asked.append(("e.entrypoint GLOB ?", [wanted.entrypoint]))
    if wanted.model:
        asked.append((_MODEL, [wanted.model, wanted.model]))
    if wanted.since:
        asked.append(
            ("julianday(r.started) >= julianday(?)", [_instant("since", wanted.since).isoformat()])
        )
    if wanted.until:
        asked.append(("julianday(r.started) < julianday(?)", [_until(wanted.until)]))
    if wanted.outcome:
        asked.append(("iif(r.failure IS NULL, 'returned', 'raised') = ?", [wanted.outcome]))
    if wanted.cost:
        asked.append(("r.dollars >= ?", [float(wanted.cost)]))
    conditions = " AND ".join(condition for condition, _ in asked)
    return conditions or "true", [value for _, values in asked for value in values]


_TAG = "? IN (SELECT value FROM json_each(e.tags))"
_MODEL = (
    "EXISTS (SELECT 1 FROM call c WHERE c.recording = r.number "
    "AND (c.answered GLOB ? OR c.requested GLOB ?))"
)


def _until(value: str) -> str:
    """Give the first moment that is too late: what is said without a time includes that day."""
    found = _instant("until", value)
    whole_day = len(value) <= len("2026-09-01")
    return (found + (timedelta(days=1) if whole_day else timedelta(seconds=1))).isoformat()


def _instant(name: str, value: str) -> datetime:
    """Read a date or a time; UTC where it says nothing of it."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise BadFilter(name, value, "a date or a time, as in 2026-09-01T12:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _row(tenant: str, episode: str, entrypoint: str, tags: str, *recording: Any) -> Row:
    known = tenant, episode, entrypoint, tuple(parsed_json(tags))
    if recording[0] is None:
        return Row(*known)
    name, started, outcome, models, *figures = recording
    return Row(*known, name, started, outcome, tuple(parsed_json(models)), *figures)


def _summary(rows: list[Row]) -> Summary:
    last, recorded = rows[-1], [row for row in rows if row.recording]
    prices = [row.dollars for row in recorded]
    return Summary(
        id=last.episode,
        entrypoint=last.entrypoint,
        recordings=len(recorded),
        interactions=sum(row.calls for row in recorded),
        models=tuple(dict.fromkeys(model for row in recorded for model in row.models)),
        tenant=last.tenant,
        tags=tuple(dict.fromkeys(tag for row in rows for tag in row.tags)),
        started=max(row.started for row in rows),
        outcome=last.outcome,
        tokens=sum(row.tokens for row in recorded),
        dollars=sum(price for price in prices if price) if None not in prices else None,
    )
