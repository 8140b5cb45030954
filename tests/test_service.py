"""Recording in a running service: many runs at once, bounded, and never the service's trouble."""

import json
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from replay.asgi import RecordingMiddleware
from replay.engine.entrypoint import load_entrypoint, run_entrypoint
from replay.episodes.store import Store
from tests.conftest import ROOT, Project, surroundings

SECRET = "sk-" + "Ab3" * 16
CHAT = {"object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06"}


class Upstream(BaseHTTPRequestHandler):
    """Echoes what it is sent, chats, and streams one more line whenever it may."""

    protocol_version = "HTTP/1.1"
    may = threading.Semaphore(0)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/completions"):
            message = {"role": "assistant", "content": json.loads(body)["messages"][0]["content"]}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            body = json.dumps({"id": "chatcmpl-1", **CHAT, "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for line in (b"one\n", b"two\n", b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            if line:
                self.may.acquire(timeout=20)

    def log_message(self, *_):
        pass


class Patient(ThreadingHTTPServer):
    """Lets a hundred clients connect at once."""

    request_queue_size = 200


@contextmanager
def serving_upstream() -> Iterator[str]:
    with Patient(("127.0.0.1", 0), Upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with serving_upstream() as url:
        yield url


@pytest.fixture
def home(tmp_path, upstream) -> Project:
    """An empty project, whose programs know the upstream."""

    env = surroundings() | {"UPSTREAM": upstream, "OPENAI_API_KEY": "not-a-key"}
    project = Project(tmp_path, env | {"PYTHONPATH": str(ROOT)})
    return project.write("pyproject.toml", "[tool.replay.service]\nexit_seconds = 60\n")


def done(project, script):
    """Run *script* to its end; what it prints, as JSON, and what it logs."""

    ran = project.write("script.py", script).run(sys.executable, "script.py")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout), ran.stderr


def episodes(project):
    with Store(project.root / "episodes/episodes.db") as store:
        return [store.get(name) for name in store.ids()]


def sent(episode):
    return [json.loads(i.request.body) for i in episode.current.interactions]


TESTS = """
from starlette.testclient import TestClient
from service import app

def test_upload():
    with TestClient(app) as client:
        assert client.post("/upload", content=b"one").content == b"eno"
"""


@pytest.mark.parametrize(("said", "recorded"), [("", 0), ("on", 1)])
def test_a_test_client_records_only_where_that_is_asked_for(home, said, recorded):
    """What unit tests send to an app is not the traffic of the service."""

    home.write("service.py", APP).write("test_service.py", TESTS)

    ran = home.where(REPLAY_RECORD=said).pytest()

    assert ran.returncode == 0, ran.stdout
    assert len(episodes(home) if (home.root / "episodes").exists() else ()) == recorded


# In code ------------------------------------------------------------------------------------------

AT_ONCE = """
import asyncio, json, os
from concurrent.futures import ThreadPoolExecutor
import httpx, requests
import replay

URL = os.environ["UPSTREAM"]

shared = httpx.Client()

@replay.episode
def in_thread(run):
    shared.post(URL, json=[run, 0])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: requests.post(URL, json=[run, n]), (1, 2)))
    return run

async def loop():
    @replay.episode
    async def in_loop(run):
        for n in range(2):
            await client.post(URL, json=[run, n])
        await asyncio.to_thread(shared.post, URL, json=[run, 2])
        return run

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(in_loop(run) for run in range(100, 200)))

with ThreadPoolExecutor(9) as pool:
    looping = pool.submit(asyncio.run, loop())
    list(pool.map(in_thread, range(100)))
    looping.result()

written = replay.flush_recordings(60)
stats = replay.recording_stats()
print(json.dumps([written, stats.recorded, stats.lost, stats.open, stats.waiting, stats.held]))
"""


def test_two_hundred_runs_in_threads_and_tasks_do_not_mix(home):
    """Each has its own three calls and no other's, also those it leaves to a pool of threads."""

    stats, log = done(home, AT_ONCE)
    found = {episode.inputs["run"]: episode for episode in episodes(home)}

    assert stats == [True, 200, {}, 0, 0, 0], log
    assert sorted(found) == list(range(200))
    for run, episode in found.items():
        assert episode.current.output == run
        assert sorted(sent(episode)) == [[run, 0], [run, 1], [run, 2]]


SAMPLED = """
import json, os, threading
import httpx, replay

def post(what):
    httpx.post(os.environ["UPSTREAM"], json=what)

@replay.episode
def inner(what):
    post(what)

@replay.episode(sample=lambda facts: facts["customer"] == "Ada")
def chosen(customer, then=None):
    post(customer)
    inner(customer)
    if then:
        then()

@replay.episode
def by_setting():
    post("by setting")

def others():
    thread = threading.Thread(target=lambda: (chosen("Bob"), post("nobody's")))
    thread.start()
    thread.join()

chosen("Ada", then=None)
with replay.record_in_background("block", sample=1.0) as run:
    run.output = "said"
    post("block")
    others()
with replay.record_in_background("no block", sample=0.0) as run:
    run.call(lambda: object())
by_setting()
replay.flush_recordings(60)
stats = replay.recording_stats()
print(json.dumps([stats.recorded, stats.passed, stats.lost]))
"""


def test_sampling(home):
    """What is not chosen is not recorded, nor what it calls, and it lands on no other's tape."""

    stats, log = done(home.where(REPLAY_SAMPLE="0"), SAMPLED)
    found = {episode.id.rpartition("_")[0]: sent(episode) for episode in episodes(home)}

    assert stats == [2, 3, {}], log
    assert found == {"chosen": ["Ada", "Ada"], "block": ["block"]}


def test_sample_can_be_set_for_the_project(home):
    """A share in [tool.replay.service]; the environment goes before it."""

    home.write("pyproject.toml", "[tool.replay.service]\nsample = 0\n")
    script = (
        "import json, replay\n@replay.episode\ndef f(): pass\n"
        "f(); print(json.dumps(replay.recording_stats().passed))"
    )

    assert done(home, script)[0] == 1
    assert done(home.where(REPLAY_SAMPLE="1"), script)[0] == 0


BOUNDED = """
import json, os
import httpx, replay

def post(size):
    return len(httpx.post(os.environ["UPSTREAM"], content=b"x" * size).content)

@replay.episode
def posts(*, sizes):
    return [post(size) for size in sizes]

large = posts(sizes=[10, 200_000, 10])
again = posts(sizes=[300_000])
small = posts(sizes=[10])
with replay.record_in_background("a"), replay.record_in_background("inside a"):
    post(45_000)
    import contextvars, threading
    def beside():
        with replay.record_in_background("b"):
            post(45_000)
    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
replay.flush_recordings(60)
stats = replay.recording_stats()
print(json.dumps([large, small, stats.recorded, stats.lost, stats.held]))
"""


def test_what_is_over_the_bounds_is_dropped_whole(home):
    """Counted, told once, and the memory is free again; the program has all its answers."""

    home.write("pyproject.toml", "[tool.replay.service]\nrun_bytes=150_000\nheld_bytes=180_000\n")
    found, log = done(home, BOUNDED)

    lost = {"too large": 2, "no room": 1}
    assert found == [[10, 200_000, 10], [10], 2, lost, 0], log
    assert sorted(e.id.rpartition("_")[0] for e in episodes(home)) == ["a", "posts"]
    assert "it holds more than 150,000 bytes" in log
    assert "not recorded: 1 more (too large)" in log
    assert log.count("not recorded") == 3


QUEUED = """
import json, sqlite3
import replay
import replay.engine.recorder
from replay.episodes.store import Store

replay.engine.recorder.unique = str  # so that two runs have one name

def twice(n):
    return 2 * n

Store("episodes/episodes.db").close()
others = sqlite3.connect("episodes/episodes.db", isolation_level=None)
others.execute("BEGIN IMMEDIATE")
for n in range(20):
    with replay.record_in_background(f"run{n % 19}") as run:
        run.call(twice, n=n)
others.execute("COMMIT")
replay.flush_recordings(60)
stats = replay.recording_stats()
print(json.dumps([stats.recorded, stats.lost, stats.waiting, stats.held]))
"""


def test_runs_that_wait_are_written_together_and_fail_alone(home):
    """While others wrote, twenty have ended; one cannot be kept, and takes no other along."""

    found, log = done(home, QUEUED)

    assert found == [19, {"error": 1}, 0, 0], log
    assert [episode.current.output for episode in episodes(home)].count(38) == 0
    assert len(episodes(home)) == 19


FORKED = """
import os, json, sys
import replay

@replay.episode
def who(name):
    return name

who("parent")
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    who("parent again")
    print(json.dumps("done"))
else:
    who("child")
    sys.exit(0)
"""


def test_a_forked_worker_records_for_itself(home):
    """The thread and the connection are its own, what its parent had waiting is its parent's."""

    _, log = done(home, FORKED)

    names = sorted(episode.inputs["name"] for episode in episodes(home))
    assert names == ["child", "parent", "parent again"], log


ROTATED = """
import json, os, replay

@replay.episode
def f(n): pass

f(1)
replay.flush_recordings(60)
f(2)
while replay.recording_stats().recorded < 2: pass
os.rename("episodes", "taken")
f(3)
while replay.recording_stats().recorded < 3: pass
print("0")
"""


def test_a_store_that_is_moved_away_is_made_anew(home):
    """Nothing is written into a file that nobody finds any more."""

    _, log = done(home, ROTATED)

    assert [episode.inputs for episode in episodes(home)] == [{"n": 3}], log


# Behind a server ----------------------------------------------------------------------------------

APP = """
import asyncio, os
from contextlib import asynccontextmanager
import httpx, openai
import replay
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from replay.asgi import RecordingMiddleware

URL = os.environ["UPSTREAM"]
SDK = {"base_url": URL + "/v1", "api_key": "not-a-key"}

def said(question):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": question}]}

async def ask(request):
    question = (await request.json())["question"]
    async with openai.AsyncOpenAI(**SDK) as client:
        answer = await client.chat.completions.create(**said(question))
    echo = await request.state.http.post(URL, json=[question])
    text = answer.choices[0].message.content
    response = JSONResponse({"answer": text, "echo": echo.json()})
    response.set_cookie("session", "s3cr3t-session-value")
    return response

def ask_in_thread(request):
    question = request.query_params["question"]
    with openai.OpenAI(**SDK) as client:
        answer = client.chat.completions.create(**said(question))
    httpx.post(URL, json=[question])
    later = BackgroundTask(httpx.post, URL, json=["later", question])
    return JSONResponse(answer.choices[0].message.content, background=later)

async def stream(request):
    async def lines():
        async with request.state.http.stream("GET", URL) as answer:
            async for line in answer.aiter_lines():
                yield line + "!"
    return StreamingResponse(lines(), media_type="text/plain")

async def upload(request):
    return Response((await request.body())[::-1], media_type="application/octet-stream")

async def broken(request):
    raise ValueError("no such order")

async def waits(request):
    await request.state.http.post(URL, json=["before"])
    await asyncio.sleep(60)

async def stats(request):
    found = replay.recording_stats()
    return JSONResponse([found.recorded, found.lost, found.waiting])

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as client:
        yield {"http": client}

app = Starlette(
    routes=[
        Route("/ask", ask, methods=["POST"]),
        Route("/thread", ask_in_thread),
        Route("/stream", stream),
        Route("/upload", upload, methods=["POST"]),
        Route("/broken", broken),
        Route("/waits", waits),
        Route("/stats", stats),
    ],
    lifespan=lifespan,
)
app.add_middleware(RecordingMiddleware, exclude=("/stats",))
"""


REPLAYED = """
import json
from replay.config import load_config
from replay.engine.replayer import replay_episode
from replay.episodes.store import Store

with Store("episodes/episodes.db") as store:
    found = [replay_episode(store.get(name), load_config()) for name in store.ids()]
print(json.dumps([one.outcome.kind for one in found]))
"""


UVICORN = "uvicorn service:app --fd {}"


class Server:
    """A real uvicorn in a process of its own, on a socket that listened before it started."""

    def __init__(self, project, before=None, command=UVICORN):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            module = command.format(listener.fileno()).split()
            command = [sys.executable, "-m", *module]
            self.process = subprocess.Popen(
                command,
                cwd=project.root,
                env=project.env,
                pass_fds=[listener.fileno()],
                preexec_fn=before,  # noqa: PLW1509 - a limit is all that it sets
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            address = "http://{}:{}".format(*listener.getsockname())
        self.client = httpx.Client(base_url=address, timeout=30)

    def stopped(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.communicate(timeout=90)[1]

    def stats(self, until):
        """Ask until *until* is true of what was recorded, lost and waits."""
        for _ in range(3000):
            found = self.client.get("/stats").json()
            if until(*found):
                return found
        raise AssertionError(found)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def test_requests_of_a_served_app_are_episodes_that_replay_offline(home):
    """With the SDK and with httpx, async and in threads, streamed and raised; no secret is kept."""

    with serving_upstream() as url, Server(home.where(UPSTREAM=url).write("service.py", APP)) as at:
        asked = at.client.post(
            "/ask?b=2&a=1", json={"question": "Why?"}, headers={"authorization": f"Bearer {SECRET}"}
        )
        threaded = at.client.get("/thread", params={"question": "é & ü?"})
        with at.client.stream("GET", "/stream") as streamed:
            pieces = streamed.iter_text()
            first = next(pieces)  # while the upstream is not done: it waits for us
            Upstream.may.release()
            Upstream.may.release()
            rest = "".join(pieces)
        uploaded = at.client.post("/upload", content=b"\xff\x00one")
        broken = at.client.get("/broken")
        log = at.stopped()

    assert (asked.json(), threaded.json()) == ({"answer": "Why?", "echo": ["Why?"]}, "é & ü?")
    assert (first, rest, uploaded.content) == ("one!", "two!", b"eno\x00\xff")
    assert broken.status_code == 500
    found = {e.inputs["url"].rpartition("/")[2].partition("?")[0]: e for e in episodes(home)}
    assert sorted(found) == ["ask", "broken", "stream", "thread", "upload"], log
    assert {e.entrypoint for e in found.values()} == {"service:app"}
    assert sent(found["thread"])[1:] == [["é & ü?"], ["later", "é & ü?"]]
    kept = b"".join(path.read_bytes() for path in (home.root / "episodes").iterdir())
    assert not [text for text in (SECRET, "s3cr3t-session-value") if text.encode() in kept]
    outcomes, log = done(home.where(UPSTREAM=url, OPENAI_API_KEY=""), REPLAYED)
    assert len(outcomes) == 5
    assert set(outcomes) <= {"IDENTICAL", "EQUIVALENT"}, (outcomes, log)


WORKERS_APP = """
import os
import httpx
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from replay.asgi import RecordingMiddleware

URL = os.environ["UPSTREAM"]

class Question(BaseModel):
    text: str

app = FastAPI()
app.add_middleware(RecordingMiddleware, name="ask")

@app.post("/ask")
async def ask(question: Question, response: Response):
    response.headers["server-timing"] = str(os.getpid())  # which a recording leaves out
    async with httpx.AsyncClient() as client:
        echo = await client.post(URL, json=question.text)
    return {"answer": echo.json()}

@app.get("/stream")
async def stream():
    async def lines():
        async with httpx.AsyncClient() as client, client.stream("GET", URL) as answer:
            async for line in answer.aiter_lines():
                yield line
    return StreamingResponse(lines(), media_type="text/plain")
"""


@pytest.mark.parametrize(
    "command",
    [
        f"{UVICORN} --workers 2",
        "gunicorn service:app --bind fd://{} --workers 2 -k uvicorn_worker.UvicornWorker",
    ],
    ids=["uvicorn", "gunicorn"],
)
def test_workers_of_a_server_lose_nothing_when_it_is_stopped(home, command):
    """Each request is one episode, whichever worker had it, and so is the one still answered."""

    asked, workers = [], set()

    def ask(number):
        answer = httpx.post(f"{at.client.base_url}/ask", json={"text": f"{number}?"}, timeout=30)
        asked.append(answer.json()["answer"])
        workers.add(answer.headers["server-timing"])

    with serving_upstream() as url, ThreadPoolExecutor(8) as pool:
        project = home.where(UPSTREAM=url).write("service.py", WORKERS_APP)
        with Server(project, command=command) as at:
            while len(workers) < 2 and len(asked) < 400:
                list(pool.map(ask, range(len(asked), len(asked) + 20)))
            with at.client.stream("GET", "/stream") as streamed:
                pieces = streamed.iter_text()
                first = next(pieces)
                at.process.terminate()
                Upstream.may.release(2)
                rest = "".join(pieces)
            log = at.stopped()

    assert (len(workers), first, rest) == (2, "one", "two"), log
    answers = [episode.current.output["body"] for episode in episodes(home)]
    assert sorted(a["answer"] for a in answers if a != "onetwo") == sorted(asked), log
    assert answers.count("onetwo") == 1
    last_two = REPLAYED.replace("store.ids()", "store.ids()[-2:]")
    assert done(project, last_two)[0] == ["IDENTICAL"] * 2


def test_changed_app_diverges(home):
    """The replay is of today's code: what it answers otherwise is named by its field."""

    with Server(home.write("service.py", APP)) as at:
        at.client.post("/ask", json={"question": "Why?"})
        at.stopped()
    home.edit("service.py", '"answer": text,', '"answer": text.upper(),')
    [episode] = episodes(home)

    outcome = json.loads(home.replay("run", episode.id, "--json").stdout)["outcome"]

    assert (outcome["kind"], outcome["what"]) == ("DIVERGED", "output")
    assert [difference["path"] for difference in outcome["differences"]] == ["body.answer"]


def test_killed_server_keeps_what_was_complete(home):
    """Requests that were answered, and the calls of the one that was not."""

    with Server(home.write("service.py", APP)) as at:
        for n in range(5):
            at.client.post("/ask", json={"question": str(n)})
        threading.Thread(target=lambda: _hung(at, "/waits"), daemon=True).start()
        at.stats(until=lambda recorded, *_: recorded == 5)
        _until(lambda: _attempts(home) == 1)
        at.stopped(signal.SIGKILL)

    with Store(home.root / "episodes/episodes.db") as store:
        [left] = store.incomplete()
    assert [json.loads(i.request.body) for i in left.interactions] == [["before"]]
    assert len(episodes(home)) == 5


def _hung(at, path):
    try:
        at.client.get(path)
    except httpx.HTTPError:
        return


def _until(true):
    for _ in range(300):
        if true():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never was")


def _attempts(project):
    with closing(sqlite3.connect(project.root / "episodes/episodes.db")) as store:
        return store.execute("SELECT count(*) FROM attempt_line").fetchone()[0]


def full_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


@pytest.mark.parametrize(
    ("store", "before"), [("/proc/nowhere/x.db", None), ("episodes/episodes.db", full_disk)]
)
def test_unusable_store_costs_a_service_only_its_recordings(home, store, before):
    """A folder that cannot be written, a disk that is full: the answers are the same."""

    with Server(home.where(REPLAY_STORE=store).write("service.py", APP), before) as at:
        answers = [at.client.post("/ask", json={"question": "x" * 9000}) for _ in range(12)]
        recorded, lost, _ = at.stats(until=lambda done, lost, _: done + sum(lost.values()) == 12)
        log = at.stopped()

    assert {answer.json()["answer"] for answer in answers} == {"x" * 9000}
    assert set(lost) == {"store"}, (recorded, lost)
    assert log.count("not recorded: request_") == 1


def test_locked_store_keeps_nobody_waiting(home):
    """Not the requests, nor the end of the server; what waited when it ended is counted."""

    home.write("pyproject.toml", "[tool.replay.service]\nexit_seconds = 0.2\n")
    with Store(home.root / "episodes/episodes.db"):
        pass
    with closing(sqlite3.connect(home.root / "episodes/episodes.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with Server(home.write("service.py", APP)) as at:
            answers = [at.client.post("/ask", json={"question": str(n)}) for n in range(3)]
            waiting = at.stats(until=lambda *_: True)
            log = at.stopped()

    assert [answer.json()["answer"] for answer in answers] == ["0", "1", "2"]
    assert (waiting, log.count("not recorded: 3, for want of time")) == ([0, {}, 3], 1), log
    assert at.process.returncode == -signal.SIGTERM


async def test_websockets_pass_as_they_are():
    """The app is called with what the server gave, and nothing of ours between."""

    seen = []

    async def app(*given):
        seen.append(given)

    given = ({"type": "websocket", "path": "/"}, object(), object())
    await RecordingMiddleware(app)(*given)

    assert seen == [given]


# Sending an app its request -----------------------------------------------------------------------

REQUEST = {"method": "POST", "url": "https://shop.example/a%20b?q=1", "headers": [["x", "y"]]}


@pytest.fixture
def apps(tmp_path, monkeypatch):
    """A module with some apps in it."""

    (tmp_path / "some_apps.py").write_text(
        """
async def told(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    body = (await receive())["body"]
    text = repr([scope["path"], scope["query_string"], scope["scheme"], scope["headers"], body])
    headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"content-length", b"9")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    for piece in (text[:5], text[5:]):
        await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
    await send({"type": "http.response.body"})

def make():
    async def made(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["answer"] = 42
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        status = scope["state"]["answer"] if "replay" in scope["extensions"] else 0
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b"\\xff"})
    return made

async def down(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("some_apps", None)


def test_request_reaches_an_app_as_it_was(apps):
    """Path, query, headers and body; one without a lifespan is served without."""

    answer = run_entrypoint(load_entrypoint("some_apps:told"), REQUEST | {"body": "é"})

    seen = ["/a b", b"q=1", "https", [(b"x", b"y")], "é".encode()]
    assert answer == {
        "status": 201,
        "headers": {"set-cookie": ["a=1", "b=2"]},
        "body": repr(seen),
    }


def test_app_is_made_started_and_knows_that_it_is_replayed(apps):
    """What its start leaves in the state is there for the request."""

    answer = run_entrypoint(load_entrypoint("some_apps:make()"), REQUEST | {"body": ""})

    assert answer == {"status": 42, "headers": {}, "body": {"base64": "/w=="}}


def test_app_that_cannot_start_is_told(apps):
    """In its own words."""

    with pytest.raises(RuntimeError, match="the startup of the app failed: no database"):
        run_entrypoint(load_entrypoint("some_apps:down"), REQUEST | {"body": ""})
