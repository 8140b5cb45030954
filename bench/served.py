"""The service that is measured: one route, one call to an upstream, recorded by the middleware."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import replay
from replay.asgi import RecordingMiddleware


async def ask(request: Request) -> Response:
    """Pass the question on."""
    answer = await request.state.client.post(
        f"{os.environ['UPSTREAM']}/echo", content=await request.body()
    )
    return Response(answer.content, media_type="application/json")


async def stats(_: Request) -> Response:
    """Tell what was recorded."""
    found = replay.recording_stats()
    return JSONResponse([found.recorded, found.lost, found.waiting, found.held])


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Keep one client."""
    async with httpx.AsyncClient() as client:
        yield {"client": client}


app = Starlette(
    routes=[Route("/ask", ask, methods=["POST"]), Route("/stats", stats)], lifespan=lifespan
)
app.add_middleware(RecordingMiddleware, exclude=("/stats",), entrypoint="bench.served:app")

if __name__ == "__main__":
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # else asyncio leaves Nagle's on
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print("http://{}:{}".format(*listener.getsockname()), flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])
