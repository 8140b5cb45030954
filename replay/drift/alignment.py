"""Which call of one run answers to which of another."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from replay.canonical import canonical_json, fields, header, json_body, request_key
from replay.cassettes.matching import Matcher
from replay.llm.calls import read_call
from replay.llm.conversation import Call
from replay.model import Interaction, Json, Recording, Request

_ID = re.compile(r"(?<=/)(?:[a-z]+_[A-Za-z0-9]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ALIKE = 0.38
"""Calls less alike than this are not the same call changed: one went, another came."""


@dataclass(frozen=True, slots=True)
class Step:
    """One interaction, read; *number* counts from 1. Equal *key*s ask for the same answer."""

    number: int
    interaction: Interaction
    request: Request
    key: str
    words: frozenset[str]
    call: Call | None
    sent: Json
    answer: Json

    @property
    def endpoint(self) -> str:
        """Method, host and path, ids in it left out."""
        url = _ID.sub("<id>", self.request.url.partition("?")[0])
        return f"{self.request.method.upper()} {url}"

    @property
    def format(self) -> str:
        """Whose API it speaks; empty when it is no call of a model."""
        return f"{self.call.provider} {self.call.operation}" if self.call else ""


Pairing = tuple[Step | None, Step | None]


def steps(recording: Recording, matcher: Matcher) -> tuple[Step, ...]:
    """Read the interactions of *recording*, less what the rules of *matcher* ignore."""
    return tuple(
        _step(number, interaction, matcher.reduced(interaction.request))
        for number, interaction in enumerate(recording.interactions, 1)
    )


def aligned(before: Sequence[Step], after: Sequence[Step]) -> list[Pairing]:
    """
    Pair the calls of two runs, in the order of *after*; what went stands where it was.

    Equal requests are paired first in first out, as a replay plays them, wherever they stand; what
    is left by likeness, the most alike first.
    """
    waiting: dict[str, deque[Step]] = defaultdict(deque)
    for step in before:
        waiting[step.key].append(step)
    partner = {step.number: waiting[step.key].popleft() for step in after if waiting.get(step.key)}
    gone = [step for queue in waiting.values() for step in queue]
    new = [step for step in after if step.number not in partner]
    partner |= _most_alike(gone, new)
    kept = {step.number for step in partner.values()}
    pairs: list[Pairing] = [(partner.get(step.number), step) for step in after]
    pairs += [(step, None) for step in before if step.number not in kept]
    return sorted(pairs, key=_place)


def _place(pairing: Pairing) -> tuple[int, int]:
    before, after = pairing
    return (after.number, 1) if after else (before.number if before else 0, 0)


def _most_alike(gone: list[Step], new: list[Step]) -> dict[int, Step]:
    scored = [
        (-_likeness(one, two), abs(one.number - two.number), one.number, two.number)
        for one in gone
        for two in new
    ]
    by_number, left = {step.number: step for step in gone}, {step.number for step in new}
    found: dict[int, Step] = {}
    for likeness, _, one, two in sorted(scored):
        if -likeness < _ALIKE:
            break
        if one in by_number and two in left:
            left.remove(two)
            found[two] = by_number.pop(one)
    return found


def _likeness(one: Step, two: Step) -> float:
    """Score 0 to 1: half for the address, half for what is sent."""
    address = _share(_parts(one.endpoint), _parts(two.endpoint))
    if not one.words and not two.words:
        return address
    same_model_call = 0.2 if one.call and two.call else 0.0
    return min(1.0, (address + _share(one.words, two.words)) / 2 + same_model_call)


def _share(one: frozenset[str], two: frozenset[str]) -> float:
    return len(one & two) / (len(one | two) or 1)


def _parts(endpoint: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", endpoint))


def _step(number: int, interaction: Interaction, request: Request) -> Step:
    response = interaction.response
    values = {
        canonical_json(value)
        for path, value in fields(request).items()
        if path not in ("method", "url")
    }
    return Step(
        number,
        interaction,
        request,
        f"{request_key(request)} {header(request.headers, 'accept')}",
        frozenset(values),
        read_call(interaction),
        json_body(request.body),
        json_body(response.body) if response else None,
    )
