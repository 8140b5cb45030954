"""What normalization makes of a value, and why, as people and machines are shown it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from replay.golden.normalization import Touch
from replay.model import Json
from replay.reports.terminal import AS_IT_IS, show_json

if TYPE_CHECKING:
    from rich.console import Console


def show_normalized(value: Json, out: Console) -> None:
    """Print the value: a text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    out.print(text.removesuffix("\n"), **AS_IT_IS)


def show_normalized_json(value: Json, touched: Sequence[Touch], out: Console) -> None:
    """Print the value and every touch as one JSON object."""
    found = {"schema": 1, "value": value, "touched": [asdict(touch) for touch in touched]}
    show_json(found, out)


def show_touches(touched: Sequence[Touch], out: Console) -> None:
    """Print a line a touch: where, by which rule, what it was and what it is; then the sums."""
    rows = [(touch.path or "(everything)", touch.rule, touch) for touch in touched]
    where = max((len(path) for path, _, _ in rows), default=0)
    rule = max((len(name) for _, name, _ in rows), default=0)
    for path, name, touch in rows:
        after = touch.after or "(taken away)"
        line = f"{path:<{where}}  {name:<{rule}}  {touch.before} → {after}"
        out.print(line, **AS_IT_IS)
    sums = Counter(touch.rule for touch in touched)
    said = ", ".join(f"{name} {count}" for name, count in sums.most_common())
    out.print(said or "No rule touched anything.", **AS_IT_IS)
