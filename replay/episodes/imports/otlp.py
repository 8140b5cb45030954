"""OTLP as JSON, the form of the collector's file exporter: what lies in it, and its values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from replay.model import Json

Item: TypeAlias = dict[str, Any]
"""A span or a log record."""


def spans_in(value: dict[str, Any]) -> Iterator[Item]:
    """Give the spans of one export."""
    for resource in value.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            yield from scope.get("spans", ())


def records_in(value: dict[str, Any]) -> Iterator[Item]:
    """Give the log records of one export."""
    for resource in value.get("resourceLogs", ()):
        for scope in resource.get("scopeLogs", ()):
            yield from scope.get("logRecords", ())


def attributes(holders: Iterable[Item]) -> dict[str, Json]:
    """Flatten the attributes of several items; the last one's word holds."""
    return {
        item["key"]: plain(item["value"])
        for holder in holders
        for item in holder.get("attributes", ())
    }


def plain(value: dict[str, Any]) -> Json:
    """Read an `AnyValue`; 64-bit numbers are written as text there."""
    if "arrayValue" in value:
        return [plain(item) for item in value["arrayValue"].get("values", ())]
    if "kvlistValue" in value:
        return {i["key"]: plain(i["value"]) for i in value["kvlistValue"].get("values", ())}
    if "intValue" in value:
        return int(value["intValue"])
    return next(iter(value.values()), None)
