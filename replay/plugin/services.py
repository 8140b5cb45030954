"""Services that tests run: nothing of them is recorded by surprise."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """
    Switch recording in the background off, here and in what the tests start.

    What a test sends to an app through a test client is no traffic of the service, and would end in
    the project's store. Who wants it there says so: REPLAY_RECORD=on.
    """
    if not os.environ.get("REPLAY_RECORD"):
        patch = pytest.MonkeyPatch()
        patch.setenv("REPLAY_RECORD", "off")
        config.add_cleanup(patch.undo)
