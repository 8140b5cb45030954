"""
Try faults: `make faults`, or `python -m faults killed --runs 100 --seed 7`.

Each is really done to a real command, and what has to hold is looked at afterwards. When all of
them were survived, the table in docs/reliability.md is written anew.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from random import Random

import click
from rich.console import Console
from rich.progress import Progress

from faults.fault import Fault
from faults.ground import may_mount, project, provider, shell
from faults.page import PAGE, Row, rewritten
from tests.shell import Shell

GROUPS = ("killed", "disk", "store", "provider")
RUNS = 400


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What trials share: where they are, shells that are free, what *seed* decides."""

    folder: Path
    shells: SimpleQueue[Shell]
    seed: int


@contextmanager
def surroundings(workers: int, seed: int) -> Iterator[Surroundings]:
    """Start the provider, and as many shells as there are *workers*."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        folder.chmod(0o755)
        address = stack.enter_context(provider())
        shells: SimpleQueue[Shell] = SimpleQueue()
        for _ in range(workers):
            shells.put(stack.enter_context(shell(address)))
        yield Surroundings(folder, shells, seed)


def tried(fault: Fault, runs: int, around: Surroundings) -> Iterator[str]:
    """Try *fault* so many times; gives for each what does not hold, or nothing."""
    name = f"{type(fault).__module__.removeprefix('faults.')}.{type(fault).__name__}"
    home = around.folder / name
    first = around.shells.get()
    try:
        start = fault.prepare(project(home / "start", first))
    except Exception as error:  # noqa: BLE001 - as below
        yield f"{name}, before the first trial: {type(error).__name__}: {error}"
        return
    finally:
        around.shells.put(first)

    def trial(number: int) -> str:
        own, folder = around.shells.get(), home / str(number)
        try:
            chance = Random(f"{around.seed} {name} {number}")
            fault.trial(type(start)(start.folder, own), folder, chance, number)
        except Exception as error:  # noqa: BLE001 - each is a fault that was not survived
            return f"{name}, trial {number}: {type(error).__name__}: {error}"
        finally:
            around.shells.put(own)
            shutil.rmtree(folder, ignore_errors=True)
        return ""

    with ThreadPoolExecutor(around.shells.qsize()) as pool:
        yield from pool.map(trial, range(runs))


def _kinds(groups: Iterable[str]) -> list[type[Fault]]:
    return [kind for group in groups for kind in import_module(f"faults.{group}").FAULTS]


@click.command()
@click.argument("groups", nargs=-1, type=click.Choice(GROUPS))
@click.option("--runs", default=RUNS, show_default=True, help="Trials, of all that is random.")
@click.option("--seed", default=0, show_default=True, help="Of all that is random.")
@click.option("--workers", default=os.cpu_count() or 1, show_default="the cores", help="At once.")
@click.option("--only", default="", help="Only faults whose class is called so.")
def main(groups: tuple[str, ...], runs: int, seed: int, workers: int, only: str) -> None:
    """Try the faults of GROUPS, by default all; exit 1 if one was not survived."""
    chosen = [kind() for kind in _kinds(groups or GROUPS) if only in kind.__name__]
    rows, broken = list[Row](), list[str]()
    with surroundings(workers, seed) as around, Progress(console=Console(stderr=True)) as progress:
        if not may_mount(around.folder / "disk"):
            chosen = [fault for fault in chosen if not fault.mounts]
            click.echo("Small and read-only disks were not tried: nobody may mount one here.")
        for fault in chosen:
            count = max(round(fault.runs * runs / RUNS), 1)
            bar = progress.add_task(fault.title.replace("`", ""), total=count)
            began = time.monotonic()
            for said in tried(fault, count, around):
                progress.advance(bar)
                broken += [said] if said else []
            rows.append(Row(fault.title, fault.made, count, fault.holds, fault.told))
            click.echo(f"{fault.title}: {count} in {time.monotonic() - began:.0f} s")
    for said in broken:
        click.echo(f"\n{said}")
    if not broken and len(rows) == len(_kinds(GROUPS)):
        PAGE.write_text(rewritten(PAGE.read_text("utf-8"), rows), "utf-8")
        click.echo(f"All were survived; {PAGE} says so.")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
