"""The table of faults in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs/reliability.md"
_BEGIN = "<!-- table: written by make faults -->"
_END = "<!-- end of the table -->"


@dataclass(frozen=True, slots=True)
class Row:
    """A fault that was tried."""

    title: str
    made: str
    runs: int
    holds: str
    told: str


def rewritten(page: str, rows: Iterable[Row]) -> str:
    """Put the table of *rows* where *page* has one."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{_table(rows)}{_END}{after}"


def _table(rows: Iterable[Row]) -> str:
    lines = ["| fault | made by | runs | what holds afterwards | what one is told |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    lines += [_line(r.title, r.made, str(r.runs), r.holds, r.told or "nothing") for r in rows]
    return "".join(f"{line}\n" for line in lines)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
