"""What may be said of a difference, given the data."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """From nothing to say to certain; never more than the data carries."""

    NONE = "no drift"
    WITHIN = "within noise"
    INSUFFICIENT = "insufficient data"
    UNKNOWN = "noise floor unknown"
    DRIFT = "drift"

    @property
    def exit_code(self) -> int:
        """0 agreed, 1 drifted, 2 could not tell."""
        if self is Verdict.DRIFT:
            return 1
        return 2 if self in (Verdict.INSUFFICIENT, Verdict.UNKNOWN) else 0


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """
    Sum up: drift anywhere is drift.

    >>> worst([Verdict.WITHIN, Verdict.UNKNOWN])
    <Verdict.UNKNOWN: 'noise floor unknown'>
    """
    order = tuple(Verdict)
    return max(verdicts, key=order.index, default=Verdict.NONE)
