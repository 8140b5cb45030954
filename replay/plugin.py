"""
The pytest plugin: `@pytest.mark.golden`, the `golden` fixture, and what TEST_MODE means for them.

It is imported in every run of everyone who installs it, so it imports nothing heavy by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replay.config import Config, Mode, load_config, test_mode
from replay.errors import ReplayError, ReplayStop, shown

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

_CONFIG = pytest.StashKey[Config]()
_STALE = "replay-stale"
_PASSED = pytest.StashKey[bool]()
_LAST_PASSED = pytest.StashKey[bool]()
_REWRITES = pytest.StashKey[bool]()
_RUN_IT = "MOCK mode plays no cassettes: TEST_MODE=GOLDEN pytest {nodeid}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    parser.getgroup("golden-replay").addoption(
        "--adopt",
        action="store_true",
        help="Answer changed requests of golden tests by what was recorded for them, and propose "
        "a cassette with the new requests; `replay cassettes adopt` takes it over.",
    )
    parser.getgroup("golden-replay").addoption(
        "--golden-stems",
        metavar="FILE",
        help="Write the stems of the collected golden tests to FILE, one a line.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and read the settings once."""
    config.addinivalue_line(
        "markers",
        "golden(stem): replay cassettes/<stem>.yaml, offline and deterministic; "
        "assert … == golden compares with golden/<stem>.json. Default stem: module and test name.",
    )
    try:
        config.stash[_CONFIG] = load_config(config.rootpath, os.environ)
        test_mode(os.environ)
    except ReplayError as error:
        raise pytest.UsageError(str(error)) from None
    if config.stash[_CONFIG].engine == "replay":
        _defer_rewriting(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In MOCK mode, skip what needs a cassette, with the command that runs it."""
    golden = [item for item in items if _is_golden(item)]
    if golden:
        _check_stems(config, golden)
    playing = _plays_cassettes(config)
    for item in items:
        if _is_golden(item) and not playing:
            item.add_marker(pytest.mark.skip(reason=_RUN_IT.format(nodeid=item.nodeid)))


def _check_stems(config: pytest.Config, golden: list[pytest.Item]) -> None:
    from replay.golden.stem import shared_stem, stem_of

    if shared := shared_stem(golden):
        one, other, stem = shared
        raise pytest.UsageError(
            f"{one} and {other} share the stem {stem!r}, so one would overwrite the other's "
            'recording. Give one a name of its own: @pytest.mark.golden("name"), or with a '
            'parameter in it: @pytest.mark.golden("name_{parameter}")'
        )
    if file := config.getoption("--golden-stems"):
        Path(file).write_text("".join(f"{stem_of(item)}\n" for item in golden), "utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note whether the test itself passed: only then may a new cassette replace the old one."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = item.config.stash[_LAST_PASSED] = report.passed
    error = call.excinfo.value if call.excinfo else None
    if report.failed and isinstance(error, ReplayError | ReplayStop):
        report.longrepr = shown(error)  # it says it all; the way there is the SDK's
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    """Put our engine behind `@pytest.mark.vcr`, where the project asks for it."""
    if config.stash[_CONFIG].engine != "replay":
        return
    from functools import partial

    from replay.cassettes.vcr_engine import use_cassette

    vcr.use_cassette = partial(
        use_cassette,
        vcr,
        rewrites=config.stash.get(_REWRITES, False),
        passed=lambda: config.stash.get(_LAST_PASSED, False),
    )


def _defer_rewriting(config: pytest.Config) -> None:
    """
    Take the mode `rewrite` away from pytest-recording's cassettes, and remember it.

    It deletes the cassette before the test runs; ours is replaced when the test has passed.
    """
    from pytest_recording import _vcr as recording

    _vcr: Any = recording
    inner = _vcr.use_cassette

    def use_cassette(
        name: str, folder: str, mode: str, markers: Any, settings: Any, *rest: Any
    ) -> Any:
        mode = settings.get("record_mode", mode)
        config.stash[_REWRITES] = mode == "rewrite"
        if mode == "rewrite":
            settings = settings | {"record_mode": "all"}
        return inner(name, folder, mode, markers, settings, *rest)

    _vcr.use_cassette = use_cassette
    config.add_cleanup(lambda: setattr(_vcr, "use_cassette", inner))


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
    if scene.is_stale:
        request.node.user_properties.append((_STALE, str(scene.path)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the cassettes that are older than the project wants them."""
    reports = [r for group in terminalreporter.stats.values() for r in group]
    properties = [p for r in reports for p in getattr(r, "user_properties", ())]
    stale = sorted({value for name, value in properties if name == _STALE})
    if stale:
        days = config.stash[_CONFIG].max_age_days
        terminalreporter.section(f"cassettes older than {days} days")
        for line in (*stale, "Record them again: pytest … --record-mode=rewrite"):
            terminalreporter.write_line(line)


@pytest.fixture
def golden(request: pytest.FixtureRequest, snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """
    The approved output of this test: `assert result == golden`.

    What varies from run to run is normalized first; `--snapshot-update` approves what is there now.
    The mark of the same name is what plays a cassette; without it, the fixture only compares.
    """
    from replay.golden.extension import GoldenLocation, golden_extension

    config = request.config.stash[_CONFIG]
    own = snapshot.use_extension(golden_extension(config.path(config.golden), config.redact))
    own.test_location = GoldenLocation(request.node)
    return own


def _is_golden(item: pytest.Item) -> bool:
    return item.get_closest_marker("golden") is not None


def _plays_cassettes(config: pytest.Config) -> bool:
    asked = _record_mode(config) != "none" or config.getoption("--adopt")
    return asked or test_mode(os.environ) is not Mode.MOCK


def _record_mode(config: pytest.Config) -> str:
    return config.getoption("--record-mode", None) or "none"
