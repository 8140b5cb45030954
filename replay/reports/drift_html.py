"""A drift report as one HTML file, with nothing from elsewhere and no script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from replay.drift.excerpts import word_diff
from replay.drift.gates import Passage
from replay.drift.report import Report
from replay.reports.drift_charts import findings_chart, trend_charts
from replay.reports.page import page

_FINDINGS = 25
_INSTANCES = 40


def drift_html(report: Report, passed: Sequence[Passage] = ()) -> str:
    """Write *report* as a page."""
    numbers = {row.name: number for number, row in enumerate(report.rows, 1)}
    return page(
        "drift.html.j2",
        report=report,
        passed=passed,
        sides=tuple(report.sides),
        numbers=numbers,
        shown_findings=_FINDINGS,
        instances=_INSTANCES,
        diff=word_diff,
        runs_chart=_safe(findings_chart(report)),
        trends=[(title, _safe(svg)) for title, svg in trend_charts(report)],
        deltas=_deltas(report),
    )


def _deltas(report: Report) -> list[str]:
    """Name the measures that have a column: those that changed anywhere."""
    names = dict.fromkeys(name for row in report.rows for name in row.before if name in row.after)
    return [
        name
        for name in names
        if not name.startswith("output")
        and any(row.before.get(name) != row.after.get(name) for row in report.rows)
    ]


def _safe(svg: str) -> Any:
    """Let the chart library's own SVG through: it escapes what it is given."""
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - built from elements, never from text
