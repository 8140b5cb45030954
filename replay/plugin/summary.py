"""What tests leave to be told at the end of a run, from whatever process they ran in."""

from __future__ import annotations

from enum import StrEnum

import pytest

from replay.plugin.settings import project


class Told(StrEnum):
    """What there is to tell of a test."""

    STORY = "replay-story"
    STALE = "replay-stale"
    UNUSED = "replay-unused-golden"
    PROPOSED = "replay-proposed"
    SKIPPED = "replay-skipped"


def tell(item: pytest.Item, what: Told, text: str) -> None:
    """Leave *text* to be told."""
    item.user_properties.append((what.value, text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List it, and what to do about it."""
    days = project(terminalreporter.config).max_age_days
    reports = [report for group in terminalreporter.stats.values() for report in group]
    properties = [told for report in reports for told in getattr(report, "user_properties", ())]
    for what, title, command in (
        (Told.STORY, "what each test was pinned to, and what matched", ""),
        (
            Told.STALE,
            f"cassettes older than {days} days",
            f"Record them again: pytest --record-stale {days} --snapshot-update",
        ),
        (
            Told.UNUSED,
            "goldens that their test no longer looks at",
            "Remove them: the same tests with --snapshot-update",
        ),
        (
            Told.PROPOSED,
            "recordings that wait beside their cassette",
            "Look at them, take them or throw them away: replay review",
        ),
    ):
        if found := sorted({text for key, text in properties if key == what}):
            terminalreporter.section(title)
            for line in filter(None, (*found, command)):
                terminalreporter.write_line(line)
    if skipped := {text for key, text in properties if key == Told.SKIPPED}:
        terminalreporter.section(f"golden tests skipped: {len(skipped)}")
        terminalreporter.write_line("Play their cassettes: TEST_MODE=GOLDEN pytest")
