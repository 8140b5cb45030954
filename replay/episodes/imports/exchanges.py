"""What a reader gives, and the pieces that several of them build it from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from replay.instants import instant
from replay.model import Json

_MILLISECONDS_FROM = 1e11
"""A number of seconds that would be beyond the year 5000 counts milliseconds."""


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Exchanges in the shape of vcrpy's format v1, in order, and when the first of them *began*."""

    exchanges: list[dict[str, Any]]
    began: datetime | None = None


def exchange(
    url: str, sent: Json, answer: Json, *, status: int = 200, facts: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Build an exchange of payloads; an answer that is a list was streamed, an event an item."""
    events = isinstance(answer, list)
    media = "text/event-stream" if events else "application/json"
    body = "".join(map(_event, answer)) if events else _json(answer)
    return {
        "request": {
            "method": "POST",
            "uri": url,
            "headers": [["content-type", ["application/json"]]],
            "body": _json(sent),
        },
        "response": {
            "status": {"code": status, "message": ""},
            "headers": [["content-type", [media]]],
            "body": {"string": body},
        },
        "replay": facts or {},
    }


def time_of(value: Any) -> datetime | None:
    """Read a time as logs write it: ISO 8601, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
            value = datetime.fromtimestamp(seconds, UTC).isoformat()
        found = instant(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def timed(items: list[tuple[dict[str, Any], datetime | None]]) -> Exchanges:
    """Put exchanges in the order of their times, and count those from the first."""
    known = [at for _, at in items if at]
    began = min(known, default=None)
    for item, at in items:
        if at and began:
            item["replay"]["started"] = (at - began).total_seconds()
    ordered = sorted(items, key=lambda item: item[0]["replay"].get("started", 0.0))
    return Exchanges([item for item, _ in ordered], began)


def _event(value: Json) -> str:
    name = value.get("type") if isinstance(value, dict) else None
    head = f"event: {name}\n" if isinstance(name, str) else ""
    return f"{head}data: {value if isinstance(value, str) else _json(value)}\n\n"


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
