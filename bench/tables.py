"""What every benchmark shares: contenders that take turns, and one table of ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

SCALES = {"s": ("ms", 1000.0), "B": ("kB", 0.001), "": ("", 1.0)}
"""Units of figures, and in what they are printed."""


@dataclass(frozen=True)
class Figure:
    """The median of what one contender took, and how far the middle half of rounds spreads."""

    median: float
    spread: float = 0.0

    @property
    def per_second(self) -> float:
        """How many of what took so long there are in a second."""
        return 1 / self.median


@dataclass(frozen=True)
class Table:
    """
    One benchmark: *rows* of figures by contender, each told as a multiple of the *floor*.

    *unit* is `s`, `B` or nothing.
    """

    title: str
    floor: str
    rows: dict[str, dict[str, Figure]] = field(default_factory=dict)
    unit: str = "s"
    note: str = ""


def timed(work: Callable[[], Any]) -> float:
    """Run *work* once; in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def medians(rounds: int, work: dict[str, Callable[[], float]]) -> dict[str, Figure]:
    """Take turns for *rounds* rounds; the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            taken[name].append(run())
    return {name: figure(values) for name, values in taken.items()}


def figure(values: list[float]) -> Figure:
    """Take the median and the spread of *values*."""
    if len(values) < 4:
        return Figure(statistics.median(values))
    low, middle, high = statistics.quantiles(values, n=4)
    return Figure(middle, high - low)


def installed(package: str) -> str:
    """Tell the version of *package*; empty if it is not here."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def show(table: Table, out: Console) -> None:
    """Print ratios to the floor, and the figures beside them."""
    names = list(dict.fromkeys(name for row in table.rows.values() for name in row))
    drawn = RichTable("", *names, title=f"{table.title}: x {table.floor}", title_justify="left")
    for label, row in table.rows.items():
        drawn.add_row(label, *(_cell(row, name, table) for name in names))
    out.print(drawn)
    if table.note:
        out.print(table.note)


def _cell(row: dict[str, Figure], name: str, table: Table) -> str:
    if name not in row:
        return "-"
    unit, scale = SCALES[table.unit]
    floor = row.get(table.floor)
    ratio = f"{row[name].median / floor.median:,.2f} x  " if floor and floor.median else ""
    return f"{ratio}({row[name].median * scale:,.3f} {unit})"
