"""The marks, and what a test uses of ours."""

from __future__ import annotations

import pytest

_MOCKS = {"mock_llm", "mock_http"}


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    config.addinivalue_line(
        "markers",
        "golden(stem): replay cassettes/<stem>.yaml, offline and deterministic; "
        "assert … == golden compares with golden/<stem>.json. Default stem: module and test name.",
    )
    config.addinivalue_line(
        "markers",
        "live_smoke: with TEST_MODE=LIVE_SMOKE, run on real traffic, under a budget; what comes "
        "back must be of the shape of what the cassette of a golden test holds.",
    )


def is_golden(item: pytest.Item) -> bool:
    """Whether *item* has a cassette of ours."""
    return item.get_closest_marker("golden") is not None


def is_smoke(item: pytest.Item) -> bool:
    """Whether *item* may run on real traffic."""
    return item.get_closest_marker("live_smoke") is not None


def has_mocks(item: pytest.Item) -> bool:
    """Whether *item* scripts its answers."""
    return bool(_MOCKS.intersection(getattr(item, "fixturenames", ())))


def is_ours(item: pytest.Item) -> bool:
    """Whether something is decided for *item* at all."""
    return is_golden(item) or is_smoke(item) or has_mocks(item)


def is_function(item: pytest.Item) -> bool:
    """Whether *item* has fixtures, and a stem; a doctest has not."""
    return isinstance(item, pytest.Function)
