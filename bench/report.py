"""The page of a run of benchmarks: `docs/benchmarks.md`, its figures as JSON, its chart as SVG."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pygal
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pygal.style import Style

from bench.tables import Table, installed
from replay.reports.drift_charts import without_scripts

PACKAGES = (
    *("golden-replay", "vcrpy", "pytest-recording", "cassetter", "syrupy"),
    *("httpx", "openai", "sqlite-utils"),
)
_OURS = ("replay", "cold")
_PEERS = ("cassetter", "vcrpy")
_COLORS = ("#3949ab", "#ef6c00", "#6d4c41")


@dataclass(frozen=True)
class Machine:
    """Where and on what a run was made; *load* is the average of a minute, as it began."""

    date: str
    processor: str
    cores: int
    memory: float
    system: str
    python: str
    load: float
    packages: dict[str, str]

    def __str__(self) -> str:
        told = f"{self.processor}, {self.cores} cores, {self.memory:.0f} GB; load {self.load:.1f}"
        versions = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return f"{self.date}. {told}. {self.system}, CPython {self.python}. {versions}."


def machine() -> Machine:
    """Look around."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        processor=names[0] if names else platform.machine(),
        cores=os.cpu_count() or 1,
        memory=pages / 1e9,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load=os.getloadavg()[0],
        packages={name: installed(name) or "not installed" for name in PACKAGES},
    )


def write(folder: Path, tables: Sequence[Table], on: Machine) -> None:
    """Write the page, the figures and the chart into *folder*."""
    figures: dict[str, Any] = {
        "machine": asdict(on),
        "tables": [
            asdict(table) | {"results": [asdict(r) | {"held": r.held} for r in table.results()]}
            for table in tables
        ],
    }
    text = json.dumps(figures, indent=2, ensure_ascii=False)
    (folder / "benchmarks.json").write_text(text + "\n", "utf-8", newline="\n")
    (folder / "benchmarks.svg").write_text(chart(tables), "utf-8", newline="\n")
    here = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    results = [result for table in tables for result in table.results()]
    page = here.get_template("benchmarks.md.j2").render(
        tables=tables, machine=on, short=[r for r in results if not r.held], goals=len(results)
    )
    (folder / "benchmarks.md").write_text(page, "utf-8", newline="\n")


def chart(tables: Sequence[Table]) -> str:
    """Draw every row in which a peer took part, as multiples of the floor, on a log scale."""
    rows = [
        (f"{table.title}: {label}".rstrip(": "), table.floor, row)
        for table in tables
        for label, row in table.rows.items()
        if table.unit == "s" and any(peer in row for peer in _PEERS)
    ]
    drawn = pygal.HorizontalBar(
        logarithmic=True,
        js=[],
        disable_xml_declaration=True,
        title="Times the floor; less is better",
        x_labels=[f"{label} (× {floor})" for label, floor, _ in reversed(rows)],
        legend_at_bottom=True,
        width=1000,
        height=120 + 44 * len(rows),
        truncate_label=-1,
        style=Style(background="white", plot_background="white", colors=_COLORS, opacity="1"),
        pretty_print=True,
        no_prefix=True,
    )
    for name, aliases in (("replay", _OURS), *((peer, (peer,)) for peer in _PEERS)):
        drawn.add(name, [_ratio(row, floor, aliases) for _, floor, row in reversed(rows)])
    drawn.add_xml_filter(without_scripts)
    svg: str = drawn.render(is_unicode=True)
    return svg


def _ratio(row: dict[str, Any], floor: str, aliases: tuple[str, ...]) -> float | None:
    found = next((row[name].median for name in aliases if name in row), None)
    return None if found is None else round(found / row[floor].median, 3)
