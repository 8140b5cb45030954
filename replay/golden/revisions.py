"""What changed in recorded data since a git revision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from replay.commands import git
from replay.config import Config
from replay.errors import CommandFailed, NoRevision
from replay.golden.changes import Change, cassette_change, episode_change, golden_change
from replay.golden.chosen import rules_of
from replay.golden.extension import SUFFIXES


def changes_since(config: Config, base: str) -> tuple[Change, ...]:
    """
    List how goldens, cassettes and episodes differ between *base* and the files that are here.

    Compared is with where this branch left *base*, as a pull request does.

    Raises:
        NoRevision: git does not know *base*, or this is no repository.

    """
    since = _git(config.root, base, "merge-base", "--end-of-options", base, "HEAD").decode().strip()
    return tuple(_changes(config, since))


def _changes(config: Config, since: str) -> Iterator[Change]:
    rules = rules_of(config)
    for path in _changed(config, since, config.golden):
        if path.suffix in SUFFIXES and path.name != "README.md":
            yield golden_change(path, _before(config, since, path), _now(path))
    for path in _changed(config, since, config.cassettes):
        if path.suffix == ".yaml":
            yield cassette_change(path, _before(config, since, path), _now(path), rules)
    for path in _changed(config, since, config.episodes):
        if path.suffix == ".jsonl":
            yield episode_change(path, _before(config, since, path), _now(path), rules)


def _changed(config: Config, since: str, folder: Path) -> list[Path]:
    """List the files in *folder* that are not as they were, those git does not have included."""
    where = ("--", str(folder))
    listed = _git(config.root, since, "diff", "--name-only", "-z", "--relative", since, *where)
    new = _git(config.root, since, "ls-files", "-z", "--others", "--exclude-standard", *where)
    names = {os.fsdecode(name) for name in (listed + new).split(b"\0") if name}
    return [config.root / name for name in sorted(names)]


def _before(config: Config, since: str, path: Path) -> bytes | None:
    name = path.relative_to(config.root).as_posix()
    try:
        return _git(config.root, since, "cat-file", "blob", f"{since}:./{name}")
    except NoRevision:
        return None


def _now(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _git(root: Path, revision: str, *arguments: str) -> bytes:
    try:
        return git(root, *arguments)
    except CommandFailed as error:
        said = error.said.splitlines()
        why = said[-1] if said else f"git {arguments[0]} failed"
        raise NoRevision(revision, why) from None
