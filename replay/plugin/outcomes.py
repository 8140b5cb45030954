"""How each test ended: only a test that passed may replace what is recorded and approved."""

from __future__ import annotations

from typing import Any

import pytest

from replay.errors import ReplayError, ReplayStop, shown

_PASSED = pytest.StashKey[bool]()
_LAST_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note whether the test itself passed, before its fixtures end."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = item.config.stash[_LAST_PASSED] = report.passed
    error = call.excinfo.value if call.excinfo else None
    if report.failed and isinstance(error, ReplayError | ReplayStop):
        report.longrepr = shown(error)  # it says it all; the way there is the SDK's
    return report


def passed(item: pytest.Item) -> bool:
    """Whether the function of *item* has run and passed."""
    return item.stash.get(_PASSED, False)


def last_passed(config: pytest.Config) -> bool:
    """Whether the test that ran last has passed."""
    return config.stash.get(_LAST_PASSED, False)
