"""The built-in rules of normalization: what no two runs share."""

from __future__ import annotations

import re

from replay.golden.rules import (
    Do,
    InText,
    OfType,
    Rule,
    Rules,
    UnderKey,
    composed,
    rounded,
    tidied,
)
from replay.model import Json

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
