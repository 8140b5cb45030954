"""What goes past a recording is named: by `replay record`, by `record()`, by `@episode`."""

import asyncio
import contextvars
import socket
import threading
import urllib.request

import httpx
import pytest

import replay
from replay.config import Config
from replay.engine.recorder import record
from tests.conftest import Project, surroundings
from tests.server import plain, scripted

PROGRAM = """
import threading, urllib.request, httpx

def main(seen, unseen):
    thread = threading.Thread(target=lambda: urllib.request.urlopen(unseen).read())
    thread.start()
    thread.join()
    urllib.request.urlopen(unseen).read()
    return httpx.get(seen).text
"""


@pytest.fixture
def servers():
    """Two servers on loopback, as URL and as address."""
    with scripted(plain(b"1")) as one, scripted(plain(b"2")) as two:
        yield [(url, url.removeprefix("http://")) for url in (one, two)]


def test_the_command_names_it_on_stderr(tmp_path, servers):
    """From whatever thread, once; what is recorded is not named."""

    (seen, _), (unseen, address) = servers
    env = surroundings()
    project = Project(tmp_path, env).write("pyproject.toml", "[tool.replay]\n")
    project.write("program.py", PROGRAM)
    project.write("in.json", f'{{"seen": "{seen}", "unseen": "{unseen}"}}')
    done = project.replay("record", "program:main", "--input", "in.json", "--id", "case")

    assert done.returncode == 0, done.stderr
    why = "no client that we record was used (urllib.request, a raw socket, a driver)"
    said = f"Warning: not recorded: {address}; {why}, so a replay will refuse it\n"
    assert done.stderr == said


async def test_a_service_logs_each_address_once(tmp_path, servers, caplog, monkeypatch):
    """However many calls, at once or not; what other threads of it do is not its runs'."""

    monkeypatch.setattr("replay.engine.service.keep_patched", lambda: None)  # in this process
    monkeypatch.setenv("REPLAY_RECORD", "on")
    (seen, own), (_, address) = servers
    host, _, port = address.partition(":")

    def check_health() -> None:
        socket.create_connection((host, int(own.rpartition(":")[2]))).close()

    @replay.episode(store=tmp_path / "store.db")
    async def serve() -> str:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        threading.Thread(target=contextvars.Context().run, args=(check_health,)).start()
        async with httpx.AsyncClient() as client:
            return (await client.get(seen)).text

    answers = [await serve(), *await asyncio.gather(serve(), serve())]

    assert answers == ["1"] * 3
    told = [entry.message for entry in caplog.records if entry.name == "replay"]
    assert [line.partition(";")[0] for line in told] == [f"not recorded: {address}"]


def test_only_what_the_run_itself_does_is_told(tmp_path, servers):
    """With two runs open, neither is told of the other, nor of a thread that belongs to none."""

    all_open, told = threading.Barrier(3), {address: [] for _, address in servers}

    def run(url: str, address: str) -> None:
        store, tell = tmp_path / f"{address[-5:]}.db", told[address].append
        with record("it", store=store, config=Config(root=tmp_path), unrecorded=tell):
            all_open.wait()
            urllib.request.urlopen(url).read()
            httpx.get(url)
            all_open.wait()

    threads = [
        threading.Thread(target=contextvars.Context().run, args=(run, url, address))
        for url, address in servers
    ]
    for thread in threads:
        thread.start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        all_open.wait()
        socket.create_connection(server.getsockname()).close()
        all_open.wait()
    for thread in threads:
        thread.join()

    assert told == {address: [address] for _, address in servers}
