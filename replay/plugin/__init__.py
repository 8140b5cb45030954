"""
The pytest plugin: marks, fixtures, options, and what TEST_MODE means for them.

It is imported in every run of everyone who installs it, so no part of it imports anything heavy by
itself; and where no test is ours, it reads no setting of tests, and changes nothing.
"""

from __future__ import annotations

import pytest

from replay.plugin import (
    casting,
    goldens,
    marks,
    mocks,
    outcomes,
    recording,
    rerecording,
    services,
    settings,
    stages,
    stems,
    summary,
    vcr,
    workers,
)

_PARTS = (
    settings,
    marks,
    recording,
    stems,
    casting,
    outcomes,
    stages,
    mocks,
    goldens,
    rerecording,
    vcr,
    services,
    summary,
    workers,
)


_TITLE = (
    "golden-replay: --record-mode=once records what was never recorded, --record-mode=rewrite "
    "records anew; --snapshot-update approves what comes out"
)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the parts, each with hooks and options of its own."""
    parser.getgroup("golden-replay", _TITLE)
    for part in _PARTS:
        pluginmanager.register(part, part.__name__)
