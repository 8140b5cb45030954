"""A replay as JSON: equal for equal replays, but for what stands under `time`."""

from __future__ import annotations

import json
from dataclasses import asdict

from replay.engine.replayer import Replay
from replay.model import Json

SCHEMA = 1


def result_json(replay: Replay, **more: Json) -> str:
    """Write *replay* for machines; seconds are under `time`, dollars a decimal string or null."""
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
