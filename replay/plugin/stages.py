"""The stage of each test of ours: set before it runs, put away when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from replay.config import Config
from replay.plugin.casting import source
from replay.plugin.marks import is_golden
from replay.plugin.outcomes import passed
from replay.plugin.recording import record_mode
from replay.plugin.settings import settings
from replay.plugin.summary import Told, tell

if TYPE_CHECKING:
    from replay.cassettes.tape import Tape
    from replay.golden.smoke import Budget
    from replay.golden.staging import Stage
    from replay.mocks.script import Script
    from replay.model import Request

_STAGE: pytest.StashKey[Stage] = pytest.StashKey()
_SCRIPT: pytest.StashKey[Script] = pytest.StashKey()
_BUDGET: pytest.StashKey[Budget] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    parser.getgroup("golden-replay").addoption(
        "--adopt",
        action="store_true",
        help="Answer changed requests of golden tests by what was recorded for them, and propose "
        "a cassette with the new requests; `replay cassettes adopt` takes it over.",
    )


@pytest.fixture(autouse=True)
def _golden_scene(request: pytest.FixtureRequest) -> Iterator[Tape | None]:
    """Let the test of ours be answered by what was decided on."""
    item = request.node
    if source(item) is None:
        yield None
        return
    stage = item.stash[_STAGE] = _stage(item)
    with stage.playing() as tape:
        yield tape
    if settings(item.config).test.debug:
        tell(item, Told.STORY, f"{item.nodeid}\n  " + "\n  ".join(stage.story()))
    if _BUDGET in item.config.stash and (over := item.config.stash[_BUDGET].broken):
        item.session.shouldstop = str(over)
    stage.end(passed=passed(item))
    if stage.proposed:
        tell(item, Told.PROPOSED, stage.proposed)
    if stage.stale:
        tell(item, Told.STALE, stage.stale)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what a smoke run has spent."""
    stash = terminalreporter.config.stash
    if _BUDGET in stash:
        terminalreporter.section("spent")
        terminalreporter.write_line(str(stash[_BUDGET]))


def script(item: pytest.Item) -> Script:
    """Give what answers *item* where mocks do."""
    from replay.mocks.script import Script

    return item.stash.setdefault(_SCRIPT, Script())


def asked(request: pytest.FixtureRequest) -> list[Request]:
    """List what the test has sent so far."""
    stage: Stage | None = request.node.stash.get(_STAGE, None)
    if stage is None:
        raise pytest.UsageError(f"{request.fixturename} came too late: take it as an argument")
    return stage.tape.asked


def _stage(item: pytest.Item) -> Stage:
    """Set the stage that the source of the answers of *item* needs."""
    from replay.golden.sources import Source

    config = settings(item.config)
    match source(item):
        case Source.CASSETTE:
            return _scene(item, config)
        case Source.MOCKS:
            from replay.mocks.stage import MockStage

            return MockStage(script(item), config)
        case _:
            return _smoke(item, config)


def _scene(item: pytest.Item, config: Config) -> Stage:
    from replay.golden.scene import Scene
    from replay.golden.stem import stem_of

    return Scene(
        stem_of(item),
        config,
        record_mode=record_mode(item.config),
        nodeid=item.nodeid,
        adopts=item.config.getoption("--adopt"),
    )


def _smoke(item: pytest.Item, config: Config) -> Stage:
    from replay.golden.scene import cassette_path
    from replay.golden.smoke import Budget, SmokeStage
    from replay.golden.stem import stem_of

    budget = item.config.stash.setdefault(_BUDGET, Budget(config.test))
    cassette = cassette_path(config, stem_of(item)) if is_golden(item) else None
    return SmokeStage(config, budget, nodeid=item.nodeid, cassette=cassette)
