"""A test on mocks: its stage, and the tape that answers from its script."""

from __future__ import annotations

from replay.cassettes.tape import Play, Tape
from replay.config import Config
from replay.errors import NeverAsked, Unscripted
from replay.golden.pinning import PinnedClock
from replay.golden.staging import EPOCH, Stage, forcing
from replay.mocks.script import Script
from replay.model import Interaction, Request


class MockTape(Tape):
    """A tape whose interactions come about as they are asked for."""

    def __init__(self, script: Script, config: Config) -> None:
        super().__init__(
            ignore_hosts=config.ignore_hosts, outgoing=forcing(config.test.temperature)
        )
        self._script = script

    def answer(self, request: Request) -> Interaction:
        """
        Take what is scripted for *request*.

        Raises:
            Unscripted: nothing is.

        """
        with self._lock:
            self.asked.append(request)
            try:
                interaction = Interaction(request, self._script.answer(request))
            except Unscripted as miss:
                self.misses.append(miss)
                raise
            self.plays.append(Play(len(self.interactions)))
            self.interactions += (interaction,)
        return interaction


class MockStage(Stage):
    """One test in MOCK mode: no socket opens, sleeping takes no time, *script* answers."""

    def __init__(self, script: Script, config: Config) -> None:
        super().__init__(config.test, began=EPOCH, live=False)
        self._script = script
        self._config = config

    def _new_tape(self, _clock: PinnedClock) -> Tape:
        return MockTape(self._script, self._config)

    def _end(self, passed: bool) -> None:
        """
        Raise what the test did not show.

        Raises:
            Unscripted: the test swallowed it.
            Unhermetic: the test swallowed it.
            NeverAsked: the test passed without asking for all that it scripted.

        """
        if passed:
            self._complain()
            if left := self._script.left:
                raise NeverAsked(left)
