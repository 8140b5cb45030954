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
from replay.errors import ReplayError, ReplayStop

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from replay.cassettes.tape import Tape
    from replay.golden.assertion import GoldenAssertion, Goldens

_CONFIG = pytest.StashKey[Config]()
_STALE = "replay-stale"
_UNUSED = "replay-unused-golden"
_USED = pytest.StashKey[set[Path]]()
_GOLDENS: pytest.StashKey[Goldens] = pytest.StashKey()
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
        help="Write the stem of each collected test to FILE, after `golden` or `test`, one a line.",
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
        _check_stems(golden)
    if file := config.getoption("--golden-stems"):
        _write_stems(Path(file), [item for item in items if _is_function(item)])
    playing = _plays_cassettes(config)
    for item in items:
        if _is_golden(item) and not playing:
            item.add_marker(pytest.mark.skip(reason=_RUN_IT.format(nodeid=item.nodeid)))


def _check_stems(golden: list[pytest.Item]) -> None:
    from replay.golden.stem import shared_stem

    if shared := shared_stem(golden):
        one, other, stem = shared
        raise pytest.UsageError(
            f"{one} and {other} share the stem {stem!r}, so one would overwrite the other's "
            'recording. Give one a name of its own: @pytest.mark.golden("name"), or with a '
            'parameter in it: @pytest.mark.golden("name_{parameter}")'
        )


def _write_stems(file: Path, items: list[pytest.Item]) -> None:
    from replay.golden.stem import stem_of

    kinds = ("golden" if _is_golden(item) else "test" for item in items)
    lines = (f"{kind} {stem_of(item)}\n" for kind, item in zip(kinds, items, strict=True))
    file.write_text("".join(lines), "utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note whether the test itself passed: only then may a new cassette replace the old one."""
    if call.when == "teardown" and item.stash.get(_PASSED, False) and _is_function(item):
        _note_unused(item)
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = item.config.stash[_LAST_PASSED] = report.passed
    error = call.excinfo.value if call.excinfo else None
    if report.failed and isinstance(error, ReplayError | ReplayStop):
        report.longrepr = str(error)  # it says it all; the way there is the SDK's
    return report


def _note_unused(item: pytest.Item) -> None:
    """Find the goldens that a test which has passed did not look at; syrupy's options decide."""
    config = item.config
    folder = config.stash[_CONFIG].path(config.stash[_CONFIG].golden)
    if config.getoption("disable_unused_snapshots", False) or not folder.is_dir():
        return
    from replay.golden.orphans import unused_goldens
    from replay.golden.stem import stem_of

    used = item.stash.get(_USED, set[Path]())
    removes = config.getoption("update_snapshots") and not config.getoption("no_cleanup")
    for path in unused_goldens(folder, stem_of(item), used, removes=removes, environ=os.environ):
        item.user_properties.append((_UNUSED, str(path)))


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
def _golden_scene(request: pytest.FixtureRequest) -> Iterator[Tape | None]:
    """Play or record the cassette of a golden test."""
    if not _is_golden(request.node):
        yield None
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
    with scene.playing() as tape:
        yield tape
    scene.end(passed=request.node.stash.get(_PASSED, False))
    if scene.is_stale:
        request.node.user_properties.append((_STALE, str(scene.path)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the cassettes that are older than the project wants them, and unused goldens."""
    days = config.stash[_CONFIG].max_age_days
    _list(
        terminalreporter,
        _STALE,
        f"cassettes older than {days} days",
        "Record them again: pytest … --record-mode=rewrite",
    )
    _list(
        terminalreporter,
        _UNUSED,
        "goldens that their test no longer looks at",
        "Remove them: the same tests with --snapshot-update",
    )


def _list(terminalreporter: Any, name: str, title: str, command: str) -> None:
    """List what the reports have to say under *name*, and what to do about it."""
    reports = [r for group in terminalreporter.stats.values() for r in group]
    properties = [p for r in reports for p in getattr(r, "user_properties", ())]
    if found := sorted({value for key, value in properties if key == name}):
        terminalreporter.section(title)
        for line in (*found, command):
            terminalreporter.write_line(line)


@pytest.fixture
def golden(
    request: pytest.FixtureRequest, snapshot: SnapshotAssertion, _golden_scene: Tape | None
) -> Iterator[GoldenAssertion]:
    """
    The approved output of this test: `assert result == golden`.

    What varies from run to run is normalized first; `--snapshot-update` approves what is there now.
    The mark of the same name is what plays a cassette; without it, the fixture only compares.
    """
    stash = request.config.stash
    if _GOLDENS not in stash:
        from replay.golden.assertion import Goldens
        from replay.golden.writing import is_ci

        stash[_GOLDENS] = Goldens(stash[_CONFIG], ci=is_ci(os.environ))
    own = stash[_GOLDENS].of(snapshot, request.node, _golden_scene)
    yield own
    request.node.stash[_USED] = own.settle(passed=request.node.stash.get(_PASSED, False))


def _is_golden(item: pytest.Item) -> bool:
    return item.get_closest_marker("golden") is not None


def _is_function(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function)  # a doctest has no fixtures, and no stem


def _plays_cassettes(config: pytest.Config) -> bool:
    asked = _record_mode(config) != "none" or config.getoption("--adopt")
    return asked or test_mode(os.environ) is not Mode.MOCK


def _record_mode(config: pytest.Config) -> str:
    return config.getoption("--record-mode", None) or "none"
