"""The stand-in as a real server on loopback."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from .provider import DEFAULT_ALIASES, Controls, Provider
from .shop import shop_routes

GRACE = 1  # seconds that streams may go on once the server is told to stop


def create_app(
    *,
    aliases: Mapping[str, str] = DEFAULT_ALIASES,
    chunk_delay: float = 0.02,
    latency: float = 0.05,
) -> Starlette:
    """Build the provider and the shop's APIs as one application; delays are in seconds."""
    provider = Provider(Controls(aliases), latency=latency, chunk_delay=chunk_delay)
    return Starlette(routes=[*provider.routes(), *shop_routes(latency)])


@contextmanager
def serve(
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    aliases: Mapping[str, str] = DEFAULT_ALIASES,
    chunk_delay: float = 0.02,
    latency: float = 0.05,
) -> Iterator[str]:
    """
    Run the stand-in in a thread of this process, and hand out its address.

    Port 0 takes a free port. The address has no path: the provider is under ``/v1``, the shop under
    ``/orders`` and ``/shipping``. Raises OSError when the port is taken.
    """
    app = create_app(aliases=aliases, chunk_delay=chunk_delay, latency=latency)
    listener = socket.create_server((host, port))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            access_log=False,
            lifespan="off",
            log_config=None,
            log_level="critical",
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        if not server.started:
            raise RuntimeError("The stand-in did not start.")
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
