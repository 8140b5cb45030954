"""Settings: `[tool.replay]` in pyproject.toml, then the environment; read once at the edge."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from replay.errors import BadSetting

TELEMETRY_HOSTS = (
    "*.ingest.sentry.io",
    "*.ingest.us.sentry.io",
    "*.posthog.com",
    "api.segment.io",
    "*.datadoghq.com",
    "telemetry.crewai.com",
    "api.honeycomb.io",
    "logfire-api.pydantic.dev",
    "*.smith.langchain.com",
    "api.traceloop.com",
)
"""Hosts whose traffic is about the program, not of it: never recorded, never answered."""


class Mode(StrEnum):
    """`TEST_MODE`: where a test's answers come from."""

    MOCK = "MOCK"
    GOLDEN = "GOLDEN"
    LIVE_SMOKE = "LIVE_SMOKE"


@dataclass(frozen=True, slots=True)
class Config:
    """
    Where things are, and what is left out of recordings.

    Folders are relative to *root*, the folder of the pyproject.toml that was found. *environment*
    names the variables whose values are kept in a recording and put back for its replay.
    """

    root: Path = field(default_factory=Path)
    cassettes: Path = Path("cassettes")
    episodes: Path = Path("episodes")
    golden: Path = Path("golden")
    store: Path = Path("episodes/episodes.db")
    environment: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = TELEMETRY_HOSTS

    def path(self, folder: Path) -> Path:
        """Resolve one of the folders against the root."""
        return self.root / folder


def load_config(start: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """
    Read the settings that hold for the folder *start*, by default the current one.

    Raises:
        BadSetting: a key is not known, or its value is of the wrong kind.

    """
    root, table = _project(start or Path.cwd())
    settings: dict[str, Any] = {"root": root}
    for name, value in table.items():
        settings[name] = _setting(name, value)
    if environ and (store := environ.get("REPLAY_STORE")):
        settings["store"] = Path(store)
    return Config(**settings)


def test_mode(environ: Mapping[str, str]) -> Mode:
    """Read TEST_MODE; raise `BadSetting` when it is none of the three."""
    value = environ.get("TEST_MODE", Mode.MOCK)
    try:
        return Mode(value.upper())
    except ValueError:
        raise BadSetting("TEST_MODE", value, ", ".join(Mode)) from None


test_mode.__test__ = False  # type: ignore[attr-defined] # pytest must not collect it


def _project(start: Path) -> tuple[Path, dict[str, Any]]:
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file():
            text = (folder / "pyproject.toml").read_text("utf-8")
            return folder, tomllib.loads(text).get("tool", {}).get("replay", {})
    return start, {}


def _setting(name: str, value: object) -> Path | tuple[str, ...]:
    kinds = {f.name: f.type for f in fields(Config) if f.name != "root"}
    if name not in kinds:
        raise BadSetting(f"tool.replay.{name}", value, f"one of {', '.join(kinds)}")
    if kinds[name] == "Path" and isinstance(value, str):
        return Path(value)
    if kinds[name] != "Path" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    wanted = "a path" if kinds[name] == "Path" else "a list of strings"
    raise BadSetting(f"tool.replay.{name}", value, wanted)
