"""A frozen-version replay: the manifest line by line, the result, and what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from replay.contrast import difference_lines
from replay.engine.frozen import Held
from replay.engine.replayer import Replay
from replay.reports.result import result_json, show_replay
from replay.reports.terminal import AS_IT_IS
from replay.wording import counted


def show_frozen(replay: Replay, held: Sequence[Held], out: Console, as_json: bool) -> None:
    """Print a replay against one version, for people or *as_json*."""
    if as_json:
        moved = [asdict(item) for item in replay.moved]
        found = result_json(replay, moved=moved, manifest=[asdict(line) for line in held])
        out.print(found, **AS_IT_IS)
        return
    table = Table("manifest", "", "recorded", "now", box=None, pad_edge=False)
    for line in held:
        if line.how != "same":
            table.add_row(*map(escape, (line.name, line.how, line.recorded, line.now)))
    out.print(table)
    out.print(f"same: {_same(held)}\n")
    show_replay(replay, out)
    for item in replay.moved:
        out.print(f"\n#{item.step} moved in its {', '.join(item.change)}:")
        for text in difference_lines(item.differences, "sent"):
            out.print(escape(text), soft_wrap=True)


def _same(held: Sequence[Held]) -> str:
    """Name what is as it was; packages are only counted."""
    names = [line.name for line in held if line.how == "same"]
    told = [name for name in names if not name.startswith("package ")]
    packages = len(names) - len(told)
    return ", ".join([*told, *([counted(packages, "package")] if packages else [])]) or "nothing"
