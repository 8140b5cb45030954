"""How much a cassette may cost to read: it may come from a stranger's pull request."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024

FILE_BYTES = 64 * MEBIBYTE
"""Size of a cassette file, unpacked; the largest of 5,600 public ones has 4 MiB."""

BODY_BYTES = 256 * MEBIBYTE
"""Size of all bodies of one cassette together, their content codings undone."""

NODES = 2_000_000
"""Mappings, lists and scalars in one cassette, those behind aliases counted at each use."""


class TooMuch(ValueError):
    """A cassette goes beyond one of the limits."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(what, limit)
        self.what = what
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.what} than the limit of {self.limit:,}"


class Allowance:
    """What the bodies of one cassette may still take."""

    def __init__(self, total: int = BODY_BYTES) -> None:
        self.left = total

    def spend(self, size: int) -> None:
        """Take *size* bytes off; raise `TooMuch` when there are not so many left."""
        self.left -= size
        if self.left < 0:
            raise TooMuch("its bodies are larger", BODY_BYTES)
