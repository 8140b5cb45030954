"""Calls of a chat model, and runs made of them, as short as tests want them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from replay.model import Interaction, Manifest, Recording, Request, Response

URL = "https://api.example.com/v1/chat/completions"
NOWHEN = Manifest(clock="", pinned=False, seed=0)


def call(
    asked: str = "hello",
    answered: str = "hi",
    *,
    url: str = URL,
    number: int = 1,
    tokens: int = 10,
    answer: dict[str, Any] | None = None,
    **members: Any,
) -> Interaction:
    """Make one call; *answer* adds to its message, *members* to what is sent."""
    sent = {"model": "gpt-4o", "messages": [{"role": "user", "content": asked}], **members}
    message = {"role": "assistant", "content": answered, **(answer or {})}
    told = {
        "id": f"chatcmpl-{number:012d}",
        "created": 1_700_000_000 + number,
        "model": sent["model"] + "-2024-08-06",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens},
    }
    headers = (("content-type", "application/json"), ("x-request-id", f"req_{number}"))
    return Interaction(
        Request("POST", url, (("content-type", "application/json"),), json.dumps(sent).encode()),
        Response(200, "OK", headers, json.dumps(told).encode()),
    )


def run(
    *interactions: Interaction, output: Any = None, clock: str = "", model: str = ""
) -> Recording:
    """Make a recording of calls."""
    manifest = replace(NOWHEN, clock=clock, models_answered=(model,) if model else ())
    return Recording(manifest, interactions, output)
