"""What a person sees in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from replay.contrast import difference_lines
from replay.model import Json, Kind
from replay.visible import inline, uncommanding, visible

if TYPE_CHECKING:
    from pathlib import Path

    from replay.cassettes.adoption import Adopted
    from replay.cassettes.check import FileCheck
    from replay.cassettes.cleaning import FileScan
    from replay.cassettes.conversion import Converted
    from replay.engine.replayer import Replay

AS_IT_IS: dict[str, Any] = {"soft_wrap": True, "markup": False}
"""How a line is printed that is no prose of ours: not folded, and no markup."""

_PLAIN_WIDTH = 110
_SHOWN_CHANGES = 5
_STYLES = {Kind.IDENTICAL: "bold green", Kind.EQUIVALENT: "bold green"}


def console(file: TextIO | None = None) -> Console:
    """Open the terminal; a pipe gets a fixed width and no colour."""
    file = file or sys.stdout
    width = None if file.isatty() else _PLAIN_WIDTH
    return _Screen(file=cast("TextIO", _Log(file)), width=width, highlight=False, emoji=False)


class _Screen(Console):
    """A terminal that obeys nothing in what it is given to show."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Spell out what would steer it; all text comes by here, that of tables too."""
        return super().render_str(visible(text), **options)


class _Log:
    """A file in which a CI finds no command, also where a long line was folded."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write *text*, a line or several."""
        return self._file.write(uncommanding(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def quoted(text: str) -> str:
    """Put recorded text among our own words: on one line, and no markup."""
    return escape(inline(text))


def show_json(value: Json, out: Console, *, indent: int | None = 2) -> None:
    """Print *value* for machines."""
    out.print(json.dumps(value, indent=indent), **AS_IT_IS)


def show_replay(replay: Replay, out: Console) -> None:
    """Print the timeline of a replay, its outcome, and what it saved."""
    out.print(f"[bold]{quoted(replay.episode)}[/] · recording {replay.recording[:15]}\n")
    out.print(_timeline(replay))
    outcome = replay.outcome
    at = f" at step {outcome.step} ({outcome.what})" if outcome.step else ""
    at = at or (f" ({outcome.what})" if outcome.what else "")
    out.print(f"\n[{_STYLES.get(outcome.kind, 'bold red')}]{outcome.kind}[/]{at}")
    if outcome.detail:
        out.print(escape(outcome.detail), soft_wrap=True)
    if outcome.what != "request" or outcome.kind is Kind.UNPLAYED:
        for line in difference_lines(outcome.differences, "now"):
            out.print(escape(line), soft_wrap=True)
    if outcome.kind is Kind.UNPLAYED or outcome.what == "output":
        out.print(f"If that is intended: replay record --from {quoted(replay.episode)}")
    out.print(_figures(replay))
    for change in replay.changes[:_SHOWN_CHANGES]:
        out.print(quoted(f"  since then {change.path} {change.recorded}, now {change.now}"))
    if len(replay.changes) > _SHOWN_CHANGES:
        out.print(f"  … and {len(replay.changes) - _SHOWN_CHANGES} more versions (--json has all)")


def show_checks_json(checks: Iterable[FileCheck], out: Console) -> bool:
    """Print one JSON object a file; tell whether all played whole."""
    every = True
    for check in checks:
        every &= check.whole
        show_json(asdict(check), out, indent=None)
    return every


def show_checks(checks: Iterable[FileCheck], out: Console, *, verbose: bool = False) -> bool:
    """Print each file that did not play whole, then the sums; tell whether all did."""
    files = whole = played = missed = refused = healed = 0
    for check in checks:
        files, whole, played = files + 1, whole + check.whole, played + check.played
        missed, refused = missed + len(check.missed), refused + len(check.refused)
        healed += len(check.healed)
        shown = {"missed": check.missed, "refused": check.refused}
        for word, found in (shown | {"healed": check.healed} if verbose else shown).items():
            for reason in found:
                out.print(f"{quoted(check.path)}: {word} {quoted(reason)}", soft_wrap=True)
    out.print(f"{whole} of {files} files whole; interactions: {played} played, {missed} missed.")
    if refused:
        out.print(f"{refused} refused, each with the reason above.")
    if healed:
        where = "each is listed above" if verbose else "-v lists them"
        out.print(f"{healed} flaws in the files were healed on reading; {where}.")
    return files == whole


def show_converted(converted: Converted, out: Console) -> None:
    """Print where a converted cassette lies, and what it was."""
    out.print(
        f"{quoted(converted.path)}: {converted.interactions} interactions, "
        f"from a {converted.form} cassette",
        soft_wrap=True,
    )
    for what in converted.healed:
        out.print(f"  healed {quoted(what)}", soft_wrap=True)


def show_scans_json(scans: Iterable[FileScan], out: Console) -> int:
    """Print one JSON object a file; give the exit code."""
    code = 0
    for scan in scans:
        code = max(code, scan.exit_code)
        show_json(asdict(scan), out, indent=None)
    return code


def show_scans(scans: Iterable[FileScan], out: Console) -> int:
    """Print where secrets stand, file by file, then the sums; give the exit code."""
    code = files = secrets = holding = fixed = 0
    for scan in scans:
        code, files = max(code, scan.exit_code), files + 1
        secrets, holding = secrets + len(scan.findings), holding + bool(scan.findings)
        fixed += scan.fixed
        for finding in scan.findings:
            out.print(quoted(f"{scan.path}: {finding}"), soft_wrap=True)
        if scan.unread:
            out.print(quoted(f"{scan.path}: not all of it: {scan.unread}"), soft_wrap=True)
    out.print(f"{secrets} secrets in {holding} of {files} files; {fixed} files fixed.")
    if holding > fixed:
        out.print("Replace them by placeholders: the same command with --fix")
    return code


def show_adopted(path: Path, adopted: Iterable[Adopted], out: Console) -> None:
    """Print what was taken over, request by request."""
    for item in adopted:
        out.print(f"{quoted(str(path))} #{item.step}: took over")
        for line in difference_lines(item.differences, "now"):
            out.print(escape(line), soft_wrap=True)


def _timeline(replay: Replay) -> Table:
    table = Table("#", "call", "model", "status", "recorded", "match", box=None, pad_edge=False)
    for step in replay.steps:
        table.add_row(
            str(step.number),
            quoted(step.call),
            quoted(step.model),
            str(step.status or "error"),
            f"{step.seconds * 1000:,.0f} ms",
            step.match,
        )
    return table


def _figures(replay: Replay) -> str:
    agreed = replay.outcome.agreed and min(replay.seconds, replay.recorded_seconds) > 0
    times = f" ({_times(replay.seconds, replay.recorded_seconds)})" if agreed else ""
    dollars = replay.saved_dollars
    price = "price not known" if dollars is None else f"${dollars:.6f}"
    now, then = replay.seconds * 1000, replay.recorded_seconds * 1000
    return "\n".join(
        [
            f"  calls      {replay.played} of {replay.recorded} played",
            f"  fidelity   {replay.fidelity:.0%} of the recorded bytes served verbatim",
            f"  time       {now:,.0f} ms now, {then:,.0f} ms recorded{times}",
            f"  not spent  {replay.saved_tokens:,} tokens, {price}",
        ]
    )


def _times(now: float, then: float) -> str:
    return f"{then / now:.1f} times faster" if now < then else f"{now / then:.1f} times as long"
