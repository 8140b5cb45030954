"""The middleware that makes an episode of each request to an ASGI app: FastAPI, Starlette, …"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from replay.canonical import header
from replay.cassettes.redaction import Redactor
from replay.engine.apps import Answer, App, Message, Receive, Scope, Send, header_text
from replay.engine.background import Loss, ServiceRun
from replay.engine.entrypoint import importable
from replay.engine.service import Recorder, Sample, unique
from replay.model import Json, Request
from replay.spelling import bytes_as_json

__all__ = ["RecordingMiddleware"]

_PAST_THE_APP = ("http.response.pathsend", "http.response.zerocopysend")


class RecordingMiddleware:
    """
    Record each HTTP request to *app* as an episode, and what it sends in turn as its interactions.

    *entrypoint* is where a replay finds the app, `package.module:app`, or `package.module:make()`
    for a function that makes it; by default it is looked for in the modules. *name* begins the
    names of the episodes, or is a function of the scope that gives whole ones. *only* and *exclude*
    are globs of paths. *sample* is the share of requests, or a function of the scope that tells it.

    Streams pass as they come; WebSockets pass unrecorded. Nothing of the recording is ever the
    app's trouble: what is lost is logged (logger `replay`) and in `replay.recording_stats()`.
    """

    def __init__(
        self,
        app: App,
        *,
        entrypoint: str = "",
        name: str | Callable[[Scope], str] = "request",
        only: tuple[str, ...] = ("*",),
        exclude: tuple[str, ...] = (),
        sample: Sample | None = None,
        store: Path | None = None,
    ) -> None:
        self._app = app
        self._entrypoint = entrypoint or None
        self._name = name
        self._only, self._exclude = only, exclude
        self._recorder = Recorder(sample=sample, store=store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            self._recorder.prepare()
            await self._app(scope, receive, self._finishing(send))
        elif scope["type"] != "http" or self._recorder.is_off or not self._is_meant(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._recorded(scope, receive, send)

    async def _recorded(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._recorder.run(InboundRun, lambda: self._episode(scope), scope) as run:
            if run:
                run.asked(dict(scope), self._found(scope))
                receive, send = run.receiving(receive), run.sending(send)
            await self._app(scope, receive, send)

    def _finishing(self, send: Send) -> Send:
        """Write what is left before a server hears that the app has shut down: it may kill us."""

        async def finished(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await asyncio.to_thread(self._recorder.finish)
            await send(message)

        return finished

    def _is_meant(self, path: str) -> bool:
        wanted = any(fnmatch(path, glob) for glob in self._only)
        return wanted and not any(fnmatch(path, glob) for glob in self._exclude)

    def _episode(self, scope: Scope) -> str:
        return self._name(scope) if callable(self._name) else unique(self._name)

    def _found(self, scope: Scope) -> str:
        """Name the app: the one that Starlette says is served, or what this middleware is."""
        if self._entrypoint is None:
            self._entrypoint = app_name(scope.get("app", self))
        return self._entrypoint


class InboundRun(ServiceRun):
    """The run of one inbound request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scope: Scope = {}
        self._body: list[bytes] = []
        self._answer = Answer()

    def asked(self, scope: Scope, app: str) -> None:
        """Note the head of the request to *app*."""
        self.entrypoint = app
        self._scope = scope
        if not app:
            self.lose(
                Loss.ERROR, 'no module holds the app: RecordingMiddleware(entrypoint="a.b:c")'
            )

    def receiving(self, receive: Receive) -> Receive:
        """Hear what the app is sent."""

        async def heard() -> Message:
            message = await receive()
            if piece := message.get("body"):
                if self.room(len(piece)):
                    self._body.append(piece)
            elif message["type"] == "http.disconnect" and not self._answer.is_whole:
                self.lose(Loss.CUT_SHORT, "the client went away before it was answered")
            return message

        return heard

    def sending(self, send: Send) -> Send:
        """Hear what the app answers, on its way."""

        async def heard(message: Message) -> None:
            if message["type"] in _PAST_THE_APP:
                self.lose(Loss.ERROR, "the server sends a file that does not pass through the app")
            if not self.room(self._answer.heard(message)):
                self._answer.forget()
            await send(message)

        return heard

    def forget(self) -> None:
        """Let go of what is held."""
        super().forget()
        self._body.clear()
        self._answer.forget()

    def said(self, redactor: Redactor) -> tuple[dict[str, Json], Json]:
        """Give the request and the answer, without their secrets."""
        scope, body = self._scope, b"".join(self._body)
        headers = header_text(scope["headers"])
        query = scope.get("query_string", b"").decode("latin-1")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        host = header(headers, "host") or "localhost"
        url = f"{scope.get('scheme', 'http')}://{host}{path}{f'?{query}' if query else ''}"
        request = redactor.request(Request(scope["method"], url, headers, body))
        inputs = {
            "method": request.method,
            "url": request.url,
            "headers": [list(pair) for pair in request.headers],
            "body": bytes_as_json(request.body),
        }
        if root := scope.get("root_path"):
            inputs["root_path"] = root
        return inputs, redactor.json(self._answer.output())


def app_name(app: object) -> str:
    """Find the module and the name there under which *app* can be imported; empty if nowhere."""
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is app:
                return f"{importable(name)}:{attribute}"
    return ""
