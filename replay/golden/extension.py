"""The goldens on disk: one file an output, written and found by syrupy."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syrupy.data import SnapshotCollection, SnapshotCollections
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from replay.atomic import proposal, write_atomic
from replay.canonical import DEPTH, canonical_json, parsed_json
from replay.model import Json

NAME = "@"
"""What stands between the stem of a test and the name of one of its outputs: no stem holds it."""

SUFFIXES = (".json", ".md")
"""How the names of goldens end."""

_LINES = "<lines>"
_LONGEST = 80
"""Bytes of such a name: with a stem and what is added to both, no file system takes many more."""


@dataclass(frozen=True)
class GoldenLocation(PyTestLocation):
    """Where the goldens of one test are: in *folder*, by its *stem*, whatever it is called."""

    folder: Path = Path()
    stem: str = ""

    @property
    def snapshot_name(self) -> str:
        """The stem of the scenario."""
        return self.stem

    def matches_snapshot_name(self, snapshot_name: str) -> bool:
        """Whether a golden of that name is one of this test's."""
        return snapshot_name.partition(NAME)[0] == self.stem

    def matches_snapshot_location(self, snapshot_location: str) -> bool:
        """Whether a golden in that file is one of this test's."""
        return self.matches_snapshot_name(Path(snapshot_location).stem)


class GoldenExtension(SingleFileSnapshotExtension):
    """
    Keeps outputs as JSON; what is written waits beside the golden until its test has passed.

    Keys are sorted, as equal objects are one golden whatever the order in which a program filled
    them, and a diff of two should show no more than what changed. Texts of several lines are
    written line by line, under a key of their own, as a diff works on lines.
    """

    file_extension = "json"
    _write_mode = WriteMode.TEXT

    @staticmethod
    def written(value: Json) -> str:
        """Write a normalized value."""
        return json.dumps(in_lines(value), indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Whether both say the same, however a formatter has laid out the file."""
        if serialized_data == snapshot_data:
            return True
        try:
            both = [canonical_json(_parsed(text)) for text in (serialized_data, snapshot_data)]
        except ValueError:
            return False
        return both[0] == both[1]

    def discover_snapshots(self, **_where: Any) -> SnapshotCollections:
        """Find none: a golden whose test failed or did not run must never count as unused."""
        return SnapshotCollections()

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: str | int = 0) -> str:
        """Name the golden: the stem, and the name or number of the output where it has one."""
        stem = test_location.snapshot_name
        return f"{stem}{NAME}{_file_name(str(index))}" if index else stem

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(getattr(test_location, "folder", ""))

    @classmethod
    def matches_test_location(
        cls, *, test_location: PyTestLocation, snapshot_location: str
    ) -> bool:
        return test_location.matches_snapshot_location(snapshot_location)

    @classmethod
    def write_snapshot_collection(
        cls,
        *,
        snapshot_collection: SnapshotCollection,
        name_order: dict[str, int] | None = None,  # noqa: ARG003 - a file holds one golden
    ) -> None:
        """Write beside the golden, whole."""
        (snapshot,) = snapshot_collection
        write_atomic(proposal(Path(snapshot_collection.location)), str(snapshot.data))


class TranscriptExtension(GoldenExtension):
    """Keeps a transcript as the Markdown that it is."""

    file_extension = "md"

    @staticmethod
    def written(value: Json) -> str:
        """Write a normalized text, ending in one line feed."""
        return f"{str(value).rstrip()}\n"


def in_lines(value: Json) -> Json:
    r"""
    Cut texts of several lines into lines.

    >>> in_lines({"reply": "Hi,\nall is well."})
    {'reply': {'<lines>': ['Hi,', 'all is well.']}}
    """
    if isinstance(value, str):
        return {_LINES: value.split("\n")} if "\n" in value else value
    if isinstance(value, dict):
        return {key: in_lines(item) for key, item in value.items()}
    return [in_lines(item) for item in value] if isinstance(value, list) else value


def read_golden(path: Path, text: str) -> Json:
    """Read the value that stands in a golden; one that is no JSON is a text."""
    if path.suffix != ".json":
        return text
    try:
        return joined(_parsed(text))
    except ValueError:
        return text


def golden_flaw(path: Path, text: str) -> str:
    """Say what is wrong with the *text* of a golden, such as an open merge; empty for nothing."""
    try:
        if path.suffix == ".json":
            _parsed(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        return f"{path}, line {line}: not JSON: {getattr(error, 'msg', error)}"
    return ""


def joined(value: Json) -> Json:
    r"""
    Undo `in_lines`.

    >>> joined({"reply": {"<lines>": ["Hi,", "all is well."]}})
    {'reply': 'Hi,\nall is well.'}
    """
    if isinstance(value, dict):
        lines = value.get(_LINES) if len(value) == 1 else None
        if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
            return "\n".join(lines)
        return {key: joined(item) for key, item in value.items()}
    return [joined(item) for item in value] if isinstance(value, list) else value


def _parsed(text: str) -> Json:
    """Parse a golden, in which a text takes two levels more than it does in the value."""
    return parsed_json(text, DEPTH + 2)


def _file_name(name: str) -> str:
    """
    Make a file name of *name*; where that changes it, another name gives another one.

    >>> _file_name("reply"), _file_name("a/b"), _file_name("a b")
    ('reply', 'a-b-6d959c', 'a-b-fbd987')
    """
    plain = re.sub(r"[^\w.\-]+", "-", name)[:60].encode()[:_LONGEST].decode("utf-8", "ignore")
    if plain == name:
        return name
    return f"{plain}-{hashlib.blake2b(name.encode(), digest_size=3).hexdigest()}"
