"""
How bodies stand in a cassette: as text that reads well, from which the bytes come back.

JSON in one of the usual spellings is indented, and lists of numbers are kept on one line; an event
stream with Windows line ends is written with plain ones. The spelling stands under `replay`. What
only its own bytes say right is written as it is.
"""

from __future__ import annotations

import json
import re

from replay.canonical import header, parsed_json
from replay.model import Headers
from replay.spelling import SPELLINGS, respelled, spelling_of

_NOT_LITERAL = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""What YAML does not take as it is, or takes for a line break of its own."""

_CONTROLS = bytes({*range(9), *range(11, 32), 127})
_NOT_LITERAL_BYTES = {
    b"\xc2": re.compile(rb"\xc2[\x80-\x9f]"),
    b"\xe2": re.compile(rb"\xe2\x80[\xa8\xa9]"),
    b"\xed": re.compile(rb"\xed[\xa0-\xbf]"),
    b"\xef": re.compile(rb"\xef(?:\xbb\xbf|\xbf[\xbe\xbf])"),
}
"""The same of more than one byte, by the first of them."""

_CRLF = "crlf"
_NUMBERS = re.compile(r"\[\n *+(-?\d[^\s\"]*+(?:\n *+-?\d[^\s\"]*+)*)\n *+\]")
_BREAK = re.compile(r"\n *+")
_BREAK_AND_KEY = re.compile(r'\n *+(?:("(?:[^"\\\n]++|\\.)*":) )?')


def is_literal(text: str) -> bool:
    """Whether *text* may stand in YAML as it is, and has no line breaks but line feeds."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data.translate(None, _CONTROLS)) != len(data):
        return False
    return data.isascii() or not any(
        lead in data and pattern.search(data) for lead, pattern in _NOT_LITERAL_BYTES.items()
    )


def stored(body: bytes, headers: Headers) -> tuple[str | bytes, str]:
    """
    Give *body* the form that reads best, and name the spelling that gives it back, if one has to.

    >>> stored(b'{"a":1}', ())
    ('{\\n  "a": 1\\n}', 'compact')
    >>> stored(b'{"a":1, "a":2}', ())
    ('{"a":1, "a":2}', '')
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body, ""
    if text[:1] in ("{", "["):
        return _indented(text)
    if "\r\n" in text and "event-stream" in header(headers, "content-type"):
        lines = text.replace("\r\n", "\n")
        if "\r" not in lines and lines.count("\n") == text.count("\r\n"):
            return lines, _CRLF
    return text, ""


def restored(body: str | bytes, spelling: str) -> bytes:
    """
    Give back the bytes that `stored` took.

    Raises:
        ValueError: *spelling* is not known, or *body* is not what it is the spelling of.

    """
    if not spelling:
        return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    text = body if isinstance(body, str) else body.decode()
    if spelling == _CRLF:
        return text.replace("\n", "\r\n").encode()
    if spelling not in SPELLINGS or spelling == "indented":
        raise ValueError(f"{spelling!r} is no spelling of a body")
    if not _has_same_characters(text, spelling):
        return respelled(parsed_json(text), spelling)
    return _joined(text, compact=spelling.startswith("compact")).encode()


def _indented(text: str) -> tuple[str, str]:
    lines, spelling = _joining(text) or _spelled(text)
    return (lines, spelling) if lines != text else (text, "")


def _joining(text: str) -> tuple[str, str] | None:
    """
    Indent *text* with a library that is quick, if the lines join to *text* again.

    They do not where it spells numbers or characters in a way of its own. To try the spellings
    instead, and to indent in Python, takes five times longer.
    """
    from pydantic_core import from_json, to_json

    try:
        lines = to_json(from_json(text), indent=2).decode()
    except ValueError:
        return None
    if "\\u" in text or not is_literal(lines):
        return None
    for spelling in ("compact", "spaced" if text.isascii() else "spaced-utf8"):
        found = _with_rows(lines, spelling)
        if _joined(found, compact=spelling == "compact") == text:
            return found, spelling
    return None


def _spelled(text: str) -> tuple[str, str]:
    try:
        value = parsed_json(text)
        spelling = spelling_of(text.encode(), value)
        if not spelling or spelling == "indented":
            return text, ""
        lines = _with_rows(json.dumps(value, indent=2, ensure_ascii=False), spelling)
    except ValueError:
        return text, ""
    if not is_literal(lines):
        lines = _NOT_LITERAL.sub(lambda m: f"\\u{ord(m[0]):04x}", lines)
    return lines, spelling


def _with_rows(lines: str, spelling: str) -> str:
    """Put each list of numbers on one line."""
    between = "" if spelling.startswith("compact") else " "
    return _NUMBERS.sub(lambda m: f"[{between.join(m[1].split())}]", lines)


def _has_same_characters(text: str, spelling: str) -> bool:
    """Whether strings are spelled in the indented *text* as they are in *spelling*."""
    return text.isascii() if spelling in ("spaced", "compact-ascii") else "\\u" not in text


def _joined(text: str, *, compact: bool) -> str:
    """
    Join the lines of indented JSON: five times faster than to parse and to spell it.

    No string of JSON holds a line feed, so each one is between two tokens.
    """
    if compact:
        return "".join(filter(None, _BREAK_AND_KEY.split(text)))
    return _BREAK.sub("", text.replace(",\n", ", \n"))
