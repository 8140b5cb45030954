"""Cassette files: vcrpy's format v1 in YAML, and what older tools wrote, found by content."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from vcr.serializers import yamlserializer

from replay.atomic import write_atomic
from replay.cassettes.coding import decoded
from replay.cassettes.redaction import Redactor
from replay.errors import Damaged
from replay.model import Chunk, Failure, Headers, Interaction, Request, Response

_NEVER_ANSWERED = 599
_YAML_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")


@dataclass(frozen=True, slots=True)
class CassetteFile:
    """
    What stands in a cassette: its *form* as the writing tool calls it, and its interactions.

    *began* is when the recording was begun, where the cassette is one of ours.
    """

    form: str
    interactions: tuple[Interaction, ...]
    began: datetime | None = None


def read_cassette(path: Path) -> CassetteFile:
    """
    Read a cassette of any known form.

    Raises:
        Damaged: it is not there, not text, cut off, or not a cassette; with the line if known.

    """
    text = _text(path)
    if not text.strip():
        raise Damaged(path, "the file is empty")
    value = _parsed(path, text)
    form, raw = _interactions(path, value)
    found = []
    for number, item in enumerate(raw, 1):
        try:
            found.append(_interaction(item))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"interaction {number} is not one: {type(error).__name__}: {error}"
            raise Damaged(path, what) from error
    return CassetteFile(form, tuple(found), _began(raw))


def write_cassette(path: Path, interactions: Iterable[Interaction], began: datetime) -> None:
    """
    Write a cassette in vcrpy's format v1, which stock vcrpy reads too.

    Our own facts stand beside request and response; credentials are replaced on the way.
    """
    write_atomic(path, cassette_text(interactions, began))


def cassette_text(interactions: Iterable[Interaction], began: datetime) -> str:
    """Serialize as `write_cassette` does."""
    redactor = Redactor()
    items = [_item(redactor.interaction(interaction)) for interaction in interactions]
    if items:
        items[0]["replay"] = {"began": began.isoformat()} | items[0]["replay"]
    return yaml.dump(
        {"version": 1, "interactions": items},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
    )


def _began(raw: list[Any]) -> datetime | None:
    facts = raw[0].get("replay") if raw and isinstance(raw[0], dict) else None
    return datetime.fromisoformat(facts["began"]) if facts and "began" in facts else None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged(path, f"it cannot be opened: {error.strerror}") from error
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged(path, f"the gzip data is broken: {error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Damaged(path, f"byte {error.start} is not UTF-8", line) from error


def _parsed(path: Path, text: str) -> Any:
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise Damaged(path, f"not JSON: {error.msg}", error.lineno) from error
    try:
        return _SERIALIZER.deserialize(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        raise Damaged(path, f"not YAML: {what}", mark.line + 1 if mark else 0) from error
    except (ValueError, RecursionError) as error:
        raise Damaged(path, f"not YAML: {error}") from error


def _interactions(path: Path, value: Any) -> tuple[str, list[Any]]:
    if isinstance(value, dict) and isinstance(value.get("interactions"), list):
        return "vcrpy v1", value["interactions"]
    if isinstance(value, list) and value and isinstance(value[0], dict) and "request" in value[0]:
        return "vcrpy 0.x", value
    if isinstance(value, dict) and isinstance(value.get("requests"), list):
        pairs = zip(value["requests"], value.get("responses", []), strict=False)
        return "langchain", [{"request": q, "response": a} for q, a in pairs]
    names = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
    raise Damaged(path, f"not a cassette: it holds {names[:200]}, and no interactions")


def _interaction(item: Any) -> Interaction:
    extra = item.get("replay") or {}
    response = _response(item["response"])
    failure = Failure(**extra["failure"]) if "failure" in extra else None
    if failure and response.status == _NEVER_ANSWERED:
        return replace(_timed(item, extra), failure=failure)
    chunks = tuple(Chunk(size, at) for size, at in extra.get("chunks", ()))
    response = decoded(replace(response, chunks=chunks))
    return replace(_timed(item, extra), response=response, failure=failure)


def _timed(item: Any, extra: Any) -> Interaction:
    request = item["request"]
    return Interaction(
        request=Request(
            method=str(request["method"]).upper(),
            url=_url(request),
            headers=_headers(request.get("headers")),
            body=_body(request.get("body")),
        ),
        started=extra.get("started", 0.0),
        elapsed=extra.get("elapsed", 0.0),
    )


def _url(request: Any) -> str:
    if "host" in request:  # vcrpy before 1
        return f"{request['protocol']}://{request['host']}:{request['port']}{request['path']}"
    return str(request.get("uri") or request["url"])


def _response(raw: Any) -> Response:
    if "status_code" in raw:  # vcrpy's httpx stub before 6
        return Response(
            raw["status_code"], "", _headers(raw.get("headers")), _body(raw.get("content"))
        )
    status = raw["status"]
    code, reason = (status["code"], status.get("message")) if "code" in status else (status, "")
    return Response(int(code), reason or "", _headers(raw.get("headers")), _body(raw.get("body")))


def _headers(raw: Any) -> Headers:
    """Read a mapping, pairs or whole lines; a value may be a list, or by mistake a bare string."""
    found: list[tuple[str, str]] = []
    for item in raw.items() if isinstance(raw, dict) else raw or ():
        name, values = item.strip().split(": ", 1) if isinstance(item, str) else item
        for value in values if isinstance(values, list | tuple) else [values]:
            found.append((_word(name), _word(value)))
    return tuple(found)


def _word(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(raw: Any) -> bytes:
    if isinstance(raw, dict) and ("string" in raw or raw == {}):
        raw = raw.get("string")
    if raw is None:
        return b""
    if isinstance(raw, str):
        return raw.encode("utf-8", "surrogatepass")
    if isinstance(raw, bytes):
        return raw
    if isinstance(raw, BytesIO):
        return raw.getvalue()
    if isinstance(raw, dict | list):
        return json.dumps(raw).encode()
    return b"".join(_body(part) for part in raw)


def _item(interaction: Interaction) -> dict[str, Any]:
    request = interaction.request
    response = interaction.response or Response(_NEVER_ANSWERED, "No response")
    return {
        "request": {
            "method": request.method,
            "uri": request.url,
            "headers": _grouped(request.headers),
            "body": _readable(request.body) or None,
        },
        "response": {
            "status": {"code": response.status, "message": response.reason},
            "headers": _grouped(response.headers),
            "body": {"string": _readable(response.body)},
        },
        "replay": _facts(interaction),
    }


def _facts(interaction: Interaction) -> dict[str, Any]:
    facts: dict[str, Any] = {"started": interaction.started, "elapsed": interaction.elapsed}
    if interaction.response and len(interaction.response.chunks) > 1:
        facts["chunks"] = [[chunk.size, chunk.at] for chunk in interaction.response.chunks]
    if interaction.failure:
        facts["failure"] = {
            "kind": interaction.failure.kind,
            "message": interaction.failure.message,
        }
    return facts


def _grouped(headers: Headers) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name, []).append(value)
    return grouped


def _readable(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _istr(loader: Any, node: Any) -> str:
    """Read multidict's header names, which stock vcrpy refuses: plain strings in a Python tag."""
    if isinstance(node, yaml.SequenceNode):
        return str(loader.construct_sequence(node)[0])
    return str((loader.construct_mapping(node, deep=True).get("args") or [""])[0])


_SERIALIZER = yamlserializer.with_custom_tags(
    {
        f"tag:yaml.org,2002:python/object/{kind}:{name}": _istr
        for kind in ("apply", "new")
        for name in ("multidict._multidict.istr", "multidict._istr.istr", "multidict.istr")
    }
)


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block, so that a stream reads line by line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - an alias hides what is repeated
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        if _YAML_BREAKS.search(data):  # YAML 1.1 takes these for line breaks, and folds them
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)
