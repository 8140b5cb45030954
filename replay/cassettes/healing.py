"""
From what stands in a cassette to an interaction that plays.

Recorders have left marks that make real clients fail, or that later versions of the same recorder
refuse: lower-case methods, headers as bare text, bodies that are null. Each is put right, and said.
"""

from __future__ import annotations

import json
from typing import Any

from replay.canonical import header
from replay.cassettes.body_text import restored
from replay.cassettes.coding import Said, decoded, with_length
from replay.cassettes.limits import Allowance
from replay.cassettes.yaml_v1 import UNANSWERED, Facts, Parts
from replay.instants import MOST, instant
from replay.model import Chunk, Failure, Headers, Interaction, Request, Response


def parts(raw: Any, said: Said) -> Parts:
    """
    Read one interaction in the shape of vcrpy's format v1, or of its older ways.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not one.

    """
    request, response = raw["request"], raw["response"]
    method = _word(request["method"])
    if method != method.upper():
        said(f"the method was written {method}")
    if "status_code" in response:  # vcrpy's httpx stub before 6
        status, reason, body = response["status_code"], "", response.get("content")
    else:
        status, reason = _status(response["status"])
        body = response.get("body")
        if body is None or body == {"string": None}:
            said("the response body was null, not empty")
    return Parts(
        method.upper(),
        _url(request),
        _headers(request.get("headers"), "request", said),
        _body(request.get("body"), "request", said),
        int(status),
        reason,
        _headers(response.get("headers"), "response", said),
        _body(body, "response", said),
        _facts(raw.get("replay") or {}),
    )


def built(found: Parts, allowance: Allowance, said: Said) -> Interaction:
    """
    Give bodies and lengths back as they were recorded, and take content codings off.

    Raises:
        ValueError: a body is not of the spelling that is told of it.
        TooMuch: the bodies are larger than what is left of the *allowance*.

    """
    facts = found.facts
    sent = restored(found.sent, facts.request)
    allowance.spend(len(sent))
    request = Request(found.method, found.url, found.sent_headers, sent)
    failure = Failure(*facts.failure) if facts.failure else None
    response = None
    if not failure or (found.status, found.reason) != (UNANSWERED.status, UNANSWERED.reason):
        response = decoded(_response(found), limit=allowance.left, said=said)
        allowance.spend(len(response.body))
    return Interaction(request, response, failure, facts.started, facts.elapsed)


def _response(found: Parts) -> Response:
    if not 0 <= found.status <= 999:
        raise ValueError(f"{found.status!r:.40} is no status")
    body = restored(found.body, found.facts.response)
    headers = found.headers
    if found.facts.response and header(headers, "content-length") == str(_size(found.body)):
        headers = with_length(headers, len(body))
    chunks = tuple(Chunk(size, at) for size, at in found.facts.chunks)
    return Response(found.status, found.reason, headers, body, chunks)


def _size(body: str | bytes) -> int:
    if isinstance(body, str) and not body.isascii():
        return len(body.encode("utf-8", "surrogatepass"))
    return len(body)


def _status(status: Any) -> tuple[Any, str]:
    if isinstance(status, dict):
        return status["code"], _word(status.get("message") or "")
    return status, ""


def _url(request: Any) -> str:
    if "host" in request:  # vcrpy before 1
        address = f"{request['protocol']}://{request['host']}:{request['port']}"
        return _word(f"{address}{request['path']}")
    return _word(request["uri"] if "uri" in request else request["url"])


def _headers(raw: Any, half: str, said: Said) -> Headers:
    """Read a mapping, pairs or whole lines; a value may be a list, or by mistake a bare text."""
    found: list[tuple[str, str]] = []
    bare = False
    for item in raw.items() if isinstance(raw, dict) else raw or ():
        name, values = item.strip().split(": ", 1) if isinstance(item, str) else item
        if not isinstance(values, list | tuple):
            bare, values = True, [values]
        found += [(_word(name), _word(value)) for value in values]
    if bare:
        said(f"{half} headers were bare text, not lists")
    return tuple(found)


def _word(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        raise TypeError(f"a line of text is a {type(value).__name__}")
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    text.encode()  # half of a character, which JSON can spell, cannot be sent nor shown
    return text


def _body(raw: Any, half: str, said: Said) -> str | bytes:
    if isinstance(raw, dict) and ("string" in raw or not raw):
        raw = raw.get("string")
    if raw is None:
        return b""
    if isinstance(raw, str | bytes):
        return raw
    if isinstance(raw, dict) or (
        isinstance(raw, list) and not all(isinstance(value, bytes | str) for value in raw)
    ):
        said(f"the {half} body was a tree, not text")
        return json.dumps(raw).encode()
    return b"".join(map(_piece, raw))


def _piece(value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)


def _facts(raw: Any) -> Facts:
    failure = raw.get("failure")
    return Facts(
        began=instant(raw["began"]) if "began" in raw else None,
        request=str(raw.get("request", "")),
        response=str(raw.get("response", "")),
        started=_seconds(raw.get("started", 0.0)),
        elapsed=_seconds(raw.get("elapsed", 0.0)),
        chunks=tuple((_size_told(size), _seconds(at)) for size, at in raw.get("chunks", ())),
        failure=(_word(failure["kind"]), _word(failure["message"])) if failure else None,
    )


def _size_told(value: Any) -> int:
    if type(value) is not int or not 0 <= value < MOST:
        raise ValueError(f"{value!r} is no size of a chunk")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not -MOST < value < MOST:
        raise TypeError(f"{value!r} is no number of seconds")
    seconds: float = value
    return seconds
