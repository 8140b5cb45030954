"""Comparing outputs: exactly, then after normalization, then field by field."""

from __future__ import annotations

from replay.canonical import without_secrets
from replay.golden.built_in import DEFAULT_RULES
from replay.golden.differences import value_differences
from replay.golden.normalization import normalized
from replay.golden.rules import Rules
from replay.model import Difference, Json


def output_differences(
    recorded: Json, now: Json, rules: Rules = DEFAULT_RULES
) -> tuple[Difference, ...]:
    """List the fields in which two outputs differ when what *rules* call noise is left out."""
    before, after = (without_secrets(normalized(value, rules)) for value in (recorded, now))
    return value_differences(before, after)
