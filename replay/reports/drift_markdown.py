"""A drift report for a pull request: what fits in a comment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from replay.drift.gates import Passage
from replay.drift.report import Report
from replay.visible import visible
from replay.wording import counted

LIMIT = 60_000
"""Characters; GitHub refuses comments of more than 65,536."""

_ROW = 300


def drift_markdown(report: Report, passed: Iterable[Passage] = (), limit: int = LIMIT) -> str:
    """Write *report* in at most *limit* characters, what matters most first."""
    lines, size, left = [], 0, 0
    for line in _lines(report, passed):
        if size + len(line) + 100 > limit:
            left += 1
            continue
        lines.append(line)
        size += len(line) + 1
    if left:
        lines.append(f"\n… {left} more lines did not fit; `--html` has all.")
    return "\n".join(lines) + "\n"


def _lines(report: Report, passed: Iterable[Passage]) -> Iterator[str]:
    yield f"### Drift: {report.verdict}"
    yield ""
    runs = counted(len(report.rows), "run")
    yield f"From {_text(report.old)} to {_text(report.new)}, {runs} compared."
    yield ""
    yield "| side | verdict |"
    yield "| --- | --- |"
    for side, verdict in report.sides.items():
        yield f"| {side} | {verdict} |"
    for passage in passed:
        yield f"| gate {_text(str(passage.gate))} | {passage.verdict}: {_text(passage.why)} |"
    if report.findings:
        yield ""
        yield "| runs | calls | kind | finding | verdict |"
        yield "| ---: | ---: | --- | --- | --- |"
    for judged in report.findings:
        found = judged.finding
        counts = f"{found.runs} | {len(found.instances)}"
        yield f"| {counts} | {found.kind} | {_text(found.sentence)} | {judged.verdict} |"
    if report.measures:
        yield ""
        yield "| measure | before | after | change | verdict |"
        yield "| --- | ---: | ---: | ---: | --- |"
    for m in report.measures:
        yield (
            f"| {_text(m.name)} | {m.before:,.6g} | {m.after:,.6g} | {m.change:+.1%} "
            f"| {m.verdict} |"
        )
    for sentence in report.stale:
        yield f"\nStale: {_text(sentence)}"
    for case in report.left_out:
        yield f"\nNot compared: {_text(case.name)}, {_text(case.why)}"


def _text(value: str) -> str:
    """
    Put recorded text in a code span, where it neither means anything nor calls anybody.

    A stroke would end a cell of a table, and with it the span, whatever stands before it.
    """
    line = visible(" ".join(value.split())).replace("`", "'").replace("|", "\N{BROKEN BAR}") or " "
    return f"`{line if len(line) <= _ROW else line[: _ROW - 1] + '…'}`"
