"""Comparing outputs: exactly, then after normalization, then field by field."""

from __future__ import annotations

from replay.canonical import without_secrets
from replay.golden.normalization import normalized
from replay.model import Difference, Json


def output_differences(recorded: Json, now: Json) -> tuple[Difference, ...]:
    """List the fields in which two normalized outputs differ, paths as in `order.items[0].sku`."""
    from deepdiff import DeepDiff

    before, after = (without_secrets(normalized(value)) for value in (recorded, now))
    tree = DeepDiff(before, after, view="tree", ignore_order=False)
    found = [
        Difference(_path(item.path(output_format="list")), _value(item.t1), _value(item.t2))
        for group in tree.values()
        for item in group
    ]
    return tuple(sorted(found, key=lambda difference: difference.path))


def _path(parts: list[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def _value(value: object) -> Json:
    return "(absent)" if type(value).__name__ == "NotPresent" else value
