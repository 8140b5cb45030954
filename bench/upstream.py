"""A fast server on loopback, in a process of its own, to record against."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

CHUNKS, PAUSE = 10, 0.02
ANSWER = b'{"choices": [{"message": {"content": "' + b"x" * 700 + b'"}}]}'


@contextmanager
def upstream(latency: float = 0.0) -> Iterator[str]:
    """Start the server, which thinks for *latency* seconds; yields its address."""
    command = [sys.executable, "-m", "bench.upstream", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _serve(
    latency: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            if latency:
                await asyncio.sleep(latency)
            await (_stream(writer) if b" /stream " in head else _answer(writer))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _answer(writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % len(ANSWER) + ANSWER)
    await writer.drain()


async def _stream(writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    writer.write(head + b"transfer-encoding: chunked\r\n\r\n")
    for n in range(CHUNKS):
        await asyncio.sleep(PAUSE)
        data = b'data: {"n": %d}\n\n' % n
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _main(latency: float) -> None:
    server = await asyncio.start_server(partial(_serve, latency), "127.0.0.1", 0)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1])))
