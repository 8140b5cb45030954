"""Replaying a recording: today's code, its traffic answered from the recording, no socket open."""

from __future__ import annotations

import shlex
import sys
import time
import traceback
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from replay.canonical import parts_of
from replay.cassettes.guard import Guard, guarded, untrusting
from replay.cassettes.matching import Matcher
from replay.cassettes.redaction import Redactor
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape, failure
from replay.config import Config
from replay.engine.comparison import output_differences
from replay.engine.entrypoint import check_inputs, load_entrypoint, run_entrypoint
from replay.engine.manifest import changes_since
from replay.episodes.bundle import recording_id
from replay.errors import NoEntrypoint, ReplayError, ReplayStop, TeacherForced, UnknownRecording
from replay.golden.chosen import rules_of
from replay.golden.pinning import environment, pinned
from replay.golden.plain import plain
from replay.golden.rules import Rules
from replay.llm.calls import read_call
from replay.llm.conversation import Call
from replay.llm.prices import total
from replay.model import (
    Change,
    Difference,
    Episode,
    Failure,
    Interaction,
    Json,
    Kind,
    Manifest,
    Outcome,
    Recording,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline; *seconds* is what the call took when it was recorded."""

    number: int
    call: str
    model: str
    status: int | None
    seconds: float
    match: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A request that is not what was recorded for its *step*, and was answered all the same."""

    step: int
    change: Change
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """
    What a replay found.

    *fidelity* is the share, 0 to 1, of the recorded response bytes that were served as recorded.
    *saved_dollars* is None when the price of a recorded call is not known; *changes* are the
    versions that the manifest names and today's process has otherwise; *moved* are the requests
    that were let through although they differ; *again* is the command that records it anew.
    """

    episode: str
    recording: str
    outcome: Outcome
    steps: tuple[Step, ...]
    played: int
    recorded: int
    fidelity: float
    saved_tokens: int
    saved_dollars: Decimal | None
    output: Json
    changes: tuple[Difference, ...]
    seconds: float
    recorded_seconds: float
    moved: tuple[Moved, ...] = ()
    again: str = ""


@dataclass(slots=True)
class _Ended:
    """How the program ended under replay."""

    output: Json = None
    failure: Failure | None = None
    place: str = ""
    stopped: ReplayStop | None = None
    seconds: float = 0.0
    attempts: list[Any] = field(default_factory=list)


def replay_episode(
    episode: Episode,
    config: Config,
    *,
    recording: Recording | None = None,
    adopts: bool = False,
    pace: float = 0.0,
) -> Replay:
    """
    Re-execute the entrypoint of *episode* against *recording*, by default its current one.

    With *adopts*, a request that changed is answered by what was recorded for the closest one, and
    reported in `moved`. *pace* replays the gaps of streams: 0 at once, 1 as recorded.

    Raises:
        UnknownRecording: it has none.
        NoEntrypoint: it names no program.
        BadEntrypoint: its entrypoint is not there any more, or does not take its inputs.
        ForeignEntrypoint: its entrypoint is not code of the project of *config*.
        TeacherForced: *recording* is not that of a program.

    """
    if not episode.recordings:
        raise UnknownRecording(episode.id, episode.entrypoint)
    if not episode.entrypoint:
        raise NoEntrypoint(episode.id)
    recording = recording or episode.current
    if recording.manifest.further == "teacher-forced":
        models = ", ".join(recording.manifest.models_requested)
        raise TeacherForced(episode.id, recording_id(recording), models)
    return _report(episode, recording, *_run(episode, recording, config, adopts, pace), config)


def _run(
    episode: Episode, recording: Recording, config: Config, adopts: bool, pace: float
) -> tuple[Tape, _Ended]:
    manifest = recording.manifest
    guard, ended = Guard(), _Ended()
    with ExitStack() as stack:
        stack.enter_context(environment(manifest.environment, config.environment))
        stack.enter_context(guarded(guard))
        stack.enter_context(untrusting())
        stack.enter_context(redirect_stdout(sys.stderr))  # what the program prints is not ours
        start = datetime.fromisoformat(manifest.clock)
        clock = stack.enter_context(pinned(start, manifest.seed, waits=False))
        redactor = Redactor(config.redact)
        tape = Tape(
            recording.interactions,
            source=f"the recording of {episode.id}",
            command=_again(episode, manifest),
            matcher=Matcher(config.match),
            redactor=redactor,
            adopts=adopts,
            pace=pace,
            ignore_hosts=config.ignore_hosts,
            heard=clock.heard,
        )
        stack.enter_context(using(tape))
        begun = time.perf_counter()
        try:
            clock.seed()
            function = load_entrypoint(episode.entrypoint, config)
            check_inputs(episode.entrypoint, function, episode.inputs)
            clock.seed()
            begun = time.perf_counter()
            ended.output = redactor.json(plain(run_entrypoint(function, episode.inputs)))
        except ReplayError:
            raise
        except ReplayStop as stop:
            ended.stopped = stop
        except (Exception, BaseExceptionGroup, SystemExit) as error:  # noqa: BLE001 - its result
            raised = failure(error)
            ended.failure = replace(raised, message=redactor.json(raised.message))
            ended.place = _place(error)
        ended.seconds = time.perf_counter() - begun
    ended.attempts = list(guard.attempts)
    return tape, ended


def _outcome(  # noqa: PLR0911 - one line an outcome, the gravest first
    recording: Recording, tape: Tape, ended: _Ended, rules: Rules
) -> Outcome:
    if ended.attempts:
        return Outcome(Kind.UNHERMETIC, detail=str(ended.attempts[0]))
    if tape.misses:
        return _diverged_request(tape)
    if ended.stopped:
        return Outcome(Kind.FAILED, detail=str(ended.stopped))
    if ended.failure != recording.failure:
        return _diverged_failure(recording, ended)
    recorded = tape.bindings.value(recording.output)
    differences = output_differences(recorded, ended.output, rules)
    if unplayed := tape.unplayed:
        steps = ", ".join(f"#{index + 1}" for index in unplayed)
        detail = f"The program did not send {steps} of {len(tape.interactions)} recorded calls."
        return Outcome(Kind.UNPLAYED, unplayed[0] + 1, "request", detail, differences)
    if differences:
        detail = "The program returns something other than what was recorded."
        return Outcome(Kind.DIVERGED, 0, "output", detail, differences)
    identical = recorded == ended.output
    return Outcome(Kind.IDENTICAL if identical else Kind.EQUIVALENT)


def _diverged_request(tape: Tape) -> Outcome:
    miss = tape.misses[0]
    step = miss.closest.step if miss.closest else len(tape.plays) + 1
    found = miss.closest.differences if miss.closest else ()
    return Outcome(Kind.DIVERGED, step, "request", str(miss), found)


def _diverged_failure(recording: Recording, ended: _Ended) -> Outcome:
    if recording.failure is None and ended.failure:
        return Outcome(Kind.FAILED, detail=f"It raised {ended.failure}{ended.place}")
    sides = (str(error or "nothing") for error in (recording.failure, ended.failure))
    detail = "The recorded run ended in another exception."
    return Outcome(Kind.DIVERGED, 0, "output", detail, (Difference("(raised)", *sides),))


def _place(error: BaseException) -> str:
    """Name the line of the user's own code that raised, if any."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__]
    own = [f for f in own if not f.filename.startswith(str(Path(__file__).parent.parent))]
    return f"\n  at {own[-1].filename}:{own[-1].lineno}" if own else ""


def _report(
    episode: Episode, recording: Recording, tape: Tape, ended: _Ended, config: Config
) -> Replay:
    played = {play.index for play in tape.plays}
    whole = sum(map(_size, recording.interactions))
    served = sum(_size(recording.interactions[p.index]) for p in tape.plays if p.verbatim)
    calls = list(map(read_call, recording.interactions))
    saved = [call for index, call in enumerate(calls) if call and index in played]
    at = datetime.fromisoformat(recording.manifest.clock)
    return Replay(
        episode=episode.id,
        recording=recording_id(recording),
        outcome=_outcome(recording, tape, ended, rules_of(config)),
        steps=tuple(
            _step(index + 1, item, call, "exact" if index in played else "not played")
            for index, (item, call) in enumerate(zip(recording.interactions, calls, strict=True))
        ),
        played=len(played),
        recorded=len(recording.interactions),
        fidelity=served / whole if whole else 1.0,
        saved_tokens=sum(call.tokens.total for call in saved),
        saved_dollars=total(saved, at),
        output=ended.output,
        changes=changes_since(recording.manifest, config.environment),
        seconds=ended.seconds,
        recorded_seconds=recording.elapsed,
        moved=tuple(Moved(index + 1, *found) for index, found in sorted(tape.moved().items())),
        again=_again(episode, recording.manifest),
    )


def _again(episode: Episode, manifest: Manifest) -> str:
    """Name the command that makes a recording such as the one of *manifest*."""
    command = f"replay record --from {episode.id}"
    if manifest.further and manifest.models_answered:
        return f"{command} --model {shlex.quote(manifest.models_answered[0])}"
    return command


def _step(number: int, interaction: Interaction, call: Call | None, match: str) -> Step:
    url = parts_of(interaction.request.url)
    return Step(
        number=number,
        call=f"{interaction.request.method} {url.netloc}{url.path}",
        model=(call.answered or call.requested) if call else "",
        status=interaction.response.status if interaction.response else None,
        seconds=interaction.elapsed,
        match=match,
    )


def _size(interaction: Interaction) -> int:
    return len(interaction.response.body) if interaction.response else 0
