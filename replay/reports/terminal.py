"""The terminal: nothing that is shown there steers it, or the CI that reads along."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from replay.model import Json
from replay.visible import inline, uncommanding, visible

AS_IT_IS: dict[str, Any] = {"soft_wrap": True, "markup": False}
"""How a line is printed that is no prose of ours: not folded, and no markup."""

_PLAIN_WIDTH = 110


def console(file: TextIO | None = None) -> Console:
    """Open the terminal; a pipe gets a fixed width and no colour."""
    file = file or sys.stdout
    width = None if file.isatty() else _PLAIN_WIDTH
    return _Screen(file=cast("TextIO", _Log(file)), width=width, highlight=False, emoji=False)


class _Screen(Console):
    """A terminal that obeys nothing in what it is given to show."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Spell out what would steer it; all text comes by here, that of tables too."""
        return super().render_str(visible(text), **options)


class _Log:
    """A file in which a CI finds no command, also where a long line was folded."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write *text*, a line or several."""
        return self._file.write(uncommanding(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def quoted(text: str) -> str:
    """Put recorded text among our own words: on one line, and no markup."""
    return escape(inline(text))


def show_json(value: Json, out: Console, *, indent: int | None = 2) -> None:
    """Print *value* for machines."""
    out.print(json.dumps(value, indent=indent), **AS_IT_IS)
