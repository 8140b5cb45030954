"""
The form in which we write cassettes: vcrpy's format v1, spelled for review, and read back fast.

Stock vcrpy reads it; our own facts stand under `replay` beside `request` and `response`, where it
ignores them. A JSON body is written indented, an event stream as lines, and `replay` names the
spelling that gives the recorded bytes back. What is written here is a small part of YAML, in one
way only; `read_own` reads exactly that, some ten times faster than a YAML parser, and nothing else.
"""

from __future__ import annotations

import json
import re
from base64 import decodebytes, encodebytes
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from replay.canonical import header
from replay.cassettes.body_text import is_literal, stored
from replay.cassettes.coding import with_length
from replay.model import Headers, Interaction, Response

UNANSWERED = Response(599, "No response")
"""What stands for no response, where the format wants one."""

MARK = "# Recorded by golden-replay.\n"
"""First line of what we write; such a file is whole only if `END` is its last."""

END = "...\n"

_HEAD = f"{MARK}version: 1\ninteractions:\n"

_PLAIN = re.compile(r'(?:[A-Za-z/_]|<(?!<))(?:[!-9;-~]| (?=[!"$-9;-~])|:(?=[!-~]))*')
_LINE_BEGINS = re.compile(r"\n(?=[^\n])")
_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


class Facts(NamedTuple):
    """What stands under `replay`: when a session *began*, how bodies are spelled, times."""

    began: datetime | None = None
    request: str = ""
    response: str = ""
    started: float = 0.0
    elapsed: float = 0.0
    chunks: tuple[tuple[int, float], ...] = ()
    failure: tuple[str, str] | None = None


class Parts(NamedTuple):
    """One interaction as it stands in a file: bodies as they are written, not yet restored."""

    method: str
    url: str
    sent_headers: Headers
    sent: str | bytes
    status: int
    reason: str
    headers: Headers
    body: str | bytes
    facts: Facts


def cassette(items: Sequence[str]) -> str:
    """Write a whole cassette of `item` texts."""
    return "".join([_HEAD, *items, END]) if items else f"{_HEAD[:-1]} []\n{END}"


def silence(began: datetime) -> str:
    """Write the cassette of a program that sent nothing: what is left to keep is its clock."""
    return f"{_HEAD[:-1]} []\nreplay:\n  began: {_single(began.isoformat())}\n{END}"


def item(interaction: Interaction, began: datetime | None = None) -> str:
    """Write one interaction; *began* is the time at which the recording session did, if given."""
    request = interaction.request
    response = interaction.response or UNANSWERED
    sent, sent_as = stored(request.body, request.headers)
    body, body_as = stored(response.body, response.headers)
    lines = [
        "- request:",
        f"    method: {_scalar(request.method)}",
        f"    uri: {_scalar(request.url)}",
        f"    headers:{_headers(request.headers)}",
        f"    body: {_body(sent, 6) if sent else 'null'}",
        "  response:",
        "    status:",
        f"      code: {response.status}",
        f"      message: {_scalar(response.reason)}",
        f"    headers:{_headers(_fitting(response, body))}",
        "    body:",
        f"      string: {_body(body, 8)}",
        "  replay:",
        *_facts(interaction, began, sent_as, body_as),
    ]
    return "\n".join(lines) + "\n"


def read_own(text: str) -> list[Parts] | None:
    """
    Read what `cassette` wrote, and nothing else: None if *text* is not that.

    For whatever it reads, a YAML parser reads the same.
    """
    if not (text.startswith(_HEAD) and text.endswith(END)) or not is_literal(text):
        return None
    reader, found, at, end = _Reader(), list[Parts](), len(_HEAD), len(text) - len(END)
    try:
        while at < end:
            match = _ITEM.match(text, at)
            if match is None:
                return None
            found.append(reader.parts(match.groups()))
            at = match.end()
    except (_NotOwn, ValueError):
        return None
    return found or None


def _fitting(response: Response, body: str | bytes) -> Headers:
    """Let a right content-length be right for what is written: stock botocore compares them."""
    if header(response.headers, "content-length") != str(len(response.body)):
        return response.headers
    return with_length(response.headers, len(body.encode() if isinstance(body, str) else body))


def _headers(headers: Headers) -> str:
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name, []).append(value)
    fields = [_field(name, tuple(values)) for name, values in grouped.items()]
    return "".join(fields) or " {}"


@lru_cache(maxsize=1024)
def _field(name: str, values: tuple[str, ...]) -> str:
    """Write one header: most are the same in every interaction."""
    lines = [f"{_scalar(name)}:", *(f"- {_scalar(value)}" for value in values)]
    return "".join([f"\n      {line}" for line in lines])


def _facts(
    interaction: Interaction, began: datetime | None, sent_as: str, body_as: str
) -> Iterator[str]:
    if began:
        yield f"    began: {_single(began.isoformat())}"
    if sent_as:
        yield f"    request: {sent_as}"
    if body_as:
        yield f"    response: {body_as}"
    yield f"    started: {_number(interaction.started)}"
    yield f"    elapsed: {_number(interaction.elapsed)}"
    if interaction.response and len(interaction.response.chunks) > 1:
        chunks = [f"[{chunk.size}, {_number(chunk.at)}]" for chunk in interaction.response.chunks]
        yield f"    chunks: [{', '.join(chunks)}]"
    if interaction.failure:
        yield "    failure:"
        yield f"      kind: {_scalar(interaction.failure.kind)}"
        yield f"      message: {_scalar(interaction.failure.message)}"


def _number(value: float) -> str:
    """Spell a number; YAML 1.1 takes `1e-05` for a text."""
    text = repr(value)
    return text if "." in text or "e" not in text else text.replace("e", ".0e")


def _body(body: str | bytes, indent: int) -> str:
    pad = " " * indent
    if isinstance(body, bytes):
        lines = encodebytes(body).decode().rstrip("\n")
        return f"!!binary |\n{pad}" + lines.replace("\n", f"\n{pad}")
    if not body.strip(" \t\n") or not is_literal(body):
        return _scalar(body)
    if "\n" not in body and len(body) < 60 and _is_plain(body):
        return body
    mark = "2" if body[0] in " \t\n" else ""
    end = len(body) - len(body.rstrip("\n"))
    mark += "-" if end == 0 else "" if end == 1 else "+"
    lines = body[:-1] if end else body
    return f"|{mark}" + _LINE_BEGINS.sub(f"\n{pad}", f"\n{lines}")


def _scalar(text: str) -> str:
    if _is_plain(text):
        return text
    if "\n" in text or "\t" in text or not is_literal(text):
        return _double(text)
    return _single(text)


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _double(text: str) -> str:
    return '"' + re.sub(r"[^ !#-\[\]-~]", lambda m: _escaped(ord(m[0])), text) + '"'


def _escaped(code: int) -> str:
    known = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    if code in known:
        return known[code]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_LINE = r"([^\n]++)"
_FIELDS = r"(?: \{\}|((?:\n      [^\n]++)++))\n"
_INT = r"(?:0|[1-9]\d{0,14})"
_FLOAT = rf"(-?{_INT}(?:\.\d+(?:e-\d+)?)?)"


def _body_pattern(indent: int) -> str:
    return (
        rf" (?:\|(2?)([-+]?)\n((?:(?: {{{indent}}}[^\n]*+)?\n)++)"
        rf"|!!binary \|\n((?: {{{indent}}}[A-Za-z0-9+/=]++\n)++)|([^\n]++)\n)"
    )


_ITEM = re.compile(
    rf"- request:\n    method: {_LINE}\n    uri: {_LINE}\n    headers:{_FIELDS}"
    rf"    body:{_body_pattern(6)}"
    rf"  response:\n    status:\n      code: ({_INT})\n      message: {_LINE}\n"
    rf"    headers:{_FIELDS}"
    rf"    body:\n      string:{_body_pattern(8)}"
    r"  replay:\n(?:    began: '([^'\n]+)'\n)?"
    r"(?:    request: ([a-z][a-z0-9-]+)\n)?(?:    response: ([a-z][a-z0-9-]+)\n)?"
    rf"    started: {_FLOAT}\n    elapsed: {_FLOAT}\n(?:    chunks: (\[\[[^\n]+\]\])\n)?"
    rf"(?:    failure:\n      kind: {_LINE}\n      message: {_LINE}\n)?"
)
_FIELD = re.compile(r"\n      [^\n]+:(?:\n      - [^\n]+)+")
_CHUNKS = re.compile(rf"\[\[{_INT}, {_FLOAT}\](?:, \[{_INT}, {_FLOAT}\])*\]")
_SINGLE = re.compile(r"'(?:[^']|'')*'")
_DOUBLE = re.compile(r'"(?:[ !#-\[\]-~]|\\(?:["\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*"')
_ESCAPE = re.compile(r'\\(?:(["\\nrt])|x(..)|u(....)|U(........))')
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class _NotOwn(Exception):
    """The text is not of the form that we write."""


class _Reader:
    """Takes the matches of `_ITEM`; what comes again is decoded once."""

    def __init__(self) -> None:
        self._scalars: dict[str, str] = {}
        self._fields: dict[str, Headers] = {}
        self._blocks: dict[str | None, Headers] = {None: ()}

    def parts(self, groups: tuple[Any, ...]) -> Parts:
        method, url, sent_headers, *sent = groups[:8]
        status, reason, headers, *body = groups[8:16]
        began, sent_as, body_as, started, elapsed, chunks, kind, message = groups[16:]
        return Parts(
            self._method(method),
            self._scalar(url),
            self._headers(sent_headers),
            b"" if sent[-1] == "null" else _read_body("\n      ", sent),
            int(status),
            self._scalar(reason),
            self._headers(headers),
            _read_body("\n        ", body),
            Facts(
                _read_time(began) if began else None,
                sent_as or "",
                body_as or "",
                _read_number(started),
                _read_number(elapsed),
                _read_chunks(chunks) if chunks else (),
                (_read_scalar(kind), _read_scalar(message)) if kind else None,
            ),
        )

    def _method(self, text: str) -> str:
        found = self._scalar(text)
        if found != found.upper():
            raise _NotOwn
        return found

    def _scalar(self, text: str) -> str:
        found = self._scalars.get(text)
        if found is None:
            found = self._scalars[text] = _read_scalar(text)
        return found

    def _headers(self, lines: str | None) -> Headers:
        found = self._blocks.get(lines)
        if found is None and lines:
            found = self._blocks[lines] = self._block(lines)
        return found or ()

    def _block(self, lines: str) -> Headers:
        texts = _FIELD.findall(lines)
        if sum(map(len, texts)) != len(lines):
            raise _NotOwn
        fields = [self._fields.get(text) or self._field(text) for text in texts]
        if len({field[0][0] for field in fields}) != len(fields):
            raise _NotOwn
        return tuple(chain.from_iterable(fields))

    def _field(self, text: str) -> Headers:
        name, _, rest = text.partition(":\n      - ")
        name = self._scalar(name[7:])
        found = tuple((name, _read_scalar(value)) for value in rest.split("\n      - "))
        self._fields[text] = found
        return found


def _read_scalar(text: str) -> str:
    if _is_plain(text):
        return text
    if _SINGLE.fullmatch(text) and "\t" not in text:
        return text[1:-1].replace("''", "'")
    if _DOUBLE.fullmatch(text):
        return _ESCAPE.sub(_unescaped, text[1:-1])
    raise _NotOwn


def _unescaped(match: re.Match[str]) -> str:
    known, *codes = match.groups()
    if known:
        return _ESCAPED[known]
    code = int(next(filter(None, codes)), 16)
    if 0xD800 <= code < 0xE000:
        raise _NotOwn
    return chr(code)


def _read_body(pad: str, groups: Sequence[str | None]) -> str | bytes:
    mark, end, block, base64, line = groups
    if line:
        return _read_scalar(line)
    if base64:
        return decodebytes(base64.encode())
    if not block or block.isspace():
        raise _NotOwn
    text = f"\n{block}".replace(pad, "\n")
    if (not mark and text[1] in " \t\n") or (text[-2] == "\n") is not (end == "+"):
        raise _NotOwn
    return text[1:-1] if end == "-" else text[1:]


def _read_number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _read_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise _NotOwn from None


def _read_chunks(text: str) -> tuple[tuple[int, float], ...]:
    if not _CHUNKS.fullmatch(text):
        raise _NotOwn
    chunks: list[tuple[int, float]] = [(size, at) for size, at in json.loads(text)]
    return tuple(chunks)
