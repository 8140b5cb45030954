"""Streams by aiohttp, requests, urllib3 and botocore: seen as they come, recorded as they were."""

import asyncio
import gc
import json
import threading
import time
import zlib
from contextlib import closing, suppress

import aiohttp
import pytest
import requests
import urllib3
import vcr
from botocore.session import Session

from replay.cassettes.guard import guarded
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.cassettes.vcr_engine import use_cassette
from tests.planting import message
from tests.server import chunked, halting, plain, scripted

LINES = [b"data: %d\n" % n for n in range(4)]


def waiting(pieces, go_on, coding=b"identity", media=b"text/event-stream"):
    """Send each of *pieces* when the client has got the one before, and said so."""

    def script(connection, _request):
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-encoding: %s\r\n" % (media, coding)
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not go_on.acquire(timeout=10):
                return
        connection.sendall(b"0\r\n\r\n")

    return script


def by_iter_content(url):
    with requests.get(url, stream=True) as answer:
        yield from answer.iter_content(None)


def by_iter_lines(url):
    with requests.get(url, stream=True) as answer:
        for line in answer.iter_lines():
            yield line + b"\n"


def by_single_bytes(url):
    with requests.get(url, stream=True) as answer:
        for line in answer.iter_lines(chunk_size=1):
            yield line + b"\n"


def by_urllib3(url):
    with closing(urllib3.PoolManager().request("GET", url, preload_content=False)) as answer:
        yield from answer.stream()


def by_read(url):
    with closing(urllib3.PoolManager().request("GET", url, preload_content=False)) as answer:
        while data := answer.read(len(LINES[0])):
            yield data


def by_read1(url):
    with closing(urllib3.PoolManager().request("GET", url, preload_content=False)) as answer:
        while data := answer.read1():
            yield data


SYNC = [by_iter_content, by_iter_lines, by_single_bytes, by_urllib3, by_read, by_read1]


async def by_iter_any(content):
    async for piece in content.iter_any():
        yield piece


async def by_lines(content):
    async for line in content:
        yield line


async def by_size(content):
    async for piece in content.iter_chunked(1000):
        yield piece


async def by_chunks(content):
    async for piece, _ in content.iter_chunks():
        if piece:
            yield piece


async def by_reading(content):
    while piece := await content.read(len(LINES[0])):
        yield piece


async def by_exactly(content):
    with suppress(asyncio.IncompleteReadError):
        while True:
            yield await content.readexactly(len(LINES[0]))


ASYNC = [by_iter_any, by_lines, by_size, by_chunks, by_reading, by_exactly]


def replayed(tape):
    return Tape(tape.recorded)


def twice(script, read):
    """What *read* makes of what *script* answers, and of that replayed; and the tape."""

    tape = Tape(records=True)
    with scripted(script) as url:
        with using(tape):
            live = read(url)
        with guarded(), using(replayed(tape)):
            return live, read(url), tape


def name(function):
    return function.__name__


def sizes(tape):
    """How long the chunks are that were recorded."""
    return [chunk.size for chunk in tape.recorded[0].response.chunks]


@pytest.mark.parametrize("read", SYNC, ids=name)
def test_urllib3_sees_each_piece_when_it_is_sent(read):
    """The server sends none before the client has the last; so with requests over it."""

    go_on, tape, live = threading.Semaphore(0), Tape(records=True), []
    with scripted(waiting(LINES, go_on)) as url:
        with using(tape):
            for piece in read(url):
                live.append(piece)
                go_on.release()
        with guarded(), using(replayed(tape)):
            again = list(read(url))

    assert live == again == LINES
    assert sizes(tape) == [len(line) for line in LINES]


async def async_read(url, read, got=lambda: None):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        pieces = []
        async for piece in read(answer.content):
            pieces.append(piece)
            got()
        return pieces


@pytest.mark.parametrize("read", ASYNC, ids=name)
async def test_aiohttp_sees_each_piece_when_it_is_sent(read):
    """By whatever it reads."""

    go_on, tape = threading.Semaphore(0), Tape(records=True)
    with scripted(waiting(LINES, go_on)) as url:
        with using(tape):
            live = await async_read(url, read, go_on.release)
        with guarded(), using(replayed(tape)):
            again = await async_read(url, read)

    assert live == LINES
    assert b"".join(again) == b"".join(LINES)
    assert sizes(tape) == [len(line) for line in LINES]


async def test_aiohttp_replays_the_pieces():
    """As the server sent them."""

    tape = Tape(records=True)
    with scripted(chunked(LINES)) as url:
        with using(tape):
            live = await async_read(url, by_iter_any)
        with guarded(), using(replayed(tape)):
            again = await async_read(url, by_iter_any)

    assert live == again == LINES


async def test_httpx_over_aiohttp_sees_each_piece_when_it_is_sent():
    """As the transports of SDKs do it."""

    from httpx_aiohttp import HttpxAiohttpClient

    async def read(url, got=lambda: None):
        pieces = []
        async with HttpxAiohttpClient() as client, client.stream("GET", url) as answer:
            async for piece in answer.aiter_bytes():
                pieces.append(piece)
                got()
        return pieces

    go_on, tape = threading.Semaphore(0), Tape(records=True)
    with scripted(waiting(LINES, go_on)) as url:
        with using(tape):
            live = await read(url, go_on.release)
        with guarded(), using(replayed(tape)):
            again = await read(url)

    assert live == again == LINES


def test_bedrock_streams():
    """botocore's own client sees each message of a conversation when it is sent."""

    def converse(url, got=lambda: None):
        session = Session()
        session.set_credentials("AKIDEXAMPLE", "no-secret-at-all")
        client = session.create_client("bedrock-runtime", "eu-central-1", endpoint_url=url)
        said = [{"role": "user", "content": [{"text": "hello"}]}]
        events = []
        for event in client.converse_stream(modelId="some.model", messages=said)["stream"]:
            events.append(event["contentBlockDelta"]["delta"]["text"])
            got()
        return events

    def delta(text):
        event = {"contentBlockIndex": 0, "delta": {"text": text}}
        kind = {"event_type": "contentBlockDelta", "message_type": "event"}
        return message(json.dumps(event).encode(), **kind)

    go_on, tape = threading.Semaphore(0), Tape(records=True)
    pieces = [delta(text) for text in "abc"]
    with scripted(waiting(pieces, go_on, media=b"application/vnd.amazon.eventstream")) as url:
        with using(tape):
            live = converse(url, go_on.release)
        with guarded(), using(replayed(tape)):
            again = converse(url)

    assert live == again == list("abc")
    assert sizes(tape) == [len(piece) for piece in pieces]


def leave_requests(url):
    with requests.get(url, stream=True) as answer:
        return next(answer.iter_content(None))


def leave_urllib3(url):
    answer = urllib3.PoolManager().request("GET", url, preload_content=False)
    pieces = answer.stream()
    first = next(pieces)
    answer.close()
    return first


def leave_botocore(url):
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session
    from botocore.response import StreamingBody

    request = AWSRequest("GET", url, stream_output=True)
    with closing(StreamingBody(URLLib3Session().send(request.prepare()).raw, None)) as body:
        return body.read(2)


def leave_aiohttp(url):
    async def leave():
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.content.readany()

    return asyncio.run(leave())


LEAVING = [leave_requests, leave_urllib3, leave_botocore, leave_aiohttp]


@pytest.mark.parametrize("leave", LEAVING, ids=name)
def test_a_stream_that_is_left_is_kept_as_far_as_it_was(leave):
    """Nobody waits for the rest, which the server keeps to itself."""

    go_on, tape = threading.Event(), Tape(records=True)
    with scripted(halting(go_on)) as url:
        with using(tape):
            live = leave(url)
            (recorded,) = tape.recorded
        go_on.set()
        with guarded(), using(replayed(tape)):
            again = leave(url)

    assert live == again == recorded.response.body == b"ab"
    assert recorded.failure is None


class Collecting(Tape):
    """A tape in whose midst the collector runs, as it may at any time."""

    def may_send(self, sent):
        gc.collect()
        return super().may_send(sent)


@pytest.mark.timeout(10)
def test_a_stream_may_be_thrown_away_in_the_midst_of_the_tape():
    """By the collector, while the tape holds its lock: nothing hangs, and it is recorded."""

    def leave_to_the_collector(url):
        answer = requests.get(url, stream=True)
        pieces = answer.iter_content(None)
        next(pieces)
        around = [answer, pieces]
        around.append(around)

    go_on, tape = threading.Event(), Collecting(records=True)
    with scripted(halting(go_on)) as url, scripted(plain(b"x", b"connection: close")) as other:
        with using(tape):
            leave_to_the_collector(url)
            requests.get(other)
        go_on.set()

    assert [i.response.body for i in tape.recorded] == [b"ab", b"x"]


def all_of_requests(url, pieces):
    with requests.get(url, stream=True) as answer:
        pieces.extend(answer.iter_content(None))


def raw_of_requests(url, pieces):
    with requests.get(url, stream=True) as answer:
        while data := answer.raw.read(2):
            pieces.append(data)


def all_of_aiohttp(url, pieces):
    async def read():
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            async for piece in answer.content.iter_any():
                pieces.append(piece)

    asyncio.run(read())


def body_of_aiohttp(url, pieces):
    async def read():
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            pieces.append(await answer.json())

    asyncio.run(read())


def short(connection, _request):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")


BREAKING = {"in-chunks": chunked([b"ab", b"cd"], whole=False), "short": short}
READING = [all_of_requests, raw_of_requests, all_of_aiohttp, body_of_aiohttp]


@pytest.mark.parametrize("read", READING, ids=name)
@pytest.mark.parametrize("script", BREAKING.values(), ids=BREAKING)
def test_a_broken_stream_breaks_again(script, read):
    """After the same pieces, with the same exception."""

    def broken(url):
        pieces = []
        try:
            read(url, pieces)
        except (requests.RequestException, urllib3.exceptions.HTTPError, aiohttp.ClientError) as e:
            return b"".join(pieces), type(e).__name__, str(e)

    live, again, tape = twice(script, broken)

    assert live == again is not None
    assert tape.recorded[0].failure is not None
    assert tape.recorded[0].response.body.startswith(live[0])


async def test_who_waits_for_a_piece_may_come_back():
    """A time-out of the program around one piece is none of the stream's."""

    go_on, tape = threading.Event(), Tape(records=True)
    with scripted(halting(go_on)) as url, using(tape):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            first = await answer.content.readany()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(answer.content.readany(), 0.01)
            go_on.set()
            rest = await answer.read()

    assert (first, rest) == (b"ab", b"cd")
    assert tape.recorded[0].response.body == b"abcd"
    assert tape.recorded[0].failure is None


async def test_a_cancelled_stream_is_recorded_as_that():
    """As far as it came; what ended it, a time-out of the program, ends it again."""

    async def ask(url):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.read()

    go_on, tape = threading.Event(), Tape(records=True)
    with scripted(halting(go_on)) as url, using(tape):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(url), 0.2)
        (recorded,) = tape.recorded
        go_on.set()
        with guarded(), using(replayed(tape)), pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(url), 0.01)

    assert recorded.response.body == b"ab"
    assert recorded.failure.kind == "asyncio.exceptions.CancelledError"


def counting(connections):
    """Answer two requests by streams, each on the connection that it came by."""

    def script(connection, request):
        connections.append(request)
        chunked([b"ab", b"cd"])(connection, request)
        if connection.recv(65536):
            chunked([b"ef"])(connection, request)

    return script


def test_connections_go_back_to_their_pools():
    """Of a stream that was read to its end."""

    connections = []
    with scripted(counting(connections)) as url, using(Tape(records=True)):
        with requests.Session() as session:
            for _ in range(2):
                with session.get(url, stream=True) as answer:
                    list(answer.iter_lines())
        asyncio.run(twice_by_aiohttp(url))

    assert len(connections) == 2


async def twice_by_aiohttp(url):
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(url) as answer:
                await answer.read()


def test_a_stream_goes_on_when_recording_has_ended():
    """A thread that still reads gets the rest; and nothing of ours is left in the pool."""

    go_on, tape = threading.Event(), Tape(records=True)
    pools = urllib3.PoolManager()
    with scripted(halting(go_on)) as url:
        with using(tape):
            answer = pools.request("GET", url, preload_content=False)
            pieces = answer.stream()
            first = next(pieces)
        go_on.set()
        rest = list(pieces)
        kept = pools.connection_from_url(url).pool.get()

    assert (first, rest, kept) == (b"ab", [b"cd"], None)
    assert tape.recorded[0].response.body == b"ab"


def squeezed(pieces):
    """Compress a stream so that each piece can be read when it is there."""
    squeeze = zlib.compressobj(wbits=31)
    return [squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]


@pytest.mark.parametrize("by", [by_iter_content, by_iter_any], ids=name)
def test_compressed_streams_are_kept_readable(by):
    """In the pieces that the server sent."""

    def read(url):
        return list(by(url)) if by in SYNC else asyncio.run(async_read(url, by))

    def script(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n")
        connection.sendall(b"transfer-encoding: chunked\r\n\r\n")
        for piece in squeezed(LINES):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")

    live, again, tape = twice(script, read)

    assert live == again == LINES
    assert [c.size for c in tape.recorded[0].response.chunks] == [len(line) for line in LINES]
    assert tape.recorded[0].response.body == b"".join(LINES)


def test_plain_answers_are_one_piece():
    """However they are cut on their way, or by who reads them: their length was told before."""

    body, tape = bytes(100_000), Tape(records=True)
    with scripted(plain(body, b"connection: close")) as url, using(tape):
        requests.get(url)
        asyncio.run(async_read(url, by_iter_any))

    assert [[c.size for c in i.response.chunks] for i in tape.recorded] == [[len(body)]] * 2
    assert {i.response.body for i in tape.recorded} == {body}


async def test_a_short_answer_is_kept_though_nobody_reads_it():
    """Of aiohttp: a program that raises for the status reads no body, which says why."""

    async def ask(url):
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            with pytest.raises(aiohttp.ClientResponseError, match="429"):
                await session.get(url)

    def script(connection, _request):
        connection.sendall(b"HTTP/1.1 429 Slow\r\ncontent-length: 4\r\n\r\n")
        time.sleep(0.02)
        connection.sendall(b"why?")

    tape = Tape(records=True)
    with scripted(script) as url:
        with using(tape):
            await ask(url)
        with guarded(), using(replayed(tape)):
            await ask(url)

    assert [(i.response.body, i.failure) for i in tape.recorded] == [(b"why?", None)]


@pytest.mark.parametrize("by", [by_iter_content, by_iter_any], ids=name)
def test_recorded_gaps_can_be_replayed(by, monkeypatch):
    """As long as they were, or shorter; at once by default."""

    def read(url):
        return list(by(url)) if by in SYNC else asyncio.run(async_read(url, by))

    async def waits(_, timeout):
        waited.append(timeout)

    tape = Tape(records=True)
    with scripted(chunked(LINES, 0.02)) as url, using(tape):
        read(url)
    waited, sums = [], []
    monkeypatch.setattr(threading.Event, "wait", lambda _, timeout: waited.append(timeout))
    monkeypatch.setattr(asyncio, "wait", waits)
    for pace in (0.0, 0.5, 1.0):
        waited.clear()
        with guarded(), using(Tape(tape.recorded, pace=pace)):
            assert read(url) == LINES
        sums.append(sum(waited))

    last = tape.recorded[0].response.chunks[-1].at
    assert last > 0
    assert sums == [0.0, pytest.approx(last / 2), pytest.approx(last)]


@pytest.mark.parametrize("by", [by_iter_content, by_iter_any], ids=name)
def test_a_stream_for_which_there_is_no_room_goes_on(by):
    """The program gets it; the recording is void, and holds nothing of it."""

    def read(url):
        return list(by(url)) if by in SYNC else asyncio.run(async_read(url, by))

    held = []
    tape = Tape(records=True, room=lambda size: held.append(size) or len(held) < 4)
    with scripted(chunked(LINES)) as url, using(tape):
        assert read(url) == LINES

    assert (len(held), tape.recorded) == (4, ())


def requests_headers(url):
    return requests.get(url).raw.headers


def botocore_headers(url):
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    return URLLib3Session().send(AWSRequest("GET", url).prepare()).raw.headers


@pytest.mark.parametrize("headers", [requests_headers, botocore_headers], ids=name)
def test_headers_are_what_they_were(headers):
    """Also those that come twice, or are no ASCII."""

    script = plain(b"x", b"x-it: 1", b"x-it: \xc3\xa9", b"connection: close")
    live, again, _ = twice(script, headers)

    assert live == again
    assert live.getlist("x-it") == ["1", "\u00c3\u00a9"]


def in_vcrpys(folder):
    """A cassette of vcrpy, by our engine."""
    recorder = vcr.VCR(cassette_library_dir=str(folder))
    return use_cassette(recorder, "x.yaml", rewrites=False, passed=lambda: True)


def test_streams_under_vcrpys_cassettes(tmp_path):
    """As any; and one that broke is not there, as in vcrpy: its cassettes could not say so."""

    go_on = threading.Semaphore(0)
    with scripted(waiting(LINES, go_on)) as url, scripted(BREAKING["in-chunks"]) as broken:
        with in_vcrpys(tmp_path) as cassette:
            live = []
            for piece in by_iter_content(url):
                live.append(piece)
                go_on.release()
            with pytest.raises(requests.RequestException):
                list(by_iter_content(broken))
            assert len(cassette) == 1
        with guarded(), in_vcrpys(tmp_path):
            again = list(by_iter_content(url))

    assert live == LINES
    assert b"".join(again) == b"".join(LINES)
