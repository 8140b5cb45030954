"""Two values side by side: as text, cut to where they part, word by word."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from os.path import commonprefix

from replay.canonical import ABSENT
from replay.model import Json

_LIMIT = 700
_LEAD = 80
_WORD = re.compile(r"\w+|\s+|\W")

Piece = tuple[str, bool]
"""Text, and whether the other side has other text there."""


def excerpts(was: Json, now: Json) -> tuple[str, str]:
    """
    Spell two values, and cut both to the same window around where they part.

    >>> excerpts({"a": 1}, "(absent)")
    ('{"a": 1}', '(absent)')
    """
    one, two = _spelled(was), _spelled(now)
    same = commonprefix([one, two])  # noqa: RUF071 - characters are meant
    start = max(len(same) - _LEAD, 0)
    if ABSENT in (one, two) or max(len(one), len(two)) <= _LIMIT:
        start = 0
    return _window(one, start), _window(two, start)


def word_diff(was: str, now: str) -> tuple[list[Piece], list[Piece]]:
    """
    Cut two texts into pieces that are the same, and pieces that are not.

    >>> word_diff("be kind", "be exact")
    ([('be ', False), ('kind', True)], [('be ', False), ('exact', True)])
    """
    one, two = _WORD.findall(was), _WORD.findall(now)
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        for pieces, text in ((left, "".join(one[i:i_end])), (right, "".join(two[j:j_end]))):
            if text:
                pieces.append((text, tag != "equal"))
    return left, right


def _spelled(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _window(text: str, start: int) -> str:
    cut = text[start : start + _LIMIT]
    before, after = "…" if start else "", "…" if start + _LIMIT < len(text) else ""
    return f"{before}{cut}{after}"
