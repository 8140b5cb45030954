"""Collection: every test has a stem, and no two golden tests have the same."""

from __future__ import annotations

from argparse import SUPPRESS
from pathlib import Path

import pytest

from replay.plugin.marks import is_function, is_golden
from replay.plugin.vcr import vcr_stems


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    parser.getgroup("golden-replay").addoption(
        "--golden-stems",
        help=SUPPRESS,  # for `orphans`: a file for stems, each after `golden`, `vcr` or `test`
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the stems of all that was collected, and write them down if asked to."""
    if golden := [item for item in items if is_golden(item)]:
        _check(golden)
    if file := config.getoption("--golden-stems"):
        _write(Path(file), [item for item in items if is_function(item)])


def _check(golden: list[pytest.Item]) -> None:
    from replay.golden.stem import shared_stem

    if shared := shared_stem(golden):
        one, other, stem = shared
        raise pytest.UsageError(
            f"{one} and {other} share the stem {stem!r}, so one would overwrite the other's "
            'recording. Give one a name of its own: @pytest.mark.golden("name"), or with a '
            'parameter in it: @pytest.mark.golden("name_{parameter}")'
        )


def _write(file: Path, items: list[pytest.Item]) -> None:
    from replay.golden.stem import stem_of

    lines = [f"{'golden' if is_golden(item) else 'test'} {stem_of(item)}\n" for item in items]
    lines += [f"vcr {stem}\n" for item in items for stem in vcr_stems(item)]
    file.write_text("".join(lines), "utf-8")
