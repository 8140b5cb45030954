"""Asking another model the same: the model id and sampling parameters of an outgoing request."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from replay.canonical import json_body
from replay.cassettes.coding import with_length
from replay.llm.calls import family_of, read_call
from replay.llm.exchange import MODEL_IN_PATH, exchange
from replay.llm.payload import at
from replay.model import Interaction, Json, Request
from replay.spelling import respelled, spelling_of

_UNSAMPLED = ("embeddings", "images")
"""Operations that draw nothing from a model's distribution of words."""


def rewritten(
    request: Request, *, model: str = "", sampling: Mapping[str, Json] | None = None
) -> Request:
    """
    Let *request* go to *model* with these parameters, in whatever format it is.

    *sampling* is named as in `Call.sampling`: `temperature`, `top_p`, `top_k`, `seed`,
    `max_tokens`, …; None takes a parameter out. What the format has no place for is left out, and
    so are all where the operation knows none: embeddings. A request that is in no known format
    stays as it is.

    >>> asked = Request("POST", "https://api.openai.com/v1/responses", (), b'{"model":"gpt-4o"}')
    >>> rewritten(asked, model="gpt-4.1", sampling={"max_tokens": 10, "seed": 1}).body
    b'{"model":"gpt-4.1","max_output_tokens":10}'
    """
    it, sent = exchange(Interaction(request)), json_body(request.body)
    family, call = family_of(it) if it else None, read_call(Interaction(request))
    if it is None or family is None or call is None or not isinstance(sent, dict):
        return request
    spelling = {} if call.operation in _UNSAMPLED else family.spelling(it)
    how = spelling_of(request.body, sent) or "compact"
    before = respelled(sent, how)
    if model and "model" in sent:
        sent["model"] = model
    for name, value in (sampling or {}).items():
        if places := spelling.get(name):
            there = (place for place in places if at(sent, *place) is not None)
            _put(sent, next(there, places[0]), value)
    if (body := respelled(sent, how)) == before:
        body = request.body
    return dataclasses.replace(
        request,
        url=_asking(request.url, model) if model else request.url,
        headers=with_length(request.headers, len(body)),
        body=body,
    )


def _put(holder: dict[str, Any], path: tuple[str, ...], value: Json) -> None:
    *way, last = path
    for key in way:
        if value is None and key not in holder:
            return
        if not isinstance(holder.setdefault(key, {}), dict):
            return
        holder = holder[key]
    if value is None:
        holder.pop(last, None)
    else:
        holder[last] = value


def _asking(url: str, model: str) -> str:
    """Name *model* in the path of *url* where it names one."""
    path = urlsplit(url).path
    named = MODEL_IN_PATH.sub(quote(model, safe=""), path, count=1)
    return url.replace(path, named, 1) if named != path else url
