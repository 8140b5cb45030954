"""Which record mode holds: pytest-recording's, or what our options for recording again mean."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

_ANEW = ("rewrite", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    group = parser.getgroup("golden-replay")
    group.addoption(
        "--record-stale",
        type=_days,
        metavar="DAYS",
        help="Run only the golden tests whose cassette is more than DAYS days old, and record them "
        "anew, as --record-mode=rewrite does. Example: pytest --record-stale 30 --snapshot-update",
    )
    group.addoption(
        "--record-failed",
        action="store_true",
        help="Run only the golden tests that failed when they last ran, and record them anew. "
        "Example: pytest --record-failed --snapshot-update",
    )
    group.addoption(
        "--record-dry-run",
        action="store_true",
        help="Run nothing: say what --record-mode=rewrite, --record-stale or --record-failed would "
        "call and cost, by the cassettes. Example: pytest --record-stale 30 --record-dry-run",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be meant."""
    said = config.getoption("--record-mode", None)
    if selects(config) and said not in (None, *_ANEW):
        raise pytest.UsageError(
            f"--record-stale and --record-failed record anew: leave --record-mode={said} out"
        )
    if is_dry(config) and record_mode(config) not in _ANEW:
        raise pytest.UsageError(
            "--record-dry-run says what recording anew would call: "
            "add --record-mode=rewrite, --record-stale DAYS or --record-failed"
        )


def record_mode(config: pytest.Config) -> str:
    """Give the record mode of golden tests."""
    if selects(config):
        return "rewrite"
    return config.getoption("--record-mode", None) or "none"


def selects(config: pytest.Config) -> bool:
    """Whether only some golden tests are recorded anew, and nothing else runs."""
    return config.getoption("--record-stale") is not None or config.getoption("--record-failed")


def is_dry(config: pytest.Config) -> bool:
    """Whether nothing runs at all."""
    return bool(config.getoption("--record-dry-run"))


def _days(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no whole number of days, such as 30")
    return int(text)
