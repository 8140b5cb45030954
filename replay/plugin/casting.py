"""Collection: what answers each test is decided here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replay.config import Mode
from replay.plugin.marks import has_mocks, is_golden, is_ours, is_smoke
from replay.plugin.recording import record_mode
from replay.plugin.settings import settings
from replay.plugin.summary import Told, tell

if TYPE_CHECKING:
    from replay.golden.sources import Source

_SOURCE: pytest.StashKey[Source] = pytest.StashKey()


@pytest.hookimpl(trylast=True)  # -k and -m have chosen by then
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Decide what answers each test; skip, with the reason, what nothing can answer."""
    if config.getoption("--golden-stems"):
        return  # who asks for them runs nothing
    own = [item for item in items if is_ours(item)]
    if not (own or config.getoption("--test-mode")):
        return
    live = settings(config).test.mode is Mode.LIVE_SMOKE
    if live:
        _refuse_to_write(config)
    _cast(config, items if live else own)


def source(item: pytest.Item) -> Source | None:
    """Tell what answers *item*; None for a test that is left alone, or does not run."""
    return item.stash.get(_SOURCE, None)


def plays_cassette(item: pytest.Item) -> bool:
    """Whether a cassette answers *item*, or is being recorded."""
    from replay.golden.sources import Source

    return source(item) is Source.CASSETTE


def compares(item: pytest.Item) -> bool:
    """Whether the goldens of *item* are compared: what they approve is its cassette's."""
    return source(item) is None or plays_cassette(item)


def _cast(config: pytest.Config, items: list[pytest.Item]) -> None:
    from replay.golden.sources import Skipped, Uses, source_of

    plays = record_mode(config) != "none" or config.getoption("--adopt")
    mode = Mode.GOLDEN if plays else settings(config).test.mode
    for item in items:
        uses = Uses(is_golden(item), is_smoke(item), has_mocks(item))
        found = source_of(uses, mode, item.nodeid)
        if isinstance(found, Skipped):
            item.add_marker(pytest.mark.skip(reason=found.reason))
            if uses.golden and mode is Mode.MOCK:
                tell(item, Told.SKIPPED, item.nodeid)
        else:
            item.stash[_SOURCE] = found
            _limit(item, config)


def _limit(item: pytest.Item, config: pytest.Config) -> None:
    """Give the function of *item* the limit of TEST_TIMEOUT, where it has none of its own."""
    seconds = settings(config).test.timeout
    if not seconds or item.get_closest_marker("timeout"):
        return
    if not config.pluginmanager.has_plugin("timeout"):
        raise pytest.UsageError("TEST_TIMEOUT is kept by pytest-timeout: leave -p no:timeout out")
    item.add_marker(pytest.mark.timeout(seconds, func_only=True))


def _refuse_to_write(config: pytest.Config) -> None:
    """A smoke run changes no file, and counts its budget in one process."""
    if record_mode(config) != "none" or config.getoption("--adopt"):
        raise pytest.UsageError("LIVE_SMOKE records nothing: leave --record-mode and --adopt out")
    if config.getoption("update_snapshots", None):
        raise pytest.UsageError("LIVE_SMOKE approves nothing: leave --snapshot-update out")
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        raise pytest.UsageError("LIVE_SMOKE counts its budget in one process: add -n 0")
