"""A batch report as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator

from replay.batch.report import Report, Result
from replay.drift.excerpts import excerpts, word_diff
from replay.model import Outcome
from replay.reports.batch import said, summed
from replay.reports.page import page

_SHOWN = 20

Side = list[tuple[str, bool]]


def batch_html(report: Report) -> str:
    """Write *report* as a page: what did not end as it was wanted comes first."""
    failed = {result.place for result in report.failed}
    results = sorted(report.results, key=lambda x: (x.place not in failed, -x.exit_code, x.place))
    return page(
        "batch.html.j2",
        report=report,
        results=results,
        failed=failed,
        said=said,
        summary=summed(report),
        is_open=_is_open,
        differences=_differences,
        shown=_SHOWN,
    )


def _is_open(result: Result) -> bool:
    """Whether there is more to say of it than its outcome."""
    return bool(result.outcome.detail or result.outcome.differences)


def _differences(outcome: Outcome) -> Iterator[tuple[str, Side, Side]]:
    for found in outcome.differences[:_SHOWN]:
        was, now = word_diff(*excerpts(found.recorded, found.now))
        yield found.path or "(everything)", was, now
