"""Gates: which drift fails a build."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from replay.drift.kinds import Kind, Side
from replay.drift.report import Judged, Report
from replay.drift.verdicts import Verdict, worst
from replay.errors import BadGate

_LIMIT = re.compile(r"(?P<measure>.+?)\s*>\s*(?P<percent>\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True, slots=True)
class Gate:
    """A side or kind that must not drift, or a measure that may grow by *limit* per cent."""

    name: str
    limit: float | None = None

    def __str__(self) -> str:
        return self.name if self.limit is None else f"{self.name}>{self.limit:.10g}%"


@dataclass(frozen=True, slots=True)
class Passage:
    """What a gate says of a report, and why."""

    gate: Gate
    verdict: Verdict
    why: str


def gates(text: str) -> tuple[Gate, ...]:
    """
    Read gates as they are written on the command line.

    >>> [str(gate) for gate in gates("output, request.model,cost>10%")]
    ['output', 'request.model', 'cost>10%']

    Raises:
        BadGate: one of them is neither a side, nor a kind, nor a measure with its limit.

    """
    return tuple(_gate(part.strip()) for part in text.split(",") if part.strip())


def passages(report: Report, wanted: Iterable[Gate]) -> tuple[Passage, ...]:
    """Tell of each gate whether *report* passes it."""
    return tuple(_passage(report, gate) for gate in wanted)


def judged_by(gate: Gate, found: Judged) -> bool:
    """Whether *gate* is about this finding."""
    return gate.name in (found.finding.kind, found.finding.kind.side)


def _gate(text: str) -> Gate:
    known = (*Side, *Kind)
    if match := _LIMIT.fullmatch(text):
        return Gate(match["measure"], float(match["percent"]))
    if text not in known:
        raise BadGate(text, known)
    return Gate(text)


def _passage(report: Report, gate: Gate) -> Passage:
    if gate.limit is not None:
        return _growth(report, gate, gate.limit)
    found = [judged for judged in report.findings if judged_by(gate, judged)]
    if Side.OUTPUT not in report.sides and gate.name.startswith(Side.OUTPUT):
        return Passage(gate, Verdict.UNKNOWN, "cassettes hold no output; compare episodes")
    if not found:
        return Passage(gate, Verdict.NONE, "nothing found")
    verdict = worst(judged.verdict for judged in found)
    shown = next(judged for judged in found if judged.verdict is verdict)
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return Passage(gate, verdict, f"{shown.finding.sentence}{more}")


def _growth(report: Report, gate: Gate, limit: float) -> Passage:
    measured = next((m for m in report.measures if m.name == gate.name), None)
    if measured is None:
        there = ", ".join(m.name for m in report.measures) or "none"
        return Passage(gate, Verdict.UNKNOWN, f"not measured on both sides; measured: {there}")
    why = f"{measured.before:,.6g} → {measured.after:,.6g} ({measured.change:+.1%})"
    if measured.change * 100 <= limit:
        return Passage(gate, Verdict.NONE, why)
    return Passage(gate, measured.verdict, f"{why}, {measured.verdict}")
