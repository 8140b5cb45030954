"""Recording golden tests again: which of them, and what that would call."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from replay.atomic import write_atomic
from replay.cassettes.files import read_cassette
from replay.config import Config
from replay.errors import Damaged
from replay.golden.scene import cassette_path, is_older
from replay.llm.calls import read_call
from replay.llm.estimate import Estimate, estimate
from replay.model import Interaction


class Failures:
    """
    The golden tests that failed when they last ran: `.replay/failed`, a node id a line.

    One process of a run keeps it, the one that hears of all tests.
    """

    def __init__(self, config: Config) -> None:
        self._path = config.root / ".replay" / "failed"

    def read(self) -> frozenset[str]:
        """List their node ids."""
        try:
            return frozenset(self._path.read_text("utf-8").splitlines())
        except FileNotFoundError:
            return frozenset()

    def note(self, *, passed: Set[str], failed: Set[str]) -> None:
        """Add what has *failed*, and forget what has *passed*; tests that did not run stay."""
        there = self.read()
        now = (there - passed) | failed
        if now != there:
            write_atomic(self._path, "".join(f"{nodeid}\n" for nodeid in sorted(now)))


def is_stale(config: Config, stem: str, days: int) -> bool:
    """
    Whether the scenario *stem* has a cassette that is more than *days* old.

    Raises:
        Damaged: there is one, and it cannot be read.

    """
    path = cassette_path(config, stem)
    return path.exists() and is_older(read_cassette(path).began, days)


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests *to* one address, and to one *model*, if that is what answers there."""

    to: str
    model: str
    number: int
    cost: Estimate


@dataclass(frozen=True, slots=True)
class Plan:
    """What recording the test *nodeid* again would call; *unknown* says why nobody can tell."""

    nodeid: str
    calls: tuple[Calls, ...] = ()
    unknown: str = ""


def planned(nodeid: str, cassette: Path) -> Plan:
    """Tell by *cassette* what the test *nodeid* called when it was recorded."""
    if not cassette.exists():
        return Plan(nodeid, unknown="not recorded yet")
    try:
        found = read_cassette(cassette).interactions
    except Damaged as error:
        return Plan(nodeid, unknown=str(error))
    groups: dict[tuple[str, str], list[Interaction]] = {}
    for interaction in found:
        groups.setdefault(_called(interaction), []).append(interaction)
    calls = (Calls(*called, len(group), estimate(group)) for called, group in groups.items())
    return Plan(nodeid, tuple(calls))


def _called(interaction: Interaction) -> tuple[str, str]:
    request, call = interaction.request, read_call(interaction)
    to = f"{request.method} {request.url.partition('?')[0]}"
    return to, (call.answered or call.requested) if call else ""
