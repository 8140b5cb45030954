"""The `golden` fixture: what a test's outputs are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syrupy.assertion import AssertionResult, DiffMode, SnapshotAssertion

from replay.atomic import drop_proposal, proposal, write_atomic
from replay.cassettes.redaction import Redactor
from replay.cassettes.tape import Tape
from replay.commands import having_back
from replay.config import Config
from replay.contrast import difference_lines
from replay.errors import NoTraffic, NotSaved, ReplayError, UnknownOption
from replay.golden.chosen import changed, rules_of
from replay.golden.differences import value_differences
from replay.golden.extension import (
    GoldenExtension,
    GoldenLocation,
    TranscriptExtension,
    golden_flaw,
    read_golden,
)
from replay.golden.normalization import normalized
from replay.golden.plain import plain
from replay.golden.rules import Rule, Rules
from replay.golden.stem import stem_of
from replay.golden.writing import Update, Write, may_write, settle
from replay.model import Interaction
from replay.wording import counted


class Transcript(str):
    """What was said to which model and tool, as Markdown; its golden is a Markdown file."""

    __slots__ = ()


@dataclass(frozen=True)
class Surroundings:
    """What all goldens of a test share."""

    redactor: Redactor
    config: Config
    nodeid: str
    is_recorded: bool
    update: Update
    ci: bool
    tape: Tape | None


@dataclass(eq=False, order=False, repr=False)
class GoldenAssertion(SnapshotAssertion):
    """
    The approved outputs of one test: `assert result == golden`, as often as it likes.

    `golden(name="reply")` names one, `golden(normalize=[...])` changes the rules for one, and
    `golden.transcript` is what was said so far.
    """

    around: Surroundings | None = None
    rules: Rules = ()
    _rules: Rules = field(init=False, default=())
    _not_left: NotSaved | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rules = self.rules

    @property
    def transcript(self) -> Transcript:
        """
        What was said to which model and tool up to now, as Markdown.

        Raises:
            NoTraffic: the test plays no cassette.

        """
        from replay.llm.transcript import transcript

        if self.around is None or self.around.tape is None:
            raise NoTraffic
        return Transcript(transcript(_heard(self.around.tape)))

    def __call__(self, *, normalize: Iterable[Rule | str] = (), **options: Any) -> GoldenAssertion:
        """
        Name this output, or normalize it by rules of its own.

        >>> golden(name="reply", normalize=[key("sku"), "whitespace", "-date"])  # doctest: +SKIP
        """
        super().__call__(**options)
        before = self._rules
        self._rules = changed(before, normalize)
        self._post_assert_actions.append(lambda: setattr(self, "_rules", before))
        return self

    def with_defaults(self, **options: Any) -> GoldenAssertion:
        """Make another one with these defaults, of the same test."""
        other = super().with_defaults(**options)
        assert isinstance(other, GoldenAssertion)
        other.around, other.rules = self.around, self.rules
        other._rules = self.rules
        return other

    def _serialize(self, data: Any) -> str:
        assert self.around is not None
        value = plain(data, "A golden output")
        if self._matcher or self._exclude or self._include:
            raise UnknownOption
        kept = normalized(self.around.redactor.json(value), self._rules)
        extension = self.extension
        assert isinstance(extension, GoldenExtension)
        return extension.written(kept)

    def _assert(self, data: Any) -> bool:
        kept = self._extension
        self._extension = TranscriptExtension() if isinstance(data, Transcript) else kept
        try:
            same = super()._assert(data)
        finally:
            self._extension = kept
        self._leave(self.executions[self.num_executions - 1])
        return same

    def _leave(self, result: AssertionResult) -> None:
        """Leave a file for a person where this was not what is approved, and none where it was."""
        path, self._not_left = Path(result.snapshot_location), None
        if result.success and not (result.created or result.updated):
            with suppress(NotSaved):  # what is approved is so, whatever waits beside it
                drop_proposal(path)
        elif not result.success and result.asserted_data is not None:
            assert self.around is not None
            is_new = result.recalled_data is None
            if may_write(self.around.update, ci=self.around.ci, is_new=is_new) is Write.PENDING:
                try:
                    write_atomic(proposal(path), str(result.asserted_data))
                except NotSaved as error:
                    self._not_left = error

    def get_assert_diff(self, *, diff_mode: DiffMode = DiffMode.DETAILED) -> list[str]:
        """Say what differs, field by field, and what to do about it."""
        result = self.executions[self.num_executions - 1]
        if isinstance(result.exception, ReplayError):
            return str(result.exception).splitlines()
        if result.exception is not None or self.around is None or result.asserted_data is None:
            return super().get_assert_diff(diff_mode=diff_mode)
        path = Path(result.snapshot_location)
        shown = self.around.config.named(path)
        if diff_mode is DiffMode.DISABLED:
            return [f"{shown} differs", *self._commands(path, shown)]
        return [*_told(shown, result), *self._commands(path, shown)]

    def _commands(self, path: Path, shown: Path) -> list[str]:
        assert self.around is not None
        around = self.around
        lines = []
        if self._not_left:
            lines += str(self._not_left).splitlines()
        elif proposal(path).exists():
            lines.append(f"Accept:    replay review --accept '{shown.name}'")
        else:
            lines.append(f"Accept:    pytest '{around.nodeid}' --snapshot-update (not in CI)")
        if around.is_recorded:
            modes = "--record-mode=rewrite --snapshot-update"
            lines.append(f"Re-record: pytest '{around.nodeid}' {modes}")
        return lines

    def settle(self, *, passed: bool) -> set[Path]:
        """
        End the test: put what was approved in its place if it passed, and forget the outputs.

        Gives the goldens that it looked at.
        """
        for result in self.executions.values():
            if result.created or result.updated:
                settle(Path(result.snapshot_location), approved=passed)
            if result.success:
                result.asserted_data = result.recalled_data = None
        self.around = None
        return {Path(result.snapshot_location) for result in self.executions.values()}


class Goldens:
    """
    What the goldens of a run share, built once: it takes longer than a test does.

    Raises:
        BadSetting: a rule of the project's cannot be used.

    """

    def __init__(self, config: Config, *, ci: bool) -> None:
        self._config = config
        self._ci = ci
        self._rules = rules_of(config) if config.test.normalize_outputs else ()
        self._redactor = Redactor(config.redact)

    def of(self, snapshot: SnapshotAssertion, item: Any, tape: Tape | None) -> GoldenAssertion:
        """Make the fixture of the pytest item *item*, on what syrupy gives it."""
        update = Update.NEW if snapshot.update_new_snapshots_only else Update.NONE
        update = Update.ALL if snapshot.update_snapshots else update
        folder = self._config.path(self._config.golden)
        return GoldenAssertion(
            session=snapshot.session,
            extension_class=GoldenExtension,
            test_location=GoldenLocation(item, folder=folder, stem=stem_of(item)),
            update_snapshots=may_write(update, ci=self._ci) is Write.IN_PLACE,
            update_new_snapshots_only=may_write(update, ci=self._ci, is_new=True) is Write.IN_PLACE,
            rules=self._rules,
            around=Surroundings(
                redactor=tape.redactor if tape else self._redactor,
                config=self._config,
                nodeid=item.nodeid,
                is_recorded=tape is not None,
                update=update,
                ci=self._ci,
                tape=tape,
            ),
        )


def _told(shown: Path, result: AssertionResult) -> list[str]:
    if result.recalled_data is None:
        return [f"{shown} is not there yet."]
    if flaw := golden_flaw(shown, str(result.recalled_data)):
        return [f"{flaw}.", f"To have it back: {having_back(shown)}"]
    was = read_golden(shown, str(result.recalled_data))
    now = read_golden(shown, str(result.asserted_data))
    found = value_differences(was, now)
    differ = f"{counted(len(found), 'field')} {'differs' if len(found) == 1 else 'differ'}"
    return [f"{shown}: {differ}", *difference_lines(found, "now", was="approved")]


def _heard(tape: Tape) -> Sequence[Interaction]:
    """List what was said on *tape* so far: in the order of the program."""
    played = [tape.interactions[play.index] for play in tape.plays]
    return (*played, *tape.recorded)
