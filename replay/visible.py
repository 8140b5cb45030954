"""Recorded text before a person's eyes: it can neither steer a terminal or a CI, nor hide there."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COMMAND = re.compile(r"^(?P<at>\s*):(?=:)|(?<=#)#(?=\[)", re.MULTILINE)


def visible(text: str) -> str:
    r"""
    Spell out what a terminal would obey or not show; line ends and tabs stay.

    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def inline(text: str) -> str:
    r"""
    Write *text* where it stands among our own words: on one line.

    >>> inline("a\nIDENTICAL")
    'a\\nIDENTICAL'
    """
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def uncommanding(text: str) -> str:
    r"""
    Break what a CI would take for its own commands, at the beginning of a line or in brackets.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions; the older form
    is obeyed anywhere in a line. What stands in JSON stays the same JSON.

    >>> print(uncommanding("  ::error::no\nx ##[error]no"))
      \x3a:error::no
    x #\u0023[error]no
    """
    return _COMMAND.sub(lambda m: "\\u0023" if m["at"] is None else f"{m['at']}\\x3a", text)


def in_xml(text: str) -> str:
    """Replace what XML 1.0 cannot hold, not even escaped."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
