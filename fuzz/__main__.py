"""
Fuzz the readers: `make fuzz`, or `python -m fuzz cassette redaction --seconds 60`.

Each target has a process of its own, which ends at the first input that breaks what it promises;
that input is kept in `.fuzz/`, and belongs, made small, into tests/test_hostile_input.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from fuzz.corpus import dictionary, seeds
from fuzz.targets import TARGETS

KEPT = Path(".fuzz")
_MEMORY = 2_048


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", default=300, show_default=True, help="For all targets together.")
@click.option("--memory", default=_MEMORY, show_default=True, help="MiB that one may take.")
def main(targets: tuple[str, ...], seconds: int, memory: int) -> None:
    """Fuzz TARGETS, by default all of them; exit 1 if one broke."""
    chosen = targets or tuple(TARGETS)
    broken = [name for name in chosen if not _holds(name, seconds // len(chosen) or 1, memory)]
    for name in broken:
        click.echo(f"{name}: broken, see {KEPT / name}.log")
    sys.exit(1 if broken else 0)


def _holds(name: str, seconds: int, memory: int) -> bool:
    """Fuzz one target in a process of its own."""
    inputs = KEPT / name
    inputs.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (inputs / f"seed-{number}").write_bytes(seed)
    words = KEPT / "words.dict"
    words.write_text(dictionary())
    command = [
        *(sys.executable, "-m", "fuzz.instrumented", name, f"{KEPT}/{name}-broke", str(inputs)),
        *(f"-max_total_time={seconds}", "-timeout=10", f"-rss_limit_mb={memory}"),
        *("-max_len=4096", f"-dict={words}", f"-artifact_prefix={KEPT}/{name}-"),
    ]
    with (KEPT / f"{name}.log").open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=log, check=False)
    said = (KEPT / f"{name}.log").read_text("utf-8", "replace").splitlines()
    runs = next((line for line in reversed(said) if line.startswith(("Done", "#"))), "did not run")
    click.echo(f"{name:10} {'holds' if done.returncode == 0 else 'BROKE'}  {runs[:70]}")
    return done.returncode == 0


if __name__ == "__main__":
    main()
