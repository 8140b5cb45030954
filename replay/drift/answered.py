"""Response drift: what the provider answers; streams as the messages they make up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from replay.canonical import ABSENT, canonical_json, json_body
from replay.drift.alignment import Step
from replay.drift.changes import Change, change
from replay.drift.fields import field_differences, generalized, paths
from replay.drift.kinds import Kind
from replay.drift.volatile import Sieve
from replay.llm.conversation import Call, Message, ToolCall
from replay.model import Difference, Json

_TOLD = re.compile(
    r"(?:choices|output|content|candidates|message|text|results|generations|completion|response"
    r"|outputText|model|modelVersion|role|type|error|usage|usageMetadata|billed_units|meta"
    r"|stop_?[rR]eason|stop_sequence|finish_reason|done_reason|metrics|prompt_eval_count"
    r"|eval_count|output_text)(?![\w-])"
)
"""Members of a model's answer whose meaning a `Call` tells, or that are counted as usage."""

_PIECE = 3
"""Shorter texts stand in any other by chance."""


def response_changes(one: Step, two: Step, sieve: Sieve) -> Iterator[Change]:
    """List what differs between two answers."""
    yield from _changed(Kind.STATUS, "status", _state(one), _state(two))
    was, now = one.interaction.response, two.interaction.response
    if was is None or now is None:
        return
    if one.call and two.call:
        said = list(_call_changes(one.call, two.call, sieve))
        yield from said
        if not said and was.body != now.body and None in (one.answer, two.answer):
            sieve.aside["streams that say the same"] += 1
    yield from _body_changes(one, two, sieve)
    told = sieve.headers(was.headers, now.headers, sent=False)
    for found in sieve.answered(field_differences(*told)):
        yield change(Kind.ANSWER_HEADERS, found)


def pieces(call: Call | None) -> frozenset[str]:
    """List what *call* answered in the pieces in which a later request may carry it."""
    answers = call.answers if call else ()
    texts = [answer.text for answer in answers]
    texts += [canonical_json(used.arguments) for answer in answers for used in answer.tool_calls]
    return frozenset(canonical_json(text)[1:-1] for text in texts if len(text) >= _PIECE)


def _state(step: Step) -> Json:
    interaction = step.interaction
    if interaction.response:
        return interaction.response.status
    return interaction.failure.kind if interaction.failure else "no answer"


def _call_changes(one: Call, two: Call, sieve: Sieve) -> Iterator[Change]:
    yield from _changed(Kind.ANSWERED, "model", one.answered, two.answered)
    for found in sieve.values(field_differences(one.error, two.error, path="error")):
        yield change(Kind.ERROR, found)
    yield from _changed(Kind.FINISH, "finish", *(", ".join(c.finish_reasons) for c in (one, two)))
    for index in range(max(len(one.answers), len(two.answers))):
        was, now = (
            call.answers[index] if index < len(call.answers) else Message("assistant")
            for call in (one, two)
        )
        yield from _message(was, now, sieve)


def _message(was: Message, now: Message, sieve: Sieve) -> Iterator[Change]:
    yield from _changed(Kind.REFUSAL, "refusal", was.refusal, now.refusal)
    yield from _tool_calls(was.tool_calls, now.tool_calls, sieve)
    texts = [was.text, now.text]
    values = [json_body(text.encode("utf-8", "surrogatepass")) for text in texts]
    is_json = ["JSON" if value is not None else "no JSON" for value in values]
    if all(texts):
        yield from _changed(Kind.STRUCTURE, "text", *is_json)
    both = values if is_json == ["JSON", "JSON"] else texts
    for found in sieve.values(field_differences(*both, path="text")):
        yield change(Kind.TEXT, found)
    others = [list(message.others) for message in (was, now)]
    for found in sieve.answered(field_differences(*others, path="others")):
        yield change(Kind.ANSWER_BODY, found)


def _tool_calls(
    was: tuple[ToolCall, ...], now: tuple[ToolCall, ...], sieve: Sieve
) -> Iterator[Change]:
    names = [call.name for call in was], [call.name for call in now]
    yield from _changed(Kind.TOOL_CALLS, "sequence", *names)
    for block in SequenceMatcher(None, *names, autojunk=False).get_matching_blocks():
        for n in range(block.size):
            one, two = was[block.a + n], now[block.b + n]
            found = field_differences(one.arguments, two.arguments, path=f"{one.name}.arguments")
            yield from (change(Kind.TOOL_CALLS, item) for item in sieve.values(found))


def _body_changes(one: Step, two: Step, sieve: Sieve) -> Iterator[Change]:
    are_calls = one.call is not None and two.call is not None
    if one.answer is None or two.answer is None:
        if not are_calls:
            texts = [_text(step) for step in (one, two)]
            found = sieve.answered(field_differences(*texts, path="body"))
            yield from (change(Kind.ANSWER_BODY, item) for item in found)
        return
    if one.format != two.format:
        yield Change(Kind.SHAPE, "format", one.format, two.format)
        return
    known = [frozenset(paths(step.answer)) for step in (one, two)]
    shape = _topmost(known[0] ^ known[1])
    for path in sorted(shape):
        sides = ("present", ABSENT) if path in known[0] else (ABSENT, "present")
        yield Change(Kind.SHAPE, path, *sides)
    for item in sieve.answered(field_differences(one.answer, two.answer)):
        if not (are_calls and _TOLD.match(item.path)) and not _is_under(item, shape):
            yield change(Kind.ANSWER_BODY, item)


def _topmost(found: frozenset[str]) -> frozenset[str]:
    """Leave out what stands inside of another that is listed."""
    return frozenset(path for path in found if not any(map(found.__contains__, _holders(path))))


def _is_under(found: Difference, shape: frozenset[str]) -> bool:
    path = generalized(found.path)
    return path in shape or any(holder in shape for holder in _holders(path))


def _holders(path: str) -> Iterator[str]:
    """
    Name what holds *path*, from the outside.

    >>> list(_holders("a[*].b.c"))
    ['a', 'a[*]', 'a[*].b']
    """
    return (path[: match.start()] for match in re.finditer(r"\.|\[", path) if match.start())


def _text(step: Step) -> str:
    response = step.interaction.response
    return response.body.decode("utf-8", "backslashreplace") if response else ""


def _changed(kind: Kind, place: str, was: Json, now: Json) -> Iterator[Change]:
    if was != now:
        yield Change(kind, place, was, now)
