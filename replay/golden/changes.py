"""What a change to recorded data is, in the field's terms, and which changes are one decision."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from replay.canonical import ABSENT, canonical_json, content_hash, differences, fields, json_body
from replay.cassettes.matching import change_of
from replay.cassettes.reading import CassetteFile, read_source
from replay.episodes import bundle
from replay.errors import ReplayError
from replay.golden.built_in import DEFAULT_RULES
from replay.golden.differences import value_differences, words_changed
from replay.golden.extension import NAME, read_golden
from replay.golden.normalization import normalized
from replay.golden.rules import Rules
from replay.llm.calls import read_calls
from replay.llm.prices import total
from replay.model import Difference, Episode, Interaction, Json, Recording, Response
from replay.wording import counted

CALL = "call"
"""What differs where a call was added, or is gone."""

_OURS = re.compile(r"\[\d+\]")


class Drift(StrEnum):
    """What moved: what our code sends, what is answered, or what comes out."""

    REQUEST = "request drift"
    RESPONSE = "response drift"
    OUTPUT = "output drift"
    NEW = "new"
    GONE = "gone"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Step:
    """One difference: its *drift*, the call it is in (from 1, 0 for the output), and the field."""

    drift: Drift
    step: int
    what: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class Spent:
    """What the calls of a recording took: tokens, dollars where all prices are known, seconds."""

    tokens: int = 0
    dollars: Decimal | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """
    One file that would change, or has: *steps* say how.

    *was* and *now* are what its calls took, for what holds calls; *verb* is the command that
    decides on it where `replay review` does not.
    """

    path: Path
    stem: str
    kind: str
    drifts: tuple[Drift, ...]
    steps: tuple[Step, ...] = ()
    was: Spent | None = None
    now: Spent | None = None
    verb: str = ""
    note: str = ""

    @property
    def signature(self) -> str:
        """Changes with one signature are the same edit, wherever it was made."""
        edits = [
            (s.drift, s.what, _place(s.difference.path), _edit(s.difference)) for s in self.steps
        ]
        return content_hash([self.kind, self.drifts, edits, self.note])


@dataclass(frozen=True, slots=True)
class Cluster:
    """Changes that are one decision; the first stands for all."""

    changes: tuple[Change, ...]

    @property
    def first(self) -> Change:
        """The change that is shown."""
        return self.changes[0]

    @property
    def id(self) -> str:
        """A short name, the same as long as the edit is."""
        return self.first.signature.partition(":")[2][:8]


def clustered(changes: Iterable[Change]) -> tuple[Cluster, ...]:
    """Put equal changes together, the most frequent first."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.signature, []).append(change)
    return tuple(Cluster(tuple(group)) for group in sorted(found.values(), key=lambda g: -len(g)))


def golden_change(path: Path, was: bytes | None, now: bytes | None) -> Change:
    """Say how a golden changes; None stands for a file that is not there."""
    stem = path.stem.partition(NAME)[0]
    if now is None:
        return Change(path, stem, "golden", (Drift.GONE,))
    new = read_golden(path, _text(now))
    if was is None:
        step = Step(Drift.NEW, 0, "output", Difference("", ABSENT, new))
        return Change(path, stem, "golden", (Drift.NEW,), (step,))
    found = value_differences(read_golden(path, _text(was)), new)
    steps = tuple(Step(Drift.OUTPUT, 0, "output", difference) for difference in found)
    return Change(path, stem, "golden", (Drift.OUTPUT,), steps)


def _text(data: bytes) -> str:
    """Decode a golden; git may have checked it out with the line ends of another system."""
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def cassette_change(
    path: Path, was: bytes | None, now: bytes | None, rules: Rules = DEFAULT_RULES
) -> Change:
    """Say how a cassette changes: call by call, request and response, without noise."""
    return _recorded(path, "cassette", _cassette(path, was), _cassette(path, now), rules)


def episode_change(
    path: Path, was: bytes | None, now: bytes | None, rules: Rules = DEFAULT_RULES
) -> Change:
    """
    Say how an episode's recording changes: its calls, and what came out.

    It is the current one before, and after it the newest that was added, of another model or not.
    """
    before = _episode(path, was)
    known = before.recordings if isinstance(before, Episode) else ()
    sides = [_of_episode(found, known) for found in (before, _episode(path, now))]
    return _recorded(path, "episode", sides[0], sides[1], rules)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a change of recorded calls; *error* if it cannot be read."""

    interactions: tuple[Interaction, ...] = ()
    began: datetime | None = None
    output: Json = None
    error: str = ""


def _cassette(path: Path, data: bytes | None) -> _Side | None:
    if data is None:
        return None
    try:
        found: CassetteFile = read_source(path, data).file()
    except ReplayError as error:
        return _Side(error=str(error))
    return _Side(found.interactions, found.began)


def _episode(path: Path, data: bytes | None) -> Episode | str | None:
    """Read a bundle; or say what is wrong with it."""
    if data is None:
        return None
    try:
        return bundle.load(data.decode(), path)
    except (ReplayError, UnicodeDecodeError) as error:
        return str(error)


def _of_episode(episode: Episode | str | None, known: tuple[Recording, ...]) -> _Side | None:
    if isinstance(episode, str):
        return _Side(error=episode)
    if episode is None:
        return None
    if not episode.recordings:
        return _Side()
    added = [recording for recording in episode.recordings if recording not in known]
    shown = added[-1] if known and added else episode.current
    return _Side(shown.interactions, datetime.fromisoformat(shown.manifest.clock), shown.output)


def _recorded(path: Path, kind: str, was: _Side | None, now: _Side | None, rules: Rules) -> Change:
    stem = path.name.partition(".yaml")[0].removesuffix(".jsonl")
    for side in (was, now):
        if side and side.error:
            return Change(path, stem, kind, (Drift.UNREADABLE,), note=side.error)
    spent_was, spent_now = (_spent(side) if side else None for side in (was, now))
    if was is None or now is None:
        drift = Drift.NEW if was is None else Drift.GONE
        calls = counted(len((now or was or _Side()).interactions), "call")
        return Change(path, stem, kind, (drift,), (), spent_was, spent_now, note=calls)
    steps = (*_steps(was, now, rules), *_output_steps(was, now, rules))
    drifts = tuple(dict.fromkeys(step.drift for step in steps))
    return Change(path, stem, kind, drifts, steps, spent_was, spent_now)


def _steps(was: _Side, now: _Side, rules: Rules) -> list[Step]:
    found = []
    for index in range(max(len(was.interactions), len(now.interactions))):
        one = was.interactions[index] if index < len(was.interactions) else None
        two = now.interactions[index] if index < len(now.interactions) else None
        found += _calls(index + 1, one, two, rules)
    return found


def _calls(step: int, was: Interaction | None, now: Interaction | None, rules: Rules) -> list[Step]:
    if was is None or now is None:
        both = [str(side.request) if side else ABSENT for side in (was, now)]
        return [Step(Drift.REQUEST, step, CALL, Difference(CALL, *both))]
    sent = differences(
        normalized(fields(was.request), rules), normalized(fields(now.request), rules)
    )
    answered = value_differences(*(normalized(_answer(i), rules) for i in (was, now)))
    return [
        *(Step(Drift.REQUEST, step, " and ".join(change_of([d])), d) for d in sent),
        *(Step(Drift.RESPONSE, step, "answer", d) for d in answered),
    ]


def _output_steps(was: _Side, now: _Side, rules: Rules) -> list[Step]:
    found = value_differences(normalized(was.output, rules), normalized(now.output, rules))
    return [Step(Drift.OUTPUT, 0, "output", difference) for difference in found]


def _answer(interaction: Interaction) -> Json:
    """What was answered, as far as it means something: headers are noise in any re-recording."""
    response = interaction.response
    if response is None:
        return {"failure": str(interaction.failure or "no answer")}
    return {"status": response.status, "body": _said(response)}


def _said(response: Response) -> Json:
    value = json_body(response.body)
    return response.body.decode("utf-8", "replace") if value is None else value


def _spent(side: _Side) -> Spent:
    calls = read_calls(side.interactions)
    return Spent(
        tokens=sum(call.tokens.total for call in calls),
        dollars=total(calls, side.began or datetime.now(UTC)),
        seconds=round(sum(i.elapsed for i in side.interactions), 3),
    )


def _place(path: str) -> str:
    """The same field of another item is the same place."""
    return _OURS.sub("[]", path)


def _edit(difference: Difference) -> Json:
    """What was done to a value: in a text, which words; else, both values."""
    was, now = difference.recorded, difference.now
    if isinstance(was, str) and isinstance(now, str) and ABSENT not in (was, now):
        return words_changed(was, now)
    return [canonical_json(was), canonical_json(now)]
