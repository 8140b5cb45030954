"""
Settings: `[tool.replay]` in pyproject.toml, the environment, the command line; read at the edge.

Whatever comes later goes before. The reader is our own: it is part of what every pytest run of
everyone imports, and takes 2 ms where pydantic-settings takes 140.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from replay.errors import BadSetting, NotToml, UnknownSetting

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


class Subprocesses(StrEnum):
    """What becomes of a subprocess that a test starts where the network is blocked."""

    WARN = "warn"
    REFUSE = "refuse"
    ALLOW = "allow"


class Engine(StrEnum):
    """What plays `@pytest.mark.vcr` tests."""

    VCRPY = "vcrpy"
    REPLAY = "replay"


class Order(StrEnum):
    """Whether recorded requests may be sent in another order."""

    FREE = "free"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Staging:
    """
    What tests run on: `[tool.replay.test]`, or for each member the variable `TEST_…` (`staged`).

    *temperature* is forced on requests to models, where it is set. *timeout* is the limit of one
    test in seconds, 0 for none. Without *normalize_outputs*, outputs are compared as they are.
    *debug* tells after the run what each test was pinned to, and what matched and missed.
    *max_calls* and *max_dollars* are what a LIVE_SMOKE run may spend. *pin_secrets* seeds `secrets`
    too.
    """

    mode: Mode = Mode.MOCK
    seed: int = 0
    temperature: float | None = None
    timeout: float = 0.0
    normalize_outputs: bool = True
    debug: bool = False
    max_calls: int = 50
    max_dollars: float = 1.0
    pin_secrets: bool = False
    subprocesses: Subprocesses = Subprocesses.WARN


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
    patterns: dict[str, str] = field(default_factory=dict, hash=False)
    emails: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """
    What does not decide whether a recorded request answers the one that is sent.

    *ignore_json* are paths such as `metadata.run_id` or `messages[*].id`; *ignore_query* are names
    of parameters; *volatile* maps a name to a regular expression of tokens that differ from run to
    run. *hosts* adds rules for a host, written as a glob.
    """

    ignore_json: tuple[str, ...] = ()
    ignore_query: tuple[str, ...] = ()
    volatile: dict[str, str] = field(default_factory=dict)
    order: Order = Order.FREE
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
    run_bytes: int = 8_000_000
    held_bytes: int = 32_000_000
    exit_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class NormalizationRule:
    """
    One rule of the project's own: where it holds, which is one of the first four, and what it does.

    *path* is a JSON path, *key* names members at any depth (`*_ref` too), *pattern* a regular
    expression, *type* a JSON type. *do* is `number`, `mask`, `drop`, `sort`, `round` (to *digits*
    significant ones), `unicode` or `whitespace`.
    """

    path: str = ""
    key: tuple[str, ...] = ()
    pattern: str = ""
    type: str = ""
    do: str = "number"
    digits: int = 12


@dataclass(frozen=True, slots=True)
class Normalization:
    """
    What is noise in outputs: *rules* of one's own, which come first; built-in ones by their names.

    *add* turns on some that are off, *remove* turns off some that are on; those in *order* get
    their turn before all others.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    rules: dict[str, NormalizationRule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """
    Where things are, and what is left out of recordings.

    Folders are relative to *root*, the folder of the pyproject.toml that was found. *environment*
    names the variables whose values are kept in a recording and put back for its replay. Cassettes
    older than *max_age_days* are reported, 0 for never. *shared* is a store under the project's
    own, which is read and never written; *tenant* is whose episodes are meant. *versions* are names
    of your own for versions, such as `baseline = "gpt-4o-2024-08-06"`. *entrypoints* are modules,
    with what is below them, or `module:function`, that may be run although they are not the
    project's own code.
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
    normalize: Normalization = field(default_factory=Normalization)
    test: Staging = field(default_factory=Staging)
    engine: Engine = Engine.VCRPY
    max_age_days: int = 0
    service: Service = field(default_factory=Service)
    shared: Path = Path()
    tenant: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    entrypoints: tuple[str, ...] = ()

    def path(self, folder: Path) -> Path:
        """Resolve one of the folders against the root."""
        return self.root / folder

    def named(self, path: Path) -> Path:
        """Name *path* as it is called wherever the project is moved to: from the root, if below."""
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    @property
    def recorded(self) -> tuple[Path, ...]:
        """What lies in the project and is no code of it: recordings, and what was approved."""
        folders = (self.cassettes, self.episodes, self.golden)
        return tuple(f for f in folders if f.parts and not f.is_absolute() and ".." not in f.parts)

    @property
    def sources(self) -> list[str]:
        """Where the modules of the project lie: in its root, and in `src` if there is one."""
        folders = (self.root.resolve(), self.root.resolve() / "src")
        return [str(folder) for folder in folders if folder.is_dir()]


def load_config(start: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """
    Read the settings that hold for the folder *start*, by default the current one.

    Of the environment, those of our own name: REPLAY_….

    Raises:
        NotToml: the pyproject.toml cannot be read.
        UnknownSetting: a key is not known.
        BadSetting: a value is of the wrong kind; says where it stands.

    """
    root, table = _project(start or Path.cwd())
    environ = environ or {}
    settings = _read(Config, table, "tool.replay")
    settings["root"] = root
    if store := environ.get("REPLAY_STORE"):
        settings["store"] = Path(store)
    if engine := environ.get("REPLAY_ENGINE"):
        settings["engine"] = _choice(Engine, engine, "REPLAY_ENGINE")
    if tenant := environ.get("REPLAY_TENANT"):
        settings["tenant"] = tenant
    if sample := environ.get("REPLAY_SAMPLE"):
        share = _value(float, _from_text(float, sample), "REPLAY_SAMPLE")
        settings["service"] = replace(settings.get("service", Service()), sample=share)
    config = Config(**settings)
    if config.service.sample > 1:
        name = "REPLAY_SAMPLE" if sample else "tool.replay.service.sample"
        raise BadSetting(name, config.service.sample, "a share, 0 to 1")
    return config


def records(environ: Mapping[str, str]) -> bool:
    """Whether code and services may be recorded; a REPLAY_RECORD that says neither stops them."""
    return _SWITCHES.get((environ.get("REPLAY_RECORD") or "on").lower(), False)


def staged(config: Config, environ: Mapping[str, str], options: Mapping[str, str]) -> Config:
    """
    Add to *config* what the variables TEST_… and the command line say of tests.

    Others use such names as well, so nobody reads them who has no test of ours. *options* are
    members of `Staging`; the variable of one that is given is not looked at.

    Raises:
        BadSetting: a value is of the wrong kind; says where it stands.

    """
    names = [f.name for f in fields(Staging) if f.name not in options]
    variables = {name: environ.get(f"TEST_{name.upper()}") for name in names}
    given = _texts(variables, "TEST_") | _texts(options, "--test-")
    return replace(config, test=replace(config.test, **given))


def _texts(given: Mapping[str, str | None], prefix: str) -> dict[str, Any]:
    """Read the members of `Staging` that are *given* as text; an empty one is not given."""
    hints, found = get_type_hints(Staging), dict[str, Any]()
    for key, text in given.items():
        if text:
            name = f"{prefix}{key.upper() if prefix.isupper() else key}"
            found[key] = _value(hints[key], _from_text(hints[key], text), name)
    return found


def _from_text(kind: Any, text: str) -> Any:
    """Read *text* as the value that it would be in TOML; as it is, where it is none of *kind*."""
    if kind is bool:
        return _SWITCHES.get(text.lower(), text)
    try:
        return int(text) if kind is int else float(text) if kind in _NUMBERS else text
    except ValueError:
        return text


_SWITCHES = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)


def _project(start: Path) -> tuple[Path, dict[str, Any]]:
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file():
            return folder, _table(folder / "pyproject.toml")
    return start, {}


def _table(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotToml(str(path), str(error)) from error
    table: dict[str, Any] = content.get("tool", {}).get("replay", {})
    return table


def _read(kind: type[Any], table: Any, name: str) -> dict[str, Any]:
    """Check *table* against the fields of the dataclass *kind*."""
    if not isinstance(table, dict):
        raise BadSetting(name, table, "a table")
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind) if f.name != "root"]
    for key in table:
        if key not in known:
            raise UnknownSetting(f"{name}.{key}", tuple(known))
    return {key: _value(hints[key], value, f"{name}.{key}") for key, value in table.items()}


def _value(kind: Any, value: Any, name: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return kind(**_read(kind, value, name))
    if get_origin(kind) is dict and isinstance(value, dict):
        inner = get_args(kind)[1]
        return {key: _value(inner, item, f"{name}.{key}") for key, item in value.items()}
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_value(str, item, name) for item in value)
    return _scalar(kind, value, name)


def _scalar(kind: Any, value: Any, name: str) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _choice(kind, value, name)
    if kind in (str, bool) and type(value) is kind:
        return value
    if kind is int and type(value) is int and value >= 0:
        return value
    if kind in _NUMBERS and type(value) in (int, float) and math.isfinite(value) and value >= 0:
        return float(value)
    raise BadSetting(name, value, _WANTED.get(get_origin(kind) or kind, "a number, 0 or more"))


def _choice(kind: type[StrEnum], value: Any, name: str) -> StrEnum:
    for member in kind:
        if isinstance(value, str) and value.lower() == member.lower():
            return member
    raise BadSetting(name, value, ", ".join(kind))


_NUMBERS: tuple[Any, ...] = (float, float | None)
_WANTED: dict[Any, str] = {
    Path: "a path",
    str: "a string",
    bool: "true or false",
    int: "a whole number, 0 or more",
    tuple: "a list of strings",
    dict: "a table",
}
