"""Rules of normalization: values that say where something varies, and what becomes of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from replay.cassettes.redaction import Redactor
from replay.config import Config, Normalization, NormalizationRule
from replay.errors import BadSetting
from replay.model import Json


class Do(StrEnum):
    """
    What becomes of what a rule finds.

    NUMBER puts `<name:1>` there, the same number for the same value; MASK puts `<name:*>`, for what
    may be equal or not by chance; DROP takes it away; SORT puts a list in an order of its own.
    """

    NUMBER = "number"
    MASK = "mask"
    DROP = "drop"
    SORT = "sort"


Action: TypeAlias = Do | Callable[[Json], Json]
"""One of those, or a function of the value that, done twice, does no more than once."""


@dataclass(frozen=True, slots=True)
class AtPath:
    """Where a JSON path (RFC 9535, `$.` may be left out) points in the value as it was given."""

    path: str


@dataclass(frozen=True, slots=True)
class UnderKey:
    """Under members of these names, at any depth, whatever their case; `*` stands for anything."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InText:
    """
    Every match in any string; of a pattern with groups, the group that took part.

    A text without any of *hints* has no match: looking for those is much faster.
    """

    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfType:
    """At every value of this JSON type: str, int, float, bool, list, dict or NoneType."""

    kind: type


Where: TypeAlias = AtPath | UnderKey | InText | OfType


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, by *name*; with *only*, for the values that it says yes to."""

    name: str
    where: Where
    do: Action = Do.NUMBER
    only: Callable[[Json], bool] | None = None


Rules: TypeAlias = tuple[Rule, ...]
"""Rules in the order in which they get their turn; the first that puts a placeholder wins."""


def at(path: str, do: Action = Do.NUMBER, *, name: str = "") -> Rule:
    """Make a rule for where a JSON path points, as in `at("items[*].sku")`."""
    return Rule(name or _last_word(path), AtPath(path), do)


def key(*names: str, do: Action = Do.NUMBER, name: str = "") -> Rule:
    """Make a rule for the members of these names, as in `key("customer_id", "*_ref")`."""
    return Rule(name or _last_word(names[0]), UnderKey(names), do)


def pattern(text: str, name: str, do: Action = Do.NUMBER) -> Rule:
    """Make a rule for what a regular expression finds, as in `pattern(r"ORD-[0-9]+", "order")`."""
    return Rule(name, InText(re.compile(text)), do)


def of_type(kind: type, do: Action, *, name: str = "") -> Rule:
    """Make a rule for values of a JSON type, as in `of_type(float, rounded(2))`."""
    return Rule(name or kind.__name__, OfType(kind), do)


@dataclass(frozen=True, slots=True)
class _Rounded:
    digits: int

    def __call__(self, value: Json) -> Json:
        return float(f"{value:.{self.digits}g}") if isinstance(value, float) else value


def rounded(digits: int) -> Callable[[Json], Json]:
    """
    Round floats to as many significant digits; other values stay.

    >>> rounded(12)(0.1 + 0.2), rounded(3)(1042), rounded(3)(1042.5)
    (0.3, 1042, 1040.0)
    """
    return _Rounded(digits)


def composed(value: Json) -> Json:
    """Write a text in the one form of Unicode (NFC) and of line ends: forms that look alike."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n") if "\r" in value else value
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def tidied(value: Json) -> Json:
    r"""
    Write a text with plain quotes, dashes and spaces, one at a time, and none at the ends of lines.

    >>> tidied("“It is  here” \n\n\n\u200bDone ")
    '"It is here"\n\nDone'
    """
    if not isinstance(value, str):
        return value
    text = re.sub(r"[ \t]+", " ", value.translate(_TYPOGRAPHY))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" *\n *", "\n", text)).strip()


_TYPOGRAPHY = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b", "'")
    | dict.fromkeys("\u201c\u201d\u201f", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014", "-")
    | dict.fromkeys("\u00a0\u2009\u202f\u2007", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "")
    | {"…": "...", "\r": ""}
)

_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = r"\d\d:\d\d:\d\d"
_TIMESTAMP = "|".join(
    [
        rf"\d{{4}}-\d\d-\d\d[T ]{_TIME}(?:[.,]\d+)?(?:Z|\s?[+-]\d\d:?\d\d)?",  # ISO 8601, logs
        r"\d{4}-\d\d-\d\dT\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)",
        r"\d{8}T\d{6}(?:\.\d+)?Z",
        rf"{_DAY}, \d\d? {_MONTH} \d{{4}} {_TIME} (?:GMT|UTC|[+-]\d{{4}})",  # HTTP, mail
        rf"{_DAY} {_MONTH} [ \d]\d {_TIME} (?:[A-Z]{{3,4}} )?\d{{4}}",  # ctime
        rf"\d\d/{_MONTH}/\d{{4}}:{_TIME} [+-]\d{{4}}",  # Apache
    ]
)
# A random token, not a word nor a number: `call_customer` and `item_10421042` stay.
_RANDOM = r"(?=\d*[A-Za-z])(?:(?=[A-Za-z]*\d)|(?=[A-Za-z]*[A-Z]{2}))[A-Za-z0-9]{8,}"
_PREFIXES = (
    "asst|batch|call|chatcmpl|ci|cmpl|container|conv|evt|fc|file|ftjob|gen|ig|item|mcp|mcpr|modr|"
    "msg|msgbatch|resp|rs|run|srvtoolu|step|thread|toolu|vs|ws"
)
_TEMPORARY = (
    r"(?:(?:/private)?/tmp|/var/tmp|(?:/private)?/var/folders/\w\w/\w+/T"
    r"|(?:[A-Za-z]:\\Users\\[^\\\s]+)?\\AppData\\Local\\Temp)[/\\]"
    r"(?:pytest-of-[^/\\\s]+[/\\]pytest-\d+(?:[/\\][^/\\\s\"'<>:,;)\]}]+)?|tmp[a-z0-9_]{8})"
)
_EPOCHS = ((1e9, 1e10), (1e12, 1e13), (1e15, 1e16), (1e18, 1e19))
"""Seconds, milli-, micro- and nanoseconds since 1970, for times from 2001 to 2286."""
_NUMBERS_OF_A_VECTOR = 8


def _whole(pattern: str, *hints: str) -> InText:
    """Find what stands alone: a word before or behind it, and it is something else."""
    return InText(re.compile(rf"(?<!\w)(?:{pattern})(?![\w:])"), hints)


def _is_epoch(value: Json) -> bool:
    return _is_number(value) and any(low <= value < high for low, high in _EPOCHS)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and bool(value)


def _is_vector(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) >= 64 and re.fullmatch(r"[A-Za-z0-9+/]+=*", value) is not None
    enough = isinstance(value, list) and len(value) >= _NUMBERS_OF_A_VECTOR
    return enough and all(_is_number(item) for item in value)


_REQUEST_IDS = (
    "request_id",
    "_request_id",
    "requestid",
    "request-id",
    "x-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "cf-ray",
    "trace_id",
    "span_id",
    "traceparent",
    "x-trace-id",
    "correlation_id",
    "x-correlation-id",
)
_TIMES = ("created", "*_at", "timestamp", "ts")
_TAKEN = (
    "elapsed",
    "elapsed_ms",
    "elapsed_s",
    "elapsed_seconds",
    "latency",
    "latency_ms",
    "latency_s",
    "latency_seconds",
    "duration_ms",
    "duration_s",
    "duration_seconds",
    "processing_ms",
    "took_ms",
    "time_to_first_token*",
    "ttft*",
    "total_duration",
    "load_duration",
    "eval_duration",
    "prompt_eval_duration",
)

DEFAULT_RULES: Rules = (
    Rule("unicode", OfType(str), composed),
    Rule("embedding", UnderKey(("embedding", "embeddings", "*_embedding")), only=_is_vector),
    Rule("fingerprint", UnderKey(("system_fingerprint",)), only=_is_text),
    Rule("request", UnderKey(_REQUEST_IDS), only=_is_text),
    Rule("created", UnderKey(_TIMES), only=_is_epoch),
    Rule("duration", UnderKey(_TAKEN), Do.MASK, only=_is_number),
    Rule("float", OfType(float), rounded(12)),
    Rule("uuid", _whole(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "-")),
    Rule("timestamp", _whole(_TIMESTAMP, ":", "Z")),
    Rule("id", _whole(rf"(?:{_PREFIXES})[-_]{_RANDOM}", "_", "-")),
    Rule("fingerprint", _whole(r"fp_[A-Za-z0-9]{8,}", "fp_")),
    Rule("request", _whole(rf"req_{_RANDOM}", "req_")),
    Rule("address", _whole(r"at (0x[0-9a-fA-F]{6,16})", "at 0x")),
    Rule(
        "port",
        _whole(
            r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):([3-6]\d{4})", ":3", ":4", ":5", ":6"
        ),
    ),
    Rule("tmp", _whole(_TEMPORARY, "pytest-of-", "tmp")),
)
"""What no two runs share, and nothing that could be an answer; two rules of one name are one."""

FURTHER_RULES: Rules = (
    Rule("whitespace", OfType(str), tidied),
    Rule("date", _whole(r"\d{4}-\d\d-\d\d", "-")),
    Rule("duration-text", _whole(r"(\d+(?:\.\d+)?)\s?(?:ns|µs|us|ms|s|sec|seconds?)"), Do.MASK),
    Rule("number", OfType(float), Do.MASK),
)
"""What may be noise or an answer: on when they are asked for by name."""


def rules_of(config: Config) -> Rules:
    """
    Build the project's rules: its own, then the built-in ones, as `[tool.replay.normalize]` says.

    Raises:
        BadSetting: a name is not known, or a rule does not say where it holds.

    """
    settings = config.normalize
    own = tuple(_own(name, rule) for name, rule in settings.rules.items())
    changes: list[Rule | str] = [*own, *settings.add, *(f"-{name}" for name in settings.remove)]
    return _ordered(changed((*_folders(config.root), *DEFAULT_RULES), changes), settings)


def changed(rules: Rules, changes: Iterable[Rule | str]) -> Rules:
    """
    Put further rules before *rules*; `"name"` adds a built-in one, `"-name"` takes one away.

    >>> [r.name for r in changed(DEFAULT_RULES[:3], [key("sku"), "whitespace", "-embedding"])]
    ['sku', 'whitespace', 'unicode', 'fingerprint']

    Raises:
        BadSetting: no rule has that name.

    """
    first: list[Rule] = []
    without: set[str] = set()
    for change in changes:
        if isinstance(change, Rule):
            first.append(change)
        elif change.startswith("-"):
            without.add(_known(change[1:], rules))
        else:
            name = _known(change, ())
            first += [rule for rule in _BUILT_IN if rule.name == name and rule not in rules]
    return (*first, *(rule for rule in rules if rule.name not in without))


_BUILT_IN = (*DEFAULT_RULES, *FURTHER_RULES)


def _known(name: str, others: Sequence[Rule]) -> str:
    names = dict.fromkeys(rule.name for rule in (*others, *_BUILT_IN))
    if name not in names:
        raise BadSetting("normalize", name, ", ".join(names))
    return name


def _ordered(rules: Rules, settings: Normalization) -> Rules:
    names = {rule.name for rule in rules}
    for name in settings.order:
        if name not in names:
            raise BadSetting("tool.replay.normalize.order", name, ", ".join(sorted(names)))
    place = {name: number for number, name in enumerate(settings.order)}
    return tuple(sorted(rules, key=lambda rule: place.get(rule.name, len(place))))


def _own(name: str, rule: NormalizationRule) -> Rule:
    setting = f"tool.replay.normalize.rules.{name}"
    do = _ACTIONS.get(rule.do) or (rounded(rule.digits) if rule.do == "round" else None)
    if do is None:
        raise BadSetting(f"{setting}.do", rule.do, ", ".join((*_ACTIONS, "round")))
    places: list[Where] = []
    if rule.path:
        places.append(AtPath(rule.path))
    if rule.key:
        places.append(UnderKey(rule.key))
    if rule.pattern:
        places.append(InText(_regex(setting, rule.pattern)))
    if rule.type in _TYPES:
        places.append(OfType(_TYPES[rule.type]))
    if len(places) != 1:
        wanted = f"one of path, key, pattern, or type ({', '.join(_TYPES)})"
        raise BadSetting(setting, rule, wanted)
    return Rule(name, places[0], do)


_ACTIONS: dict[str, Action] = {do.value: do for do in Do} | {
    "unicode": composed,
    "whitespace": tidied,
}
_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def _regex(setting: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadSetting(f"{setting}.pattern", text, f"a regular expression; {error}") from error


def _folders(root: Path) -> Rules:
    """
    Make rules for the project's folder and the home folder, as this machine calls them.

    A value is redacted before: whose home it was is not to be told by then, on any machine.
    """
    redacted = Redactor().json
    folders = {"cwd": (str(root.resolve()),), "home": (*_home(), str(redacted("/home/ann")))}
    return tuple(
        Rule(name, _places(dict.fromkeys((*found, *map(str, map(redacted, found))))), Do.MASK)
        for name, found in folders.items()
        if found != (root.anchor,)
    )


def _home() -> tuple[str, ...]:
    """Tell the home folder of whoever runs this, if there is one."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without a name, as in some containers
        return ()
    return () if home == home.parent else (str(home),)


def _places(spellings: Iterable[str]) -> InText:
    found = tuple(spellings)
    text = "|".join(map(re.escape, found))
    return InText(re.compile(rf"(?<!\w)(?:{text})(?![\w.-])"), found)


def _last_word(text: str) -> str:
    return str((re.findall(r"[A-Za-z]\w*", text) or ["value"])[-1])
