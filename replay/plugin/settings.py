"""What the project says, and what the variables and options of tests add to it."""

from __future__ import annotations

import os

import pytest

from replay.config import Config, load_config, staged
from replay.errors import ReplayError, shown

_PROJECT = pytest.StashKey[Config]()
_STAGED = pytest.StashKey[Config]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    parser.getgroup("golden-replay").addoption(
        "--test-mode",
        metavar="MODE",
        help="Where answers come from: MOCK (what the test scripts), GOLDEN (its cassette), "
        "LIVE_SMOKE (the real thing, under a budget). Goes before the variable TEST_MODE. "
        "Example: pytest --test-mode GOLDEN",
    )


@pytest.hookimpl(tryfirst=True)  # the other parts ask for it
def pytest_configure(config: pytest.Config) -> None:
    """Read `[tool.replay]` once."""
    try:
        config.stash[_PROJECT] = load_config(config.rootpath, os.environ)
    except ReplayError as error:
        raise pytest.UsageError(shown(error)) from None


def project(config: pytest.Config) -> Config:
    """Give the settings of the project, without those that TEST_… adds."""
    return config.stash[_PROJECT]


def settings(config: pytest.Config) -> Config:
    """
    Give all settings; only for those who have a test of ours.

    TEST_MODE and its like are names that others use as well.

    Raises:
        UsageError: one of them means nothing here.

    """
    if _STAGED not in config.stash:
        options = {"mode": mode} if (mode := config.getoption("--test-mode")) else {}
        try:
            config.stash[_STAGED] = staged(project(config), os.environ, options)
        except ReplayError as error:
            raise pytest.UsageError(shown(error)) from None
    return config.stash[_STAGED]
