"""A drift report on one screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table

from replay.drift.gates import Passage
from replay.drift.noise import Estimate
from replay.drift.report import Measured, Report
from replay.drift.verdicts import Verdict
from replay.reports.terminal import quoted
from replay.wording import counted

_FINDINGS = 10
_RUNS = 3
_LINES = 3
_NAME = 56
_STYLES = {
    Verdict.NONE: "green",
    Verdict.WITHIN: "green",
    Verdict.INSUFFICIENT: "yellow",
    Verdict.UNKNOWN: "yellow",
    Verdict.DRIFT: "red",
}


def show_drift(report: Report, passed: Iterable[Passage], out: Console) -> None:
    """Print what a reviewer has to know, what matters most first; the rest is a count."""
    said = f"[bold {_STYLES[report.verdict]}]{report.verdict.upper()}[/]"
    out.print(f"{said} from {quoted(report.old)} to {quoted(report.new)}", soft_wrap=True)
    sides = (f"{side}: [{_STYLES[v]}]{v}[/]" for side, v in report.sides.items())
    differing = sum(bool(sum(row.counts.values())) for row in report.rows)
    out.print(f"{' · '.join(sides)} · {differing} of {counted(len(report.rows), 'run')} differ\n")
    if report.findings:
        out.print(_findings(report))
    if report.measures:
        out.print(_measures(report.measures))
    for line in _notes(report):
        out.print(quoted(line), soft_wrap=True)
    for passage in passed:
        style = _STYLES[passage.verdict]
        words = {0: "passed", 1: "FAILED", 2: "could not tell"}[passage.verdict.exit_code]
        line = f"gate {quoted(str(passage.gate))}: [{style}]{words}[/], {quoted(passage.why)}"
        out.print(line, soft_wrap=True)


def _findings(report: Report) -> Table:
    table = Table("runs", "calls", "verdict", box=None, pad_edge=False, expand=True)
    table.add_column("finding", ratio=1, no_wrap=True, overflow="ellipsis")
    for judged in report.findings[:_FINDINGS]:
        finding = judged.finding
        table.add_row(
            str(finding.runs),
            str(len(finding.instances)),
            f"[{_STYLES[judged.verdict]}]{judged.verdict}[/]",
            quoted(finding.sentence),
        )
    if more := report.findings[_FINDINGS:]:
        table.add_row("", "", "", f"… and {len(more)} more (--json or --html has all)")
    return table


def _interval(estimate: Estimate | None) -> str:
    return "{:+.1%} to {:+.1%}".format(*estimate.interval) if estimate and estimate.interval else ""


def _measures(measures: Iterable[Measured]) -> Table:
    table = Table(
        "measure", "before", "after", "change", "a run, 95 %", "verdict", box=None, pad_edge=False
    )
    for measured in measures:
        verdict, estimate = measured.verdict, measured.estimate
        table.add_row(
            quoted(measured.name),
            f"{measured.before:,.6g}",
            f"{measured.after:,.6g}",
            f"{measured.change:+.1%}",
            _interval(estimate),
            f"[{_STYLES[verdict]}]{verdict}[/]",
        )
    return table


def _notes(report: Report) -> Iterator[str]:
    yield ""
    first = [row for row in report.rows if row.first][:_RUNS]
    for row in first:
        assert row.first
        step = row.first.after or row.first.before
        at = f"call {step}" if step else "the output"
        yield f"{_short(row.name)} diverges first at {at}: {row.first.kind} {row.first.place}"
    if report.aside:
        counts = ", ".join(f"{count:,} {what}" for what, count in report.aside.items())
        yield f"Put aside as volatile: {counts}."
    broken = [case for case in report.left_out if case.broken]
    for case in broken[:_LINES]:
        yield f"Not compared: {case.why}"
    if alone := [case for case in report.left_out if not case.broken]:
        yield f"{len(alone)} on one side only, such as {_short(alone[0].name)} ({alone[0].why})."
    for sentence in report.stale[:_LINES]:
        yield f"Stale: {sentence}"
    if report.verdict is Verdict.UNKNOWN:
        yield (
            "Record a version twice to tell its noise from drift: replay record --from EPISODE; "
            "of cassettes, --also-before and --also-after."
        )


def _short(name: str) -> str:
    """Keep the end of a path, which tells it from others."""
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
