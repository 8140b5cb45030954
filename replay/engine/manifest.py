"""The manifest: what was pinned, and what was observed, when a recording was made."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import replay
from replay.canonical import KEY_SCHEMA, content_hash, differences
from replay.commands import git
from replay.errors import CommandFailed
from replay.llm.calls import models_of, read_calls
from replay.llm.conversation import Call
from replay.model import Difference, Further, Interaction, Json, Manifest

_VERSION = re.compile(r"^Version: (.+)$", re.MULTILINE)


def build_manifest(
    interactions: Iterable[Interaction],
    *,
    started: datetime,
    pinned: bool,
    seed: int,
    environment: Mapping[str, str],
    code: tuple[str, bool],
    further: Further = "",
) -> Manifest:
    """Describe a run that has just ended."""
    calls = read_calls(interactions)
    requested, answered = models_of(calls)
    return Manifest(
        clock=started.isoformat(),
        pinned=pinned,
        seed=seed,
        models_requested=requested,
        models_answered=answered,
        sampling=_sampling(calls),
        prompts=_hash_of(call.system for call in calls),
        tools=_hash_of(call.tools for call in calls),
        code_revision=code[0],
        code_dirty=code[1],
        environment=dict(sorted(environment.items())),
        packages=dict(_packages(len(sys.modules))),
        python=platform.python_version(),
        recorder=replay.__version__,
        key_schema=KEY_SCHEMA,
        further=further,
    )


@functools.cache
def code_version(folder: Path, recorded: tuple[Path, ...]) -> tuple[str, bool]:
    """
    Name the git revision of *folder*, and whether code differs from it; empty outside of git.

    In folders of what was *recorded*, which changes with each recording, is no code.
    """
    revision = _git(folder, "rev-parse", "HEAD")
    code = (":/", *(f":(exclude){path.as_posix()}" for path in recorded))
    return revision, bool(revision and _git(folder, "status", "--porcelain", "--", *code))


def chosen_environment(names: Iterable[str]) -> dict[str, str]:
    """Read those of the named variables that are set."""
    return {name: os.environ[name] for name in names if name in os.environ}


def changes_since(manifest: Manifest, kept: Iterable[str]) -> tuple[Difference, ...]:
    """
    List what the manifest names and this process has otherwise: Python, packages, variables.

    Of the variables, those that are *kept* were put back.
    """
    now = {"python": platform.python_version(), "recorder": replay.__version__}
    then = {"python": manifest.python, "recorder": manifest.recorder}
    for name, version in manifest.packages.items():
        then[name], now[name] = version, _version(name)
    for name in manifest.environment.keys() - set(kept):
        then[f"environment {name}"] = manifest.environment[name]
        now[f"environment {name}"] = os.environ.get(name, "(not set)")
    return differences(then, now)


@functools.cache
def _version(package: str) -> str:
    """Look up which version is installed; `importlib.metadata.version` parses all it reads."""
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    version = _VERSION.search(text)
    return version[1] if version else found.version


def _sampling(calls: Iterable[Call]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for call in calls:
        for name, value in call.sampling.items():
            found.setdefault(name, [])
            if value not in found[name]:
                found[name].append(value)
    return found


@functools.cache
def _owners() -> Mapping[str, list[str]]:
    """Which distributions provide a module; reading all metadata takes a while, so once."""
    return importlib.metadata.packages_distributions()


def _hash_of(values: Iterable[Json]) -> str:
    found = [value for value in values if value]
    return content_hash(found) if found else ""


@functools.lru_cache(maxsize=1)
def _packages(_modules: int) -> dict[str, str]:
    """Versions of the distributions that are imported in this process; anew when there are more."""
    owners = _owners()
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    names = {owner for top in loaded for owner in owners.get(top, ())}
    return {name: _version(name) for name in sorted(names, key=str.lower)}


def _git(folder: Path, *arguments: str) -> str:
    try:
        return git(folder, *arguments, timeout=10).decode("utf-8", "replace").strip()
    except CommandFailed:
        return ""
