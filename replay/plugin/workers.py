"""Under xdist, tests are collected in workers: what is wrong there is said where a user sees it."""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(session: pytest.Session) -> Generator[None, None, None]:
    """Stop the run with the sentence; xdist itself would show a traceback of its own."""
    try:
        return (yield)
    except pytest.UsageError as error:
        if not hasattr(session.config, "workerinput"):
            raise
        session.shouldfail = str(error)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Begin no test after that."""
    return True if hasattr(session.config, "workerinput") and session.shouldfail else None
