"""One golden test: its cassette is played under a pinned clock, or recorded and then swapped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from replay.atomic import drop_proposal, proposal
from replay.cassettes.files import (
    CassetteFile,
    add_to_cassette,
    read_cassette,
    write_cassette,
)
from replay.cassettes.matching import Matcher
from replay.cassettes.redaction import Redactor
from replay.cassettes.tape import Tape
from replay.commands import having_back
from replay.config import Config
from replay.errors import CassetteNotRecorded, Damaged, Unplayed
from replay.golden.pinning import PinnedClock
from replay.golden.staging import EPOCH, Stage, forcing

_KEEP_ANSWERS = "  or, to keep the recorded answers: pytest '{}' --adopt"


def cassette_path(config: Config, stem: str) -> Path:
    """Where the cassette of the scenario *stem* is."""
    return config.path(config.cassettes) / f"{stem}.yaml"


def is_older(began: datetime | None, days: int) -> bool:
    """Whether what *began* then is more than *days* old; so is what does not say when it began."""
    return datetime.now(UTC) - (began or EPOCH) > timedelta(days=days)


class Scene(Stage):
    """
    The cassette `<stem>.yaml` of one test, in one of pytest-recording's record modes.

    `none` plays; `once` plays what is there, or records when nothing is; `new_episodes` plays and
    adds; `all` and `rewrite` record anew. What was recorded replaces the cassette when the test has
    passed; else it waits beside it as `<stem>.yaml.new`. With *adopts*, requests that changed are
    answered by what was recorded for them, and a cassette with the new requests waits there.
    """

    def __init__(
        self, stem: str, config: Config, *, record_mode: str, nodeid: str, adopts: bool = False
    ) -> None:
        self._adopts = adopts
        self.path = cassette_path(config, stem)
        self._config = config
        self._nodeid = nodeid
        self._rerecord = f"pytest '{nodeid}' --record-mode="
        self._there = self._read(record_mode)
        self._adds = record_mode in ("once", "new_episodes")
        self._records = record_mode in ("all", "rewrite", "new_episodes") or (
            record_mode == "once" and self._there is None
        )
        began = (self._there and self._there.began) or EPOCH
        super().__init__(
            config.test,
            began=datetime.now(UTC) if self._records else began,
            live=self._records,
        )

    @property
    def stale(self) -> str:
        """The cassette that was played, if it is older than the project wants it."""
        days, there = self._config.max_age_days, None if self._records else self._there
        return str(self.path) if days and there and is_older(there.began, days) else ""

    def _end(self, passed: bool) -> None:
        """
        Put what was recorded in its place, or raise what the test did not show.

        Raises:
            CassetteMiss: the test swallowed it.
            Unhermetic: the test swallowed it.
            Unplayed: the test passed without sending everything that is recorded.

        """
        if self._records:
            self._keep(passed)
        elif self.tape.adopted:
            self._propose()
        elif passed:
            self._complain()
            self._check_unplayed()

    def _keep(self, passed: bool) -> None:
        recorded, beside = self.tape.recorded, proposal(self.path)
        if not recorded and (self._there or not passed):
            return
        if not passed:
            there = map(self.tape.redactor.interaction, self.tape.interactions)
            write_cassette(beside, [*there, *recorded], self.began)
            self.proposed = str(self._config.named(beside))
            return
        if self._adds:
            add_to_cassette(self.path, recorded, self.began)
        else:
            write_cassette(self.path, recorded, self.began)
        drop_proposal(self.path)

    def _propose(self) -> None:
        adopted = self.tape.adopted
        interactions = [
            replace(interaction, request=adopted.get(index, interaction.request))
            for index, interaction in enumerate(self.tape.interactions)
        ]
        beside = proposal(self.path)
        write_cassette(beside, interactions, self.began)
        self.proposed = str(self._config.named(beside))

    def _check_unplayed(self) -> None:
        if unplayed := self.tape.unplayed:
            steps = [index + 1 for index in unplayed]
            raise Unplayed(str(self.path), tuple(steps), f"{self._rerecord}rewrite")

    def _read(self, record_mode: str) -> CassetteFile | None:
        if record_mode in ("all", "rewrite"):
            return None
        shown = str(self._config.named(self.path))
        try:
            if self.path.exists():
                return read_cassette(self.path)
        except Damaged as error:
            again = f"Or record it again: {self._rerecord}rewrite"
            hint = error.hint or f"To have it back: {having_back(shown)}\n{again}"
            raise Damaged(shown, error.what, error.line, hint) from error
        if record_mode == "none":
            raise CassetteNotRecorded(shown, f"{self._rerecord}rewrite --snapshot-update")
        return None

    def _new_tape(self, clock: PinnedClock) -> Tape:
        return Tape(
            self._there.interactions if self._there else (),
            records=self._records,
            source=str(self._config.named(self.path)),
            command=f"{self._rerecord}rewrite\n{_KEEP_ANSWERS.format(self._nodeid)}",
            adopts=self._adopts,
            matcher=Matcher(self._config.match),
            redactor=Redactor(self._config.redact),
            ignore_hosts=self._config.ignore_hosts,
            heard=clock.heard,
            outgoing=forcing(self._config.test.temperature),
        )
