"""vcrpy: a list of interactions before 1.0, a mapping with `version: 1` since."""

from __future__ import annotations

from typing import Any


def vcrpy_1(value: Any) -> list[Any] | None:
    """Read format v1, in YAML or JSON; what its interactions hold is the shape of all readers."""
    if isinstance(value, dict) and isinstance(value.get("interactions"), list):
        found: list[Any] = value["interactions"]
        return found
    return None


def vcrpy_0(value: Any) -> list[Any] | None:
    """Read the list that vcrpy wrote before 1.0."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and "request" in value[0]:
        return value
    return None
