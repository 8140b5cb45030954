"""ASGI apps: what one answers, and how it is sent a request again, in this process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from replay.canonical import header, parsed_json
from replay.cassettes.coding import decoded
from replay.model import Headers, Json, Response
from replay.spelling import bytes_as_json, json_as_bytes

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_NOT_SAID = frozenset(
    {"content-length", "date", "server", "server-timing", "x-process-time", "x-response-time"}
)
"""Headers that say how long an answer is or took, not what it is."""

EXTENSION = "replay"
"""What stands in the `extensions` of a scope under replay, so that an app can tell."""


class Answer:
    """What an app answers, put together from what it sends."""

    def __init__(self) -> None:
        self.response: Response | None = None
        self.is_whole = False
        self._pieces: list[bytes] = []

    def heard(self, message: Message) -> int:
        """Note *message*; tell how many bytes of it are held."""
        if message["type"] == "http.response.start":
            self.response = Response(message["status"], "", header_text(message.get("headers", ())))
        elif message["type"] == "http.response.body":
            self.is_whole = not message.get("more_body", False)
            if piece := bytes(message.get("body", b"")):
                self._pieces.append(piece)
                return len(piece)
        return 0

    def forget(self) -> None:
        """Let go of the body."""
        self._pieces.clear()

    def output(self) -> Json:
        """Write the answer down: status, headers, and the body as JSON or text where it is that."""
        if self.response is None:
            return None
        start, body = self.response, b"".join(self._pieces)
        response = decoded(Response(start.status, "", start.headers, body))
        headers: dict[str, Json] = {}
        for name, value in response.headers:
            if name in _NOT_SAID:
                continue
            headers[name] = [*_list(headers[name]), value] if name in headers else value
        return {"status": response.status, "headers": headers, "body": _shown(response)}


def is_app(found: object) -> bool:
    """Whether *found* is called as ASGI calls an app."""
    try:
        return list(inspect.signature(found).parameters) == [  # type: ignore[arg-type]
            "scope",
            "receive",
            "send",
        ]
    except (TypeError, ValueError):
        return False


def sender(app: App) -> Callable[..., Awaitable[Json]]:
    """Make of *app* a function that takes one request, as it was recorded, and gives the answer."""

    async def send(
        *,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: Json = "",
        root_path: str = "",
    ) -> Json:
        address = urlsplit(url)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": address.scheme,
            "path": unquote(address.path),
            "raw_path": address.path.encode("latin-1"),
            "query_string": address.query.encode("latin-1"),
            "root_path": root_path,
            "headers": [(name.encode("latin-1"), v.encode("latin-1")) for name, v in headers],
            "client": ("127.0.0.1", 0),
            "server": (address.hostname or "", address.port or 80),
            "extensions": {EXTENSION: {}},
        }
        async with _alive(app) as state:
            return await _asked(app, scope | {"state": state}, json_as_bytes(body))

    return send


async def _asked(app: App, scope: Scope, body: bytes) -> Json:
    """Send one request to *app*, whole, and put its answer together."""
    answer = Answer()
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not waiting:
            await asyncio.Future()  # the client stays until it is answered
        return waiting.pop()

    async def send(message: Message) -> None:
        answer.heard(message)

    await app(scope, receive, send)
    return answer.output()


@asynccontextmanager
async def _alive(app: App) -> AsyncIterator[dict[str, Any]]:
    """Start *app* up and, at the end, shut it down; yields what its start left for requests."""
    state: dict[str, Any] = {}
    life = _Life(app, {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state})
    await life.ordered("startup")
    try:
        yield state
    finally:
        await life.ordered("shutdown")
        await life.over()


class _Life:
    """
    The lifespan of an app (ASGI specification, "Lifespan Protocol").

    An app that raises instead of answering takes no part in it, and is served without.
    """

    def __init__(self, app: App, scope: Scope) -> None:
        self._orders: asyncio.Queue[Message] = asyncio.Queue()
        self._replies: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.ensure_future(app(scope, self._orders.get, self._replies.put))

    async def ordered(self, what: str) -> None:
        """Have it start up or shut down; raise `RuntimeError` if it says that it could not."""
        if self._task.done():
            return
        await self._orders.put({"type": f"lifespan.{what}"})
        reply = asyncio.ensure_future(self._replies.get())
        await asyncio.wait({reply, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not reply.done():
            reply.cancel()
        elif (said := reply.result())["type"] == f"lifespan.{what}.failed":
            await self.over()
            raise RuntimeError(f"the {what} of the app failed: {said.get('message', '')}")

    async def over(self) -> None:
        """End it; what it raises after its last word is nobody's."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()


def header_text(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Read headers as ASGI hands them on."""
    return tuple((name.decode("latin-1").lower(), v.decode("latin-1")) for name, v in headers)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _shown(response: Response) -> Json:
    if "json" in header(response.headers, "content-type"):
        with suppress(ValueError):
            return parsed_json(response.body)
    return bytes_as_json(response.body)
