"""
OpenTelemetry's GenAI events, which are log records: what they say of a call, as its span would.

An event `gen_ai.client.inference.operation.details` holds all of a call in its attributes. The ones
before it hold a message each (`gen_ai.user.message`, …, `gen_ai.choice`), in OpenAI's form but for
the role, and belong to the call whose span they name; what names none cannot be told apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from replay.episodes.imports.otlp import Item, attributes, plain, records_in
from replay.model import Json

_WHOLE = "gen_ai.client.inference.operation.details"
_CHOICE = "gen_ai.choice"
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


def calls_in(values: Iterable[dict[str, Any]]) -> list[Item]:
    """Give what the events say, a span each: its ids, its times, and its attributes as *names*."""
    found: dict[Any, Item] = {}
    records = [record for value in values for record in records_in(value)]
    for place, record in enumerate(sorted(records, key=_time)):
        names = attributes([record])
        event = record.get("eventName") or names.get("event.name")
        span = record.get("spanId")
        if event == _WHOLE or (span and event in (_CHOICE, *_ROLES)):
            call = found.setdefault((record.get("traceId"), span or place), _begun(record))
            call["endTimeUnixNano"] = _time(record)
            call["names"] |= names
            if event != _WHOLE:
                _hear(call["names"], event, _body(record))
    return list(found.values())


def _begun(record: Item) -> Item:
    ids = {name: record.get(name) for name in ("traceId", "spanId")}
    return ids | {"startTimeUnixNano": _time(record), "names": {}}


def _hear(names: dict[str, Json], event: str, body: dict[str, Any]) -> None:
    """Add the message of one event to those of its call."""
    if event == _CHOICE:
        said = body.get("message")
        message = {"role": "assistant"} | (said if isinstance(said, dict) else {"content": said})
        message["finish_reason"] = body.get("finish_reason")
        names.setdefault("gen_ai.output.messages", []).append(message)
        return
    message = {"role": _ROLES[event]} | body
    if message["role"] == "tool" and "id" in message:
        message["tool_call_id"] = message.pop("id")
    names.setdefault("gen_ai.input.messages", []).append(message)


def _body(record: Item) -> dict[str, Any]:
    """Read the body of an event; some exporters write it as JSON in a string."""
    body = plain(record.get("body") or {})
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return {"content": body}
    return body if isinstance(body, dict) else {}


def _time(record: Item) -> int:
    return int(record.get("timeUnixNano") or record.get("observedTimeUnixNano") or 0)
