"""`@pytest.mark.vcr`: our engine behind it where the project asks for it, and no need of fspath."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from replay.config import Engine
from replay.plugin.outcomes import last_passed
from replay.plugin.settings import project

_REWRITES = pytest.StashKey[bool]()


class _WithoutLegacyPaths:
    """What pytest-recording asks `fspath` for, which nodes have from the plugin `legacypath`."""

    @pytest.fixture(scope="module")
    def vcr_cassette_dir(self, request: pytest.FixtureRequest) -> str:
        """Give each module of tests a folder of cassettes, the one that pytest-recording gives."""
        module: Path = request.node.path
        return str(module.parent / "cassettes" / module.stem)


def pytest_configure(config: pytest.Config) -> None:
    """Do without `legacypath`, which comes before pytest-recording's own; then our engine."""
    if not config.pluginmanager.has_plugin("legacypath"):
        config.pluginmanager.register(_WithoutLegacyPaths())
    if project(config).engine is Engine.REPLAY:
        _keep_until_passed(config)


def _keep_until_passed(config: pytest.Config) -> None:
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


@pytest.hookimpl(optionalhook=True)
def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    """Put our engine behind pytest-recording's cassettes."""
    if project(config).engine is not Engine.REPLAY:
        return
    from replay.cassettes.vcr_engine import use_cassette

    vcr.use_cassette = partial(
        use_cassette,
        vcr,
        rewrites=config.stash.get(_REWRITES, False),
        passed=lambda: last_passed(config),
    )


def vcr_stems(item: pytest.Item) -> list[str]:
    """Name the cassettes that *item* plays by its `vcr` marks; a fixture may say otherwise."""
    marks = list(item.iter_markers("vcr"))
    if not marks:
        return []
    from pytest_recording.plugin import get_default_cassette_name

    own = item.get_closest_marker("default_cassette")
    usual = get_default_cassette_name(getattr(item, "cls", None), item.name)
    further = [name for mark in marks for name in mark.args]
    return [
        Path(name).name.removesuffix(".yaml")
        for name in [*(own.args if own else [usual]), *further]
    ]
