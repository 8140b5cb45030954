"""Cleaning: cassettes that were recorded before are scanned, and their text is redacted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.tokens import KeyToken, ScalarToken, TagToken

from replay.atomic import write_atomic
from replay.cassettes.compiled import Compiled, cache_folder
from replay.cassettes.edits import Edit, edited
from replay.cassettes.files import write_cassette
from replay.cassettes.reading import Source, read_bytes, read_source
from replay.cassettes.redaction import Redactor
from replay.cassettes.redaction.leaves import leaves
from replay.cassettes.redaction.views import Span
from replay.cassettes.scanner import Finding, Scanner
from replay.config import Redaction
from replay.errors import Damaged, NotSaved, NotWritten
from replay.model import Interaction

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class FileScan:
    """
    What was found in one file.

    *fixed* when they are not in it any more; *unread* says why it could not be read, or not fixed,
    as a whole.
    """

    path: str
    findings: tuple[Finding, ...] = ()
    fixed: bool = False
    unread: str = ""

    @property
    def exit_code(self) -> int:
        """0 nothing is left, 1 something is, 2 could not tell or not fix."""
        return 2 if self.unread else int(bool(self.findings) and not self.fixed)


def scan(path: Path, rules: Redaction, *, fix: bool = False) -> FileScan:
    """
    Look for secrets in the cassette at *path*; with *fix*, replace them there.

    A file without any is not touched, and in others only the text that holds them changes, where
    the form of the cassette allows it. What is JSON but no cassette is scanned as text.
    """
    scanner = Scanner(rules)
    try:
        data = read_bytes(path)
    except Damaged as error:
        return FileScan(str(path), unread=error.what)
    try:
        source = read_source(path, data)
    except Damaged as error:
        return _scan_text(path, data, error.what, rules, fix=fix)
    found = tuple(scanner.findings(source.interactions))
    if not (found and fix):
        return FileScan(str(path), found)
    try:
        _clean(path, source, Redactor(rules, after=source.interactions))
    except NotWritten as error:
        return FileScan(str(path), found, unread=error.why)
    except NotSaved as error:
        return FileScan(str(path), found, unread=f"it could not be written: {error.why}")
    if folder := cache_folder():
        Compiled(folder).forget(data)
    return FileScan(str(path), found, fixed=True)


def _scan_text(path: Path, data: bytes, why: str, rules: Redaction, *, fix: bool) -> FileScan:
    text = data.decode("utf-8", "surrogateescape")
    found = tuple(Scanner(rules).text("text", text))
    if not _is_json(text):
        return FileScan(str(path), found, unread=why)
    if found and fix:
        write_atomic(path, Redactor(rules).value("", text))
    return FileScan(str(path), found, fixed=bool(found and fix))


def _clean(path: Path, source: Source, redactor: Redactor) -> None:
    """Edit the text; interactions that this does not make what they should be are written anew."""
    wanted = tuple(redactor.interaction(interaction) for interaction in source.interactions)
    edits = (_json_edits if source.is_json else _yaml_edits)(source.text, redactor)
    text, _ = edited(source.text, edits)
    now = _read(path, text)
    if len(now) == len(wanted) and text != source.text:
        write_atomic(path, gzip.compress(text.encode(), mtime=0) if source.packed else text)
    if now != wanted:
        write_cassette(path, wanted, source.file().began)


def _read(path: Path, text: str) -> tuple[Interaction, ...]:
    try:
        return read_source(path, text.encode()).interactions
    except Damaged:
        return ()


def _yaml_edits(text: str, redactor: Redactor) -> Iterator[Edit]:
    """List the scalars that hold secrets, with what to write instead; base64 is not looked into."""
    key, naming, skipped = "", False, False
    for token in yaml.scan(text, Loader=_LOADER):
        if isinstance(token, KeyToken):
            naming = True
        elif isinstance(token, TagToken):
            skipped = True
        elif isinstance(token, ScalarToken):
            span = token.start_mark.index, token.end_mark.index
            if naming:
                key = token.value
            elif not skipped:
                yield from _edit(text, span, key, token.style or "", redactor)
            naming = skipped = False


def _json_edits(text: str, redactor: Redactor) -> Iterator[Edit]:
    for path, (start, stop) in leaves(text).strings:
        names = [part for part in path if isinstance(part, str)]
        yield from _edit(text, (start - 1, stop + 1), names[-1] if names else "", '"', redactor)


def _edit(text: str, span: Span, key: str, style: str, redactor: Redactor) -> Iterator[Edit]:
    """Edit one scalar as it is written; what is named by *key* is all of what its quotes hold."""
    start, stop = span
    if style == "'" or (style == '"' and redactor.knows(key)):
        start, stop = start + 1, stop - 1
    old = text[start:stop]
    new = redactor.value(key, old)
    if new != old:
        yield start, stop, new


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
