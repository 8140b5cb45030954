"""HTTP Archives (HAR 1.2), as browsers and proxies save them: read, and written."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import replay
from replay.canonical import parts_of
from replay.cassettes.yaml_v1 import UNANSWERED
from replay.episodes.imports.exchanges import Exchanges, time_of, timed
from replay.model import Headers, Interaction, Recording, Request, Response

_NO_RESPONSE = 0
"""The status of an entry that got no answer."""


def har(values: list[Any]) -> Exchanges | None:
    """Read the entries of an archive; what a browser decoded, its headers no longer call coded."""
    log = values[0].get("log") if len(values) == 1 and isinstance(values[0], dict) else None
    if not isinstance(log, dict) or "entries" not in log:
        return None
    return timed(
        [(_read(entry), time_of(entry.get("startedDateTime"))) for entry in log["entries"]]
    )


def har_text(recording: Recording) -> str:
    """Write *recording* as an archive; our own facts stand under names with an underscore."""
    began = datetime.fromisoformat(recording.manifest.clock)
    creator = {"name": "golden-replay", "version": replay.__version__}
    entries = [_entry(item, began) for item in recording.interactions]
    archive = {"log": {"version": "1.2", "creator": creator, "entries": entries}}
    return (
        json.dumps(archive, ensure_ascii=False, indent=1).encode(errors="replace").decode() + "\n"
    )


def _status(response: dict[str, Any]) -> dict[str, Any]:
    if response["status"] == _NO_RESPONSE:
        return {"code": UNANSWERED.status, "message": UNANSWERED.reason}
    return {"code": response["status"], "message": response.get("statusText") or ""}


def _read(entry: dict[str, Any]) -> dict[str, Any]:
    request, response = entry["request"], entry["response"]
    facts = dict(entry.get("_replay") or {"elapsed": max(entry.get("time") or 0, 0) / 1000})
    if not facts.get("failure") and response["status"] == _NO_RESPONSE:
        facts["failure"] = {"kind": "ConnectionError", "message": response.get("_error") or ""}
    return {
        "request": {
            "method": request["method"],
            "uri": request["url"],
            "headers": _pairs(request["headers"]),
            "body": _sent(request.get("postData") or {}),
        },
        "response": {
            "status": _status(response),
            "headers": _pairs(response["headers"]),
            "body": {"string": _content(response.get("content") or {})},
        },
        "replay": facts,
    }


def _pairs(headers: list[dict[str, str]]) -> list[list[Any]]:
    """Leave out what HTTP/2 calls headers and a client does not."""
    named = ((item["name"], item["value"]) for item in headers)
    return [[name, [value]] for name, value in named if not name.startswith(":")]


def _sent(data: dict[str, Any]) -> bytes:
    if "text" in data:
        return _content(data)
    pairs = [(item["name"], item.get("value", "")) for item in data.get("params", ())]
    return urlencode(pairs).encode()


def _content(data: dict[str, Any]) -> bytes:
    text = data.get("text") or ""
    return b64decode(text) if data.get("encoding") == "base64" else text.encode(errors="replace")


def _entry(interaction: Interaction, began: datetime) -> dict[str, Any]:
    request, response = interaction.request, interaction.response
    milliseconds = interaction.elapsed * 1000
    facts: dict[str, Any] = {"started": interaction.started, "elapsed": interaction.elapsed}
    if interaction.failure:
        failure = interaction.failure
        facts["failure"] = {"kind": failure.kind, "message": failure.message}
    if response:
        facts["chunks"] = [[chunk.size, chunk.at] for chunk in response.chunks]
    return {
        "startedDateTime": (began + timedelta(seconds=interaction.started)).isoformat(),
        "time": milliseconds,
        "request": _request(request),
        "response": _response(response or Response(_NO_RESPONSE)),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "_replay": facts,
    }


def _request(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _named(request.headers),
        "queryString": _named(tuple(parse_qsl(parts_of(request.url).query))),
        "headersSize": -1,
        "bodySize": len(request.body),
    }
    if request.body:
        found["postData"] = {"mimeType": _media(request.headers), **_text(request.body)}
    return found


def _response(response: Response) -> dict[str, Any]:
    content = {"size": len(response.body), "mimeType": _media(response.headers)}
    return {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _named(response.headers),
        "content": content | _text(response.body),
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": len(response.body),
    }


def _named(pairs: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _media(headers: Headers) -> str:
    return next((v for k, v in headers if k.lower() == "content-type"), "application/octet-stream")


def _text(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": b64encode(body).decode(), "encoding": "base64"}
