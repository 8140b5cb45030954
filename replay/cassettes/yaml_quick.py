"""
Cassettes in the YAML that a program wrote, read fast: ours, and those of stock vcrpy.

Each writes a small part of YAML, in one way only. `read_quick` reads exactly that, some ten times
faster than a YAML parser, and nothing else: a file that was edited by hand into something that it
does not know is left to the careful reader.
"""

from __future__ import annotations

import json
import re
from base64 import decodebytes
from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from replay.cassettes.body_text import is_literal
from replay.cassettes.yaml_v1 import END, HEAD, Facts, Parts, is_plain
from replay.cassettes.yaml_values import is_text
from replay.model import Headers

FRAMES = ((HEAD, END), ("interactions:\n", "version: 1\n"))
"""What stands around the interactions: in ours, and in vcrpy's."""


def read_quick(text: str) -> list[Parts] | None:
    """
    Read what we or stock vcrpy wrote: None if *text* is not that.

    For whatever it reads, a YAML parser reads the same.
    """
    frame = next((f for f in FRAMES if text.startswith(f[0]) and text.endswith(f[1])), None)
    if not frame or not is_literal(text):
        return None
    reader, found, at, end = _Reader(), list[Parts](), len(frame[0]), len(text) - len(frame[1])
    try:
        while at < end:
            if match := _OWN.match(text, at):
                found.append(reader.own(match.groups()))
            elif match := _STOCK.match(text, at):
                found.append(reader.stock(match.groups()))
            else:
                return None
            at = match.end()
    except (_NotRead, ValueError):
        return None
    return found or None


def _value(indent: int) -> str:
    """Match a value to the end of its last line: those behind the first are indented, or empty."""
    return rf"( [^\n]++(?:\n(?: {{{indent}}}[^\n]*+|(?=\n)))*)\n"


_LINE = r" ([^\n]++)\n"
_FIELDS = r"(?: \{\}|((?:\n(?: {6}[^\n]*+|(?=\n)))+))\n"
_FIELD = re.compile(r"\n {6}[^\n]++(?<=:)(?:\n {6}- [^\n]++(?:\n(?: {8}[^\n]*+|(?=\n)))*)+")
_INT = r"(?:0|[1-9]\d{0,14})"
_FLOAT = rf"(-?{_INT}(?:\.\d+(?:e-\d+)?)?)"
_OWN = re.compile(
    rf"- request:\n    method:{_LINE}    uri:{_LINE}    headers:{_FIELDS}"
    rf"    body:{_value(6)}"
    rf"  response:\n    status:\n      code: ({_INT})\n      message:{_LINE}"
    rf"    headers:{_FIELDS}"
    rf"    body:\n      string:{_value(8)}"
    r"  replay:\n(?:    began: '([^'\n]+)'\n)?"
    r"(?:    request: ([a-z][a-z0-9-]+)\n)?(?:    response: ([a-z][a-z0-9-]+)\n)?"
    rf"    started: {_FLOAT}\n    elapsed: {_FLOAT}\n(?:    chunks: (\[\[[^\n]+\]\])\n)?"
    rf"(?:    failure:\n      kind:{_LINE}      message:{_LINE})?"
)
_STOCK = re.compile(
    rf"- request:\n    body:{_value(6)}    headers:{_FIELDS}    method:{_LINE}    uri:{_value(6)}"
    rf"  response:\n    body:\n      string:{_value(8)}    headers:{_FIELDS}"
    rf"    status:\n      code: ({_INT})\n      message:{_LINE}"
)
_CHUNKS = re.compile(rf"\[\[{_INT}, {_FLOAT}\](?:, \[{_INT}, {_FLOAT}\])*\]")
_BLOCK = re.compile(r" \|(2?)([-+]?)")
_BASE64 = re.compile(r"(?: ++[A-Za-z0-9+/=]++\n?)+")
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9_/.$()<=+~^;\\]|[?:-](?=[!-~]))(?:[!-9;-~]| ++(?=[!\"$-~])|:(?=[!-~]))*"
)
_BREAKS = re.compile(r"\n(\n*)")
_CONTINUED = re.compile(r"\\\n *")
_ODD_BREAK = re.compile(r"\\(?: +\n|\n *\n)")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:([ 0ave_NLP])|U00((?:0[1-9A-Fa-f]|10)[0-9A-Fa-f]{4}))")
_ESCAPED = {
    " ": " ",
    "0": "\\u0000",
    "a": "\\u0007",
    "v": "\\u000b",
    "e": "\\u001b",
    "_": "\xa0",
    "N": "\x85",
    "L": "\u2028",
    "P": "\u2029",
}


class _NotRead(Exception):
    """The text is not of a form that is read here."""


class _Reader:
    """Takes the matches of `_OWN` and `_STOCK`; what comes again is decoded once."""

    def __init__(self) -> None:
        self._scalars: dict[str, str] = {}
        self._fields: dict[str, Headers] = {}
        self._blocks: dict[str | None, Headers] = {None: ()}

    def own(self, groups: Sequence[str]) -> Parts:
        method, url, sent_headers, sent, status, reason, headers, body = groups[:8]
        began, sent_as, body_as, started, elapsed, chunks, kind, message = groups[8:]
        facts = Facts(
            datetime.fromisoformat(began) if began else None,
            sent_as or "",
            body_as or "",
            _number(started),
            _number(elapsed),
            _chunks(chunks) if chunks else (),
            (_scalar(kind), _scalar(message)) if kind else None,
        )
        return Parts(
            self._method(method),
            self._scalar(url),
            self._headers(sent_headers),
            _sent(sent),
            int(status),
            self._scalar(reason),
            self._headers(headers),
            _body(body, "\n        "),
            facts,
        )

    def stock(self, groups: Sequence[str]) -> Parts:
        sent, sent_headers, method, url, body, headers, status, reason = groups
        return Parts(
            self._method(method),
            self._scalar(url[1:]),
            self._headers(sent_headers),
            _sent(sent),
            int(status),
            "" if reason == "null" else self._scalar(reason),
            self._headers(headers),
            _body(body, "\n        "),
            _UNTOLD,
        )

    def _method(self, text: str) -> str:
        found = self._scalar(text)
        if found != found.upper():
            raise _NotRead
        return found

    def _scalar(self, text: str) -> str:
        found = self._scalars.get(text)
        if found is None:
            found = self._scalars[text] = _scalar(text)
        return found

    def _headers(self, lines: str | None) -> Headers:
        found = self._blocks.get(lines)
        if found is None and lines:
            found = self._blocks[lines] = self._block(lines)
        return found or ()

    def _block(self, lines: str) -> Headers:
        texts = _FIELD.findall(lines)
        if sum(map(len, texts)) != len(lines):
            raise _NotRead
        fields = [self._fields.get(text) or self._field(text) for text in texts]
        if len({field[0][0] for field in fields}) != len(fields):
            raise _NotRead
        return tuple(chain.from_iterable(fields))

    def _field(self, text: str) -> Headers:
        name, _, rest = text.partition(":\n      - ")
        name = self._scalar(name[7:])
        found = tuple((name, _header(value)) for value in rest.split("\n      - "))
        self._fields[text] = found
        return found


_UNTOLD = Facts()


def _sent(value: str) -> str | bytes:
    return b"" if value == " null" else _body(value, "\n      ")


def _header(value: str) -> str:
    found = _body(f" {value}", "\n        ")
    return found if isinstance(found, str) else found.decode("latin-1")


def _body(value: str, pad: str) -> str | bytes:
    if value.startswith((" |", " !")):
        head, _, lines = value.partition("\n")
        if block := _BLOCK.fullmatch(head):
            return _literal(f"\n{lines}\n".replace(pad, "\n"), *block.groups())
        if head == " !!binary |" and _BASE64.fullmatch(lines):
            return decodebytes(lines.encode())
        raise _NotRead
    return _scalar(value[1:])


def _literal(text: str, mark: str, end: str) -> str:
    if text.isspace() or (not mark and text[1] in " \t\n"):
        raise _NotRead
    if (text[-2] == "\n") is not (end == "+"):
        raise _NotRead
    return text[1:-1] if end == "-" else text[1:]


def _scalar(text: str) -> str:
    if is_plain(text):
        return text
    if text.startswith('"'):
        return _double(text)
    folded = _folded(text)
    if text.startswith("'"):
        return _single(folded)
    if _PLAIN.fullmatch(folded) and is_text(folded):
        return folded
    raise _NotRead


def _single(text: str) -> str:
    inside = text[1:-1]
    if text != f"'{inside}'" or "\t" in inside or "'" in inside.replace("''", ""):
        raise _NotRead
    return inside.replace("''", "'")


def _double(text: str) -> str:
    """Read a text in double quotes: as a JSON string, once what only YAML writes is out of it."""
    plain = text.replace("\\\\", "\0")  # there is no such character in it
    if "\n" in plain:
        if _ODD_BREAK.search(plain):
            raise _NotRead
        plain = _folded(_CONTINUED.sub("", plain))
    plain = _ESCAPE.sub(_unescaped, plain.replace("\\x", "\\u00"))
    if _SURROGATE.search(plain):
        raise _NotRead
    found: str = json.loads(plain.replace("\0", "\\\\"))
    return found


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPED[match[1]] if match[1] else chr(int(match[2], 16))


def _folded(text: str) -> str:
    """Join lines: a break is a space, and each empty line a break."""
    if "\n" not in text:
        return text
    first, *others, last = text.split("\n")
    lines = [first.rstrip(" "), *(line.strip(" ") for line in others), last.lstrip(" ")]
    return _BREAKS.sub(lambda match: match[1] or " ", "\n".join(lines))


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _chunks(text: str) -> tuple[tuple[int, float], ...]:
    if not _CHUNKS.fullmatch(text):
        raise _NotRead
    chunks: list[tuple[int, float]] = [(size, at) for size, at in json.loads(text)]
    return tuple(chunks)
