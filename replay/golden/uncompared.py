"""What `golden` is where the answers are not those that the goldens were approved for."""

from __future__ import annotations

from typing import Any

from replay.golden.assertion import GoldenAssertion, Transcript


class Uncompared:
    """
    Equal to every output: mocks and live models say something else than the recording.

    So one test runs in all modes; what it asserts besides its goldens is what it shows there.
    """

    def __init__(self, golden: GoldenAssertion) -> None:
        self._golden = golden

    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment] # as syrupy's

    def __call__(self, **_: Any) -> Uncompared:
        """Take the name and options of a golden."""
        return self

    def with_defaults(self, **_: Any) -> Uncompared:
        """Take defaults."""
        return self

    def __repr__(self) -> str:
        return "(a golden; compared in GOLDEN mode only)"

    @property
    def transcript(self) -> Transcript:
        """What was said so far, which is told in every mode."""
        return self._golden.transcript
