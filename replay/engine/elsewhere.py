"""Other code and other packages than today's, each for a child process: worktrees and overlays."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from replay.canonical import content_hash
from replay.commands import git as run_git
from replay.commands import output_of
from replay.errors import CommandFailed


@contextmanager
def worktree(root: Path, revision: str) -> Iterator[Path]:
    """
    Check *revision* of the repository of *root* out, elsewhere; yields what *root* is there.

    Raises:
        CommandFailed: there is no such revision, or no repository, or *root* is not there yet.

    """
    top = Path(git(root, "rev-parse", "--show-toplevel"))
    commit = git(root, "rev-parse", "--verify", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        tree = Path(folder) / "tree"
        git(root, "worktree", "add", "--detach", str(tree), commit)
        inside = root.resolve().relative_to(top.resolve())
        try:
            if not (tree / inside).is_dir():
                raise CommandFailed(f"git checkout {revision}", f"there is no {inside} in it")
            yield tree / inside
        finally:
            git(root, "worktree", "remove", "--force", str(tree))


def overlay(cache: Path, packages: Sequence[str]) -> Path:
    """
    Install *packages*, with what they need, into a folder that shadows what is installed.

    Everything else keeps its version, so that a difference comes from the packages asked for. With
    uv where there is one, else with pip; once, then from *cache*.

    Raises:
        CommandFailed: they cannot be installed so.

    """
    named = {_normal(re.split(r"[^\w.-]", package, maxsplit=1)[0]) for package in packages}
    constraints = sorted(
        f"{found.name}=={found.version}"
        for found in importlib.metadata.distributions()
        if found.name and _normal(found.name) not in {*named, "golden-replay"}
    )
    folder = cache / content_hash([sorted(packages), constraints, sys.version])[3:19]
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        pins, target = Path(name) / "constraints.txt", Path(name) / "packages"
        pins.write_text("\n".join(constraints), "utf-8")
        options = ["install", "--quiet", "--target", str(target), "--constraint", str(pins)]
        uv = shutil.which("uv")
        pip = [uv, "pip"] if uv else [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        python = ["--python", sys.executable] if uv else []
        output_of(*pip, *options, *python, *packages)
        target.rename(folder)
    return folder


def with_overlay(folder: Path) -> dict[str, str]:
    """Give the variables with which a child process sees the packages in *folder* first."""
    paths = [str(folder.resolve()), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def git(folder: Path, *arguments: str) -> str:
    """Run git in *folder*; raise `CommandFailed` with what it says."""
    return run_git(folder, *arguments).decode("utf-8", "replace").strip()


def _normal(name: str) -> str:
    """Write a distribution's name as PEP 503 does."""
    return re.sub(r"[-_.]+", "-", name).lower()
