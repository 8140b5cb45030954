"""The stand-in's provider: OpenAI's endpoints over the rules of `brain`, and its controls."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from . import wire
from .brain import JSON, think
from .voices import VOICES

EMBEDDER = "text-embedding-3-small"
DEFAULT_ALIASES: Mapping[str, str] = {"gpt-4o": "gpt-4o-2024-08-06"}

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class RefusalError(Exception):
    """The provider refuses a call, with a status, OpenAI's error JSON and headers."""

    def __init__(self, status: int, body: JSON, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body, headers)
        self.response = JSONResponse(body, status, headers)


class Controls:
    """What can be changed while the server runs; safe to use from any thread."""

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._aliases = dict(aliases)
        self._refusals = 0
        self._retry_after = 1.0

    def aliases(self) -> dict[str, str]:
        """Tell which alias means which dated model now."""
        with self._lock:
            return dict(self._aliases)

    def move_alias(self, alias: str, model: str) -> None:
        """Point *alias* at another model, as providers do without a word."""
        with self._lock:
            self._aliases[alias] = model

    def limit_rate(self, times: int, retry_after: float) -> None:
        """Answer 429 to the next *times* provider calls."""
        with self._lock:
            self._refusals, self._retry_after = times, retry_after

    def take_refusal(self) -> float | None:
        """Use up one refusal; return its seconds to wait, or None when there is none left."""
        with self._lock:
            if self._refusals < 1:
                return None
            self._refusals -= 1
            return self._retry_after


class Provider:
    """Serve OpenAI's endpoints; *latency* and *chunk_delay* are in seconds."""

    def __init__(self, controls: Controls, *, latency: float, chunk_delay: float) -> None:
        self._controls = controls
        self._latency = latency
        self._chunk_delay = chunk_delay

    def routes(self) -> list[Route]:
        def route(path: str, endpoint: Endpoint, *methods: str) -> Route:
            return Route(path, self._admitted(endpoint), methods=methods)

        return [
            route("/v1/chat/completions", self._chat, "POST"),
            route("/v1/responses", self._responses, "POST"),
            route("/v1/embeddings", self._embeddings, "POST"),
            route("/v1/models", self._models, "GET"),
            route("/v1/{path:path}", _no_such_url, "GET", "POST"),
            Route("/control/rate-limit", self._control_rate_limit, methods=["POST"]),
            Route("/control/alias", self._control_alias, methods=["POST"]),
        ]

    async def _chat(self, request: Request) -> Response:
        asked = await _json(request, needs="messages")
        model = self._resolve(asked)
        thought = think(model, _objects(asked, "messages"), _tool_names(asked))
        usage = wire.chat_usage(asked, thought)
        if not asked.get("stream"):
            return JSONResponse(wire.completion(model, thought, usage))
        wanted = (asked.get("stream_options") or {}).get("include_usage")
        chunks = wire.completion_chunks(model, thought, usage if wanted else None)
        return self._stream([*(wire.sse(chunk) for chunk in chunks), wire.sse("[DONE]")])

    async def _responses(self, request: Request) -> Response:
        """Answer in text; unlike the chat endpoint it never asks for tools."""
        asked = await _json(request, needs="input")
        model = self._resolve(asked)
        text = asked["input"] if isinstance(asked["input"], str) else None
        given = _objects(asked, "input") if text is None else [{"role": "user", "content": text}]
        messages = [{"role": "system", "content": asked.get("instructions")}, *given]
        thought = think(model, messages)
        usage = wire.response_usage(messages, thought)
        done = wire.response(model, thought.text or "", usage, asked)
        if not asked.get("stream"):
            return JSONResponse(done)
        return self._stream(wire.sse(event, event["type"]) for event in wire.response_events(done))

    async def _embeddings(self, request: Request) -> Response:
        asked = await _json(request, needs="input")
        if asked["model"] != EMBEDDER:
            raise _unknown_model(asked["model"])
        return JSONResponse(wire.embeddings(EMBEDDER, asked))

    async def _models(self, _request: Request) -> Response:
        return JSONResponse(wire.models(self._controls.aliases(), (*VOICES, EMBEDDER)))

    async def _control_rate_limit(self, request: Request) -> Response:
        try:
            asked = await request.json()
            times, retry_after = int(asked["times"]), float(asked.get("retry_after", 1))
        except (ValueError, KeyError, TypeError, AttributeError):
            return _bad_control('{"times": 1, "retry_after": 1}')
        self._controls.limit_rate(times, retry_after)
        return JSONResponse({"times": times, "retry_after": retry_after})

    async def _control_alias(self, request: Request) -> Response:
        try:
            asked = await request.json()
            alias, model = str(asked["alias"]), str(asked["model"])
        except (ValueError, KeyError, TypeError):
            return _bad_control('{"alias": "gpt-4o", "model": "gpt-4.1-2025-04-14"}')
        if model not in VOICES:
            return _bad_control(f"a model out of {', '.join(VOICES)}")
        self._controls.move_alias(alias, model)
        return JSONResponse({"alias": alias, "model": model})

    def _resolve(self, asked: JSON) -> str:
        name: str = asked["model"]
        model = self._controls.aliases().get(name, name)
        if model not in VOICES:
            raise _unknown_model(name)
        return model

    def _admitted(self, endpoint: Endpoint) -> Endpoint:
        """Check the key and the rate limit before *endpoint*, and add a provider's headers."""

        async def answer(request: Request) -> Response:
            started = time.perf_counter()
            await asyncio.sleep(self._latency)
            try:
                _check_key(request)
                self._check_rate()
                response = await endpoint(request)
            except RefusalError as refusal:
                response = refusal.response
            _add_headers(response, started)
            return response

        return answer

    def _check_rate(self) -> None:
        seconds = self._controls.take_refusal()
        if seconds is None:
            return
        message = (
            "Rate limit reached in organization org-standin on requests per min (RPM): "
            f"Limit 500, Used 500, Requested 1. Please try again in {seconds:g}s."
        )
        body = wire.error(message, "requests", "rate_limit_exceeded")
        after = {"retry-after": f"{seconds:g}", "retry-after-ms": f"{seconds * 1000:.0f}"}
        raise RefusalError(429, body, after)

    def _stream(self, events: Iterable[str]) -> StreamingResponse:
        """Send *events* one by one, with a pause after each."""

        async def paced() -> AsyncIterator[str]:
            for event in events:
                yield event
                await asyncio.sleep(self._chunk_delay)

        return StreamingResponse(paced(), media_type="text/event-stream")


async def _json(request: Request, needs: str) -> JSON:
    """Parse the body, and refuse it as OpenAI does unless it holds a model and *needs*."""
    try:
        asked = json.loads(await request.body())
    except ValueError:
        message = "We could not parse the JSON body of your request."
        raise RefusalError(400, wire.error(message, "invalid_request_error")) from None
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        message = "you must provide a model parameter"
        raise RefusalError(400, wire.error(message, "invalid_request_error"))
    if not asked.get(needs):
        message = f"Missing required parameter: '{needs}'."
        code = "missing_required_parameter"
        raise RefusalError(400, wire.error(message, "invalid_request_error", code, needs))
    return asked


def _objects(asked: JSON, key: str) -> list[JSON]:
    """Take the list of objects at *key*, and refuse anything else."""
    given = asked.get(key)
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        message = f"Invalid type for '{key}': expected an array of objects."
        raise RefusalError(400, wire.error(message, "invalid_request_error", "invalid_type", key))
    return given


def _tool_names(asked: JSON) -> set[str]:
    """Tell which functions the model may ask for."""
    if asked.get("tool_choice") == "none" or not asked.get("tools"):
        return set()
    return {tool["function"]["name"] for tool in _objects(asked, "tools") if "function" in tool}


async def _no_such_url(request: Request) -> Response:
    message = f"Invalid URL ({request.method} {request.url.path})"
    raise RefusalError(404, wire.error(message, "invalid_request_error"))


def _unknown_model(model: str) -> RefusalError:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return RefusalError(404, wire.error(message, "invalid_request_error", "model_not_found"))


def _bad_control(needs: str) -> JSONResponse:
    return JSONResponse({"error": f"This control needs {needs}."}, 400)


def _check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY"
        raise RefusalError(401, wire.error(message, "invalid_request_error"))


def _add_headers(response: Response, started: float) -> None:
    """Add what a provider behind a CDN sends along, cookies included."""
    response.headers.update(
        {
            "server": "stand-in",
            "x-request-id": f"req_{secrets.token_hex(16)}",
            "openai-organization": "org-standin0000000000000000",
            "openai-processing-ms": f"{(time.perf_counter() - started) * 1000:.0f}",
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-limit-tokens": "30000",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-remaining-tokens": "29960",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-reset-tokens": "80ms",
        }
    )
    token = f"{secrets.token_urlsafe(32)}-{int(time.time())}-1.0.1.1"
    for name in ("__cf_bm", "_cfuvid"):
        cookie = f"{name}={token}; path=/; HttpOnly; Secure; SameSite=None"
        response.headers.append("set-cookie", cookie)
