"""Where the answers of a test come from: one pure function of its marks, its fixtures, the mode."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from replay.config import Mode


class Source(StrEnum):
    """What answers a test."""

    CASSETTE = "cassette"
    MOCKS = "mocks"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A test that does not run in this mode, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uses:
    """What a test uses of ours: its marks `golden` and `live_smoke`, and whether it has mocks."""

    golden: bool
    smoke: bool
    mocks: bool


def source_of(uses: Uses, mode: Mode, nodeid: str) -> Source | Skipped:
    """
    Decide what answers the test *nodeid*, which uses something of ours, or runs in LIVE_SMOKE.

    >>> source_of(Uses(golden=True, smoke=False, mocks=True), Mode.MOCK, "test_it.py::test_it")
    <Source.MOCKS: 'mocks'>
    """
    if mode is Mode.LIVE_SMOKE:
        if uses.smoke:
            return Source.LIVE
        return Skipped("LIVE_SMOKE runs only what is marked live_smoke")
    if uses.golden and mode is Mode.GOLDEN:
        return Source.CASSETTE
    if uses.mocks:
        return Source.MOCKS
    if uses.golden:
        return Skipped(f"MOCK mode plays no cassettes: TEST_MODE=GOLDEN pytest {nodeid}")
    return Skipped(f"it needs real traffic: TEST_MODE=LIVE_SMOKE pytest {nodeid}")
