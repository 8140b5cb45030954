"""Recording golden tests again: those that are old, those that failed; or what it would cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from replay.errors import NotSaved, ReplayError, shown
from replay.plugin.casting import plays_cassette
from replay.plugin.marks import is_golden
from replay.plugin.recording import is_dry, selects
from replay.plugin.settings import project

if TYPE_CHECKING:
    from replay.golden.rerecording import Plan

_PLANS: pytest.StashKey[list[Plan]] = pytest.StashKey()
_FROM_CASSETTE = "replay_from_cassette"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep a dry run in this process, before xdist begins others."""
    if is_dry(config) and hasattr(config.option, "dist"):
        config.option.dist = "no"


@pytest.hookimpl(trylast=True)  # -k and -m have chosen by then
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the golden tests that are to be recorded again."""
    if not selects(config):
        return
    try:
        chosen = set(_chosen(config, [item for item in items if is_golden(item)]))
    except ReplayError as error:
        raise pytest.UsageError(shown(error)) from None
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def _chosen(config: pytest.Config, golden: list[pytest.Item]) -> Iterator[pytest.Item]:
    from replay.golden.rerecording import Failures, is_stale
    from replay.golden.stem import stem_of

    days, own = config.getoption("--record-stale"), project(config)
    failed = Failures(own).read() if config.getoption("--record-failed") else frozenset()
    for item in golden:
        stale = days is not None and is_stale(own, stem_of(item), days)
        if stale or item.nodeid in failed:
            yield item


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """In a dry run, look into the cassettes in place of running the tests."""
    if not is_dry(session.config) or session.testsfailed:  # the loop of pytest tells what failed
        return None
    session.config.stash[_PLANS] = [plan for item in session.items for plan in _plans(item)]
    return True


def _plans(item: pytest.Item) -> Iterator[Plan]:
    from replay.golden.rerecording import Plan, planned
    from replay.golden.scene import cassette_path
    from replay.golden.stem import stem_of

    if plays_cassette(item):
        yield planned(item.nodeid, cassette_path(project(item.config), stem_of(item)))
    elif item.get_closest_marker("vcr"):
        yield Plan(item.nodeid, unknown="its cassette is pytest-recording's")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what a dry run found."""
    plans = terminalreporter.config.stash.get(_PLANS, None)
    if plans is None:
        return
    from replay.reports.rerecording import plan_lines

    terminalreporter.section("what recording again would call")
    for line in plan_lines(plans):
        terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Mark the reports of tests that a cassette answers, for the process that hears of all."""
    report = yield
    if plays_cassette(item):
        setattr(report, _FROM_CASSETTE, True)
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note which tests failed; having nothing to record again is no failure."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and selects(session.config):
        session.exitstatus = pytest.ExitCode.OK
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}  # a worker of xdist has none
    reports = [report for group in stats.values() for report in group]
    own = [report for report in reports if getattr(report, _FROM_CASSETTE, False)]
    if not own:
        return
    from replay.golden.rerecording import Failures

    with suppress(NotSaved):  # where nothing can be written, nothing can be recorded again
        Failures(project(session.config)).note(
            passed={report.nodeid for report in own if report.passed and report.when == "call"},
            failed={report.nodeid for report in own if report.failed},
        )
