"""
Measure side by side with the peers, in one run: `make bench`.

Ratios come first: they hold on another machine, milliseconds do not. Each figure is the median over
rounds in which the contenders take turns; the peers take part where they are installed.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console

from bench.tables import Table, installed, show

PARTS = ("traffic", "open_cassette", "startup", "goldens", "store", "service", "batch")
_PACKAGES = ("golden-replay", "vcrpy", "cassetter", "httpx", "openai")


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--rounds", default=7, show_default=True, help="Rounds; the median is shown.")
@click.option("--json", "path", type=Path, help="Write the figures, in seconds, to this file.")
def main(parts: tuple[str, ...], rounds: int, path: Path | None) -> None:
    """Measure PARTS, by default all of them."""
    out = Console(width=140)
    versions = {name: installed(name) or "not installed" for name in _PACKAGES}
    out.print(f"CPython {platform.python_version()}, {platform.machine()};", versions)
    measured: list[Table] = []
    for part in parts or PARTS:
        for table in import_module(f"bench.{part}").tables(rounds):
            show(table, out)
            measured.append(table)
    if path:
        found = {"versions": versions, "tables": [asdict(table) for table in measured]}
        path.write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    main()
