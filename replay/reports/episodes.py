"""What there is of episodes, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from replay.canonical import content_hash
from replay.episodes.bundle import recording_id
from replay.episodes.said import said
from replay.llm.transcript import transcript
from replay.model import Episode, Manifest, Recording
from replay.reports.terminal import AS_IT_IS, quoted, show_json
from replay.visible import inline
from replay.wording import counted

if TYPE_CHECKING:
    from replay.episodes.deletion import Doomed
    from replay.episodes.queries import Hit, Summary
    from replay.episodes.store import Incomplete
    from replay.episodes.upkeep import Garbage

_SHORT = 15
"""Characters of a recording's id that a person is shown; they will do to name it."""


_FOLDED = ("entrypoint", "models", "tags")
"""Columns of a list that take several lines where there is no room."""


def show_list(
    rows: Sequence[Summary], incomplete: Iterable[Incomplete], out: Console, *, filtered: bool
) -> None:
    """Print the episodes, *filtered* or all, then the recordings that were never ended."""
    record = "replay record package.module:function --input FILE --id NAME"
    nothing = "No episode is so. All: replay list" if filtered else f"No episodes yet: {record}"
    tenants = any(row.tenant for row in rows)
    names = ("episode", "entrypoint", "runs", "newest", "calls", "models", "dollars", "tags")
    table = Table(*(("tenant",) if tenants else ()), box=None)
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name not in _FOLDED)
    for row in rows:
        cells = [
            row.id,
            row.entrypoint or "(none: imported)",
            str(row.recordings),
            row.started[:10],
            str(row.interactions),
            ", ".join(row.models),
            _dollars(row.dollars),
            ", ".join(row.tags),
        ]
        table.add_row(*map(quoted, [row.tenant, *cells] if tenants else cells))
    out.print(table if rows else nothing)
    for item in incomplete:
        kept = counted(len(item.interactions), "complete interaction")
        out.print(
            f"\nIncomplete: {quoted(item.episode)}, begun {item.started} by process {item.pid}: "
            f"{kept} kept, no recording was made. To clear it: replay gc"
        )


def show_list_json(rows: Iterable[Summary], incomplete: Iterable[Incomplete], out: Console) -> None:
    """Print what `show_list` prints, as one JSON object."""
    found = {
        "episodes": [asdict(row) for row in rows],
        "incomplete": [
            {"episode": i.episode, "started": i.started, "pid": i.pid, "calls": len(i.interactions)}
            for i in incomplete
        ],
    }
    show_json(found, out)


def show_episode(episode: Episode, recording: Recording, out: Console) -> None:
    """Print what there is of *episode*, what *recording* pinned, and its transcript."""
    out.print(f"[bold]{quoted(episode.id)}[/] · {quoted(episode.entrypoint or 'no entrypoint')}")
    if episode.tags:
        out.print(f"tags: {quoted(', '.join(episode.tags))}")
    out.print(f"inputs: {json.dumps(episode.inputs, ensure_ascii=True)}", **AS_IT_IS)
    for number, item in enumerate(episode.recordings, 1):
        mark = "*" if item is recording else " "
        outcome = f"raised {item.failure.kind}" if item.failure else "returned"
        line = f"{mark} recording {number} {recording_id(item)[:_SHORT]} {item.manifest.clock}"
        out.print(f"{line} {outcome}, {counted(len(item.interactions), 'call')}", **AS_IT_IS)
    out.print()
    for name, value in _digest(recording.manifest).items():
        out.print(f"{name:<9} {value}", **AS_IT_IS)
    at = datetime.fromisoformat(recording.manifest.clock)
    found = said(recording)
    tokens, dollars = f"{found.tokens:,} tokens", _dollars(found.dollars)
    out.print(f"{'took':<9} {recording.elapsed:.2f} s, {tokens}, {dollars}", **AS_IT_IS)
    out.print()
    out.print(transcript(recording.interactions, at=at, timings=True), **AS_IT_IS)


def show_episode_json(episode: Episode, recording: Recording, out: Console) -> None:
    """Print what `show_episode` prints, as one JSON object."""
    at = datetime.fromisoformat(recording.manifest.clock)
    found = said(recording)
    shown = {
        "id": episode.id,
        "tenant": episode.tenant,
        "entrypoint": episode.entrypoint,
        "inputs": episode.inputs,
        "tags": episode.tags,
        "recordings": [recording_id(item) for item in episode.recordings],
        "recording": {
            "id": recording_id(recording),
            "manifest": asdict(recording.manifest),
            "manifest_digest": content_hash(recording.manifest),
            "output": recording.output,
            "failure": asdict(recording.failure) if recording.failure else None,
            "elapsed": recording.elapsed,
            "calls": len(recording.interactions),
            "models": found.models,
            "tokens": found.tokens,
            "dollars": found.dollars,
            "transcript": transcript(recording.interactions, at=at, timings=True),
        },
    }
    show_json(shown, out)


def show_hits(hits: Sequence[Hit], out: Console) -> None:
    """Print the messages that were found, by episode; what several recordings say is there once."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for hit in hits:
        excerpt = " ".join(hit.excerpt.split())
        line = f"  #{hit.step} {hit.role}: {inline(excerpt)}"
        found.setdefault((hit.tenant, hit.episode), {})[line] = None
    for (_, episode), lines in found.items():
        out.print(f"[bold]{quoted(episode)}[/]")
        for line in lines:
            out.print(line, **AS_IT_IS)
    messages = counted(sum(map(len, found.values())), "message")
    out.print(f"{messages} in {counted(len(found), 'episode')}.")


def show_hits_json(hits: Iterable[Hit], out: Console) -> None:
    """Print one JSON object a message."""
    for hit in hits:
        show_json(asdict(hit), out, indent=None)


def show_problems(path: str, problems: Sequence[str], out: Console, *, as_json: bool) -> None:
    """Print what `replay verify` found."""
    if as_json:
        show_json({"store": path, "problems": problems}, out, indent=None)
        return
    for problem in problems:
        out.print(inline(problem), **AS_IT_IS)
    if problems:
        out.print(f"{path}: {len(problems)} problems. A backup: replay restore FILE", **AS_IT_IS)
    else:
        out.print(f"{path}: everything is what it was.", **AS_IT_IS)


def doomed_line(doomed: Doomed) -> str:
    """Say what goes with an episode."""
    calls, recordings = counted(doomed.calls, "call"), counted(doomed.recordings, "recording")
    parts = [f"{recordings}, {calls}"] if doomed.recordings else []
    parts += [str(doomed.bundle)] if doomed.bundle else []
    return f"{doomed.episode}: {' and '.join(parts) or 'no recording'}"


def garbage_line(garbage: Garbage, *, dry_run: bool) -> str:
    """Say what was cleared, or would be."""
    would = "Would clear" if dry_run else "Cleared"
    return (
        f"{would} {counted(garbage.attempts, 'incomplete recording')}, "
        f"{counted(garbage.contents, 'body')}, {counted(garbage.texts, 'text')}: "
        f"{counted(garbage.freed, 'byte')}."
    )


def _digest(manifest: Manifest) -> dict[str, str]:
    """Tell in a few lines what a manifest says, and its hash."""
    revision = manifest.code_revision[:12] or "unknown"
    pinned = f"clock and seed {manifest.seed}" if manifest.pinned else "nothing"
    return {
        "manifest": content_hash(manifest),
        "begun": manifest.clock,
        "pinned": pinned,
        "models": ", ".join(manifest.models_answered or manifest.models_requested) or "none",
        "sampling": json.dumps(manifest.sampling),
        "prompts": manifest.prompts or "none",
        "tools": manifest.tools or "none",
        "code": revision + (", with changes" if manifest.code_dirty else ""),
        "python": f"{manifest.python or 'unknown'}, {counted(len(manifest.packages), 'package')}",
        "recorder": manifest.recorder,
    }


def _dollars(value: float | None) -> str:
    return "price not known" if value is None else f"${value:.6f}"
