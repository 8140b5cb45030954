"""Settings: `[tool.replay]` in pyproject.toml, then the environment; read once at the edge."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from replay.errors import BadSetting

ENGINES = ("vcrpy", "replay")

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
class Redaction:
    """
    What is replaced in recordings besides the defaults: these rules add, they never take away.

    *headers*, *query* and *json* are names (of JSON members, at any depth), whatever their case;
    *patterns* maps the name of a placeholder to a regular expression; *emails* adds addresses.
    """

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    patterns: dict[str, str] = field(default_factory=dict)
    emails: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """
    What does not decide whether a recorded request answers the one that is sent.

    *ignore_json* are paths such as `metadata.run_id` or `messages[*].id`; *ignore_query* are names
    of parameters; *volatile* maps a name to a regular expression of tokens that differ from run to
    run. *order* is `free` or `strict`. *hosts* adds rules for a host, written as a glob.
    """

    ignore_json: tuple[str, ...] = ()
    ignore_query: tuple[str, ...] = ()
    volatile: dict[str, str] = field(default_factory=dict)
    order: str = "free"
    hosts: dict[str, Matching] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """
    Recording in a running service.

    *sample* is the share of runs that is recorded, 0 to 1. A run that holds more than *run_bytes*
    is dropped, and so is any while all runs of the process, open or waiting to be written, hold
    more than *held_bytes*. At exit *exit_seconds* are given to what still waits.
    """

    sample: float = 1.0
    run_bytes: int = 16_000_000
    held_bytes: int = 128_000_000
    exit_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Config:
    """
    Where things are, and what is left out of recordings.

    Folders are relative to *root*, the folder of the pyproject.toml that was found. *environment*
    names the variables whose values are kept in a recording and put back for its replay. *engine*
    is what plays `@pytest.mark.vcr` tests: `vcrpy`, or `replay`. Cassettes older than
    *max_age_days* are reported, 0 for never.
    """

    root: Path = field(default_factory=Path)
    cassettes: Path = Path("cassettes")
    episodes: Path = Path("episodes")
    golden: Path = Path("golden")
    store: Path = Path("episodes/episodes.db")
    environment: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = TELEMETRY_HOSTS
    redact: Redaction = field(default_factory=Redaction)
    match: Matching = field(default_factory=Matching)
    engine: str = "vcrpy"
    max_age_days: int = 0
    service: Service = field(default_factory=Service)

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
    settings = _read(Config, table, "tool.replay")
    settings["root"] = root
    if environ and (store := environ.get("REPLAY_STORE")):
        settings["store"] = Path(store)
    if environ and (engine := environ.get("REPLAY_ENGINE")):
        settings["engine"] = engine
    if environ and (sample := environ.get("REPLAY_SAMPLE")):
        settings["service"] = replace(settings.get("service", Service()), sample=_number(sample))
    if settings.get("engine", "vcrpy") not in ENGINES:
        raise BadSetting("tool.replay.engine", settings["engine"], " or ".join(ENGINES))
    config = Config(**settings)
    if not 0 <= config.service.sample <= 1:
        raise BadSetting("tool.replay.service.sample", config.service.sample, _SHARE)
    return config


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadSetting("REPLAY_SAMPLE", text, _SHARE) from None


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
            return folder, _table(folder / "pyproject.toml")
    return start, {}


def _table(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadSetting(str(path), str(error), "a TOML file") from error
    table: dict[str, Any] = content.get("tool", {}).get("replay", {})
    return table


def _read(kind: type[Any], table: Any, name: str) -> dict[str, Any]:
    """Check *table* against the fields of the dataclass *kind*."""
    if not isinstance(table, dict):
        raise BadSetting(name, table, "a table")
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind) if f.name != "root"]
    for key, value in table.items():
        if key not in known:
            raise BadSetting(f"{name}.{key}", value, f"one of {', '.join(known)}")
    return {key: _value(hints[key], value, f"{name}.{key}") for key, value in table.items()}


def _value(kind: Any, value: Any, name: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return kind(**_read(kind, value, name))
    if get_origin(kind) is dict and isinstance(value, dict):
        inner = get_args(kind)[1]
        return {key: _value(inner, item, f"{name}.{key}") for key, item in value.items()}
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_value(str, item, name) for item in value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in (str, bool, int) and type(value) is kind:
        return value
    raise BadSetting(name, value, _WANTED.get(get_origin(kind) or kind, "a table"))


_SHARE = "a number from 0 to 1"

_WANTED: dict[Any, str] = {
    Path: "a path",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "a list of strings",
    dict: "a table",
}
