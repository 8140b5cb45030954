"""
Measure over real recordings of others: `python -m bench --corpus ../shared/corpus`.

The folder holds `dev/`, cassettes with a `MANIFEST.json` that names what leaks in them, and
`drift/`, pairs of recordings with a person's labels. What is counted here, the commands of
`bench.redaction`, `bench.llm_coverage` and `bench.drift` tell in detail.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench import drift, llm_coverage, redaction
from bench.open_cassette import contenders
from bench.tables import Figure, Goal, Table
from replay.cassettes.check import check
from replay.errors import Damaged


def tables(folder: Path) -> Iterator[Table]:
    """Measure everything here."""
    listed = json.loads((folder / "dev/MANIFEST.json").read_text("utf-8"))["files"]
    files = [folder / entry["file"] for entry in listed]
    yield from opened(files)
    yield played(files)
    yield redacted(folder / "dev")
    yield read(folder / "dev")
    yield labelled(folder / "drift")


def opened(files: list[Path]) -> Iterator[Table]:
    """Open every file once, each contender in turn; seconds of those files that all open."""
    taken: dict[str, dict[Path, float]] = defaultdict(dict)
    refused = []
    with tempfile.TemporaryDirectory() as cache:
        for path in files:
            try:
                runs = contenders(path, Path(cache))
            except Damaged as error:
                refused.append(str(error).splitlines()[0])
                continue
            for name, run in runs.items():
                with suppress(Exception):  # whatever a peer raises on a file that it does not open
                    taken[name][path] = run()
    common = set[Path].intersection(*(set(found) for found in taken.values()))
    row = {name: Figure(sum(found[p] for p in common)) for name, found in taken.items()}
    goals = (Goal("cold", 1, "vcrpy"),)
    yield Table("open real cassettes", "vcrpy", {f"{len(common)} files": row}, goals=goals)
    counts = {name: Figure(len(found)) for name, found in taken.items()}
    rows = {"files": {"all": Figure(len(files)), **counts}}
    yield Table("real cassettes that open", "all", rows, unit="", note="; ".join(refused))


def played(files: list[Path]) -> Table:
    """Play every interaction back through an HTTP client."""
    checks = list(map(check, files))
    missed = sum(len(found.missed) for found in checks)
    row = {
        "all": Figure(sum(found.played + len(found.missed) for found in checks)),
        "played": Figure(sum(found.played for found in checks)),
        "missed": Figure(missed),
    }
    goals = (Goal("missed", 0, "all"),)
    return Table("real interactions, played back", "all", {"": row}, unit="", goals=goals)


def redacted(folder: Path) -> Table:
    """Look for what the manifest says leaks, and redact what was redacted."""
    found = redaction.measured(folder)
    rows = {
        "leaks that the manifest names": {
            "all": Figure(found.leaks),
            "missed": Figure(len(found.missed)),
        },
        "files that redacting again changes": {
            "all": Figure(found.files),
            "missed": Figure(len(found.unstable)),
        },
    }
    goals = (Goal("missed", 0, "all"),)
    return Table("redaction of real cassettes", "all", rows, unit="", goals=goals)


def read(folder: Path) -> Table:
    """Read the payloads of real LLM traffic."""
    found = llm_coverage.covered([folder])
    rows = {
        part: {"said": Figure(found.said_in_all(part)), "read": Figure(found.read_in_all(part))}
        for part in llm_coverage.SAID
    }
    total = f"{found.interactions.total():,} real LLM interactions"
    return Table(total, "said", rows, unit="")


def labelled(folder: Path) -> Table:
    """Hold drift reports against a person's labels."""
    began = time.perf_counter()
    found = drift.agreement(folder)
    rate = found.pairs / (time.perf_counter() - began)
    rows = {
        label: {
            "labelled": Figure(count["found"] + count["aside"] + count["missed"]),
            "found": Figure(count["found"] + count["aside"]),
            "extra": Figure(count["extra"]),
        }
        for label, count in found.counts.items()
    }
    note = f"{rate:.0f} pairs a second."
    return Table(f"drift of {found.pairs} real pairs", "labelled", rows, unit="", note=note)
