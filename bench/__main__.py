"""
Measure side by side with the peers, in one run: `make bench`.

Ratios come first: they hold on another machine, milliseconds do not. Each figure is the median over
rounds in which the contenders take turns; the peers take part where they are installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console

from bench.report import machine, write
from bench.tables import Table, show

PARTS = ("traffic", "open_cassette", "startup", "goldens", "store", "service", "batch")


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--rounds", default=7, show_default=True, help="Rounds; the median is shown.")
@click.option("--corpus", type=Path, help="A folder of real recordings, to measure over as well.")
@click.option("--to", "folder", type=Path, help="Write page, figures and chart here: --to docs.")
def main(parts: tuple[str, ...], rounds: int, corpus: Path | None, folder: Path | None) -> None:
    """Measure PARTS, by default all of them."""
    out = Console(width=140)
    here = machine()
    out.print(str(here))
    measured = []
    for table in _tables(parts or PARTS, rounds, corpus):
        show(table, out)
        measured.append(table)
        if folder:  # as far as it came, should it be stopped
            write(folder, measured, here)
    if folder:
        out.print(f"Written: {folder / 'benchmarks.md'}, benchmarks.json, benchmarks.svg")


def _tables(parts: tuple[str, ...], rounds: int, corpus: Path | None) -> Iterator[Table]:
    for part in parts:
        yield from import_module(f"bench.{part}").tables(rounds)
    if corpus:
        yield from import_module("bench.corpus").tables(corpus)


if __name__ == "__main__":
    main()
