"""Sending recorded requests again, by a client of our own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import httpx

from replay.model import Request

_SECONDS = 600.0  # what the SDKs of the providers wait for an answer


def asked_again(requests: Iterable[Request]) -> Iterator[tuple[int, str]]:
    """
    Send one of *requests* after the other; give the status and text of each answer.

    What a tape of this context makes of them holds here as for any program. What is raised on the
    way has the status 0.
    """
    with httpx.Client(timeout=_SECONDS) as client:
        for request in requests:
            sent = httpx.Request(
                request.method, request.url, headers=list(request.headers), content=request.body
            )
            try:
                response = client.send(sent)
                yield response.status_code, response.text
            except httpx.HTTPError as error:
                yield 0, f"{type(error).__name__}: {error}"
