"""Record live LLM and API traffic once, replay it deterministically for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.engine.recorder import episode as episode
    from replay.engine.recorder import record as record

__version__ = "0.1.0"
__all__ = ["__version__", "episode", "record"]


def __getattr__(name: str) -> Any:
    """Import the engine on first use: a plugin that loads in every test run has to be light."""
    if name in ("episode", "record"):
        from replay.engine import recorder

        return getattr(recorder, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
