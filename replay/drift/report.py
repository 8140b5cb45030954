"""The drift report: many pairs of runs in, what a reviewer needs to know out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import combinations

from replay.cassettes.matching import Matcher
from replay.drift.changes import Change, Comparison, Distance, word_distance
from replay.drift.clustering import Clusters, Finding
from replay.drift.comparison import compare
from replay.drift.excerpts import excerpts
from replay.drift.fields import generalized
from replay.drift.kinds import Side
from replay.drift.measures import Measures, measures
from replay.drift.noise import RECORDINGS, Estimate, Floor
from replay.drift.trends import Staleness, Trend, Trends
from replay.drift.verdicts import Verdict, worst
from replay.golden.built_in import DEFAULT_RULES
from replay.golden.rules import Rules
from replay.model import Recording

_SHOWN = 6
"""Changes kept of each side of a run, for people to look at; all of them are counted."""


@dataclass(frozen=True, slots=True)
class Pair:
    """
    One case under two versions: the recordings of each, oldest first.

    *outputs* tells whether they hold what came out; cassettes do not.
    """

    name: str
    before: tuple[Recording, ...]
    after: tuple[Recording, ...]
    outputs: bool = True


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A case that is not compared, and why; *broken* when a side of it cannot be read."""

    name: str
    why: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """
    One case in the report.

    *counts* are its changes by side; *changes* those that are shown, long values cut to where they
    part; *first* is the first divergence.
    """

    name: str
    counts: dict[Side, int]
    changes: tuple[Change, ...]
    first: Change | None
    before: Measures
    after: Measures

    @property
    def weight(self) -> tuple[int, int]:
        """What to sort by: the change that matters most, then how many there are."""
        ranks = [change.kind.rank for change in self.changes]
        return min(ranks, default=1_000), -sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding and what may be said of it; *estimate* where there is a noise floor."""

    finding: Finding
    verdict: Verdict
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """
    A measure summed over the cases that have it on both sides.

    *estimate* is None where nothing could be tested: one recording a version, and no scipy.
    """

    name: str
    before: float
    after: float
    estimate: Estimate | None = None

    @property
    def verdict(self) -> Verdict:
        """What may be said of its change."""
        if self.estimate:
            return self.estimate.verdict
        return Verdict.NONE if self.before == self.after else Verdict.UNKNOWN

    @property
    def change(self) -> float:
        """By what share it grew; infinite where there was none before."""
        if not self.before:
            return 0.0 if not self.after else float("inf")
        return self.after / self.before - 1


@dataclass(frozen=True, slots=True)
class Report:
    """
    What changed between two versions, what matters most first.

    *sides* has a verdict on the outputs only where there are any.
    """

    old: str
    new: str
    rows: tuple[Row, ...]
    findings: tuple[Judged, ...]
    measures: tuple[Measured, ...]
    sides: dict[Side, Verdict]
    aside: dict[str, int]
    left_out: tuple[LeftOut, ...] = ()
    stale: tuple[str, ...] = ()
    trends: tuple[Trend, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """
        The sum of what is sent, answered and comes out; unknown where a case could not be read.

        Measures have no part in it: what is too slow or too dear is a gate's to say.
        """
        unknown = [Verdict.UNKNOWN] if any(case.broken for case in self.left_out) else []
        return worst([*self.sides.values(), *unknown])


@dataclass
class Reporter:
    """Takes in pair after pair, and keeps of each only what the report tells."""

    matcher: Matcher = field(default_factory=Matcher)
    rules: Rules = DEFAULT_RULES
    distance: Distance = word_distance
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    max_age_days: int = 0

    def __post_init__(self) -> None:
        self._clusters = Clusters()
        self._floor = Floor()
        self._rows: list[Row] = []
        self._outputs = False
        self._aside: Counter[str] = Counter()
        self._trends = Trends()
        self._stale = Staleness(self.now.date(), self.max_age_days)
        self._totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def add(self, pair: Pair) -> Comparison:
        """Compare the newest recording of each version; the others tell what is noise."""
        before, after = pair.before[-RECORDINGS:], pair.after[-RECORDINGS:]
        self._outputs |= pair.outputs
        found = self._compared(before[-1], after[-1])
        self._clusters.add(pair.name, found.changes)
        self._aside.update(found.aside)
        counted = [[measures(r, self.now) for r in side] for side in (before, after)]
        self._measure(counted[0], counted[1])
        for recordings, values in zip((before, after), counted, strict=True):
            for recording, value in zip(recordings, values, strict=True):
                self._trends.add(recording, value)
                self._stale.add(pair.name, recording)
        if len(before) > 1 or len(after) > 1:
            self._floor.distances(self._distances([*before, *after]), len(before))
        self._rows.append(_row(pair.name, found, counted[0][-1], counted[1][-1]))
        return found

    def report(self, old: str, new: str, left_out: Iterable[LeftOut] = ()) -> Report:
        """Sum up what was added."""
        tests = self._floor.tests()
        judged = (_judged(found, tests) for found in self._clusters.findings())
        findings = tuple(sorted(judged, key=lambda j: j.verdict is not Verdict.DRIFT))
        sides = {
            side: worst(j.verdict for j in findings if j.finding.kind.side is side)
            for side in Side
            if self._outputs or side is not Side.OUTPUT
        }
        counted = tuple(
            Measured(name, before, after, tests.get(f"measure {name}"))
            for name, (before, after) in self._totals.items()
        )
        rows = tuple(sorted(self._rows, key=lambda row: (*row.weight, row.name)))
        return Report(
            *(old, new, rows, findings, counted, sides, dict(sorted(self._aside.items()))),
            *(tuple(left_out), self._stale.sentences(), self._trends.trends()),
        )

    def _compared(self, before: Recording, after: Recording) -> Comparison:
        return compare(
            before, after, matcher=self.matcher, rules=self.rules, distance=self.distance
        )

    def _distances(self, recordings: Sequence[Recording]) -> dict[str, list[list[float]]]:
        """By field, how far each recording is from each other."""
        size = len(recordings)
        found: dict[str, list[list[float]]] = {}
        for i, j in combinations(range(size), 2):
            for name, distance in _fields(self._compared(recordings[i], recordings[j])).items():
                matrix = found.setdefault(name, [[0.0] * size for _ in range(size)])
                matrix[i][j] = matrix[j][i] = distance
        return found

    def _measure(self, before: list[Measures], after: list[Measures]) -> None:
        for name in before[-1]:
            if all(name in values for values in (*before, *after)):
                sides = [[values[name] for values in side] for side in (before, after)]
                self._floor.values(f"measure {name}", *sides)
                for index, values in enumerate(sides):
                    self._totals[name][index] += sum(values) / len(values)


def report(
    old: str, new: str, pairs: Iterable[Pair | LeftOut], reporter: Reporter | None = None
) -> Report:
    """Compare *pairs* one after the other, and sum up."""
    reporter = reporter or Reporter()
    left_out = []
    for pair in pairs:
        if isinstance(pair, LeftOut):
            left_out.append(pair)
        else:
            reporter.add(pair)
    return reporter.report(old, new, left_out)


def _fields(found: Comparison) -> dict[str, float]:
    distances: dict[str, float] = {}
    for item in found.changes:
        name = _field(item.kind, item.place)
        distances[name] = max(distances.get(name, 0.0), item.distance)
    return distances


def _field(kind: str, place: str) -> str:
    return f"{kind} {generalized(place)}"


def _judged(finding: Finding, tests: dict[str, Estimate]) -> Judged:
    """
    Say of *finding* what the data carries.

    What our code alone decides is drift. The rest is what its fields' tests say; without any, there
    is no noise floor.
    """
    estimates = [e for p in finding.places if (e := tests.get(_field(finding.kind, p)))]
    verdict = worst(e.verdict for e in estimates) if estimates else Verdict.UNKNOWN
    if finding.kind.is_ours and verdict is not Verdict.WITHIN:
        verdict = Verdict.DRIFT
    return Judged(finding, verdict, min(estimates, key=lambda e: e.chance, default=None))


def _row(name: str, found: Comparison, before: Measures, after: Measures) -> Row:
    counts = Counter(item.kind.side for item in found.changes)
    shown: list[Change] = []
    for side in Side:
        of_side = [item for item in found.changes if item.kind.side is side]
        shown += sorted(of_side, key=lambda item: item.kind.rank)[:_SHOWN]
    changes = tuple(_cut(item) for item in shown)
    first = _cut(found.first) if found.first else None
    return Row(name, {side: counts[side] for side in Side}, changes, first, before, after)


def _cut(item: Change) -> Change:
    was, now = excerpts(item.was, item.now)
    return replace(item, was=was, now=now)
