"""
The form in which we write cassettes: vcrpy's format v1, spelled for review.

Stock vcrpy reads it; our own facts stand under `replay` beside `request` and `response`, where it
ignores them. A JSON body is written indented, an event stream as lines, and `replay` names the
spelling that gives the recorded bytes back.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from replay.canonical import header
from replay.cassettes.body_text import is_literal, stored
from replay.cassettes.coding import with_length
from replay.model import Headers, Interaction, Response

UNANSWERED = Response(599, "No response")
"""What stands for no response, where the format wants one."""

MARK = "# Recorded by golden-replay.\n"
"""First line of what we write; such a file is whole only if `END` is its last."""

END = "...\n"

HEAD = f"{MARK}version: 1\ninteractions:\n"

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
    return "".join([HEAD, *items, END]) if items else f"{HEAD[:-1]} []\n{END}"


def silence(began: datetime) -> str:
    """Write the cassette of a program that sent nothing: what is left to keep is its clock."""
    return f"{HEAD[:-1]} []\nreplay:\n  began: {_single(began.isoformat())}\n{END}"


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


def grouped(headers: Headers) -> dict[str, list[str]]:
    """Group *headers* by their names, as the format has them."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def is_plain(text: str) -> bool:
    """Whether *text* means itself, and is a text, where it stands in YAML without quotes."""
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS


def _fitting(response: Response, body: str | bytes) -> Headers:
    """Let a right content-length be right for what is written: stock botocore compares them."""
    if header(response.headers, "content-length") != str(len(response.body)):
        return response.headers
    return with_length(response.headers, len(body.encode() if isinstance(body, str) else body))


def _headers(headers: Headers) -> str:
    fields = [_field(name, tuple(values)) for name, values in grouped(headers).items()]
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
    if "\n" not in body and len(body) < 60 and is_plain(body):
        return body
    mark = "2" if body[0] in " \t\n" else ""
    end = len(body) - len(body.rstrip("\n"))
    mark += "-" if end == 0 else "" if end == 1 else "+"
    lines = body[:-1] if end else body
    return f"|{mark}" + _LINE_BEGINS.sub(f"\n{pad}", f"\n{lines}")


def _scalar(text: str) -> str:
    if is_plain(text):
        return text
    if "\n" in text or "\t" in text or not is_literal(text):
        return _double(text)
    return _single(text)


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
