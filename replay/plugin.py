"""
The pytest plugin: `@pytest.mark.golden`, the `golden` fixture, and what TEST_MODE means for them.

It is imported in every run of everyone who installs it, so it imports nothing heavy by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from replay.config import Config, Mode, load_config, test_mode
from replay.errors import ReplayError, ReplayStop

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

_CONFIG = pytest.StashKey[Config]()
_PASSED = pytest.StashKey[bool]()
_RUN_IT = "MOCK mode plays no cassettes: TEST_MODE=GOLDEN pytest {nodeid}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    parser.getgroup("golden-replay").addoption(
        "--adopt",
        action="store_true",
        help="Answer changed requests of golden tests by what was recorded for them, and propose "
        "a cassette with the new requests; `replay cassettes adopt` takes it over.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and read the settings once."""
    config.addinivalue_line(
        "markers",
        "golden(stem): replay cassettes/<stem>.yaml, offline and deterministic; "
        "assert … == golden compares with golden/<stem>.json. Default stem: module and test name.",
    )
    config.stash[_CONFIG] = load_config(config.rootpath, os.environ)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In MOCK mode, skip what needs a cassette, with the command that runs it."""
    playing = _plays_cassettes(config)
    for item in items:
        if _is_golden(item) and not playing:
            item.add_marker(pytest.mark.skip(reason=_RUN_IT.format(nodeid=item.nodeid)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note whether the test itself passed: only then may a new cassette replace the old one."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    error = call.excinfo.value if call.excinfo else None
    if report.failed and isinstance(error, ReplayError | ReplayStop):
        report.longrepr = str(error)  # it says it all; the way there is the SDK's
    return report


@pytest.fixture(autouse=True)
def _golden_scene(request: pytest.FixtureRequest) -> Iterator[None]:
    """Play or record the cassette of a golden test."""
    if not _is_golden(request.node):
        yield
        return
    from replay.golden.scene import Scene
    from replay.golden.stem import stem_of

    scene = Scene(
        stem_of(request.node),
        request.config.stash[_CONFIG],
        record_mode=_record_mode(request.config),
        nodeid=request.node.nodeid,
        adopts=request.config.getoption("--adopt"),
    )
    with scene.playing():
        yield
    scene.end(passed=request.node.stash.get(_PASSED, False))


@pytest.fixture
def golden(request: pytest.FixtureRequest, snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """
    The approved output of this test: `assert result == golden`.

    What varies from run to run is normalized first; `--snapshot-update` approves what is there now.
    The mark of the same name is what plays a cassette; without it, the fixture only compares.
    """
    from replay.golden.extension import GoldenLocation, golden_extension

    config = request.config.stash[_CONFIG]
    own = snapshot.use_extension(golden_extension(config.path(config.golden)))
    own.test_location = GoldenLocation(request.node)
    return own


def _is_golden(item: pytest.Item) -> bool:
    return item.get_closest_marker("golden") is not None


def _plays_cassettes(config: pytest.Config) -> bool:
    asked = _record_mode(config) != "none" or config.getoption("--adopt")
    return asked or test_mode(os.environ) is not Mode.MOCK


def _record_mode(config: pytest.Config) -> str:
    return config.getoption("--record-mode", None) or "none"
