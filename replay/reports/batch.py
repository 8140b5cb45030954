"""What a person sees of a batch, in the terminal and on GitHub."""

from __future__ import annotations

import html
import json
from collections import Counter
from contextlib import AbstractContextManager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from replay.batch.report import Report, Result, report_json
from replay.contrast import difference_lines
from replay.model import Kind
from replay.reports.terminal import quoted
from replay.visible import inline, visible

_SHOWN = 20


class BatchProgress(AbstractContextManager["BatchProgress"]):
    """A bar with rate, outcomes so far and time left; nothing where there is no terminal."""

    def __init__(self, out: Console, total: int, done: int) -> None:
        self._counts: Counter[Kind] = Counter()
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=out,
            disable=not out.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def heard(self, result: Result) -> None:
        """Count *result*."""
        self._counts[result.outcome.kind] += 1
        counts = "  ".join(f"{kind} {self._counts[kind]}" for kind in Kind if self._counts[kind])
        speed = self._bar.tasks[0].speed
        rate = f"{speed:.1f}/s" if speed else ""
        self._bar.update(self._task, advance=1, description=counts, rate=rate)


def show_batch(report: Report, out: Console) -> None:
    """Print the counts, and each run that did not end as it was wanted."""
    table = Table("outcome", "runs", box=None, pad_edge=False)
    for kind, count in report.counts.items():
        table.add_row(kind, f"{count:,}")
    out.print(table)
    for result in report.failed[:_SHOWN]:
        out.print(f"\n[bold]{quoted(str(result.run))}[/]  {said(result)}")
        for line in lines(result):
            out.print(f"  {quoted(line)}", soft_wrap=True)
    if len(report.failed) > _SHOWN:
        out.print(f"\n… and {len(report.failed) - _SHOWN:,} more (--json FILE has all)")
    out.print(f"\n{summed(report)}")


def batch_json(report: Report) -> str:
    """Write *report* for machines."""
    text = json.dumps(report_json(report), indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def summary(report: Report) -> str:
    """Write *report* as Markdown, for the summary of a GitHub job."""
    found = ["### replay batch", "", summed(report), "", "| outcome | runs |", "| --- | ---: |"]
    found += [f"| {kind} | {count:,} |" for kind, count in report.counts.items()]
    for result in report.failed[:_SHOWN]:
        run = html.escape(inline(str(result.run)))
        found += ["", f"<details><summary><code>{run}</code> {said(result)}</summary>", ""]
        told = (visible(line).replace("```", "'''") for line in lines(result))
        found += ["```text", *told, "```"]
        found.append("</details>")
    if len(report.failed) > _SHOWN:
        found += ["", f"… and {len(report.failed) - _SHOWN:,} more"]
    return "\n".join(found) + "\n"


def summed(report: Report) -> str:
    """Say in a sentence how a batch ended."""
    of = f" of {report.size:,}" if report.parts > 1 or len(report.results) < report.size else ""
    failed = f"{len(report.failed):,} not as wanted" if report.failed else "all as wanted"
    return f"{len(report.results):,}{of} runs, {failed}."


def said(result: Result) -> str:
    """Say in a few words how a run ended."""
    outcome = result.outcome
    at = f" at step {outcome.step}" if outcome.step else ""
    what = f" ({outcome.what})" if outcome.what else ""
    wanted = f", expected {result.run.expect}" if result.run.expect else ""
    return f"{outcome.kind}{at}{what}{wanted}"


def lines(result: Result) -> list[str]:
    """Say all that there is to say of how a run ended."""
    outcome = result.outcome
    shown = difference_lines(outcome.differences, "now") if outcome.what == "output" else []
    return [*outcome.detail.splitlines(), *shown]
