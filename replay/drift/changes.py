"""What two runs differ in, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

from replay.drift.kinds import Kind
from replay.model import Difference, Json

Distance = Callable[[str, str], float]
"""How far two texts are apart: 0 the same, 1 nothing in common."""

_WORDS = 1_500


@dataclass(frozen=True, slots=True)
class Change:
    """
    One place where two runs differ.

    *before* and *after* are the steps, counted from 1; 0 where there is none. *distance* is 1, or
    for texts how far they are apart.
    """

    kind: Kind
    place: str
    was: Json
    now: Json
    before: int = 0
    after: int = 0
    distance: float = 1.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed, in the order of the run; *aside* counts what was put aside as volatile."""

    changes: tuple[Change, ...]
    aside: dict[str, int]

    @property
    def first(self) -> Change | None:
        """The first divergence: what may have brought about the others."""
        return self.changes[0] if self.changes else None


def change(kind: Kind, found: Difference) -> Change:
    """Call *found* a change of *kind*."""
    return Change(kind, found.path, found.recorded, found.now)


def word_distance(one: str, two: str) -> float:
    """
    Tell how far two texts are apart, word by word.

    >>> word_distance("the order is late", "the order is early")
    0.25
    """
    words = one.split()[:_WORDS], two.split()[:_WORDS]
    return 1.0 - SequenceMatcher(None, *words, autojunk=False).ratio()
