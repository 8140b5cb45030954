"""
Measure recording and replaying side by side with the peers, in one run: `make bench`.

Ratios come first: they hold on another machine, milliseconds do not. Each figure is the median over
rounds in which the contenders take turns. The floors are what a program has without any recorder.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from bench.upstream import upstream
from replay.cassettes.files import read_cassette, write_cassette
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.model import Interaction, Request, Response

URL = "https://api.example.com/v1/chat/completions"
SIZES = (10, 1_000, 10_000)
_PEERS_OPEN = 1_000  # cassetter refuses the largest ("budget breached"), vcrpy takes minutes
FILLER = "Answer as a patient expert would, step by step. " * 12

Contenders = dict[str, Callable[[], AbstractContextManager[Any]]]


def body(n: int) -> bytes:
    """Build one request body of about 700 bytes; only the prompt differs."""
    messages = [{"role": "system", "content": FILLER}, {"role": "user", "content": f"question {n}"}]
    return json.dumps({"model": "gpt-4o", "messages": messages}).encode()


def answer(n: int) -> bytes:
    """Build one response body of about 800 bytes."""
    message = {"role": "assistant", "content": f"{n}: {FILLER}"}
    return json.dumps({"id": f"chatcmpl-{n}", "choices": [{"message": message}]}).encode()


def interactions(count: int) -> list[Interaction]:
    """Build a recording of *count* calls to one URL."""
    headers = (("content-type", "application/json"),)
    return [
        Interaction(Request("POST", URL, headers, body(n)), Response(200, "OK", headers, answer(n)))
        for n in range(count)
    ]


def timed(work: Callable[[], None]) -> float:
    """Run *work* once; in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def medians(rounds: int, work: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Take turns for *rounds* rounds; the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            taken[name].append(run())
    return {name: statistics.median(values) for name, values in taken.items()}


def replaying(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds a request, replayed by its body, at several sizes."""
    found = {}
    for size in SIZES:
        path = folder / f"{size}.yaml"
        recorded = interactions(size)
        write_cassette(path, recorded, datetime.now(UTC))
        calls = min(size, 500)
        chosen = [n * size // calls for n in range(calls)]
        found[f"{size:,}"] = medians(
            rounds,
            {
                "MockTransport": lambda c=chosen: _post_all(nullcontext(), c, mocked=True),
                "replay": lambda c=chosen, r=recorded: _post_all(using(Tape(r)), c),
                **_peers_replaying(path, chosen, size),
            },
        )
    return found


def _peers_replaying(path: Path, chosen: list[int], size: int) -> dict[str, Callable[[], float]]:
    peers: dict[str, Callable[[], float]] = {}
    match_on = ["method", "uri", "body"]
    if size > _PEERS_OPEN:
        return peers
    if _installed("cassetter"):
        from cassetter import use_cassette

        peers["cassetter"] = lambda: _post_all(
            use_cassette(path, record_mode="none", match_on=match_on), chosen
        )
    if _installed("vcrpy"):
        import vcr

        few = chosen[:: max(len(chosen) // 20, 1)]
        peers["vcrpy"] = lambda: _post_all(
            vcr.use_cassette(str(path), record_mode="none", match_on=match_on), few
        )
    return peers


def _post_all(
    recorder: AbstractContextManager[Any], chosen: list[int], *, mocked: bool = False
) -> float:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=answers[request.content])

    answers = {body(n): answer(n) for n in chosen} if mocked else {}
    transport = httpx.MockTransport(handler) if mocked else None
    headers = {"content-type": "application/json"}
    with recorder, httpx.Client(transport=transport) as client:
        client.build_request("POST", URL)
        began = time.perf_counter()
        for n in chosen:
            client.post(URL, content=body(n), headers=headers)
        return (time.perf_counter() - began) / len(chosen)


def recording(folder: Path, url: str, rounds: int, calls: int = 300) -> dict[str, float]:
    """Seconds a call, recorded live over loopback."""

    def post(recorder: Callable[[Path], AbstractContextManager[Any]]) -> float:
        path = folder / f"{time.monotonic_ns()}.yaml"

        def work() -> None:
            with recorder(path), httpx.Client() as client:
                for n in range(calls):
                    client.post(f"{url}/echo", content=body(n))

        return timed(work) / calls

    return medians(rounds, {name: lambda r=r: post(r) for name, r in _recorders().items()})


def first_byte(folder: Path, url: str, rounds: int) -> dict[str, float]:
    """Seconds to the first byte of a stream of 10 chunks, 20 ms apart, while recording."""

    def first(recorder: Callable[[Path], AbstractContextManager[Any]]) -> float:
        path = folder / f"{time.monotonic_ns()}.yaml"
        with recorder(path), httpx.Client() as client:
            client.get(f"{url}/echo")  # the connection is open
            began = time.perf_counter()
            with client.stream("GET", f"{url}/stream") as response:
                pieces = response.iter_bytes()  # iter_raw fails on what a peer has read before
                next(pieces)
                taken = time.perf_counter() - began
                list(pieces)
        return taken

    return medians(rounds, {name: lambda r=r: first(r) for name, r in _recorders().items()})


def _recorders() -> dict[str, Callable[[Path], AbstractContextManager[Any]]]:
    found: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
        "unrecorded": lambda _path: nullcontext(),
        "replay": _ours,
    }
    if _installed("cassetter"):
        from cassetter import use_cassette

        found["cassetter"] = lambda path: use_cassette(path, record_mode="all")
    if _installed("vcrpy"):
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


def opening(folder: Path, rounds: int) -> dict[str, float]:
    """Seconds to open a cassette of 1,000 interactions."""
    path = folder / "open.yaml"
    write_cassette(path, interactions(1_000), datetime.now(UTC))
    work: dict[str, Callable[[], Any]] = {"replay": lambda: Tape(read_cassette(path).interactions)}
    if _installed("cassetter"):
        from cassetter import use_cassette

        work["cassetter"] = lambda: use_cassette(path, record_mode="none").__enter__()
    if _installed("vcrpy"):
        from vcr.persisters.filesystem import FilesystemPersister
        from vcr.serializers import yamlserializer

        work["vcrpy"] = lambda: FilesystemPersister.load_cassette(path, yamlserializer)
    return medians(rounds, {name: lambda run=run: timed(run) for name, run in work.items()})


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def show(title: str, rows: dict[str, dict[str, float]], floor: str, out: Console) -> None:
    """Print one table: ratios to the floor, milliseconds beside them."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    table = Table("", *names, title=title, title_justify="left")
    for label, row in rows.items():
        cells = [
            f"{row[name] / row[floor]:,.2f} x  ({row[name] * 1000:,.3f} ms)" if name in row else "-"
            for name in names
        ]
        table.add_row(label, *cells)
    out.print(table)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Rounds; the median is shown.")
@click.option("--json", "path", type=Path, help="Write the figures, in seconds, to this file.")
def main(rounds: int, path: Path | None) -> None:
    """Measure recording and replaying side by side with the peers installed here."""
    out = Console(width=120)
    packages = ("golden-replay", "vcrpy", "cassetter", "httpx")
    versions = {name: _installed(name) or "not installed" for name in packages}
    out.print(f"CPython {platform.python_version()}, {platform.machine()};", versions)
    with tempfile.TemporaryDirectory() as name, upstream() as url:
        folder = Path(name)
        figures = {
            "replay a request, seconds": replaying(folder, rounds),
            "record a call, seconds": {"300 calls": recording(folder, url, rounds)},
            "first byte while recording, seconds": {"10 chunks": first_byte(folder, url, rounds)},
            "open a cassette, seconds": {"1,000 interactions": opening(folder, rounds)},
        }
    floors = ("MockTransport", "unrecorded", "unrecorded", "replay")
    for (title, rows), floor in zip(figures.items(), floors, strict=True):
        show(f"{title.partition(',')[0]}: x {floor}", rows, floor, out)
    if path:
        path.write_text(json.dumps({"versions": versions, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
