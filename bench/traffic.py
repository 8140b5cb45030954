"""
Record and replay the same calls with us, the peers, and nothing at all, in one run.

Floors: `httpx.MockTransport` for replay, no recorder at all for recording.

Whoever replays does so on equal terms, the floor as well. Each session has a client of its own,
made before the clock starts, around one trust store that all share: a floor that never loads one,
beside contestants that have just read some 140 certificates, runs with warmer caches. It sends
`WARM_UP` requests that are not counted, after which there is no garbage to collect. The cassette is
read untimed. Time is CPU time, as nobody waits for anything.

Whoever records is timed by the clock, and with all of that: the client, the session, the file.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import openai
import requests

from bench.tables import Figure, Goal, Table, installed, medians
from bench.upstream import CHUNKS, upstream
from replay.cassettes.files import write_cassette
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.model import Interaction, Request, Response

BASE = "https://api.example.com/v1"
URL = f"{BASE}/chat/completions"
SIZES = (10, 1_000, 10_000)
WARM_UP = 3
RECORDED = 1_000
FILLER = "Answer as a patient expert would, step by step. " * 12
_PEERS_OPEN = 1_000  # cassetter refuses the largest ("budget breached"), vcrpy takes minutes
_VCRPY_RECORDS = 200  # it takes longer with each: 1,000 are a minute a round

TRUST = httpx.create_ssl_context()

Recorder = Callable[[Path], AbstractContextManager[Any]]


def tables(rounds: int) -> Iterator[Table]:
    """Measure everything here."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        goals = Goal("replay", 1.3, "MockTransport"), Goal("replay", 1, "cassetter")
        rows = dict(replaying(folder, rounds))
        yield Table("replay a request", "MockTransport", rows, goals=goals)
        sdk = {f"{SIZES[1]:,}": through_the_sdk(folder, rounds)}
        yield Table("replay a request through the openai SDK", "MockTransport", sdk, goals=goals)
        with upstream() as url:
            rows = {
                f"{RECORDED:,} calls": recording(folder, url, rounds, RECORDED),
                f"{_VCRPY_RECORDS} calls": recording(folder, url, rounds, _VCRPY_RECORDS),
            }
            goals = Goal("replay", 2, "unrecorded"), Goal("replay", 1, "cassetter")
            yield Table("record a call", "unrecorded", rows, goals=goals)
            rows = {by: first_byte(folder, f, url, rounds) for by, f in _STREAMS.items()}
            goals = (Goal("replay", 1.1, "unrecorded"),)
            title = f"first byte of a stream of {CHUNKS} chunks while recording"
            yield Table(title, "unrecorded", rows, goals=goals)
            yield Table("memory while recording", "100 calls", memory(url), unit="B")


def body(n: int) -> bytes:
    """Build one request body of about 700 bytes, as the SDK spells it; only the prompt differs."""
    return json.dumps(_sent(n), separators=(",", ":")).encode()


def _sent(n: int) -> dict[str, Any]:
    messages = [{"role": "system", "content": FILLER}, {"role": "user", "content": f"question {n}"}]
    return {"model": "gpt-4o", "messages": messages}


def answer(n: int) -> bytes:
    """Build one response body of about 800 bytes."""
    message = {"role": "assistant", "content": f"{n}: {FILLER}"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    found = {"id": f"chatcmpl-{n}", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
    usage = {"prompt_tokens": 180, "completion_tokens": 150, "total_tokens": 330}
    return json.dumps(found | {"choices": [choice], "usage": usage}).encode()


def interactions(count: int) -> list[Interaction]:
    """Build a recording of *count* calls to one URL."""
    headers = (("content-type", "application/json"),)
    return [
        Interaction(Request("POST", URL, headers, body(n)), Response(200, "OK", headers, answer(n)))
        for n in range(count)
    ]


def replaying(folder: Path, rounds: int) -> Iterator[tuple[str, dict[str, Figure]]]:
    """Seconds a request, replayed by its body, at several sizes."""
    for size in SIZES:
        path = folder / f"{size}.yaml"
        recorded = interactions(size + WARM_UP)
        write_cassette(path, recorded, datetime.now(UTC))
        calls = min(size, 500)
        chosen = [n * size // calls for n in range(calls)]
        work: dict[str, Callable[[], float]] = {
            "MockTransport": lambda c=chosen, s=size: _post_all(nullcontext(), c, s, mocked=True),
            "replay": lambda c=chosen, s=size, r=recorded: _post_all(using(Tape(r)), c, s),
            **_peers_replaying(path, chosen, size),
        }
        few = max(100 // calls, 1)  # sessions in a round: ten requests alone are over too soon
        yield (
            f"{size:,}",
            medians(
                rounds,
                {n: lambda w=w, f=few: sum(w() for _ in range(f)) / f for n, w in work.items()},
            ),
        )


def _peers_replaying(path: Path, chosen: list[int], size: int) -> dict[str, Callable[[], float]]:
    peers: dict[str, Callable[[], float]] = {}
    match_on = ["method", "uri", "body"]
    if size > _PEERS_OPEN:
        return peers
    if installed("cassetter"):
        from cassetter import use_cassette

        peers["cassetter"] = lambda: _post_all(
            use_cassette(path, record_mode="none", match_on=match_on), chosen, size
        )
    if installed("vcrpy"):
        import vcr

        few = chosen[:: max(len(chosen) // 20, 1)]
        peers["vcrpy"] = lambda: _post_all(
            vcr.use_cassette(str(path), record_mode="none", match_on=match_on), few, size
        )
    return peers


def _post_all(
    recorder: AbstractContextManager[Any], chosen: list[int], size: int, *, mocked: bool = False
) -> float:
    warm = range(size, size + WARM_UP)
    transport = _mock([*warm, *chosen], httpx) if mocked else None
    headers = {"content-type": "application/json"}
    with recorder, httpx.Client(transport=transport, verify=TRUST) as client:
        for n in warm:
            client.post(URL, content=body(n), headers=headers)
        gc.collect()
        began = time.process_time()
        for n in chosen:
            client.post(URL, content=body(n), headers=headers)
        return (time.process_time() - began) / len(chosen)


def _mock(chosen: list[int], http: Any) -> Any:
    answers = {body(n): answer(n) for n in chosen}
    headers = {"content-type": "application/json"}
    return http.MockTransport(
        lambda request: http.Response(200, headers=headers, content=answers[request.content])
    )


def through_the_sdk(folder: Path, rounds: int) -> dict[str, Figure]:
    """Seconds a request, replayed through OpenAI's client."""
    size = SIZES[1]
    path = folder / f"{size}.yaml"
    recorded, chosen = interactions(size + WARM_UP), list(range(0, size, 5))
    work: dict[str, Callable[[], float]] = {
        "MockTransport": lambda: _ask_all(nullcontext(), chosen, size, mocked=True),
        "replay": lambda: _ask_all(using(Tape(recorded)), chosen, size),
    }
    if installed("cassetter"):
        from cassetter import use_cassette

        match_on = ["method", "uri", "body"]
        work["cassetter"] = lambda: _ask_all(
            use_cassette(path, record_mode="none", match_on=match_on), chosen, size
        )
    return medians(rounds, work)


def _ask_all(
    recorder: AbstractContextManager[Any], chosen: list[int], size: int, *, mocked: bool = False
) -> float:
    import openai._base_client as base

    http: Any = base.httpx2 if hasattr(base, "httpx2") else base.httpx
    warm = range(size, size + WARM_UP)
    transport = _mock([*warm, *chosen], http) if mocked else None
    with (
        recorder,
        http.Client(transport=transport, verify=TRUST) as inner,
        openai.OpenAI(api_key="none", base_url=BASE, http_client=inner, max_retries=0) as client,
    ):
        for n in warm:
            client.chat.completions.create(**_sent(n))
        gc.collect()
        began = time.process_time()
        for n in chosen:
            client.chat.completions.create(**_sent(n))
        return (time.process_time() - began) / len(chosen)


def recording(folder: Path, url: str, rounds: int, calls: int) -> dict[str, Figure]:
    """Seconds a call, recorded live over loopback, the file written."""

    def post(recorder: Recorder) -> float:
        path = folder / f"{time.monotonic_ns()}.yaml"
        began = time.perf_counter()
        with recorder(path), httpx.Client() as client:
            for n in range(calls):
                client.post(f"{url}/echo", content=body(n))
        return (time.perf_counter() - began) / calls

    recorders = _recorders()
    if calls > _VCRPY_RECORDS:
        recorders.pop("vcrpy", None)
    return medians(rounds, {name: lambda r=r: post(r) for name, r in recorders.items()})


def first_byte(
    folder: Path, stream: Callable[[str], float], url: str, rounds: int
) -> dict[str, Figure]:
    """Seconds to the first byte of a *stream*, its chunks 20 ms apart, while recording."""

    def first(recorder: Recorder) -> float:
        with recorder(folder / f"{time.monotonic_ns()}.yaml"):
            return stream(url)

    recorders = _recorders()
    if stream is not _by_httpx:
        recorders.pop("cassetter", None)  # under it, a stream of requests never ends
    return medians(rounds, {name: lambda r=r: first(r) for name, r in recorders.items()})


def _by_httpx(url: str) -> float:
    with httpx.Client() as client:
        client.get(f"{url}/echo")  # the connection is open
        began = time.perf_counter()
        with client.stream("GET", f"{url}/stream") as response:
            pieces = response.iter_bytes()  # iter_raw fails on what a peer has read before
            next(pieces)
            taken = time.perf_counter() - began
            list(pieces)
    return taken


def _by_requests(url: str) -> float:
    with requests.Session() as client:
        client.get(f"{url}/echo")
        began = time.perf_counter()
        with client.get(f"{url}/stream", stream=True) as response:
            pieces = response.iter_content(None)
            next(pieces)
            taken = time.perf_counter() - began
            list(pieces)
    return taken


def _by_aiohttp(url: str) -> float:
    async def stream() -> float:
        async with aiohttp.ClientSession() as client:
            await (await client.get(f"{url}/echo")).read()
            began = time.perf_counter()
            async with client.get(f"{url}/stream") as response:
                await response.content.readany()
                taken = time.perf_counter() - began
                await response.read()
        return taken

    return asyncio.run(stream())


_STREAMS = {"httpx": _by_httpx, "requests": _by_requests, "aiohttp": _by_aiohttp}


def memory(url: str) -> dict[str, dict[str, Figure]]:
    """Bytes allocated a call while recording, the bodies (1.4 kB) among them."""

    def grown(calls: int) -> Figure:
        tracemalloc.start()
        with using(Tape(records=True)), httpx.Client() as client:
            client.post(f"{url}/echo", content=body(0))
            before = tracemalloc.get_traced_memory()[0]
            for n in range(calls):
                client.post(f"{url}/echo", content=body(n))
            after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return Figure((after - before) / calls)

    return {"a call": {f"{calls:,} calls": grown(calls) for calls in (100, 1_000)}}


def _recorders() -> dict[str, Recorder]:
    found: dict[str, Recorder] = {"unrecorded": lambda _path: nullcontext(), "replay": _ours}
    if installed("cassetter"):
        from cassetter import use_cassette

        found["cassetter"] = lambda path: use_cassette(path, record_mode="all")
    if installed("vcrpy"):
        import vcr

        found["vcrpy"] = lambda path: vcr.use_cassette(
            str(path), record_mode="all", match_on=["method", "uri", "body"]
        )
    return found


@contextmanager
def _ours(path: Path) -> Iterator[None]:
    with using(Tape(records=True)) as tape:
        yield
    write_cassette(path, tape.recorded, datetime.now(UTC))
