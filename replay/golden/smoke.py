"""LIVE_SMOKE: real traffic under a budget, held against the shape of the cassette."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from replay.cassettes.files import read_cassette
from replay.cassettes.redaction import Redactor
from replay.cassettes.tape import Tape
from replay.config import Config, Staging
from replay.errors import CassetteNotRecorded, OverBudget, ShapeChanged
from replay.golden.pinning import PinnedClock
from replay.golden.shapes import shape_differences
from replay.golden.staging import Stage, forcing
from replay.llm.calls import read_call
from replay.llm.prices import dollars
from replay.model import Interaction, Request
from replay.wording import counted


class Budget:
    """
    What a run may spend, and has spent: calls of whatever sort, and dollars for those of models.

    `unpriced` are the models of which the price or the use is not told; they count as calls only.
    """

    def __init__(self, test: Staging) -> None:
        self.calls = 0
        self.dollars = Decimal(0)
        self.unpriced: set[str] = set()
        self.broken: OverBudget | None = None
        self._max_calls = test.max_calls
        self._max_dollars = Decimal(str(test.max_dollars))
        self._lock = threading.Lock()

    def take_call(self, request: Request) -> None:
        """
        Count *request*, which is to be sent.

        Raises:
            OverBudget: it would be one too many, or the dollars are spent.

        """
        with self._lock:
            what = str(request)
            if self.calls >= self._max_calls:
                limit = str(self._max_calls)
                self.broken = OverBudget(what, counted(self.calls, "call"), "max_calls", limit)
            elif self.dollars >= self._max_dollars:
                spent, limit = f"${self.dollars:.4f}", f"${self._max_dollars}"
                self.broken = OverBudget(what, spent, "max_dollars", limit)
            if self.broken:
                raise self.broken
            self.calls += 1

    def pay(self, interaction: Interaction) -> None:
        """Add what *interaction* cost."""
        call = read_call(interaction)
        if call is None:
            return
        price = dollars(call, datetime.now(UTC))
        with self._lock:
            if price is None:
                self.unpriced.add(call.answered or call.requested)
            else:
                self.dollars += price

    def __str__(self) -> str:
        unknown = f"; not priced: {', '.join(sorted(self.unpriced))}"
        spent = f"{counted(self.calls, 'call')}, ${self.dollars:.4f}"
        return spent + (unknown if self.unpriced else "")


class SmokeTape(Tape):
    """A tape that records what happens live, and asks the budget before."""

    def __init__(self, budget: Budget, config: Config, clock: PinnedClock) -> None:
        def heard(interaction: Interaction) -> None:
            clock.heard(interaction)
            budget.pay(interaction)

        super().__init__(
            records=True,
            redactor=Redactor(config.redact),
            ignore_hosts=config.ignore_hosts,
            heard=heard,
            outgoing=forcing(config.test.temperature),
        )
        self._budget = budget

    def answer(self, request: Request) -> None:
        """
        Let *request* go out.

        Raises:
            OverBudget: the run may not spend more.

        """
        self.asked.append(request)
        self._budget.take_call(request)


class SmokeStage(Stage):
    """
    One test on real traffic; nothing is written.

    With the *cassette* of a golden test, the answers must be of the shape of those in it.
    """

    def __init__(
        self, config: Config, budget: Budget, *, nodeid: str, cassette: Path | None
    ) -> None:
        super().__init__(config.test, began=datetime.now(UTC), live=True)
        self._config = config
        self._budget = budget
        self._cassette = cassette
        self._command = f"pytest '{nodeid}' --record-mode="
        if cassette and not cassette.exists():
            raise CassetteNotRecorded(str(cassette), f"{self._command}rewrite --snapshot-update")

    def _new_tape(self, clock: PinnedClock) -> Tape:
        return SmokeTape(self._budget, self._config, clock)

    def _end(self, passed: bool) -> None:
        """
        Raise what the test did not show.

        Raises:
            OverBudget: the test swallowed it.
            ShapeChanged: the answers are not what they were when the cassette was recorded.

        """
        if passed and self._budget.broken:
            raise self._budget.broken
        if passed and self._cassette:
            recorded = read_cassette(self._cassette).interactions
            if found := shape_differences(recorded, self.tape.recorded):
                command = f"{self._command}rewrite --snapshot-update"
                raise ShapeChanged(self._cassette.name, found, command)
