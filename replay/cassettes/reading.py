"""Read a cassette of any known form: bytes, text, values, interactions, each step within limits."""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from replay.canonical import parsed_json
from replay.cassettes.formats import FORMS, Form
from replay.cassettes.healing import built, parts
from replay.cassettes.limits import FILE_BYTES, NODES, Allowance, TooMuch
from replay.cassettes.yaml_quick import read_quick
from replay.cassettes.yaml_v1 import END, MARK, Parts
from replay.cassettes.yaml_values import Document, NotYaml, parse_yaml
from replay.errors import Damaged
from replay.instants import instant
from replay.model import Interaction

OWN = next(form for form in FORMS if form.name == "vcrpy v1")
"""The form that we write."""

_GZIP = b"\x1f\x8b"
_REFUSED_BY_STOCK = "istr"
_BROKEN = (LookupError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class CassetteFile:
    """
    What stands in a cassette: its *form* as the writing tool calls it, and its interactions.

    *began* is when the recording was begun, the last session of it, where the cassette is one of
    ours. *healed* says in a sentence each what was put right on reading.
    """

    form: str
    interactions: tuple[Interaction, ...]
    began: datetime | None = None
    healed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """
    A cassette as it was read, with what is needed to write it again and keep what did not change.

    *begins* stands beside the interactions: the beginning of a session, at the first of each.
    *value* is what the file says, None where that was not needed.
    """

    text: str
    packed: bool
    form: Form
    interactions: tuple[Interaction, ...]
    begins: tuple[datetime | None, ...] = ()
    healed: tuple[str, ...] = ()
    value: Any = None

    @property
    def is_json(self) -> bool:
        """Whether the text is JSON; else it is YAML."""
        return _is_json(self.text)

    def file(self) -> CassetteFile:
        """Tell what a reader wants to know."""
        began = next((begin for begin in reversed(self.begins) if begin), None) or self._silent
        return CassetteFile(self.form.name, self.interactions, began, self.healed)

    @property
    def _silent(self) -> datetime | None:
        """When a program that sent nothing began, where that is kept."""
        facts = self.value.get("replay") if isinstance(self.value, dict) else None
        try:
            return instant(facts["began"]) if isinstance(facts, dict) else None
        except (KeyError, TypeError, ValueError):
            return None


def read_bytes(path: Path) -> bytes:
    """Read the file, up to the limit; raise `Damaged` when it is larger, or cannot be opened."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, FILE_BYTES) + 1)
    except OSError as error:
        raise Damaged(path, f"it cannot be opened: {error.strerror}") from error
    if len(data) > FILE_BYTES:
        raise Damaged(path, str(TooMuch("it is larger", FILE_BYTES)))
    return data


def read_source(path: Path, data: bytes) -> Source:
    """
    Read *data*, the bytes of *path*.

    Raises:
        Damaged: not text, cut off, too large, or not a cassette; with the line if known.

    """
    packed = data.startswith(_GZIP)
    data = _unpacked(path, data) if packed else data
    text = _text(path, data)
    if not text.strip():
        raise Damaged(path, "the file is empty")
    if text.startswith(MARK) and not text.rstrip().endswith(END.rstrip()):
        last = len(text.splitlines())
        raise Damaged(path, "it is cut off: the last line is not its end", last)
    found = read_quick(text)
    if found is not None and (source := _quick(text, packed, found)):
        return source
    return _any(path, text, packed)


class _Heard:
    """Notes what is healed, in which interaction."""

    def __init__(self) -> None:
        self.number = 0
        self.healed: list[str] = []

    def __call__(self, what: str) -> None:
        self.healed.append(f"#{self.number}: {what}")


def _quick(text: str, packed: bool, found: list[Parts]) -> Source | None:
    """Build what was read fast; None if that fails, for the careful way tells the line."""
    heard, allowance, interactions = _Heard(), Allowance(), []
    try:
        for heard.number, item in enumerate(found, 1):
            interactions.append(built(item, allowance, heard))
    except _BROKEN:
        return None
    begins = tuple(item.facts.began for item in found)
    return Source(text, packed, OWN, tuple(interactions), begins, tuple(heard.healed))


def _any(path: Path, text: str, packed: bool) -> Source:
    document = _parsed(path, text)
    form, raw = _form(path, text, document.value)
    heard, allowance = _Heard(), Allowance()
    tags = sorted(tag for tag in document.tags if _REFUSED_BY_STOCK in tag)
    heard.healed += [f"header names were {tag}, which stock vcrpy refuses" for tag in tags]
    interactions, begins = [], []
    for heard.number, item in enumerate(raw, 1):
        try:
            found = parts(item, heard)
            interactions.append(built(found, allowance, heard))
            begins.append(found.facts.began)
        except TooMuch as error:
            raise Damaged(
                path, f"{error}, in interaction {heard.number}", _line(document, item)
            ) from error
        except _BROKEN as error:
            what = f"interaction {heard.number} is not one: {type(error).__name__}: {error}"
            raise Damaged(path, what, _line(document, item)) from error
    return Source(
        text, packed, form, tuple(interactions), tuple(begins), tuple(heard.healed), document.value
    )


def _line(document: Document, item: Any) -> int:
    inner = item.get("request") if isinstance(item, dict) else None
    return document.lines.get(id(item)) or document.lines.get(id(inner), 0)


def _form(path: Path, text: str, value: Any) -> tuple[Form, list[Any]]:
    for form in FORMS:
        try:
            found = form.read(value)
        except _BROKEN as error:
            what = f"a {form.name} cassette that is broken: {type(error).__name__}: {error}"
            raise Damaged(path, what) from error
        if found is not None:
            if form.mixed:
                _check_version(path, text, value)
            return form, found
    names = [name for name in value if isinstance(name, str)] if isinstance(value, dict) else ()
    holds = ", ".join(names) or type(value).__name__
    raise Damaged(path, f"not a cassette: it holds {holds[:200]}, and no interactions")


def _check_version(path: Path, text: str, value: Any) -> None:
    version = value.get("version", 1)
    if version != 1:
        match = re.search(r"^\W*version\b", text, re.MULTILINE)
        line = text.count("\n", 0, match.end()) + 1 if match else 0
        hint = "If a newer version of golden-replay wrote it: pip install -U golden-replay"
        raise Damaged(path, f"its format is version {version!r:.40}, known is 1", line, hint)


def _unpacked(path: Path, data: bytes) -> bytes:
    from io import BytesIO

    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            unpacked = file.read(FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(path, f"the gzip data is broken: {error}") from error
    if len(unpacked) > FILE_BYTES:
        raise Damaged(path, str(TooMuch("unpacked, it is larger", FILE_BYTES)))
    return unpacked


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Damaged(path, f"byte {error.start} is not UTF-8", line) from error


def _is_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "["))


def _parsed(path: Path, text: str) -> Document:
    try:
        if not _is_json(text):
            return parse_yaml(text)
        if text.count("{") + text.count("[") > NODES:
            raise Damaged(path, str(TooMuch("it holds more values", NODES)))
        return Document(parsed_json(text), {}, frozenset())
    except json.JSONDecodeError as error:
        raise Damaged(path, f"not JSON: {error.msg}", error.lineno) from error
    except NotYaml as error:
        raise Damaged(path, f"not YAML: {error.what}", error.line) from error
    except ValueError as error:
        raise Damaged(path, f"not JSON: {error}") from error
