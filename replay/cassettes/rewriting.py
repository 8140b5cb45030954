"""
Write a cassette again, and keep the text of what did not change, byte for byte.

A plan says what the file is to hold, in order: an interaction that stands in it already, by its
index, or a new one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from yaml.tokens import (
    BlockEndToken,
    BlockEntryToken,
    BlockSequenceStartToken,
    DocumentEndToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    ValueToken,
)

from replay.cassettes.reading import Source, read_source
from replay.cassettes.yaml_v1 import UNANSWERED, cassette, grouped, item
from replay.errors import Damaged
from replay.model import Interaction

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class New:
    """An interaction that is not in the file yet; *began* if it is the first of its session."""

    interaction: Interaction
    began: datetime | None = None


Plan = Sequence[int | New]


class Unwritable(ValueError):
    """The form of a cassette cannot hold what is to be written; says why."""


def rewritten(source: Source | None, plan: Plan) -> str:
    """
    Write the cassette *source* as *plan* says, in its own form; without one, a cassette of ours.

    Raises:
        Unwritable: that form is not one we write, or cannot hold what is new.

    """
    if source is None:
        return _written([entry for entry in plan if isinstance(entry, New)])
    if source.form.name == "langchain":
        return _as_langchain(source, plan)
    if not source.form.mixed:
        raise Unwritable(f"it is a {source.form.name} cassette, which only its own tool writes")
    if source.is_json:
        return _as_json(source, plan)
    items = [e if isinstance(e, int) else item(e.interaction, e.began) for e in plan]
    return spliced(source, items) or _written(_all_new(source, plan))


def spliced(source: Source, plan: Sequence[int | str]) -> str | None:
    """
    Write the YAML of *source* with the text of new interactions in it, as *plan* says.

    None where it cannot be cut, or what is kept would not read as before: an alias may have lost
    what it stood for.
    """
    text = _with_items(source, plan)
    return text if text is not None and _keeps(source, plan, text) else None


def _written(new: Sequence[New]) -> str:
    return cassette([item(entry.interaction, entry.began) for entry in new])


def _all_new(source: Source, plan: Plan) -> list[New]:
    return [
        New(source.interactions[entry], source.begins[entry]) if isinstance(entry, int) else entry
        for entry in plan
    ]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A text in pieces: each item with the comments above it; its dash stands in *column*."""

    head: str
    items: tuple[tuple[str, str], ...]
    tail: str
    column: int

    @property
    def feed(self) -> str:
        """What ends a line here."""
        return "\r\n" if "\r\n" in self.head else "\n"


def _with_items(source: Source, plan: Sequence[int | str]) -> str | None:
    cut = _cut(source.text)
    if cut is None or len(cut.items) != len(source.interactions) or not plan:
        return None
    kept = {entry for entry in plan if isinstance(entry, int)}
    texts = [_ended(cut.head, cut.feed)]
    for place, entry in enumerate(plan):
        if isinstance(entry, int):
            texts += [_ended(piece, cut.feed) for piece in cut.items[entry] if piece]
        else:
            if place < len(cut.items) and place not in kept:
                texts.append(cut.items[place][0])
            texts.append(_fitted(entry, cut))
    return "".join([*texts, cut.tail])


def _keeps(source: Source, plan: Sequence[int | str], text: str) -> bool:
    try:
        now = read_source(Path("the new text"), text.encode()).interactions
    except Damaged:
        return False
    kept = [(place, entry) for place, entry in enumerate(plan) if isinstance(entry, int)]
    return len(now) == len(plan) and all(
        now[place] == source.interactions[entry] for place, entry in kept
    )


def _ended(text: str, feed: str) -> str:
    return text if text.endswith("\n") else text.rstrip(" ") + feed


def _fitted(new: str, cut: _Cut) -> str:
    pad = " " * cut.column
    return cut.feed.join(f"{pad}{line}" if line else line for line in new.split("\n"))


def _cut(text: str) -> _Cut | None:
    """Find the items of the top-level key `interactions`, where they are a list of lines."""
    tokens = [t for t in yaml.scan(text, Loader=_LOADER) if not isinstance(t, BlockEndToken)]
    at = _value_of_interactions(tokens)
    if isinstance(tokens[at], FlowSequenceStartToken):
        return _cut_empty(text, tokens[at], tokens[at + 1])
    if isinstance(tokens[at], BlockSequenceStartToken):
        at += 1
    if not isinstance(tokens[at], BlockEntryToken):
        return None
    column = tokens[at].start_mark.column
    dashes = [at]
    for after in range(at + 1, len(tokens)):
        if isinstance(tokens[after], BlockEntryToken) and _column(tokens[after]) == column:
            dashes.append(after)
        elif _is_after(tokens[after], column):
            break
    starts = [_line_start(tokens[dash]) for dash in dashes]
    above = [starts[0], *(_lead(text, tokens, dash) for dash in dashes[1:])]
    below = [*above[1:], _lead(text, tokens, after)]
    spans = zip(above, starts, below, strict=True)
    items = tuple((text[lead:start], text[start:end]) for lead, start, end in spans)
    return _Cut(text[: starts[0]], items, text[below[-1] :], column)


def _cut_empty(text: str, opening: Any, closing: Any) -> _Cut | None:
    if not isinstance(closing, FlowSequenceEndToken):
        return None
    tail = text[closing.end_mark.index :].removeprefix("\r").removeprefix("\n")
    return _Cut(text[: opening.start_mark.index], (), tail, 0)


def _value_of_interactions(tokens: Sequence[Any]) -> int:
    """Find where the value of that key begins; 0, which is no list, if it is not there."""
    for at in range(len(tokens) - 3):
        key, name, value = tokens[at : at + 3]
        if isinstance(name, ScalarToken) and name.value == "interactions":
            around = isinstance(key, KeyToken) and isinstance(value, ValueToken)
            if around and _column(key) == 0:
                return at + 3
    return 0


def _column(token: Any) -> int:
    column: int = token.start_mark.column
    return column


def _line_start(token: Any) -> int:
    index: int = token.start_mark.index - token.start_mark.column
    return index


def _lead(text: str, tokens: Sequence[Any], at: int) -> int:
    """Find where the comments above a token begin, which is where the one before it has ended."""
    end: int = tokens[at - 1].end_mark.index
    if text[end - 1] != "\n":
        end = text.find("\n", end) + 1 or len(text)
    return min(end, _line_start(tokens[at]))


def _is_after(token: Any, column: int) -> bool:
    """Whether *token* no longer belongs to a list whose dashes stand in *column*."""
    if isinstance(token, DocumentEndToken | StreamEndToken):
        return True
    return _column(token) < column or (isinstance(token, KeyToken) and _column(token) == 0)


def _as_json(source: Source, plan: Plan) -> str:
    """Spell as the file is spelled, which gives the text of what is kept as it was."""
    there, text = source.value["interactions"], source.text
    items = [
        there[entry] if isinstance(entry, int) else _value(entry) | {"replay": _facts(entry)}
        for entry in plan
    ]
    indent = re.search(r"\n( +)", text)
    try:
        return json.dumps(
            source.value | {"interactions": items},
            indent=len(indent[1]) if indent else None,
            ensure_ascii=text.isascii(),
        ) + "\n" * text.endswith("\n")
    except TypeError:
        raise Unwritable("it is JSON, which cannot hold a body that is not text") from None


def _as_langchain(source: Source, plan: Plan) -> str:
    """Spell as langchain does; our own facts have no place there."""
    value = source.value
    pairs = list(zip(value["requests"], value["responses"], strict=True))
    chosen = []
    for entry in plan:
        if isinstance(entry, int):
            chosen.append(pairs[entry])
        else:
            if entry.interaction.failure:
                raise Unwritable("langchain's form has no place for a failure")
            new = _value(entry)
            chosen.append((new["request"], new["response"]))
    lists = {"requests": [q for q, _ in chosen], "responses": [a for _, a in chosen]}
    text: str = yaml.dump(value | lists, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    return text


def _value(new: New) -> dict[str, Any]:
    """Say an interaction in the shape of vcrpy's format v1, bodies as they were recorded."""
    request = new.interaction.request
    response = new.interaction.response or UNANSWERED
    return {
        "request": {
            "method": request.method,
            "uri": request.url,
            "body": _text(request.body) or None,
            "headers": grouped(request.headers),
        },
        "response": {
            "status": {"code": response.status, "message": response.reason},
            "headers": grouped(response.headers),
            "body": {"string": _text(response.body)},
        },
    }


def _facts(new: New) -> dict[str, Any]:
    """Say what stands under `replay`, as `yaml_v1` does."""
    found, facts = new.interaction, dict[str, Any]()
    if new.began:
        facts["began"] = new.began.isoformat()
    facts |= {"started": found.started, "elapsed": found.elapsed}
    if found.response and len(found.response.chunks) > 1:
        facts["chunks"] = [[chunk.size, chunk.at] for chunk in found.response.chunks]
    if found.failure:
        facts["failure"] = {"kind": found.failure.kind, "message": found.failure.message}
    return facts


def _text(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
