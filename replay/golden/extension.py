"""The goldens on disk: one JSON file an output, written and found by syrupy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from syrupy.data import SnapshotCollections
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from replay.cassettes.redaction import Redactor
from replay.golden.normalization import normalized
from replay.golden.plain import plain
from replay.golden.stem import stem_of


class GoldenLocation(PyTestLocation):
    """Where the goldens of one test are: by its stem, whatever the test is called."""

    @property
    def snapshot_name(self) -> str:
        """The stem of the scenario."""
        return stem_of(self.item)

    def matches_snapshot_name(self, snapshot_name: str) -> bool:
        """Whether a golden of that name is one of this test's."""
        name, stem = str(snapshot_name), self.snapshot_name
        return name == stem or name.startswith((f"{stem}.", f"{stem}["))

    def matches_snapshot_location(self, snapshot_location: str) -> bool:
        """Whether a golden in that file is one of this test's."""
        return self.matches_snapshot_name(Path(snapshot_location).stem)


def golden_extension(folder: Path) -> type[SingleFileSnapshotExtension]:
    """Make the extension that keeps its files in *folder*."""

    class GoldenExtension(SingleFileSnapshotExtension):
        file_extension = "json"
        _write_mode = WriteMode.TEXT

        def serialize(self, data: Any, **_options: Any) -> str:
            value = normalized(Redactor().json(plain(data, "A golden output")))
            return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

        def discover_snapshots(self, **_where: Any) -> SnapshotCollections:
            """Find none: a golden whose test failed or did not run must never count as unused."""
            return SnapshotCollections()

        @classmethod
        def dirname(cls, *, test_location: PyTestLocation) -> str:  # noqa: ARG003 - one for all
            return str(folder)

        @classmethod
        def matches_test_location(
            cls, *, test_location: PyTestLocation, snapshot_location: str
        ) -> bool:
            return test_location.matches_snapshot_location(snapshot_location)

    return GoldenExtension
