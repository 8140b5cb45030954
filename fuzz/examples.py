"""Good files, for edits to begin from: a bundle, and one file of each form that is imported."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from replay.episodes import schema
from replay.model import Json

EXAMPLE = min(Path(__file__).parent.parent.glob("episodes/*.jsonl"), key=lambda p: p.stat().st_size)
ANY = "b2:any"
"""What every recording is called where names are made to fit."""

COLUMNS = tuple(
    (table, column)
    for table, columns in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", schema._TABLES, re.DOTALL)
    for column in re.findall(r"^    ([a-z_]+)", columns, re.MULTILINE)
)


@cache
def example_bundle() -> list[dict[str, Any]]:
    """Give the lines of a bundle, but for the last."""
    lines = [json.loads(line) for line in EXAMPLE.read_text().splitlines()]
    return [line | {"recording": ANY} if "recording" in line else line for line in lines[:-1]]


ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
SAID = {
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
_HEADERS = [{"name": "content-type", "value": "application/json"}]
_SENT = {"mimeType": "application/json", "text": json.dumps(ASKED)}
_GOT = {"text": "aGVsbG8=", "encoding": "base64"}
_ENTRY = {
    "startedDateTime": "2026-09-01T12:00:01Z",
    "time": 3,
    "request": {"method": "POST", "url": "https://x/a", "headers": _HEADERS, "postData": _SENT},
    "response": {"status": 200, "statusText": "OK", "headers": _HEADERS, "content": _GOT},
    "_replay": {"started": 0, "elapsed": 1.5, "chunks": [[5, 0.1]]},
}
_NAMES = {
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"content": "hi"}]}]),
    "gen_ai.output.messages": json.dumps(SAID["choices"]),
    "gen_ai.prompt.0.role": "user",
    "gen_ai.completion.0.tool_calls.0.name": "look",
}
_ATTRIBUTES = [{"key": key, "value": {"stringValue": value}} for key, value in _NAMES.items()]
_TIMES = {"startTimeUnixNano": "1767225600000000000", "timeUnixNano": "1767225600000000000"}
_BODY = {"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "hi"}}]}}
_SPAN = _TIMES | {"traceId": "5b", "spanId": "b7", "attributes": _ATTRIBUTES}
_EVENT = _TIMES | {"spanId": "b8", "eventName": "gen_ai.user.message", "body": _BODY}


def example_files() -> list[list[Json]]:
    """Give the JSON values of a file, of each form."""
    call = {"method": "GET", "uri": "http://x/", "headers": {"a": ["b"]}, "body": "c"}
    answer = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "d"}}
    facts = {"began": "2026-01-01T00:00:00+00:00", "started": 1, "chunks": [[1, 0.5]]}
    return [
        [{"log": {"entries": [_ENTRY]}}],
        [{"request": ASKED, "response": SAID, "timestamp": 1767225605, "latency_ms": 20}],
        [{"custom_id": "1", "params": ASKED}, {"custom_id": "1", "result": {"message": SAID}}],
        [{"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN]}]}]}],
        [{"resourceLogs": [{"scopeLogs": [{"logRecords": [_EVENT, _EVENT]}]}]}],
        [{"version": 1, "interactions": [{"request": call, "response": answer, "replay": facts}]}],
        [{"requests": [call], "responses": [answer]}],
        [[{"scope": "http://x:80", "path": "/", "response": {"a": 1}, "rawHeaders": ["a", "b"]}]],
    ]
