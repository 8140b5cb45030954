"""What `golden` is where the answers are not those that the goldens were approved for."""

from __future__ import annotations

from typing import Any


class Uncompared:
    """
    Equal to every output: mocks and live models say something else than the recording.

    So one test runs in all modes; what it asserts besides its goldens is what it shows there.
    """

    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment] # as syrupy's

    def __call__(self, *_: Any, **__: Any) -> Uncompared:
        """Take the name and options of a golden."""
        return self

    def __repr__(self) -> str:
        return "(a golden; compared in GOLDEN mode only)"
