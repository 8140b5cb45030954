"""What every verb needs: the project's store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replay.config import Config
    from replay.episodes.store import Store


def open_store(config: Config) -> Store:
    """Open the store of the project, and make it when there is none."""
    from replay.episodes.store import Store

    return Store(config.path(config.store))
