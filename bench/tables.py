"""What every benchmark shares: contenders in turns, and one table of ratios with its goals."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
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
class Goal:
    """What *contender* may take at most: so many times what *than* takes, in every row."""

    contender: str
    most: float
    than: str


@dataclass(frozen=True)
class Result:
    """How many times *goal.than* it was, in one *row*."""

    goal: Goal
    row: str
    ratio: float

    @property
    def held(self) -> bool:
        """Whether that is what was wanted."""
        return self.ratio <= self.goal.most

    def __str__(self) -> str:
        said = "held" if self.held else "FALLS SHORT"
        goal = f"{self.goal.contender} ≤ {self.goal.most:.3g} × {self.goal.than}"
        return f"{self.row}: {goal}: {said} ({self.ratio:,.3g} ×)"


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
    goals: tuple[Goal, ...] = ()

    @property
    def contenders(self) -> list[str]:
        """Whoever has a figure in one of the rows."""
        return list(dict.fromkeys(name for row in self.rows.values() for name in row))

    def results(self) -> Iterator[Result]:
        """Hold each row against each goal whose contenders took part in it."""
        for goal in self.goals:
            for label, row in self.rows.items():
                if {goal.contender, goal.than} <= row.keys():
                    ratio = row[goal.contender].median / row[goal.than].median
                    yield Result(goal, label, ratio)

    def cells(self, row: dict[str, Figure]) -> Iterator[str]:
        """Write the ratios of a row to the floor, with medians and spreads beside them."""
        unit, scale = SCALES[self.unit]
        floor = row.get(self.floor)
        for name in self.contenders:
            if (found := row.get(name)) is None:
                yield "-"
                continue
            ratio = f"{found.median / floor.median:,.2f} × " if floor and floor.median else ""
            spread = f" ± {found.spread * scale / 2:,.3g}" if found.spread else ""
            value = f"{found.median * scale:,.3f}{spread} {unit}" if unit else f"{found.median:,g}"
            yield f"{ratio}({value})"


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


def show(table: Table, out: Console) -> None:
    """Print ratios to the floor, the figures beside them, and what became of the goals."""
    title = f"{table.title}: × {table.floor}"
    drawn = RichTable("", *table.contenders, title=title, title_justify="left")
    for label, row in table.rows.items():
        drawn.add_row(label, *table.cells(row))
    out.print(drawn)
    for line in (*filter(None, [table.note]), *table.results()):
        out.print(str(line), highlight=False)


def installed(package: str) -> str:
    """Tell the version of *package*; empty if it is not here."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
