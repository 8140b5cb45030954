"""
Request logs of LLM calls: one JSON object a line with what was asked and what was answered.

Besides what proxies and wrappers write (`request` and `response`, by one of the usual names), these
are the batch files of OpenAI and Anthropic: an input line and its output line, in one file, belong
together by their `custom_id`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from replay.episodes.imports.exchanges import Exchanges, exchange, time_of, timed

_ASKED = ("request", "params", "input", "kwargs", "body", "req")
_ANSWERED = ("response", "result", "output", "completion", "res")
_PAYLOAD = ("model", "messages", "contents", "prompt")
_TIMES = ("timestamp", "created_at", "time", "ts", "started_at", "start_time")
_SECONDS = {
    "duration": 1.0,
    "latency": 1.0,
    "elapsed": 1.0,
    "duration_ms": 1000.0,
    "latency_ms": 1000.0,
}

_OPENAI = "https://api.openai.com"
_ANTHROPIC = "https://api.anthropic.com"


def logs(values: list[Any]) -> Exchanges | None:
    """Read the exchanges of a log; lines that only ask, or only answer, are left out."""
    lines = _joined(values)
    found = [item for item in map(_read, lines) if item]
    return timed(found) if found else None


def _joined(values: list[Any]) -> list[dict[str, Any]]:
    """Put the lines of one `custom_id` together; what is asked stands before what is answered."""
    lines: dict[object, dict[str, Any]] = {}
    for place, value in enumerate(values):
        if isinstance(value, dict):
            key = value.get("custom_id") or place
            lines[key] = lines.get(key, {}) | value
    return list(lines.values())


def _read(line: dict[str, Any]) -> tuple[dict[str, Any], datetime | None] | None:
    asked = next((line[name] for name in _ASKED if isinstance(line.get(name), dict)), None)
    answered = next((line[name] for name in _ANSWERED if line.get(name) is not None), None)
    if asked is None or answered is None:
        return None
    sent = asked["body"] if isinstance(asked.get("body"), dict) else asked
    if not any(name in sent for name in _PAYLOAD):
        return None
    status, answer = _answer(answered)
    url = str(line.get("url") or asked.get("url") or "")
    took = next((line[n] / part for n, part in _SECONDS.items() if _is_number(line, n)), 0.0)
    facts = {"elapsed": took}
    at = next((found for name in _TIMES if (found := time_of(line.get(name)))), None)
    return exchange(_address(url, sent, answer), sent, answer, status=status, facts=facts), at


def _answer(answered: Any) -> tuple[int, Any]:
    """Find status and payload in what was answered, which may be an envelope of a batch file."""
    if not isinstance(answered, dict):
        return 200, answered
    if "body" in answered:
        return int(answered.get("status_code") or answered.get("status") or 200), answered["body"]
    if answered.get("type") == "succeeded":
        return 200, answered["message"]
    failed = "error" in answered and "choices" not in answered
    return (500 if failed and answered["error"] else 200), answered


def _address(url: str, sent: dict[str, Any], answer: Any) -> str:
    """Give the address that was asked, or the one at which such a payload is answered."""
    if "://" in url:
        return url
    first = answer[0] if isinstance(answer, list) and answer else answer
    kind = (first.get("type"), first.get("object")) if isinstance(first, dict) else (None, None)
    theirs = kind[0] in ("message", "message_start") or str(sent.get("model")).startswith("claude")
    host = _ANTHROPIC if theirs else _OPENAI
    if url:
        return f"{host}/{url.lstrip('/')}"
    if theirs:
        return f"{host}/v1/messages"
    if kind[1] == "response" or str(kind[0]).startswith("response."):
        return f"{host}/v1/responses"
    if kind[1] == "list" and "input" in sent:
        return f"{host}/v1/embeddings"
    return f"{host}/v1/chat/completions"


def _is_number(line: dict[str, Any], name: str) -> bool:
    return isinstance(line.get(name), int | float) and not isinstance(line[name], bool)
