"""The modes through a real inner pytest: who runs where, and that GOLDEN is the same everywhere."""

import json
import os
import random
import socket
import subprocess
import urllib.request

import aiohttp
import httpx
import pytest
import requests

from replay.cassettes.guard import Guard, guarded, watched
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.config import Subprocesses
from replay.errors import Unhermetic
from replay.golden.staging import forcing
from tests.conftest import Project, surroundings
from tests.server import plain, scripted

OTHERS = """
import socket, threading, urllib.request
import httpx, pytest

def test_plain():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

@pytest.mark.golden
def test_golden(golden):
    assert 1 == golden

@pytest.mark.live_smoke
def test_smoke():
    pass

def test_mocked(mock_http):
    mock_http("GET", "http://shop.example/1", json={"status": "shipped"})
    assert httpx.get("http://shop.example/1").json() == {"status": "shipped"}
"""

DRAWS = """
import os, random, secrets, subprocess, sys, time, uuid
from datetime import datetime
import numpy, pytest

def draws():
    return {
        "random": [random.random(), random.Random().random()],
        "numpy": [float(numpy.random.random()), float(numpy.random.default_rng().random())],
        "uuid": [str(uuid.uuid4()), str(uuid.uuid1())],
        "secrets": secrets.token_hex(8),
        "time": [datetime.now().isoformat(), time.time(), time.strftime("%Z %c")],
        "set": {"a", "b", "c", "d"},
    }

@pytest.mark.golden
@pytest.mark.parametrize("number", [1, 2, 3])
def test_draws(golden, number):
    assert draws() == golden
"""

FUTURE = """
import time_machine
time_machine.travel("2031-05-06 07:08:09").start()
"""


@pytest.fixture
def bare(tmp_path) -> Project:
    """A project with nothing in it."""
    env = surroundings()
    return Project(tmp_path, env).write("pyproject.toml", "[tool.replay]\n")


@pytest.fixture
def server():
    """A server on loopback that says OK in JSON, and what it was asked."""
    asked: list[bytes] = []
    answer = plain(b'{"ok": true}', b"content-type: application/json")

    def script(connection, data):
        size = int(data.lower().partition(b"content-length:")[2].split(b"\r")[0] or 0)
        body = data.partition(b"\r\n\r\n")[2]
        while len(body) < size:
            body += connection.recv(65536)
        asked.append(body)
        answer(connection, data)

    with scripted(script) as address:
        yield address, asked


@pytest.mark.parametrize(
    ("mode", "passed", "reasons"),
    [
        (
            "MOCK",
            2,
            [
                "MOCK mode plays no cassettes: TEST_MODE=GOLDEN pytest test_it.py::test_golden",
                "it needs real traffic: TEST_MODE=LIVE_SMOKE pytest test_it.py::test_smoke",
            ],
        ),
        (
            "GOLDEN",
            3,
            ["it needs real traffic: TEST_MODE=LIVE_SMOKE pytest test_it.py::test_smoke"],
        ),
        ("LIVE_SMOKE", 1, ["LIVE_SMOKE runs only what is marked live_smoke"]),
    ],
)
def test_each_mode_runs_what_it_can_answer(bare, mode, passed, reasons):
    """What is skipped says the command that runs it; tests without our marks are left alone."""

    bare.write("test_it.py", OTHERS)
    bare.write("cassettes/test_it.test_golden.yaml", "version: 1\ninteractions: []\n")
    bare.write("golden/test_it.test_golden.json", "1\n")
    done = bare.where(TEST_MODE=mode).pytest("-q", "-rs")

    assert (done.returncode, f"{passed} passed" in done.stdout) == (0, True), done.stdout
    assert [reason for reason in reasons if reason not in done.stdout] == []


def test_variables_of_others_stop_nothing_where_no_test_is_ours(bare):
    """Where one is, they are an error that says where it stands, from whatever worker; once."""

    foreign = bare.where(TEST_TIMEOUT="30s", TEST_MODE="GOLDEN").write("test_it.py", OTHERS)
    foreign.write("cassettes/test_it.test_golden.yaml", "version: 1\ninteractions: []\n")
    plain = foreign.pytest("-q", "-k", "plain")
    ours, spread = foreign.pytest("-q"), foreign.pytest("-q", "-n2")
    verb = foreign.replay("goldens", "orphans")

    said = "TEST_TIMEOUT = '30s' (from the environment) means nothing."
    assert (plain.returncode, "1 passed" in plain.stdout) == (0, True), plain.stdout
    assert (ours.returncode, said in ours.stderr) == (4, True)
    assert (spread.returncode, spread.stdout.count(said)) == (2, 1), spread.stdout
    assert verb.returncode == 0, verb.stderr


def test_golden_is_the_same_on_every_host_and_day(bare):
    """Hash seed, zone, language, date, order and worker: raw outputs are equal to the byte."""

    bare.write("test_it.py", DRAWS)
    raw = bare.where(TEST_NORMALIZE_OUTPUTS="0", TEST_PIN_SECRETS="1", TEST_SEED="7")
    made = raw.pytest("-q", "--record-mode=rewrite", "--snapshot-update")
    there = {p.name: p.read_bytes() for p in (bare.root / "golden").iterdir()}
    elsewhere = raw.write("conftest.py", FUTURE).where(
        TEST_MODE="GOLDEN",
        PYTHONHASHSEED="77",
        TZ="Asia/Tokyo",
        LANG="tr_TR.UTF-8",
        LC_ALL="tr_TR.UTF-8",
    )
    backwards = [f"test_it.py::test_draws[{number}]" for number in (3, 2, 1)]
    runs = [elsewhere.pytest("-q", *backwards), elsewhere.pytest("-q", "-n", "2")]

    assert [made.returncode, *(run.returncode for run in runs)] == [0, 0, 0], runs[0].stdout
    assert {p.name: p.read_bytes() for p in (bare.root / "golden").glob("*.json")} == there
    drawn = [json.loads(content)["random"][0] for content in there.values()]
    assert drawn == [random.Random(7).random()] * 3


def test_a_run_tells_what_it_saw(bare, server):
    """What was not recorded, which subprocess ran, what matched; a test that hangs is stopped."""

    address, _ = server
    body = f"""
    import subprocess, sys, threading, time, urllib.request
    import httpx, pytest

    @pytest.mark.golden("it")
    def test_it(golden):
        httpx.get("{address}/seen")
        urllib.request.urlopen("{address}/unseen").read() if RECORDS else None
        subprocess.run([sys.executable, "-c", "pass"])
        threading.Thread(target=threading.Event().wait, args=[0.5], name="late").start()

    @pytest.mark.timeout(60)
    def test_own_limit(mock_llm):
        pass

    def test_late(request):
        request.getfixturevalue("mock_llm")

    def test_hangs(mock_llm):
        while True:
            pass
    """
    text = "\n".join(line[4:] for line in body.splitlines())
    bare.write("test_it.py", "RECORDS = True\n" + text)
    recorded = bare.pytest("-q", "test_it.py::test_it", "--record-mode=rewrite")
    bare.edit("test_it.py", "RECORDS = True", "RECORDS = False")
    debug = bare.where(TEST_MODE="GOLDEN", TEST_DEBUG="1", TEST_TIMEOUT="0.5")
    played = debug.pytest("-q", "--tb=line")

    assert recorded.returncode == 0, recorded.stdout
    assert f"not recorded: {address.removeprefix('http://')}; no client" in recorded.stdout
    assert "2 passed" in played.stdout
    assert "Timeout" in played.stdout
    for told in (
        "mock_llm came too late: take it as an argument",
        "UNHERMETIC: the subprocess",
        "UNHERMETIC: the thread 'late' outlives",
        f"matched: #1 GET {address}/seen",
        "UTC, seed 0, temperature as sent",
    ):
        assert told in played.stdout


def test_a_limit_that_nobody_keeps_is_refused(bare):
    """pytest-timeout keeps it; a project may have turned that off."""

    bare.write("test_it.py", OTHERS)
    done = bare.where(TEST_TIMEOUT="1").pytest("-q", "-p", "no:timeout")

    assert (done.returncode, "-p no:timeout" in done.stderr) == (4, True)


async def send(client: str, url: str, body: dict) -> None:
    """Post *body* by one of the clients."""
    if client == "aiohttp":
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            await response.read()
    elif client == "httpx-async":
        async with httpx.AsyncClient() as session:
            await session.post(url, json=body)
    else:
        {"httpx": httpx, "requests": requests}[client].post(url, json=body)


@pytest.mark.parametrize("client", ["httpx", "httpx-async", "requests", "aiohttp"])
async def test_temperature_is_forced_on_the_wire_and_when_matching(server, client):
    """The provider and the cassette get the same; a replay may send what it likes."""

    address, asked = server
    url = f"{address}/v1/chat/completions"
    body = {"model": "gpt-4o", "messages": [], "temperature": 0.7}
    with using(Tape(records=True, outgoing=forcing(0.0))) as tape:
        await send(client, url, body)
    with using(Tape(tape.recorded, outgoing=forcing(0.0))) as again:
        await send(client, url, body | {"temperature": 0.9})

    assert len(asked) == 1
    assert b'"temperature":0.0' in asked[0].replace(b" ", b"")
    assert tape.recorded[0].request.body == asked[0]
    assert again.unplayed == ()


async def test_only_what_generates_has_a_temperature(server):
    """An embedding has none, nor has what is no model; unset, nothing is touched."""

    address, asked = server
    bodies = [
        ("/v1/embeddings", {"model": "e", "input": "a"}),
        ("/orders", {"temperature": 20}),
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": []}),
    ]
    for path, body in bodies:
        with using(Tape(records=True, outgoing=forcing(0.0 if path[:5] != "/v1/c" else None))):
            await send("httpx", address + path, body)

    assert [b'temperature":0.0' in body.replace(b" ", b"") for body in asked] == [False] * 3


async def test_the_watch_names_what_no_tape_sees(server):
    """By urllib or a bare socket; what is recorded or ignored is not named."""

    address, _ = server
    place = address.removeprefix("http://")
    host, _, port = place.partition(":")
    with using(Tape(records=True)) as tape, watched(tape) as recorded:
        for client in ("httpx", "httpx-async", "requests", "aiohttp"):
            await send(client, address, {})
    with using(Tape(records=True, ignore_hosts=["127.*"])) as tape, watched(tape) as told:
        httpx.get(address)
        urllib.request.urlopen(address.replace(host, "localhost")).close()
    with using(Tape(records=True)) as tape, watched(tape) as raw:
        socket.create_connection((host, int(port))).close()
        with socket.socket() as bare:
            bare.connect((host, int(port)))

    assert list(recorded.seen) == []
    assert list(told.seen) == [f"localhost:{port}"]
    assert list(raw.seen) == [place]


@pytest.mark.parametrize("start", [lambda: subprocess.call(["true"]), lambda: os.system("true")])
def test_subprocesses_are_noted_or_refused(start):
    """As the project wants it; the default says so and lets them run."""

    with guarded(Guard(subprocesses=Subprocesses.WARN)) as noted:
        start()
    with guarded(Guard(subprocesses=Subprocesses.ALLOW)) as allowed:
        start()
    with guarded(Guard(subprocesses=Subprocesses.REFUSE)) as refused, pytest.raises(Unhermetic):
        start()

    assert (noted.started, allowed.started) == (["true"], [])
    assert [attempt.address for attempt in refused.attempts] == ["true"]
