"""What differs, before a person's eyes: where, and what was there and is now."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from replay.visible import inline, visible

if TYPE_CHECKING:
    from replay.model import Difference

_SHOWN = 5
_WIDTH = 300
_LEAD = 40
_SHOWN_LINES = 20


def difference_lines(
    differences: Iterable[Difference], now: str, *, was: str = "recorded"
) -> list[str]:
    """Show each difference as its path and both values, *was* above *now* (`sent`, `now`)."""
    shown = list(differences)
    lines = []
    for difference in shown[:_SHOWN]:
        lines.append(f"  {inline(difference.path) or '(everything)'}")
        lines += [f"    {line}" for line in _both(difference.recorded, difference.now, was, now)]
    if len(shown) > _SHOWN:
        lines.append(f"  … and {len(shown) - _SHOWN} more")
    return lines


def _both(recorded: object, now: object, was: str, word: str) -> list[str]:
    """Show two values: texts of several lines as a line diff, long ones from where they part."""
    if isinstance(recorded, str) and isinstance(now, str):
        if "\n" in recorded + now:
            return _line_diff(recorded, now)
        recorded, now = _around_the_change(recorded, now)
    return [f"{was}: {_short(recorded)}", f"{word + ':':<{len(was) + 1}} {_short(now)}"]


def _line_diff(recorded: str, now: str) -> list[str]:
    diff = difflib.unified_diff(recorded.splitlines(), now.splitlines(), n=1, lineterm="")
    lines = [visible(line[:_WIDTH]) for line in diff if not line.startswith(("---", "+++", "@@"))]
    left_out = len(lines) - _SHOWN_LINES
    return [*lines[:_SHOWN_LINES], *([f"… and {left_out} more lines"] if left_out > 0 else [])]


def _around_the_change(recorded: str, now: str) -> tuple[str, str]:
    """Cut two long texts to the place where they part, with some of what leads to it."""
    if max(len(recorded), len(now)) <= _WIDTH:
        return recorded, now
    pairs = enumerate(zip(recorded, now, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(recorded), len(now)))
    start = max(same - _LEAD, 0)
    mark = "…" if start else ""
    return f"{mark}{recorded[start:]}", f"{mark}{now[start:]}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}… ({len(text)} characters)"
