"""One cause is one finding: changes that were made by the same edit, in however many runs."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from replay.canonical import ABSENT, canonical_json
from replay.drift.changes import Change
from replay.drift.fields import generalized
from replay.drift.kinds import Kind
from replay.model import Json

_TOKEN = re.compile(r"\w+(?:[-.]\w+)*|\s+|\W")
_TOKENS = 400
_EDITS = 6
_REWRITTEN = 0.4
_SHOWN = 120
_SHORT = 80

Edit = tuple[str, str]
"""What was taken out, and what was put in its place."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Where a finding was made: the run by its name, and the steps as in `Change`."""

    run: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause: a *kind* of change, found in *instances*; *parts* are its places and edits."""

    kind: Kind
    parts: tuple[tuple[str, Edit], ...]
    instances: tuple[Instance, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Which fields it is about."""
        return tuple(dict.fromkeys(place for place, _ in self.parts))

    @property
    def runs(self) -> int:
        """In how many runs it was found."""
        return len({instance.run for instance in self.instances})

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        parts = list(filter(None, (_part(place, edit) for place, edit in self.parts)))
        more = f" and {len(parts) - _PARTS} more" if len(parts) > _PARTS else ""
        said = f": {'; '.join(parts[:_PARTS])}{more}" if parts else ""
        return f"{_SAID[self.kind]}{said}"


@dataclass(slots=True)
class Clusters:
    """Gathers the changes of many runs; keeps of each only what a finding tells."""

    _found: dict[tuple[Kind, str, Edit], dict[Instance, None]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, run: str, changes: tuple[Change, ...]) -> None:
        """Take in what changed in *run*."""
        for item in changes:
            at = Instance(run, item.before, item.after)
            for edit in _edits(item):
                self._found[item.kind, generalized(item.place), edit][at] = None

    def findings(self) -> tuple[Finding, ...]:
        """List the findings; those that matter come first, then those found most often."""
        together: dict[tuple[Kind, tuple[Instance, ...]], list[tuple[str, Edit]]] = {}
        for (kind, place, edit), instances in self._found.items():
            together.setdefault((kind, tuple(instances)), []).append((place, edit))
        found = (
            Finding(kind, tuple(parts), instances) for (kind, instances), parts in together.items()
        )
        return tuple(sorted(found, key=lambda f: (f.kind.rank, -f.runs, f.places)))


def edits(was: str, now: str) -> list[Edit]:
    """
    List the edits that lead from one text to another, token by token.

    >>> edits("https://x.dev/v1beta/models/a:go", "https://x.dev/v1/models/a:go")
    [('v1beta', 'v1')]
    """
    one, two = _TOKEN.findall(was)[:_TOKENS], _TOKEN.findall(now)[:_TOKENS]
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    if matcher.ratio() < _REWRITTEN:
        return []
    found = (
        ("".join(one[i:i_end]).strip(), "".join(two[j:j_end]).strip())
        for tag, i, i_end, j, j_end in matcher.get_opcodes()
        if tag != "equal"
    )
    return list(dict.fromkeys(found))


def _edits(item: Change) -> list[Edit]:
    if item.kind.is_generated:
        return [("", "")]
    if item.kind in (Kind.CALL_ADDED, Kind.CALL_REMOVED, Kind.SHAPE):
        return [(ABSENT, "") if item.was == ABSENT else ("", ABSENT)]
    sides = (item.was, item.now)
    if all(isinstance(side, str) for side in sides) and ABSENT not in sides:
        found = [] if item.kind in _NAMES else edits(*sides)
        if 0 < len(found) <= _EDITS:
            return found
        return [sides] if max(map(len, sides)) <= _SHORT else [("", "")]
    return [(_brief(item.was), _brief(item.now))]


def _brief(value: Json) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


_SAID = {
    Kind.OUTPUT_ERROR: "The program ends in another way",
    Kind.OUTPUT_VALUE: "The output differs",
    Kind.CALL_REMOVED: "A call is no longer made",
    Kind.CALL_ADDED: "A new call is made",
    Kind.FORMAT: "Requests are sent to another kind of API",
    Kind.ADDRESS: "Requests go to another address",
    Kind.MODEL: "Another model is asked for",
    Kind.PROMPT: "The prompt changed",
    Kind.TOOLS: "The tools on offer changed",
    Kind.PARAMETERS: "Parameters changed",
    Kind.MESSAGES: "The messages changed",
    Kind.BODY: "What is sent changed",
    Kind.STATUS: "The status differs",
    Kind.ERROR: "The provider reports another error",
    Kind.ANSWERED: "Another model answers",
    Kind.REFUSAL: "The model refuses, or no longer does",
    Kind.FINISH: "Answers finish for another reason",
    Kind.TOOL_CALLS: "The model calls tools in another way",
    Kind.STRUCTURE: "Answers are no longer JSON, or became it",
    Kind.SHAPE: "Answers have another shape",
    Kind.TEXT: "The text of the answer differs",
    Kind.ANSWER_BODY: "Fields of the answer differ",
    Kind.HISTORY: "The conversation carries on answers that changed before",
    Kind.HEADERS: "Other headers are sent",
    Kind.ANSWER_HEADERS: "Other headers are answered",
}
_NAMES = {Kind.MODEL, Kind.ANSWERED, Kind.FORMAT, Kind.FINISH}
"""What is told whole: half of a name says nothing."""

_PLAIN = {"endpoint", "model", "format", "status", "text", "error", "finish", "refusal"}
_PARTS = 3
_WORD = re.compile(r'[\w{\["]\S*[\w}\]"…]|\w')
"""What needs no quotes: a word, a name, a number, JSON."""


def _part(place: str, edit: Edit) -> str:
    where = "" if place in _PLAIN else place
    was, now = map(_told, edit)
    if was in ("", ABSENT) and now in ("", ABSENT):
        what = "new" if was else ("gone" if now else "")
    elif was in ("", ABSENT):
        what = f"{now} is new"
    elif now in ("", ABSENT):
        what = f"{was} is gone"
    else:
        what = f"{was} → {now}"
    return f"{where} {what}".strip()


def _told(text: str) -> str:
    """Quote what would read as part of our sentence: pieces of prose."""
    brief = _brief(" ".join(text.split()))
    return brief if text in ("", ABSENT) or _WORD.fullmatch(brief) else f"'{brief}'"
