"""The forms in which values are hashed, keyed and compared."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from replay.model import Difference, Headers, Json, Request

KEY_SCHEMA = 1
"""Version of `request_key`; it is written to every manifest."""

ABSENT = "(absent)"
"""Stands for the value of a field that one side does not have."""

DEPTH = 200
"""Nesting of JSON that is looked into: far beyond any payload, and far below Python's own limit."""

_DEFAULT_PORTS = {"http": 80, "https": 443}

PLACEHOLDER = re.compile(
    r"(?:<|&lt;|%3[Cc]|\\u003[Cc])secret(?::|%3[Aa])(?P<kind>[a-z0-9][a-z0-9._-]*)"
    r"(?:(?::|%3[Aa])(?P<number>\d{1,9}))?(?:>|&gt;|%3[Ee]|\\u003[Ee])"
)
"""What stands in place of a secret, `<secret:jwt:1>`, also as URLs, HTML and JSON may spell it."""

_ANY = "<secret>"
_PLACEHOLDER_BYTES = re.compile(PLACEHOLDER.pattern.encode())


def canonical_json(value: object) -> str:
    """
    Serialize *value* to the form that is hashed and diffed.

    The order in which a provider emits keys never shows up as drift:

    >>> canonical_json({"b": 1, "a": "é"})
    '{"a":"é","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(value: object) -> str:
    """
    Name *value* by its content, tagged with the algorithm: BLAKE2b, 128 bits, in hex.

    >>> content_hash({"a": 1}) == content_hash({"a": 1}) != content_hash({"a": 2})
    True
    """
    return bytes_hash(_HASHED.encode(value).encode("utf-8", "surrogatepass"))


def bytes_hash(data: bytes) -> str:
    """Name *data* by its content, as `content_hash` does for values."""
    return f"b2:{blake2b(data, digest_size=16).hexdigest()}"


def request_key(request: Request) -> str:
    """
    Reduce *request* to what decides whether a recorded one answers it.

    Method, canonical URL, canonical body. Headers are left out: they carry credentials, versions
    and trace ids, and what selects an answer stands in the body.
    """
    request = _without_placeholders(request)
    digest = blake2b(digest_size=16)
    for part in (request.method.upper(), canonical_url(request.url)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    digest.update(canonical_body(request))
    return digest.hexdigest()


@lru_cache(maxsize=1024)
def canonical_url(url: str) -> str:
    """
    Write *url* in one way: lower-case host, no default port, sorted query, no fragment.

    >>> canonical_url("HTTPS://API.example.com:443/v1?b=2&a=1#x")
    'https://api.example.com/v1?a=1&b=2'
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url  # no client can send it; it is still told apart from others
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    fields = sorted(parse_qsl(parts.query, keep_blank_values=True))
    query = urlencode(fields, errors="surrogatepass")
    return urlunsplit((parts.scheme.lower(), host, parts.path or "/", query, ""))


def parts_of(url: str) -> SplitResult:
    """
    Split *url*; what is none, and no client can send, is a path.

    >>> parts_of("http://x/v1").netloc, parts_of("http://[").path
    ('x', 'http://[')
    """
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url, "", "")


def canonical_body(request: Request) -> bytes:
    """Reduce the body to its meaning: JSON with sorted keys, sorted form fields, else bytes."""
    content_type = header(request.headers, "content-type")
    media = content_type.lower()
    if "x-www-form-urlencoded" in media:
        return canonical_json(_form(request.body)).encode("utf-8", "surrogatepass")
    if "multipart/" in media:
        return _without_boundary(request.body, content_type)
    value = json_body(request.body)
    if value is None:
        return request.body
    return canonical_json(value).encode("utf-8", "surrogatepass")


def json_body(body: bytes) -> Json:
    """Parse *body* as a JSON object or array; None when it is anything else."""
    if body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return parsed_json(body)
    except ValueError:
        return None


def parsed_json(text: str | bytes, deepest: int = DEPTH) -> Json:
    """
    Parse *text*, which a stranger may have nested so deep that nothing could walk through it.

    Raises:
        ValueError: it is not JSON, or nested deeper than *deepest* levels.

    """
    from pydantic_core import from_json

    try:
        return from_json(text)  # goes as deep as `DEPTH`
    except (ValueError, TypeError):
        return _parsed(text, deepest)


def header(headers: Headers, name: str) -> str:
    """Look up the first value of a header, whatever its case; empty when it is not there."""
    return next((value for key, value in headers if key.lower() == name), "")


def fields(request: Request) -> dict[str, Json]:
    """
    Flatten *request* into the named values that a miss is explained by.

    >>> fields(Request("POST", "http://x/v1?a=1", body=b'{"m":[{"c":"hi"}]}'))
    {'method': 'POST', 'url': 'http://x/v1', 'query.a': '1', 'm[0].c': 'hi'}
    """
    request = _without_placeholders(request)
    url, _, query = canonical_url(request.url).partition("?")
    found: dict[str, Json] = {"method": request.method.upper(), "url": url}
    found |= {f"query.{k}": v for k, v in parse_qsl(query, keep_blank_values=True)}
    media = header(request.headers, "content-type").lower()
    if "x-www-form-urlencoded" in media:
        return found | {f"form.{k}": v for k, v in _form(request.body)}
    value = json_body(request.body)
    if value is None:
        return found | ({"body": request.body.decode("utf-8", "replace")} if request.body else {})
    _flatten("", value, found)
    return found


def differences(recorded: dict[str, Json], now: dict[str, Json]) -> tuple[Difference, ...]:
    """List where two flattened values differ, in the order in which the paths appear."""
    paths = dict.fromkeys([*recorded, *now])
    return tuple(
        Difference(path, recorded.get(path, ABSENT), now.get(path, ABSENT))
        for path in paths
        if recorded.get(path, ABSENT) != now.get(path, ABSENT)
    )


def without_secrets(value: Json) -> Json:
    """
    Write what stands for a secret in one way, in every string of *value*: which it was is nothing.

    A run has other secrets than another, and a replayed program knows those that it was told by
    their placeholders, which may name them otherwise than the place where it sends them.

    >>> without_secrets(["<secret:access-token:1>", "key=%3Csecret:key:2%3E"])
    ['<secret>', 'key=<secret>']
    """
    if isinstance(value, str):
        return PLACEHOLDER.sub(_ANY, value) if "secret" in value else value
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(item) for key, item in value.items()}
    return value


def _parsed(text: str | bytes, deepest: int) -> Json:
    """Parse what has half of a surrogate pair in it, or is in UTF-16; or say what is wrong."""
    deep = f"it is nested deeper than {deepest} levels"
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(deep) from None
    if is_deep(value, deepest):
        raise ValueError(deep)
    return value


def is_deep(value: Json, deepest: int = DEPTH) -> bool:
    """Whether *value* is nested deeper than *deepest* levels, looked at level by level."""
    level = [value]
    for _ in range(deepest + 1):
        collections = (item for item in level if isinstance(item, dict | list))
        level = [i for c in collections for i in (c.values() if isinstance(c, dict) else c)]
        if not level:
            return False
    return True


def _without_placeholders(request: Request) -> Request:
    url, body = without_secrets(request.url), request.body
    if b"secret" in body:
        body = _PLACEHOLDER_BYTES.sub(_ANY.encode(), body)
    if url is request.url and body is request.body:
        return request
    return dataclasses.replace(request, url=url, body=body)


def _flatten(path: str, value: Json, into: dict[str, Json]) -> None:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _flatten(f"{path}.{key}" if path else str(key), item, into)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            _flatten(f"{path}[{index}]", item, into)
    else:
        into[path] = value


def _form(body: bytes) -> list[tuple[str, str]]:
    return sorted(parse_qsl(body.decode("utf-8", "surrogateescape"), keep_blank_values=True))


def _without_boundary(body: bytes, content_type: str) -> bytes:
    """Let all boundaries have one name, where they stand as such: a part may hold the same text."""
    found = re.search(r'(?i:boundary)="?([^";,]+)', content_type)
    if not found:
        return body
    name = re.escape(found[1].encode("utf-8", "surrogatepass"))
    return re.sub(rb"(?m)^--" + name + rb"(?=(?:--)?\r?$)", b"--boundary", body)


def _content(value: Any) -> Any:
    """Write what JSON has no form for: bytes as their hash, a dataclass as its members."""
    kind = type(value)
    if kind is bytes:
        return {"bytes": bytes_hash(value)}
    if hasattr(kind, "__dataclass_fields__"):
        return members(value)
    raise TypeError(f"{kind.__name__} has no content to hash")


def members(value: Any) -> dict[str, Any]:
    """
    List what the content of a dataclass consists of.

    A field that came later is marked `unless_empty`, so that older content keeps its name.
    """
    kind: Any = type(value)
    return {
        name: found
        for name, unless_empty in _members(kind)
        if (found := getattr(value, name)) or not unless_empty
    }


@cache
def _members(kind: Any) -> tuple[tuple[str, bool], ...]:
    return tuple((f.name, "unless_empty" in f.metadata) for f in dataclasses.fields(kind))


# As `canonical_json`; our dataclasses hold no cycle to look for.
_HASHED = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    check_circular=False,
    default=_content,
)
