"""The `golden` fixture, and the goldens that nothing looks at any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replay.plugin.casting import compares
from replay.plugin.marks import is_function
from replay.plugin.outcomes import passed
from replay.plugin.settings import project, settings
from replay.plugin.summary import Told, tell

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from replay.cassettes.tape import Tape
    from replay.golden.assertion import GoldenAssertion, Goldens
    from replay.golden.uncompared import Uncompared

_USED = pytest.StashKey[set[Path]]()
_GOLDENS: pytest.StashKey[Goldens] = pytest.StashKey()


@pytest.fixture
def golden(
    request: pytest.FixtureRequest, snapshot: SnapshotAssertion, _golden_scene: Tape | None
) -> Iterator[GoldenAssertion | Uncompared]:
    """
    The approved output of this test: `assert result == golden`.

    What varies from run to run is normalized first; `--snapshot-update` approves what is there now.
    The mark of the same name is what plays a cassette; without it, the fixture only compares. On
    mocks and in LIVE_SMOKE, where other things are said, every output is equal.
    """
    stash = request.config.stash
    if _GOLDENS not in stash:
        from replay.golden.assertion import Goldens
        from replay.golden.writing import is_ci

        stash[_GOLDENS] = Goldens(settings(request.config), ci=is_ci(os.environ))
    own = stash[_GOLDENS].of(snapshot, request.node, _golden_scene)
    if not compares(request.node):
        from replay.golden.uncompared import Uncompared

        yield Uncompared(own)
        return
    yield own
    request.node.stash[_USED] = own.settle(passed=passed(request.node))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Find what a test that has passed did not look at, once its fixtures have ended."""
    if call.when == "teardown" and passed(item) and is_function(item) and compares(item):
        _note_unused(item)
    return (yield)


def _note_unused(item: pytest.Item) -> None:
    """Find the goldens that *item* did not look at; syrupy's options decide."""
    config = item.config
    own = project(config)
    folder = own.path(own.golden)
    if config.getoption("disable_unused_snapshots", False) or not folder.is_dir():
        return
    from replay.golden.orphans import unused_goldens
    from replay.golden.stem import stem_of

    used = item.stash.get(_USED, set[Path]())
    removes = config.getoption("update_snapshots") and not config.getoption("no_cleanup")
    for path in unused_goldens(folder, stem_of(item), used, removes=removes, environ=os.environ):
        tell(item, Told.UNUSED, str(path))
