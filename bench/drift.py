"""
Measure drift reports: against labelled re-recordings, and against noise that is known.

`python -m bench.drift ../shared/corpus/drift` compares every pair of the folder and holds the kinds
found against the labels of its manifest. Without a folder it only runs the simulation: how often
runs of one version are flagged, and how often a shift that was planted is found.
"""

from __future__ import annotations

import json
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from replay.drift.changes import Comparison
from replay.drift.kinds import Kind
from replay.drift.noise import Floor
from replay.drift.report import Pair, Reporter
from replay.drift.sources import paired
from replay.drift.verdicts import Verdict

LABELS = {
    "interaction_count": {Kind.CALL_ADDED, Kind.CALL_REMOVED},
    "request_uri": {Kind.ADDRESS},
    "request_body": {
        *(Kind.MODEL, Kind.PROMPT, Kind.TOOLS, Kind.PARAMETERS, Kind.MESSAGES, Kind.BODY),
        *(Kind.HISTORY, Kind.FORMAT),
    },
    "request_header_names": {Kind.HEADERS},
    "status": {Kind.STATUS},
    "response_headers": {Kind.ANSWER_HEADERS},
    "response_shape": {Kind.SHAPE},
    "response_body": {
        *(Kind.ANSWERED, Kind.ERROR, Kind.REFUSAL, Kind.FINISH, Kind.TOOL_CALLS, Kind.STRUCTURE),
        *(Kind.TEXT, Kind.ANSWER_BODY, Kind.SHAPE),
    },
}
"""Which of our kinds say what a label says."""

ASIDE = {
    "request_uri": {"ids in addresses"},
    "request_body": {"ids and times in requests"},
    "request_header_names": {"request headers"},
    "response_headers": {"response headers"},
    "response_body": {"ids and times in responses", "streams that say the same"},
}
"""What a report counts, but leaves out of its findings, as volatile."""

FIELDS = 20
EPISODES = 30


def pairs(folder: Path) -> Iterator[tuple[Pair, list[str], str]]:
    """Read each pair of the folder, its labels, and why it was recorded anew."""
    for entry in json.loads((folder / "MANIFEST.json").read_text())["pairs"]:
        place = folder / entry["repo"].replace("/", "__") / entry["commit"][:10] / entry["path"]
        before, after = (place.with_suffix(f".{side}.yaml") for side in ("before", "after"))
        (pair,) = paired([before], [after])
        if not isinstance(pair, Pair):
            raise click.ClickException(pair.why)
        yield pair, entry["changes"], entry["subject"]


def found_labels(comparison: Comparison) -> set[str]:
    """Say in the manifest's words what was found."""
    kinds = {change.kind for change in comparison.changes}
    return {label for label, ours in LABELS.items() if kinds & ours}


@dataclass
class Agreement:
    """How often each label was found, put aside, missed or extra, over all *pairs*."""

    pairs: int = 0
    findings: int = 0
    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {label: Counter() for label in LABELS}
    )
    disagreements: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """The peak, in MB, after every 50 pairs."""


def agreement(folder: Path) -> Agreement:
    """Hold what is found in each pair of *folder* against its labels."""
    held, reporter = Agreement(), Reporter()
    for pair, labels, subject in pairs(folder):
        comparison = reporter.add(pair)
        held.pairs += 1
        found = found_labels(comparison)
        for label, count in held.counts.items():
            aside = bool(ASIDE.get(label, set()) & comparison.aside.keys())
            verdict = _agreement(label in labels, label in found, aside)
            count[verdict] += 1
            if verdict in ("missed", "extra"):
                counted = "→".join(str(len(r[-1].interactions)) for r in (pair.before, pair.after))
                line = f"{verdict} {label}: {pair.name}: {counted} calls: {subject}"
                held.disagreements.append(line)
        if held.pairs % 50 == 0:
            held.memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    held.findings = len(reporter.report("before", "after").findings)
    return held


def labelled(folder: Path, out: Console, *, verbose: bool) -> None:
    """Print how what is found agrees with the labels, and the rate and the memory as well."""
    began = time.perf_counter()
    held = agreement(folder)
    seconds = time.perf_counter() - began
    if verbose:
        out.print("\n".join(held.disagreements), markup=False, soft_wrap=True)
    rate = f"{held.pairs} pairs, {held.pairs / seconds:.0f} a second"
    peaks = ", ".join(f"{peak:.0f}" for peak in held.memory)
    out.print(f"{rate}, {held.findings} findings; peak memory after every 50: {peaks} MB")
    table = Table(
        "label", "labelled", "found", "put aside", "missed", "extra", "precision", "recall"
    )
    for label, count in held.counts.items():
        hits, aside = count["found"], count["aside"]
        labelled_as = hits + aside + count["missed"]
        precision = hits / ((hits + count["extra"]) or 1)
        recall = (hits + aside) / (labelled_as or 1)
        cells = (labelled_as, hits, aside, count["missed"], count["extra"])
        table.add_row(label, *map(str, cells), f"{precision:.1%}", f"{recall:.1%}")
    out.print(table)


def _agreement(is_labelled: bool, is_found: bool, is_aside: bool) -> str:
    if is_labelled:
        return "found" if is_found else ("aside" if is_aside else "missed")
    return "extra" if is_found else "none"


def simulated(rounds: int, out: Console) -> None:
    """Deal noise of several sizes to two versions, with and without a shift by 10 %."""
    table = Table(
        "noise of a field", "A/A runs flagged", "10 % shift found", "others flagged beside it"
    )
    for noise in (0.05, 0.1, 0.15):
        rng = random.Random(1)
        same = [_flagged(rng, noise, shift=0.0) for _ in range(rounds)]
        moved = [_flagged(rng, noise, shift=0.1) for _ in range(rounds)]
        table.add_row(
            f"{noise:.0%}",
            f"{sum(map(bool, same)) / rounds:.1%}",
            f"{sum('field 0' in flagged for flagged in moved) / rounds:.1%}",
            f"{sum(bool(flagged - {'field 0'}) for flagged in moved) / rounds:.1%}",
        )
    out.print(table)


def _flagged(rng: random.Random, noise: float, shift: float) -> set[str]:
    """Simulate a report of `EPISODES`, twice a version: half numbers, half other fields."""
    floor = Floor()
    for _ in range(EPISODES):
        for n in range(FIELDS // 2):
            mean = rng.uniform(50, 5_000)
            moved = mean * (1 + shift) if n == 0 else mean
            old, new = ([rng.gauss(m, m * noise) for _ in range(2)] for m in (mean, moved))
            floor.values(f"field {n}", old, new)
        answers = {f"text {n}": _distances(rng, noise) for n in range(FIELDS // 2)}
        floor.distances(answers, 2)
    return {name for name, test in floor.tests().items() if test.verdict is Verdict.DRIFT}


def _distances(rng: random.Random, noise: float) -> list[list[float]]:
    """Four answers of one model, each another one in *noise* of all cases."""
    said = [rng.randrange(5) if rng.random() < noise else 0 for _ in range(4)]
    return [[float(one != two) for two in said] for one in said]


@click.command()
@click.argument("folder", required=False, type=Path)
@click.option("--rounds", default=400, show_default=True, help="Simulated reports of each sort.")
@click.option("-v", "--verbose", is_flag=True, help="List each disagreement with the labels.")
def main(folder: Path | None, rounds: int, verbose: bool) -> None:
    """Measure drift reports against labelled re-recordings, and against noise that is known."""
    out = Console(width=140)
    if folder:
        labelled(folder, out, verbose=verbose)
    simulated(rounds, out)


if __name__ == "__main__":
    main()
