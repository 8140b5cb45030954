"""Orphans: cassettes and goldens that no test plays or looks at any more."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from replay.cassettes.files import is_own
from replay.config import Config
from replay.errors import NotCollected
from replay.golden.extension import NAME, SUFFIXES
from replay.golden.writing import is_ci

_README = "README.md"


def find_orphans(config: Config) -> list[Path]:
    """
    List the cassettes of ours whose stem no collected golden test has.

    What another tool wrote into the same folder is for that tool's tests, which may name it in any
    way; so is what a test marked `vcr` plays, whoever wrote it.

    Raises:
        NotCollected: a test module fails to import, so its tests are not known.

    """
    stems = {stem for kind, stem in _collected(config.root) if kind in {"golden", "vcr"}}
    there = sorted(config.path(config.cassettes).glob("*.yaml"))
    return [path for path in there if path.stem not in stems and is_own(path)]


def find_orphan_goldens(config: Config) -> list[Path]:
    """
    List the goldens whose stem no collected test has, marked or not.

    Raises:
        NotCollected: a test module fails to import, so its tests are not known.

    """
    stems = {stem for kind, stem in _collected(config.root) if kind != "vcr"}
    there = _goldens(config.path(config.golden))
    return sorted(path for stem, paths in there.items() if stem not in stems for path in paths)


def unused_goldens(
    folder: Path,
    stem: str,
    used: Collection[Path],
    *,
    removes: bool,
    environ: Mapping[str, str],
) -> Iterator[Path]:
    """
    List the goldens of the test *stem*, which has passed, that it did not look at.

    With *removes* they are removed instead, as syrupy does; never in CI.
    """
    for path in _goldens_once(folder).get(stem, ()):
        if path in used:
            continue
        if removes and not is_ci(environ):
            path.unlink(missing_ok=True)
        else:
            yield path


def _goldens(folder: Path) -> dict[str, list[Path]]:
    """Find the goldens in *folder* by the stem of their test."""
    found = defaultdict[str, list[Path]](list)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix in SUFFIXES and path.name != _README:
            found[path.stem.partition(NAME)[0]].append(path)
    return found


_goldens_once = lru_cache(maxsize=4)(_goldens)
"""A run asks for each of its tests; what it writes meanwhile, its tests have looked at."""


def _collected(root: Path) -> list[tuple[str, str]]:
    """Let pytest collect the tests: whether each has the mark, and its stem."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stems"
        done = subprocess.run(  # noqa: S603 - pytest of this environment, on the user's own tests
            [sys.executable, "-m", "pytest", "--collect-only", "-q", f"--golden-stems={file}"],
            cwd=root,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode == 5:
            return []
        if done.returncode or not file.is_file():
            raise NotCollected((done.stdout + done.stderr).strip()[-2000:])
        pairs = [line.partition(" ") for line in file.read_text("utf-8").splitlines()]
        return [(kind, stem) for kind, _, stem in pairs]
