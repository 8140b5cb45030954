"""The report of a batch: a function of its list and its results, however those came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from replay.batch.runs import Run
from replay.engine.replayer import Replay
from replay.engine.wire import outcome_from
from replay.errors import BadShards
from replay.model import Json, Kind, Outcome

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run; *place* is its place in the batch, from 1."""

    place: int
    run: Run
    recording: str
    outcome: Outcome
    played: int = 0
    recorded: int = 0
    saved_tokens: int = 0
    saved_dollars: Decimal | None = None
    seconds: float = 0.0
    recorded_seconds: float = 0.0

    @property
    def expected(self) -> bool:
        """Whether this is the outcome that was wanted."""
        return self.outcome.kind is self.run.expect if self.run.expect else self.outcome.agreed

    @property
    def exit_code(self) -> int:
        """0 as wanted, 1 drifted, 2 could not tell."""
        return 0 if self.expected else self.outcome.exit_code or 1


@dataclass(frozen=True, slots=True)
class Report:
    """A batch, or the *part*-th of *parts* shards of it: *size* runs, of which these are done."""

    batch: str
    size: int
    results: tuple[Result, ...]
    part: int = 1
    parts: int = 1
    fail_on: tuple[Kind, ...] = tuple(Kind)

    @property
    def counts(self) -> dict[str, int]:
        """How many runs ended in each outcome, in the order of `Kind`."""
        found = Counter(result.outcome.kind for result in self.results)
        return {kind.value: found[kind] for kind in Kind if found[kind]}

    @property
    def failed(self) -> tuple[Result, ...]:
        """The results that are not what was wanted, of the classes that count."""
        return tuple(
            result
            for result in self.results
            if not result.expected
            and (result.outcome.agreed or result.outcome.kind in self.fail_on)
        )

    @property
    def exit_code(self) -> int:
        """The worst of all results."""
        return max((result.exit_code for result in self.failed), default=0)


def result_of(place: int, run: Run, replay: Replay) -> Result:
    """Keep of *replay* what a batch reports."""
    return Result(
        place=place,
        run=run,
        recording=replay.recording,
        outcome=replay.outcome,
        played=replay.played,
        recorded=replay.recorded,
        saved_tokens=replay.saved_tokens,
        saved_dollars=replay.saved_dollars,
        seconds=replay.seconds,
        recorded_seconds=replay.recorded_seconds,
    )


def merged(reports: Sequence[Report]) -> Report:
    """
    Put the shards of one batch together.

    Raises:
        BadShards: they are of several batches, or one is missing, unfinished or there twice.

    """
    first = reports[0]
    if {(r.batch, r.parts, r.size) for r in reports} != {(first.batch, first.parts, first.size)}:
        raise BadShards("they are of different batches, or were cut differently")
    missing = set(range(1, first.parts + 1)) - {report.part for report in reports}
    if missing:
        raise BadShards(f"{', '.join(map(str, sorted(missing)))} of {first.parts} is not there")
    results = sorted((x for report in reports for x in report.results), key=lambda x: x.place)
    if [result.place for result in results] != list(range(1, first.size + 1)):
        raise BadShards(f"they hold {len(results)} results of {first.size} runs")
    return Report(first.batch, first.size, tuple(results), fail_on=first.fail_on)


def result_json(result: Result) -> dict[str, Json]:
    """Write *result* as JSON; seconds are under `time`, dollars a decimal string or null."""
    dollars = result.saved_dollars
    return {
        "place": result.place,
        "episode": result.run.episode,
        "version": result.run.version,
        "tags": list(result.run.tags),
        "expect": result.run.expect,
        "recording": result.recording,
        "outcome": asdict(result.outcome),
        "expected": result.expected,
        "calls": {"played": result.played, "recorded": result.recorded},
        "saved": {
            "tokens": result.saved_tokens,
            "dollars": None if dollars is None else str(dollars),
        },
        "time": {"now": result.seconds, "recorded": result.recorded_seconds},
    }


def result_from(value: dict[str, Any]) -> Result:
    """Read what `result_json` wrote."""
    expect, dollars = value["expect"], value["saved"]["dollars"]
    run = Run(
        value["episode"], value["version"], tuple(value["tags"]), Kind(expect) if expect else None
    )
    return Result(
        place=value["place"],
        run=run,
        recording=value["recording"],
        outcome=outcome_from(value["outcome"]),
        played=value["calls"]["played"],
        recorded=value["calls"]["recorded"],
        saved_tokens=value["saved"]["tokens"],
        saved_dollars=None if dollars is None else Decimal(dollars),
        seconds=value["time"]["now"],
        recorded_seconds=value["time"]["recorded"],
    )


def report_json(report: Report) -> dict[str, Json]:
    """Write *report* as JSON; but for what stands under `time`, equal for equal batches."""
    return {
        "schema": SCHEMA,
        "batch": report.batch,
        "shard": [report.part, report.parts],
        "runs": report.size,
        "done": len(report.results),
        "fail_on": list(report.fail_on),
        "outcomes": report.counts,
        "failed": len(report.failed),
        "exit_code": report.exit_code,
        "results": [result_json(result) for result in report.results],
    }


def report_from(value: dict[str, Any]) -> Report:
    """Read what `report_json` wrote; raise `BadShards` when it is something else."""
    try:
        part, parts = value["shard"]
        results = tuple(map(result_from, value["results"]))
        fail_on = tuple(map(Kind, value["fail_on"]))
        return Report(value["batch"], value["runs"], results, part, parts, fail_on)
    except (KeyError, TypeError, ValueError) as error:
        raise BadShards(f"one is not a report ({type(error).__name__}: {error})") from error


def in_order(results: Iterable[Result]) -> tuple[Result, ...]:
    """Sort results as their runs stand in the list."""
    return tuple(sorted(results, key=lambda result: result.place))
