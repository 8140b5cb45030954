"""
The pytest plugin: the marks, the fixtures, and what TEST_MODE means for them.

It is imported in every run of everyone who installs it, so it imports nothing heavy by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replay.config import Config, Mode, load_config
from replay.errors import ReplayError, ReplayStop

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from replay.cassettes.tape import Tape
    from replay.golden.assertion import GoldenAssertion, Goldens
    from replay.golden.smoke import Budget
    from replay.golden.sources import Source
    from replay.golden.staging import Stage
    from replay.golden.uncompared import Uncompared
    from replay.mocks.fixtures import MockHTTP, MockLLM
    from replay.mocks.script import Script
    from replay.model import Request

_CONFIG = pytest.StashKey[Config]()
_SOURCE: pytest.StashKey[Source] = pytest.StashKey()
_STAGE: pytest.StashKey[Stage] = pytest.StashKey()
_SCRIPT: pytest.StashKey[Script] = pytest.StashKey()
_BUDGET: pytest.StashKey[Budget] = pytest.StashKey()
_SKIPPED = "replay-skipped"
_STALE = "replay-stale"
_STORY = "replay-story"
_UNUSED = "replay-unused-golden"
_USED = pytest.StashKey[set[Path]]()
_GOLDENS: pytest.StashKey[Goldens] = pytest.StashKey()
_MOCKS = {"mock_llm", "mock_http"}
_PASSED = pytest.StashKey[bool]()
_LAST_PASSED = pytest.StashKey[bool]()
_REWRITES = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    parser.getgroup("golden-replay").addoption(
        "--test-mode",
        metavar="MODE",
        help="Where answers come from: MOCK (what the test scripts), GOLDEN (its cassette), "
        "LIVE_SMOKE (the real thing, under a budget). Goes before the variable TEST_MODE. "
        "Example: pytest --test-mode GOLDEN",
    )
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
    config.addinivalue_line(
        "markers",
        "live_smoke: with TEST_MODE=LIVE_SMOKE, run on real traffic, under a budget; what comes "
        "back must be of the shape of what the cassette of a golden test holds.",
    )
    mode = config.getoption("--test-mode")
    try:
        config.stash[_CONFIG] = load_config(
            config.rootpath, os.environ, {"mode": mode} if mode else {}
        )
    except ReplayError as error:
        raise pytest.UsageError(str(error)) from None
    if config.stash[_CONFIG].test.mode is Mode.LIVE_SMOKE:
        _refuse_to_write(config)
    if config.stash[_CONFIG].engine == "replay":
        _defer_rewriting(config)


def _refuse_to_write(config: pytest.Config) -> None:
    """A smoke run changes no file, and counts its budget in one process."""
    if _record_mode(config) != "none" or config.getoption("--adopt"):
        raise pytest.UsageError("LIVE_SMOKE records nothing: leave --record-mode and --adopt out")
    if config.getoption("update_snapshots", None):
        raise pytest.UsageError("LIVE_SMOKE approves nothing: leave --snapshot-update out")
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        raise pytest.UsageError("LIVE_SMOKE counts its budget in one process: add -n 0")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Decide what answers each test; skip, with the reason, what nothing can answer."""
    golden = [item for item in items if _is_golden(item)]
    if golden:
        _check_stems(golden)
    if file := config.getoption("--golden-stems"):
        _write_stems(Path(file), [item for item in items if _is_function(item)])
    own = [item for item in items if _is_ours(item)]
    live = config.stash[_CONFIG].test.mode is Mode.LIVE_SMOKE
    if own or live:
        _cast(config, items if live else own)


def _cast(config: pytest.Config, items: list[pytest.Item]) -> None:
    from replay.golden.sources import Skipped, Uses, source_of

    plays = _record_mode(config) != "none" or config.getoption("--adopt")
    mode = Mode.GOLDEN if plays else config.stash[_CONFIG].test.mode
    for item in items:
        uses = Uses(_is_golden(item), _is_smoke(item), bool(_MOCKS & _fixtures(item)))
        source = source_of(uses, mode, item.nodeid)
        if isinstance(source, Skipped):
            item.add_marker(pytest.mark.skip(reason=source.reason))
            if uses.golden and mode is Mode.MOCK:
                item.user_properties.append((_SKIPPED, item.nodeid))
        else:
            item.stash[_SOURCE] = source
            _limit(item, config)


def _limit(item: pytest.Item, config: pytest.Config) -> None:
    """Give the function of *item* the limit of TEST_TIMEOUT, where it has none of its own."""
    seconds = config.stash[_CONFIG].test.timeout
    if not seconds or item.get_closest_marker("timeout"):
        return
    if not config.pluginmanager.has_plugin("timeout"):
        raise pytest.UsageError("TEST_TIMEOUT is kept by pytest-timeout: leave -p no:timeout out")
    item.add_marker(pytest.mark.timeout(seconds, func_only=True))


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
    looked = item.stash.get(_PASSED, False) and _is_function(item) and _compares(item)
    if call.when == "teardown" and looked:
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
    """Let the test of ours be answered by what was decided on."""
    item = request.node
    if _SOURCE not in item.stash:
        yield None
        return
    stage = item.stash[_STAGE] = _stage(item)
    with stage.playing() as tape:
        yield tape
    if item.config.stash[_CONFIG].test.debug:
        item.user_properties.append((_STORY, f"{item.nodeid}\n  " + "\n  ".join(stage.story())))
    if _BUDGET in item.config.stash and (over := item.config.stash[_BUDGET].broken):
        item.session.shouldstop = str(over)
    stage.end(passed=item.stash.get(_PASSED, False))
    if stage.stale:
        item.user_properties.append((_STALE, stage.stale))


def _stage(item: pytest.Item) -> Stage:
    """Set the stage that the source of the answers of *item* needs."""
    from replay.golden.sources import Source

    config = item.config.stash[_CONFIG]
    match item.stash[_SOURCE]:
        case Source.CASSETTE:
            return _scene(item, config)
        case Source.MOCKS:
            from replay.mocks.stage import MockStage

            return MockStage(_script(item), config)
        case _:
            return _smoke(item, config)


def _scene(item: pytest.Item, config: Config) -> Stage:
    from replay.golden.scene import Scene
    from replay.golden.stem import stem_of

    return Scene(
        stem_of(item),
        config,
        record_mode=_record_mode(item.config),
        nodeid=item.nodeid,
        adopts=item.config.getoption("--adopt"),
    )


def _smoke(item: pytest.Item, config: Config) -> Stage:
    from replay.golden.scene import cassette_path
    from replay.golden.smoke import Budget, SmokeStage
    from replay.golden.stem import stem_of

    budget = item.config.stash.setdefault(_BUDGET, Budget(config.test))
    cassette = cassette_path(config, stem_of(item)) if _is_golden(item) else None
    return SmokeStage(config, budget, nodeid=item.nodeid, cassette=cassette)


def _script(item: pytest.Item) -> Script:
    from replay.mocks.script import Script

    return item.stash.setdefault(_SCRIPT, Script())


def _asked(request: pytest.FixtureRequest) -> list[Request]:
    """List what the test has sent so far."""
    stage: Stage | None = request.node.stash.get(_STAGE, None)
    if stage is None:
        raise pytest.UsageError(f"{request.fixturename} came too late: take it as an argument")
    return stage.tape.asked


@pytest.fixture
def mock_llm(request: pytest.FixtureRequest) -> MockLLM:
    """
    Script what models answer: `mock_llm.reply("…")`, `.tool_call(…)`, `.stream(…)`, `.error(429)`.

    `mock_llm.requests` are those that were sent. In GOLDEN and LIVE_SMOKE, nobody asks the script.
    """
    from replay.mocks.fixtures import MockLLM

    return MockLLM(_script(request.node), _asked(request))


@pytest.fixture
def mock_http(request: pytest.FixtureRequest) -> MockHTTP:
    """
    Script what plain HTTP answers: `mock_http("GET", "https://…", json={…})`.

    In GOLDEN and LIVE_SMOKE, nobody asks the script.
    """
    from replay.mocks.fixtures import MockHTTP

    return MockHTTP(_script(request.node), _asked(request))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List what tests left to be told, and what to do about it."""
    days = config.stash[_CONFIG].max_age_days
    reports = [r for group in terminalreporter.stats.values() for r in group]
    properties = [p for r in reports for p in getattr(r, "user_properties", ())]
    for name, title, command in (
        (_STORY, "what each test was pinned to, and what matched", ""),
        (
            _STALE,
            f"cassettes older than {days} days",
            "Record them again: pytest … --record-mode=rewrite",
        ),
        (
            _UNUSED,
            "goldens that their test no longer looks at",
            "Remove them: the same tests with --snapshot-update",
        ),
    ):
        if found := sorted({value for key, value in properties if key == name}):
            _list(terminalreporter, title, *found, command)
    if skipped := {value for key, value in properties if key == _SKIPPED}:
        play = "Play their cassettes: TEST_MODE=GOLDEN pytest"
        _list(terminalreporter, f"golden tests skipped: {len(skipped)}", play)
    if _BUDGET in config.stash:
        _list(terminalreporter, "spent", str(config.stash[_BUDGET]))


def _list(terminalreporter: Any, title: str, *lines: str) -> None:
    terminalreporter.section(title)
    for line in filter(None, lines):
        terminalreporter.write_line(line)


@pytest.fixture
def golden(
    request: pytest.FixtureRequest, snapshot: SnapshotAssertion, _golden_scene: Tape | None
) -> Iterator[GoldenAssertion | Uncompared]:
    """
    The approved output of this test: `assert result == golden`.

    What varies from run to run is normalized first; `--snapshot-update` approves what is there now.
    The mark of the same name is what plays a cassette; without it, the fixture only compares. On
    mocks and in LIVE_SMOKE, where other things are said, every output is equal.
    """
    stash = request.config.stash
    if _GOLDENS not in stash:
        from replay.golden.assertion import Goldens
        from replay.golden.writing import is_ci

        stash[_GOLDENS] = Goldens(stash[_CONFIG], ci=is_ci(os.environ))
    own = stash[_GOLDENS].of(snapshot, request.node, _golden_scene)
    if not _compares(request.node):
        from replay.golden.uncompared import Uncompared

        yield Uncompared(own)
        return
    yield own
    request.node.stash[_USED] = own.settle(passed=request.node.stash.get(_PASSED, False))


def _is_golden(item: pytest.Item) -> bool:
    return item.get_closest_marker("golden") is not None


def _is_function(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function)  # a doctest has no fixtures, and no stem


def _compares(item: pytest.Item) -> bool:
    """Whether the goldens of *item* are compared: what they approve is its cassette's."""
    from replay.golden.sources import Source

    return item.stash.get(_SOURCE, Source.CASSETTE) is Source.CASSETTE


def _is_smoke(item: pytest.Item) -> bool:
    return item.get_closest_marker("live_smoke") is not None


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def _is_ours(item: pytest.Item) -> bool:
    return _is_golden(item) or _is_smoke(item) or bool(_MOCKS & _fixtures(item))


def _record_mode(config: pytest.Config) -> str:
    return config.getoption("--record-mode", None) or "none"
