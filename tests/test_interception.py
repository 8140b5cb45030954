"""Clients over real sockets: what they get while recording is what they get from the tape."""

import asyncio
import gzip
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import aiohttp
import httpx
import httpx2
import pytest
import requests
import vcr

from replay.cassettes.guard import guarded
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.cassettes.vcr_engine import use_cassette
from replay.errors import CassetteMiss, UnroutedRequest
from tests.server import chunked, halting, plain, scripted

EVENTS = [b"data: %d\n\n" % n for n in range(5)]


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def http(request):
    """Both families of clients."""
    return request.param


def replayed(tape: Tape) -> Tape:
    """A tape that plays what another has recorded."""
    return Tape(tape.recorded)


def stream(http, url: str) -> list[bytes]:
    """The pieces of a response as a program sees them."""
    with http.Client() as client, client.stream("GET", url) as response:
        return list(response.iter_raw())


async def stream_async(http, url: str) -> list[bytes]:
    async with http.AsyncClient() as client, client.stream("GET", url) as response:
        return [piece async for piece in response.aiter_raw()]


def test_stream_is_teed(http):
    """While recording, the first piece is there before the server has sent the second."""

    go_on = threading.Event()

    def script(connection, _request):
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
        go_on.wait(10)
        connection.sendall(b"2\r\ncd\r\n0\r\n\r\n")

    tape = Tape(records=True)
    with (
        scripted(script) as url,
        using(tape),
        http.Client() as client,
        client.stream("GET", url) as response,
    ):
        pieces = response.iter_raw()
        first = next(pieces)
        go_on.set()
        rest = list(pieces)

    assert (first, rest) == (b"ab", [b"cd"])


def test_stream_is_replayed_piece_by_piece(http):
    """The pieces of a recorded stream, and when they came, are kept."""

    tape = Tape(records=True)
    with scripted(chunked(EVENTS, 0.01)) as url:
        with using(tape):
            live = stream(http, url)
        with guarded(), using(replayed(tape)):
            again = stream(http, url)

    times = [chunk.at for chunk in tape.recorded[0].response.chunks]
    assert live == again == EVENTS
    assert times == sorted(set(times))


async def test_async_stream_is_replayed_piece_by_piece(http):
    """The same with an async client."""

    tape = Tape(records=True)
    with scripted(chunked(EVENTS, 0.001)) as url:
        with using(tape):
            live = await stream_async(http, url)
        with guarded(), using(replayed(tape)):
            again = await stream_async(http, url)

    assert live == again == EVENTS


def test_abandoned_stream_is_kept_as_far_as_it_was_read(http):
    """A program that leaves after the first piece leaves a recording of that piece."""

    tape = Tape(records=True)
    with (
        scripted(chunked(EVENTS, 0.01)) as url,
        using(tape),
        http.Client() as client,
        client.stream("GET", url) as response,
    ):
        next(response.iter_raw())

    assert [i.response.body for i in tape.recorded] == [EVENTS[0]]


def test_broken_stream_breaks_again(http):
    """A stream that broke gives the same pieces and the same exception."""

    tape = Tape(records=True)
    with scripted(chunked(EVENTS[:2], whole=False)) as url:
        with using(tape), pytest.raises(http.RemoteProtocolError) as live:
            stream(http, url)
        with guarded(), using(replayed(tape)), pytest.raises(http.RemoteProtocolError) as again:
            stream(http, url)

    assert str(live.value) == str(again.value)
    assert tape.recorded[0].response.body == b"".join(EVENTS[:2])


def test_refused_connection_is_refused_again(http):
    """An error is part of the traffic."""

    tape = Tape(records=True)
    with using(tape), pytest.raises(http.ConnectError):
        http.get("http://127.0.0.1:9/")
    with guarded(), using(replayed(tape)), pytest.raises(http.ConnectError):
        http.get("http://127.0.0.1:9/")

    assert tape.recorded[0].response is None


@pytest.mark.parametrize("get", [httpx.get, httpx2.get, requests.get], ids=lambda f: f.__module__)
def test_compressed_body_is_kept_readable(get):
    """A gzip body is recorded as the text it holds, and replays as that."""

    tape = Tape(records=True)
    body = gzip.compress(b'{"hello": "world"}')
    with scripted(plain(body, b"content-encoding: gzip", b"connection: close")) as url:
        with using(tape):
            live = get(url).json()
        with guarded(), using(replayed(tape)):
            again = get(url).json()

    assert live == again == {"hello": "world"}
    assert tape.recorded[0].response.body == b'{"hello": "world"}'


def test_requests_is_recorded_and_replayed():
    """requests, through vcrpy's patch."""

    tape = Tape(records=True)
    with scripted(plain(b"hello", b"connection: close")) as url:
        with using(tape):
            live = requests.post(url, json={"a": 1}).text
        with guarded(), using(replayed(tape)):
            again = requests.post(url, json={"a": 1}).text
            with pytest.raises(CassetteMiss):
                requests.post(url, json={"a": 2})

    assert live == again == "hello"


async def test_aiohttp_is_recorded_and_replayed():
    """aiohttp, through vcrpy's patch."""

    async def post(url: str) -> str:
        async with aiohttp.ClientSession() as session, session.post(url, json={"a": 1}) as answer:
            return await answer.text()

    tape = Tape(records=True)
    with scripted(plain(b"hello", b"connection: close")) as url:
        with using(tape):
            live = await post(url)
        with guarded(), using(replayed(tape)):
            again = await post(url)

    assert live == again == "hello"
    assert [i.request.body for i in tape.recorded] == [b'{"a": 1}']


def ours(_):
    """A tape that ignores this machine."""
    return using(Tape(records=True, ignore_hosts=["127.0.0.1"]))


def vcrpys(folder):
    """A cassette of vcrpy, whose filters ignore it."""
    recorder = vcr.VCR(ignore_localhost=True, cassette_library_dir=str(folder))
    return use_cassette(recorder, "x.yaml", rewrites=False, passed=lambda: True)


@pytest.mark.parametrize(("opened", "kept"), [(ours, "recorded"), (vcrpys, "data")])
async def test_what_is_ignored_streams_through_aiohttp(opened, kept, tmp_path):
    """vcrpy would read an answer to its end before the program sees the first of it."""

    go_on = threading.Event()
    with scripted(halting(go_on)) as url, opened(tmp_path) as recorder:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            first = await asyncio.wait_for(answer.content.readany(), 5)
            go_on.set()
            rest = await answer.content.read()

    assert (first, rest, len(getattr(recorder, kept))) == (b"ab", b"cd", 0)


def recorded_tape(*names: str) -> Tape:
    """A tape that answers `GET http://host/<name>` with the name, recorded over a real socket."""
    tape = Tape(records=True)
    with ExitStack() as stack:
        urls = [
            stack.enter_context(scripted(plain(n.encode(), b"connection: close"))) for n in names
        ]
        with using(tape):
            for url in urls:
                httpx.get(url)
    return Tape(tape.recorded)


async def test_tasks_keep_their_tapes_apart():
    """Two tapes in two asyncio tasks never mix, though they hold the same requests."""

    def script(connection, request):
        plain(request.split()[1], b"connection: close")(connection, request)

    async def record(url: str) -> Tape:
        tape = Tape(records=True)
        with using(tape):
            async with httpx.AsyncClient() as client:
                await asyncio.gather(*(client.get(f"{url}/{n}") for n in range(10)))
        return tape

    with scripted(script) as url:
        one, other = await asyncio.gather(record(url), record(url))

    paths = [f"/{n}".encode() for n in range(10)]
    assert sorted(i.response.body for i in one.recorded) == paths
    assert sorted(i.response.body for i in other.recorded) == paths


def test_threads_keep_their_tapes_apart():
    """So with threads."""

    def script(connection, request):
        plain(request.split()[1], b"connection: close")(connection, request)

    def record(name: str, url: str) -> list[bytes]:
        tape = Tape(records=True)
        with using(tape):
            for n in range(10):
                requests.get(f"{url}/{name}/{n}")
        return [i.response.body for i in tape.recorded]

    with scripted(script) as url, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(record, "abcd", [url] * 4))

    assert found == [[f"/{name}/{n}".encode() for n in range(10)] for name in "abcd"]


def test_nested_tapes_answer_from_the_inner_one():
    """The tape that was opened last, in this context, is the one."""

    outer, inner = recorded_tape("x"), Tape()
    url = outer.interactions[0].request.url
    with guarded(), using(outer):
        with using(inner), pytest.raises(CassetteMiss):
            httpx.get(url)
        answer = httpx.get(url)

    assert answer.text == "x"


def test_thread_without_context_uses_the_only_tape():
    """A worker thread has no context of its own; with one tape open there is no question."""

    tape = recorded_tape("x")
    url = tape.interactions[0].request.url
    with guarded(), using(tape):
        answer = in_a_thread(lambda: requests.get(url))

    assert answer.text == "x"


def in_a_thread(work):
    """Run *work* in a thread that is started by hand, without a context."""
    done = Future()
    threading.Thread(target=lambda: _settled(done, work)).start()
    return done.result()


def _settled(done, work):
    try:
        done.set_result(work())
    except UnroutedRequest as error:
        done.set_exception(error)


def test_thread_without_context_is_refused_between_tapes():
    """With several tapes open, guessing would mix them."""

    first, second = recorded_tape("x"), recorded_tape("y")
    url = first.interactions[0].request.url
    with guarded(), using(first), using(second), pytest.raises(UnroutedRequest, match="copy_conte"):
        in_a_thread(lambda: requests.get(url))


def test_pool_of_threads_keeps_the_tape_of_who_submits():
    """Also where one pool works for several, and outlives them."""

    tapes = [recorded_tape(text) for text in "xyz"]
    urls = [tape.interactions[0].request.url for tape in tapes]
    answers = []
    with guarded(), ThreadPoolExecutor(1) as pool:
        for tape, url in zip(tapes, urls, strict=True):
            with using(tape):
                answers.append(pool.submit(requests.get, url).result().text)

    assert answers == ["x", "y", "z"]


def test_threaded_requests_never_leave_the_tape():
    """vcrpy lets about 7 % of threaded calls escape to a name server; of 1,600, none does here."""

    tape = recorded_tape("x")
    tape = Tape(tape.interactions * 1600)
    url = tape.interactions[0].request.url
    with guarded() as guard, using(tape), ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: requests.get(url).text, range(1600)))

    assert answers == ["x"] * 1600
    assert guard.attempts == []


def test_patches_are_gone_when_the_last_tape_is_closed():
    """Nothing of ours stays behind in other people's classes."""

    before = [t.handle_request for t in (httpx.HTTPTransport, httpx2.HTTPTransport)]
    with using(Tape()), using(Tape()):
        during = [t.handle_request for t in (httpx.HTTPTransport, httpx2.HTTPTransport)]
    after = [t.handle_request for t in (httpx.HTTPTransport, httpx2.HTTPTransport)]

    assert before == after
    assert before != during


def test_connection_goes_back_to_its_pool(http):
    """A teed stream that was read to its end leaves its connection for the next request."""

    connections = []

    def script(connection, request):
        connections.append(request)
        for _ in range(2):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")
            connection.recv(65536)
            time.sleep(0)

    with scripted(script) as url, using(Tape(records=True)), http.Client() as client:
        for _ in range(2):
            client.get(url)

    assert len(connections) == 1


def test_telemetry_is_never_recorded_nor_let_out(http):
    """A telemetry host is down under replay: its exporter copes, and nothing leaves."""

    tape = Tape(ignore_hosts=["*.telemetry.example"])
    with guarded() as guard, using(tape), pytest.raises(http.ConnectError):
        http.get("https://eu.telemetry.example/v1/traces")

    assert guard.attempts == []
    assert tape.misses == []


def test_recorded_gaps_can_be_replayed(http, monkeypatch):
    """pace=1 waits as the server did, 0.5 half as long; the default does not wait at all."""

    tape = Tape(records=True)
    with scripted(chunked(EVENTS, 0.05)) as url, using(tape):
        stream(http, url)

    waited: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda _, timeout: waited.append(timeout))
    sums = []
    for pace in (0.0, 0.5, 1.0):
        waited.clear()
        with guarded(), using(Tape(tape.recorded, pace=pace)):
            stream(http, url)
        sums.append(sum(waited))

    last = tape.recorded[0].response.chunks[-1].at
    assert last >= 0.15
    assert sums == [0.0, pytest.approx(last / 2), pytest.approx(last)]


async def test_recorded_gaps_leave_the_event_loop_free(http):
    """While one stream waits, everything else goes on."""

    tape = Tape(records=True)
    with scripted(chunked(EVENTS, 0.05)) as url, using(tape):
        await stream_async(http, url)

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    with guarded(), using(Tape(tape.recorded, pace=1.0)):
        ticking = asyncio.create_task(tick())
        await stream_async(http, url)
        ticking.cancel()

    assert ticks


def test_stream_can_be_left_half_way_under_replay(http):
    """By a context manager that is left early; the interaction counts as played."""

    tape = Tape(records=True)
    with scripted(chunked(EVENTS)) as url, using(tape):
        stream(http, url)
    again = replayed(tape)
    with guarded(), using(again), http.Client() as client, client.stream("GET", url) as response:
        first = next(response.iter_lines())

    assert (first, again.unplayed) == ("data: 0", ())


@pytest.mark.parametrize("module", [requests, httpx, httpx2], ids=lambda m: m.__name__)
@pytest.mark.parametrize("trouble", ["refused", "reset", "silence"])
def test_errors_are_replayed_as_the_same_exception(module, trouble):
    """Connection refused, connection reset, no answer in time: each with its class and message."""

    def script(connection, _request):
        if trouble == "silence":
            time.sleep(1)

    def get(url: str) -> str:
        with pytest.raises((httpx.HTTPError, httpx2.HTTPError, OSError)) as caught:
            module.get(url, timeout=0.2)
        return f"{type(caught.value).__name__}: {caught.value}"

    tape = Tape(records=True)
    with scripted(script) as server:
        url = "http://127.0.0.1:9/" if trouble == "refused" else server
        with using(tape):
            live = get(url)
    with guarded(), using(replayed(tape)):
        again = get(url)

    assert live.partition(":")[0] == again.partition(":")[0]
    assert tape.recorded[0].failure is not None


async def test_aiohttp_errors_are_replayed():
    """As the same class, with the same message."""

    async def get() -> str:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            async with aiohttp.ClientSession() as session, session.get("http://127.0.0.1:9/"):
                pass
        return str(caught.value)

    tape = Tape(records=True)
    with using(tape):
        live = await get()
    with guarded(), using(replayed(tape)):
        again = await get()

    assert live == again


async def test_aiohttp_error_with_parts_is_replayed():
    """One that is made of more than its message can be shown, as asyncio does."""

    def nonsense(connection, _request):
        connection.sendall(b"SSH-2.0-nobody speaks HTTP here\r\n\r\n")

    async def get() -> str:
        async with aiohttp.ClientSession() as session:
            try:
                await session.get(address)
            except aiohttp.ClientResponseError as error:
                return f"{error} {repr(error).partition('(')[0]}"

    tape = Tape(records=True)
    with scripted(nonsense) as address, using(tape):
        live = await get()
    with guarded(), using(replayed(tape)):
        assert await get() == live


async def test_cancelled_request_is_cancelled_again(http):
    """A request that a time-out of the program cut short is cut short by it again."""

    async def ask(url: str) -> None:
        async with http.AsyncClient() as client:
            await asyncio.wait_for(client.get(url), 0.1)

    tape = Tape(records=True)
    with scripted(lambda *_: time.sleep(1)) as url:
        with using(tape), pytest.raises(TimeoutError):
            await ask(url)
        with guarded(), using(replayed(tape)), pytest.raises(TimeoutError):
            await ask(url)


async def test_aiohttp_redirects_are_replayed():
    """The chain that the client followed by itself."""

    def script(connection, request):
        if request.startswith(b"GET /a "):
            head = b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n"
            connection.sendall(head + b"connection: close\r\n\r\n")
        else:
            plain(b"there", b"connection: close")(connection, request)

    async def get(url: str) -> tuple[str, int]:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/a") as answer:
            return await answer.text(), len(answer.history)

    tape = Tape(records=True)
    with scripted(script) as url:
        with using(tape):
            live = await get(url)
        with guarded(), using(replayed(tape)):
            again = await get(url)

    assert live == again == ("there", 1)


async def test_layered_client_is_recorded_once():
    """httpx over aiohttp: one request, one interaction."""

    from httpx_aiohttp import HttpxAiohttpClient

    async def get(url: str) -> str:
        async with HttpxAiohttpClient() as client:
            return (await client.get(url)).text

    tape = Tape(records=True)
    with scripted(plain(b"once", b"connection: close")) as url:
        with using(tape):
            live = await get(url)
        with guarded(), using(replayed(tape)):
            again = await get(url)

    assert (live, again, len(tape.recorded)) == ("once", "once", 1)


def botocore_get(url: str) -> bytes:
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    return URLLib3Session().send(AWSRequest("GET", url).prepare()).content


def httplib2_get(url: str) -> bytes:
    import httplib2

    return httplib2.Http().request(url)[1]


def tornado_get(url: str) -> bytes:
    from tornado.httpclient import AsyncHTTPClient

    async def get() -> bytes:
        client = AsyncHTTPClient(force_instance=True)
        return (await client.fetch(url)).body

    return asyncio.run(get())


def aiohttp_get(url: str) -> bytes:
    async def get() -> bytes:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.read()

    return asyncio.run(get())


@pytest.mark.parametrize("get", [botocore_get, httplib2_get, tornado_get])
def test_vcrpys_other_clients(get):
    """botocore, httplib2 and tornado, through vcrpy's patches."""

    tape = Tape(records=True)
    with scripted(plain(b"hello", b"connection: close")) as url:
        with using(tape):
            live = get(url)
        with guarded(), using(replayed(tape)):
            again = get(url)

    assert live == again == b"hello"


LATE = """
import sys
from replay.cassettes.guard import guarded
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.model import Interaction, Request, Response

URL = "http://api.test/"
CALLS = [Interaction(Request("GET", URL), Response(200, "OK", (), b"hello"))] * 7
with guarded(), using(Tape(CALLS)) as tape:
    clients = {"aiohttp", "botocore", "httplib2", "httpx", "httpx2", "tornado", "urllib3"}
    there = sorted(clients & set(sys.modules))
    import requests, httpx, httpx2
    from tests.test_interception import aiohttp_get, botocore_get, httplib2_get, tornado_get
    got = [requests.get(URL).content, httpx.get(URL).content, httpx2.get(URL).content]
    got += [get(URL) for get in (httplib2_get, tornado_get, botocore_get, aiohttp_get)]
print(there, set(got))
"""


def test_clients_that_are_imported_under_a_tape():
    """None is there before; each is patched when the program comes to import it."""

    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=False)

    assert done.stdout == "[] {b'hello'}\n", done.stderr


BOTOCORE_FIRST = """
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.model import Interaction, Request, Response

URL = "http://api.test/"
with using(Tape([Interaction(Request("GET", URL), Response(200, "OK", (), b"hello"))] * 2)):
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session
    import requests
    print(URLLib3Session().send(AWSRequest("GET", URL).prepare()).content)
    print(requests.get(URL).content)
"""


def test_botocore_brings_urllib3_under_a_tape():
    """Its connections are made of urllib3's own, though that is patched as it comes."""

    command = [sys.executable, "-c", BOTOCORE_FIRST]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stdout == "b'hello'\n" * 2, done.stderr


STOCK = """
import sys
import replay.cassettes.vcr_bridge
assert "aiohttp" not in sys.modules
import vcr
with vcr.use_cassette("none.yaml", record_mode="none"):
    import aiohttp, urllib3
    patched = aiohttp.ClientSession._request, urllib3.connection.HTTPConnection
print(aiohttp.ClientSession._request in patched, urllib3.connection.HTTPConnection in patched)
"""


def test_vcrpy_itself_misses_nothing():
    """A program's own use of it, after ours, finds the clients as it always did."""

    done = subprocess.run(
        [sys.executable, "-c", STOCK], capture_output=True, text=True, check=False
    )

    assert done.stdout == "False False\n", done.stderr


async def test_gather_over_one_tape_replays_in_any_order(http):
    """Twenty requests at once, answered by their content, not by their order."""

    def script(connection, request):
        plain(request.split()[1], b"connection: close")(connection, request)

    async def gather(url: str, numbers: list[int]) -> dict[int, bytes]:
        async with http.AsyncClient() as client:
            answers = await asyncio.gather(*(client.get(f"{url}/{n}") for n in numbers))
        return dict(zip(numbers, (a.content for a in answers), strict=True))

    tape = Tape(records=True)
    with scripted(script) as url:
        with using(tape):
            live = await gather(url, list(range(20)))
        with guarded(), using(replayed(tape)):
            again = await gather(url, list(range(19, -1, -1)))

    assert live == again
