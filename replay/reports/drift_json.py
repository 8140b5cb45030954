"""A drift report for machines; docs/drift.schema.json says what stands in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from math import isfinite

from replay.drift.changes import Change
from replay.drift.gates import Passage
from replay.drift.noise import Estimate
from replay.drift.report import Judged, Measured, Report, Row
from replay.model import Json

SCHEMA = 1


def drift_json(report: Report, passed: Iterable[Passage] = ()) -> str:
    """Write *report*, and what the gates say of it."""
    return json.dumps(_report(report, passed), indent=2)


def _report(report: Report, passed: Iterable[Passage]) -> Json:
    return {
        "schema": SCHEMA,
        "old": report.old,
        "new": report.new,
        "verdict": report.verdict,
        "sides": report.sides,
        "findings": [_finding(judged) for judged in report.findings],
        "measures": [_measured(measured) for measured in report.measures],
        "runs": [_row(row) for row in report.rows],
        "left_out": [asdict(case) for case in report.left_out],
        "aside": report.aside,
        "stale": list(report.stale),
        "trends": [
            {
                "model": trend.model,
                "measure": trend.measure,
                "points": [[day.isoformat(), value] for day, value in trend.points],
            }
            for trend in report.trends
        ],
        "gates": [{"gate": str(p.gate), "verdict": p.verdict, "why": p.why} for p in passed],
    }


def _finding(judged: Judged) -> Json:
    finding = judged.finding
    return {
        "kind": finding.kind,
        "sentence": finding.sentence,
        "verdict": judged.verdict,
        "places": list(finding.places),
        "runs": finding.runs,
        "instances": [asdict(instance) for instance in finding.instances],
        "estimate": _estimate(judged.estimate),
    }


def _measured(measured: Measured) -> Json:
    return {
        "name": measured.name,
        "before": measured.before,
        "after": measured.after,
        "change": measured.change if isfinite(measured.change) else None,
        "verdict": measured.verdict,
        "estimate": _estimate(measured.estimate),
    }


def _estimate(estimate: Estimate | None) -> Json:
    if estimate is None:
        return None
    return {name: value for name, value in asdict(estimate).items() if name != "field"}


def _row(row: Row) -> Json:
    return {
        "name": row.name,
        "counts": row.counts,
        "first": _change(row.first) if row.first else None,
        "changes": [_change(item) for item in row.changes],
        "before": row.before,
        "after": row.after,
    }


def _change(item: Change) -> Json:
    return asdict(item)
