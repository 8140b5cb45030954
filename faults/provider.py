"""Providers that hang, reset, break off, lie about a length, never end, or speak no HTTP."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from faults.fault import Fault
from faults.ground import (
    RECORD,
    REWRITE,
    Broken,
    Ground,
    store_generations,
    told,
    whole_store,
)
from replay.atomic import proposal
from replay.cassettes.files import read_cassette
from replay.episodes.store import Store
from tests.server import Script, scripted

_BODY = b'{"said": "what was said before it broke"}'
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_PIECE = b"data: and on\n\n"
_CHUNK = b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE)

PROGRAM = """
import asyncio, sys, httpx, requests, aiohttp

def streamed(url):
    got = b""
    with httpx.Client(timeout=1, verify=False) as http, http.stream("GET", url) as response:
        for piece in response.iter_bytes():
            got += piece
            if len(got) > 500:
                raise TimeoutError("it does not end")
    return got

async def awaited(url):
    timeout = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as response:
        return await response.read()

CLIENTS = {
    "httpx": lambda url: httpx.get(url, timeout=1, verify=False).content,
    "a stream of httpx": streamed,
    "requests": lambda url: requests.get(url, timeout=1).content,
    "aiohttp": lambda url: asyncio.run(awaited(url)),
}

def asked(url, client):
    return CLIENTS[client](url).decode()

def main(url, client):
    try:
        return {"got": asked(url, client)}
    except Exception as error:
        return {"raised": type(error).__name__}
"""

TEST = """
import pytest, os, broken

@pytest.mark.golden("case")
def test_broken(golden):
    assert broken.asked(os.environ["BROKEN"], os.environ["CLIENT"].replace("_", " ")) == golden
"""

_CLIENTS = ("httpx", "a stream of httpx", "requests", "aiohttp")


class Provider(Fault):
    """A provider that answers by *script*; half a body is what a program got before an error."""

    made = "a server on loopback; asked by httpx, a stream of httpx, requests, aiohttp in turn"
    holds = (
        "A program that handles it is recorded, and its replay gets the same bytes and the same "
        "exception. Recorded anew in a test that fails of it, cassette and golden stay as they are."
    )
    told = "what the client raised, and: The run raised … No recording was added to …"
    runs = len(_CLIENTS)
    script: Script
    clients: tuple[str, ...] = _CLIENTS
    raises = True

    def prepare(self, ground: Ground) -> Ground:
        ground.succeed(f"ROUND=old {RECORD}")
        ground.succeed(f"ROUND=old {REWRITE} --snapshot-update")
        (ground.folder / "broken.py").write_text(PROGRAM)
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground, client = start.copied(folder), self.clients[number % len(self.clients)]
        with scripted(type(self).script) as address:
            self._recorded(ground, address, client)
            if self.raises:
                self._refused(ground, address, client)
        ground.succeed("replay run broken")
        whole_store(ground.store)

    def _recorded(self, ground: Ground, address: str, client: str) -> None:
        """Record a program that catches the error; and one that does not."""
        (ground.folder / "in.json").write_text(f'{{"url": "{address}/", "client": "{client}"}}')
        ground.succeed("replay record broken:main --input in.json --id broken")
        with Store(ground.store, writable=False) as store:
            output = store.get("broken").current.output
        if self.raises != ("raised" in output):
            raise Broken(f"{client}: {output}")
        if self.raises:
            done = ground.run("replay record broken:asked --input in.json --id uncaught")
            told(done.said, f"The run raised …{output['raised']}… No recording was added to")

    def _refused(self, ground: Ground, address: str, client: str) -> None:
        """Record a golden test anew, which fails."""
        before = ground.cassette.read_bytes(), ground.golden.read_bytes()
        (ground.folder / "test_program.py").write_text(TEST)
        variables = f"BROKEN={address}/ CLIENT={client.replace(' ', '_')}"
        done = ground.run(f"{variables} {REWRITE} --snapshot-update")
        if done.code != 1:
            raise Broken(f"exit {done.code}\n{done.said}")
        if before != (ground.cassette.read_bytes(), ground.golden.read_bytes()):
            raise Broken("the cassette or the golden is another one")
        if (beside := proposal(ground.cassette)).exists():
            read_cassette(beside)


def _wait(connection: socket.socket) -> None:
    """Say nothing more until the client has gone."""
    connection.settimeout(10)
    while connection.recv(65536):
        pass


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _hangs(connection: socket.socket, _request: bytes) -> None:
    _wait(connection)


def _hangs_half_way(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(_HEAD % len(_BODY) + _BODY[:20])
    _wait(connection)


def _resets(connection: socket.socket, _request: bytes) -> None:
    _reset(connection)


def _resets_half_way(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(_HEAD % len(_BODY) + _BODY[:20])
    time.sleep(0.05)
    _reset(connection)


def _breaks_off(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(_HEAD % (2 * len(_BODY)) + _BODY)


def _breaks_a_stream_off(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(_STREAM + 3 * _CHUNK + b"ff\r\ndata: half")


def _says_less(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(_HEAD % len(_BODY) + _BODY + b"and more than was said")


def _says_nonsense(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"\x00\xffSSH-2.0-nobody speaks HTTP here\r\n\r\n")


def _never_ends(connection: socket.socket, _request: bytes) -> None:
    connection.sendall(_STREAM)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        connection.sendall(_CHUNK)
        time.sleep(0.02)


def _kind(name: str, what: str, how: Script, **other: object) -> type[Fault]:
    return type(name, (Provider,), {"title": what, "script": staticmethod(how), **other})


_SERVICE = """
import os, replay, httpx

@replay.episode
def endless(url):
    got = 0
    with httpx.Client(timeout=5, verify=False) as http, http.stream("GET", url) as response:
        for piece in response.iter_bytes():
            got += len(piece)
            if got > 300_000:
                return got

print(endless(os.environ["BROKEN"]), replay.recording_stats().lost)
"""


class Endless(Fault):
    title = "a stream that never ends, in a service that records in the background"
    made = "a server on loopback that sends for as long as it is read; `run_bytes = 100000`"
    holds = "The service gets every byte; its recording is dropped whole, and its memory with it."
    told = "in its log: not recorded: …: it holds more than 100,000 bytes"
    runs = 2

    def prepare(self, ground: Ground) -> Ground:
        settings = ground.folder / "pyproject.toml"
        settings.write_text(f"{settings.read_text()}\n[tool.replay.service]\nrun_bytes = 100_000\n")
        (ground.folder / "service.py").write_text(_SERVICE)
        ground.succeed(f"ROUND=old {RECORD}")
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground = start.copied(folder)

        def floods(connection: socket.socket, _request: bytes) -> None:
            connection.sendall(_STREAM)
            while True:
                connection.sendall(100 * _CHUNK)

        with scripted(floods) as address:
            said = ground.succeed(f"BROKEN={address}/ python service.py")
        told(said, self.told.partition(": ")[2])
        told(said, "{'too large': 1}")
        if store_generations(ground.store) != ["old"]:
            raise Broken("half a recording was kept")


_PARTS: tuple[tuple[str, str, Callable[..., None], dict[str, object]], ...] = (
    ("Hangs", "a provider that never answers", _hangs, {}),
    ("HangsHalfWay", "a provider that hangs half way in a body", _hangs_half_way, {}),
    ("Resets", "a connection that is reset before the answer", _resets, {}),
    ("ResetsHalfWay", "a connection that is reset half way in a body", _resets_half_way, {}),
    ("BreaksOff", "a body that is half as long as was said", _breaks_off, {}),
    ("BreaksStreamOff", "a stream that breaks off in a chunk", _breaks_a_stream_off, {}),
    (
        "SaysLess",
        "a body that is longer than was said",
        _says_less,
        {"raises": False, "clients": _CLIENTS[:3], "runs": 3},
    ),
    ("SaysNonsense", "an answer that is no HTTP", _says_nonsense, {}),
    (
        "NeverEnds",
        "a stream that never ends, read until the program has enough",
        _never_ends,
        {"clients": ("a stream of httpx", "aiohttp"), "runs": 2},
    ),
)

FAULTS: tuple[type[Fault], ...] = (*(_kind(n, t, s, **o) for n, t, s, o in _PARTS), Endless)
