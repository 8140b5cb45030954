"""Comparing two runs of one case: what is sent, what is answered, what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from replay.canonical import ABSENT
from replay.cassettes.matching import Matcher
from replay.drift.alignment import Step, aligned, steps
from replay.drift.answered import pieces, response_changes
from replay.drift.changes import Change, Comparison, Distance, change, word_distance
from replay.drift.fields import field_differences
from replay.drift.kinds import Kind
from replay.drift.sent import request_changes
from replay.drift.volatile import Sieve
from replay.golden.built_in import DEFAULT_RULES
from replay.golden.rules import Rules
from replay.model import Recording


def compare(
    before: Recording,
    after: Recording,
    *,
    matcher: Matcher | None = None,
    rules: Rules = DEFAULT_RULES,
    distance: Distance = word_distance,
) -> Comparison:
    """
    Compare two runs call by call, and what came out.

    Less what the *matcher*'s rules ignore, and what those of normalization, *rules*, call noise.
    """
    sieve, matcher = Sieve(rules), matcher or Matcher()
    found = [
        *_calls(steps(before, matcher), steps(after, matcher), sieve),
        *_outputs(before, after, sieve),
    ]
    aside = {what: count for what, count in sorted(sieve.aside.items()) if count}
    return Comparison(tuple(_measured(item, distance) for item in found), aside)


def _calls(before: tuple[Step, ...], after: tuple[Step, ...], sieve: Sieve) -> Iterator[Change]:
    answered: set[str] = set()
    for one, two in aligned(before, after):
        if one and two:
            sent = list(request_changes(one, two, answered, sieve))
            told = list(response_changes(one, two, sieve))
            if told:
                answered |= pieces(one.call) | pieces(two.call)
            for item in (*sent, *told):
                yield replace(item, before=one.number, after=two.number)
        elif two:
            yield Change(Kind.CALL_ADDED, two.endpoint, ABSENT, _shown(two), 0, two.number)
        elif one:
            yield Change(Kind.CALL_REMOVED, one.endpoint, _shown(one), ABSENT, one.number, 0)


def _shown(step: Step) -> object:
    return step.sent if step.sent is not None else step.endpoint


def _outputs(before: Recording, after: Recording, sieve: Sieve) -> Iterator[Change]:
    errors = [str(f or ABSENT) for f in (before.failure, after.failure)]
    for found in sieve.values(field_differences(*errors, path="error")):
        yield change(Kind.OUTPUT_ERROR, found)
    for found in sieve.values(field_differences(before.output, after.output)):
        yield change(Kind.OUTPUT_VALUE, found)


def _measured(item: Change, distance: Distance) -> Change:
    if (
        isinstance(item.was, str)
        and isinstance(item.now, str)
        and ABSENT not in (item.was, item.now)
    ):
        return replace(item, distance=max(0.01, distance(item.was, item.now)))
    return item
