"""A replay, as people and machines are shown it."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from replay.contrast import difference_lines
from replay.engine.replayer import Replay
from replay.model import Json, Kind
from replay.reports.terminal import quoted

SCHEMA = 1

_SHOWN_CHANGES = 5
_STYLES = {Kind.IDENTICAL: "bold green", Kind.EQUIVALENT: "bold green"}


def result_json(replay: Replay, **more: Json) -> str:
    """
    Write *replay* as JSON: equal for equal replays, but for what stands under `time`.

    Dollars are a decimal string, or null.
    """
    dollars = replay.saved_dollars
    found = {
        "schema": SCHEMA,
        "episode": replay.episode,
        "recording": replay.recording,
        "outcome": asdict(replay.outcome),
        "agreed": replay.outcome.agreed,
        "calls": {"played": replay.played, "recorded": replay.recorded},
        "fidelity": replay.fidelity,
        "saved": {
            "tokens": replay.saved_tokens,
            "dollars": None if dollars is None else str(dollars),
        },
        "steps": [asdict(step) for step in replay.steps],
        "output": replay.output,
        "changes": [asdict(change) for change in replay.changes],
        "time": {"now": replay.seconds, "recorded": replay.recorded_seconds},
    }
    return json.dumps(found | more, indent=2)


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
        out.print(f"If that is intended: {quoted(replay.again)}", soft_wrap=True)
    out.print(_figures(replay))
    for change in replay.changes[:_SHOWN_CHANGES]:
        out.print(quoted(f"  since then {change.path} {change.recorded}, now {change.now}"))
    if len(replay.changes) > _SHOWN_CHANGES:
        out.print(f"  … and {len(replay.changes) - _SHOWN_CHANGES} more versions (--json has all)")


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
