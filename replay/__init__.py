"""Record live LLM and API traffic once, replay it deterministically for ever."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.engine.recorder import episode as episode
    from replay.engine.recorder import record as record
    from replay.engine.recorder import record_in_background as record_in_background
    from replay.engine.service import flush_recordings as flush_recordings
    from replay.engine.service import recording_stats as recording_stats

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "episode",
    "flush_recordings",
    "record",
    "record_in_background",
    "recording_stats",
]

_HOMES = {
    "episode": "recorder",
    "flush_recordings": "service",
    "record": "recorder",
    "record_in_background": "recorder",
    "recording_stats": "service",
}


def __getattr__(name: str) -> Any:
    """Import the engine on first use: a plugin that loads in every test run has to be light."""
    if home := _HOMES.get(name):
        return getattr(import_module(f"replay.engine.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
