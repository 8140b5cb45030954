"""Request drift: what our code sends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import asdict
from urllib.parse import parse_qsl

from replay.canonical import ABSENT, canonical_json, canonical_url, fields
from replay.drift.alignment import Step
from replay.drift.changes import Change, change
from replay.drift.fields import field_differences
from replay.drift.kinds import Kind
from replay.drift.volatile import Sieve
from replay.llm.conversation import Call
from replay.model import Difference, Json

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"(?:{pattern})(?![\w-])"))
    for kind, pattern in (
        (Kind.PROMPT, "system|instructions|systemInstruction|system_instruction|preamble"),
        (Kind.TOOLS, "tools|tool_choice|functions|function_call|toolConfig|tool_config"),
        (Kind.MODEL, "model|modelId"),
        (Kind.MESSAGES, "messages|input|contents|prompt|message|chat_history|inputText|texts"),
        (
            Kind.PARAMETERS,
            (
                r"temperature|top_[pk]|top[PK]|seed|n|stop(?:_sequences)?|stream(?:_options)?|max_\w+"
                r"|\w+_penalty|reasoning\w*|thinking|response_format|output_format|output_config|text"
                r"|logprobs|\w+Config|generation_config|parallel_tool_calls|service_tier|store|include"
                r"|safe_prompt|safetySettings|metadata|parameters|options|betas"
            ),
        ),
    )
)
_PROMPT_ROLES = frozenset({"system", "developer"})
_ANSWER_ROLES = frozenset({"assistant", "tool", "function", "model", "chatbot"})
_ANSWER_TYPES = frozenset(
    {"function_call", "function_call_output", "tool_result", "tool_use", "reasoning"}
)


def request_changes(one: Step, two: Step, answered: Set[str], sieve: Sieve) -> Iterator[Change]:
    """
    List what differs between two requests.

    A conversation that carries on an answer that changed before (*answered* are the pieces of
    those) is `request.history`: a consequence, not a cause.
    """
    yield from _address(one, two, sieve)
    if one.call and two.call and one.format != two.format:
        yield Change(Kind.FORMAT, "format", one.format, two.format)
        was, now = _asked(one.call), _asked(two.call)
    else:
        was, now = _body(one), _body(two)
    for found in sieve.sent(field_differences(was, now)):
        yield change(_kind(found, was, now, answered), found)
    headers = [s.interaction.request.headers for s in (one, two)]
    told = sieve.headers(headers[0], headers[1], sent=True)
    for name in sorted({*told[0]} ^ {*told[1]}):
        yield Change(Kind.HEADERS, name, told[0].get(name, ABSENT), told[1].get(name, ABSENT))


def _address(one: Step, two: Step, sieve: Sieve) -> Iterator[Change]:
    urls = [step.request.url.partition("?")[0] for step in (one, two)]
    if one.endpoint == two.endpoint and urls[0] != urls[1]:
        sieve.aside["ids in addresses"] += 1
    was, now = ({"endpoint": step.endpoint, "query": _query(step)} for step in (one, two))
    for found in sieve.sent(field_differences(was, now)):
        yield change(Kind.ADDRESS, found)


def _query(step: Step) -> Json:
    query = canonical_url(step.request.url).partition("?")[2]
    return dict(parse_qsl(query, keep_blank_values=True))


def _asked(call: Call) -> Json:
    """Say what *call* asks in words that fit every format."""
    return {
        "model": call.requested,
        "system": call.system,
        "messages": [asdict(message) for message in call.sent],
        "tools": call.tools,
    } | call.sampling


def _body(step: Step) -> Json:
    if isinstance(step.sent, dict):
        return step.sent
    if step.sent is not None:
        return {"body": step.sent}
    found = fields(step.request)
    return {k: v for k, v in found.items() if k not in ("method", "url") and k[:6] != "query."}


def _kind(found: Difference, was: Json, now: Json, answered: Set[str]) -> Kind:
    kind = next((k for k, pattern in _KINDS if pattern.match(found.path)), Kind.BODY)
    if kind is not Kind.MESSAGES:
        return kind
    roles = {*_roles(found.path, was), *_roles(found.path, now)}
    roles |= {*_roles_of(found.recorded), *_roles_of(found.now)}
    if roles & _PROMPT_ROLES:
        return Kind.PROMPT
    follows = roles & (_ANSWER_ROLES | _ANSWER_TYPES) or _carries(found, answered)
    return Kind.HISTORY if answered and follows else Kind.MESSAGES


def _carries(found: Difference, answered: Set[str]) -> bool:
    texts = [canonical_json(value) for value in (found.recorded, found.now)]
    return any(piece in text for piece in answered for text in texts)


def _roles(path: str, body: Json) -> Iterator[str]:
    """Name the role of the message that *path* points into."""
    holder, _, rest = path.partition("[")
    items = body.get(holder) if isinstance(body, dict) else None
    index = rest.partition("]")[0]
    if isinstance(items, list) and index.isdecimal() and int(index) < len(items):
        yield from _roles_of(items[int(index)])


def _roles_of(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(value[key]).lower() for key in ("role", "type") if value.get(key))
