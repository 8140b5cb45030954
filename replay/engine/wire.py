"""What goes between the runner and its workers: one JSON object a line, either way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Any

from replay.engine.replayer import Moved, Replay, Step
from replay.model import Difference, Json, Kind, Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """
    One replay: *episode* against its recording *version*, today's by default.

    The episode is looked up in the worker's store, unless it travels along as a *bundle*. After
    *timeout* seconds, 0 for never, its process is killed; *memory* limits the address space of that
    process, in bytes, 0 for no limit. *adopts* lets requests move, see `replay_episode`.
    """

    episode: str
    version: str = ""
    bundle: str = ""
    timeout: float = 0.0
    memory: int = 0
    adopts: bool = False


def task_json(task: Task) -> Json:
    """Write *task* as JSON."""
    return {field.name: getattr(task, field.name) for field in fields(task)}


def replay_json(replay: Replay) -> Json:
    """Write *replay* as JSON."""
    dollars = replay.saved_dollars
    return asdict(replay) | {"saved_dollars": None if dollars is None else str(dollars)}


def replay_from(value: dict[str, Any]) -> Replay:
    """Read what `replay_json` wrote."""
    dollars = value["saved_dollars"]
    read: dict[str, Any] = {
        "outcome": outcome_from(value["outcome"]),
        "steps": tuple(Step(**step) for step in value["steps"]),
        "changes": _differences(value["changes"]),
        "saved_dollars": None if dollars is None else Decimal(dollars),
        "moved": tuple(
            Moved(m["step"], tuple(m["change"]), _differences(m["differences"]))
            for m in value["moved"]
        ),
    }
    return Replay(**value | read)


def outcome_from(value: dict[str, Any]) -> Outcome:
    """Read an outcome that was written as JSON."""
    kind, found = Kind(value["kind"]), _differences(value["differences"])
    return Outcome(**value | {"kind": kind, "differences": found})


def stopped(episode: str, outcome: Outcome, recording: str = "") -> Replay:
    """Report a replay that came to no result of its own."""
    return Replay(
        episode=episode,
        recording=recording,
        outcome=outcome,
        steps=(),
        played=0,
        recorded=0,
        fidelity=0.0,
        saved_tokens=0,
        saved_dollars=None,
        output=None,
        changes=(),
        seconds=0.0,
        recorded_seconds=0.0,
    )


def _differences(found: list[dict[str, Json]]) -> tuple[Difference, ...]:
    return tuple(Difference(**item) for item in found)
