"""Shapes: whether live answers have the fields, types, tools and endings of recorded ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from replay.canonical import ABSENT, json_body, parsed_json, parts_of
from replay.llm.calls import read_calls
from replay.llm.exchange import sse_data
from replay.model import Difference, Interaction, Json

_NAMES: dict[type, str] = {
    dict: "object",
    list: "list",
    str: "text",
    bool: "true or false",
    int: "number",
    float: "number",
    type(None): "null",
}

Shape: TypeAlias = dict[str, set[str]]
"""Paths such as `choices[].index`, each with the names of the types that stand there."""


def shape_differences(
    recorded: Iterable[Interaction], live: Iterable[Interaction]
) -> tuple[Difference, ...]:
    """
    List where the *live* answers are of another shape than the *recorded* ones.

    They are compared by method and path. A field that every recorded answer has must be there, with
    a type that was recorded; new fields are no difference. Models must call the tools and end for
    the reasons that they were recorded with. What they say is not compared.
    """
    before, now = _by_address(recorded), _by_address(live)
    found: list[Difference] = []
    for address in dict.fromkeys([*before, *now]):
        if address not in before or address not in now:
            there, here = ("called" if address in side else "not called" for side in (before, now))
            found.append(Difference(address, there, here))
        else:
            found += _answers_differ(address, before[address], now[address])
    return tuple(found)


def _by_address(interactions: Iterable[Interaction]) -> dict[str, list[Interaction]]:
    found: dict[str, list[Interaction]] = defaultdict(list)
    for interaction in interactions:
        request = interaction.request
        found[f"{request.method.upper()} {parts_of(request.url).path or '/'}"].append(interaction)
    return found


def _answers_differ(
    address: str, before: list[Interaction], now: list[Interaction]
) -> Iterator[Difference]:
    for what, there, here in (
        ("status", _statuses(before), _statuses(now)),
        ("finish reasons", _endings(before), _endings(now)),
    ):
        if here - there:
            yield Difference(f"{address} {what}", _list(there), _list(here))
    if (there := _tools(before)) != (here := _tools(now)):
        yield Difference(f"{address} tools called", _list(there), _list(here))
    samples, fresh = _samples(before), _samples(now)
    for kind in samples:
        if kind in fresh:
            named = f"{address} {kind}".rstrip()
            yield from _shapes_differ(named, samples[kind], fresh[kind])


def _shapes_differ(address: str, before: list[Shape], now: list[Shape]) -> Iterator[Difference]:
    for path in dict.fromkeys(path for shape in before for path in shape):
        types = set().union(*(shape.get(path, ()) for shape in before))
        always = all(path in shape for shape in before)
        for shape in now:
            here = shape.get(path, set())
            if here - types or (always and not here and _holder(path) in shape):
                yield Difference(
                    f"{address} {path.lstrip('.')}", _list(types), _list(here) or ABSENT
                )
                break


def _holder(path: str) -> str:
    """Name what holds *path*: it is reported, not each thing in it, where it is gone."""
    return path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]


def _samples(interactions: list[Interaction]) -> dict[str, list[Shape]]:
    """Take the shapes of all answers, the events of streams by their type."""
    found: dict[str, list[Shape]] = defaultdict(list)
    for interaction in interactions:
        for value in _values(interaction):
            kind = value.get("type") if isinstance(value, dict) else None
            shape: Shape = defaultdict(set)
            _walk("", value, shape)
            found[kind if isinstance(kind, str) else ""].append(shape)
    return found


def _values(interaction: Interaction) -> Iterator[Json]:
    body = interaction.response.body if interaction.response else b""
    if (whole := json_body(body)) is not None:
        yield whole
        return
    for data in sse_data(body):
        try:
            yield parsed_json(data)
        except ValueError:
            continue  # `[DONE]`


def _walk(path: str, value: Json, shape: Shape) -> None:
    shape[path].add(_NAMES[type(value)])
    if isinstance(value, dict):
        for name, item in value.items():
            _walk(f"{path}.{name}", item, shape)
    elif isinstance(value, list):
        for item in value:
            _walk(f"{path}[]", item, shape)


def _statuses(interactions: list[Interaction]) -> set[str]:
    answers = (interaction.response for interaction in interactions)
    return {str(answer.status) if answer else "no answer" for answer in answers}


def _endings(interactions: list[Interaction]) -> set[str]:
    return {reason for call in read_calls(interactions) for reason in call.finish_reasons}


def _tools(interactions: list[Interaction]) -> set[str]:
    calls = read_calls(interactions)
    return {tool.name for call in calls for said in call.answers for tool in said.tool_calls}


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
