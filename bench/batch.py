"""
Measure batches. Needs both cores for itself to say anything.

Replays of the example agent, against the same function in a bare loop on httpx's MockTransport in
one process; two workers against one; what resuming costs; memory over a long batch; and a Dask
cluster of which one of two workers is killed. `python -m bench.batch` measures at the sizes that
are asked for; `python -m bench.batch dask` does one of the parts.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import httpx
import httpx2
import requests
from rich.console import Console

from bench.tables import Figure, Goal, Table, installed, medians, show, timed
from examples.support_agent.agent import answer
from replay.batch.local import Local
from replay.batch.report import Report
from replay.batch.runner import Plan, run_batch
from replay.batch.runs import Run
from replay.engine.child import Worker
from replay.engine.wire import Task
from replay.episodes.batches import Batches
from replay.episodes.folder import import_bundle
from replay.episodes.store import Store
from replay.model import Episode, Interaction

ROOT = Path(__file__).parent.parent
EPISODE = "episode_12345"
DASK = "distributed.cli.dask_"
PARTS = ("replay", "workers", "memory", "dask")


def stored(folder: Path, count: int) -> tuple[Episode, list[Run]]:
    """Make a store with *count* episodes that are the example's under other names."""
    with Store(folder / "store.db") as store:
        import_bundle(store, ROOT / "episodes" / f"{EPISODE}.jsonl")
        episode = store.get(EPISODE)
        names = [f"copy_{n:05}" for n in range(count)]
        for name in names:
            store.add(replace(episode, id=name))
    return episode, [Run(name) for name in names]


def batch(folder: Path, runs: list[Run], workers: int, **options: Any) -> Report:
    """Run a batch as the command does."""
    with closing(Batches(folder / "store.db")) as batches:
        executor = Local(lambda: worker(folder), workers)
        return run_batch(Plan(runs, timeout=60.0), executor, batches, **options)


def worker(folder: Path) -> Worker:
    """Start a worker on the store in *folder*."""
    return Worker(ROOT, os.environ | {"REPLAY_STORE": str(folder / "store.db")})


def throughput(folder: Path, episode: Episode, calls: int, rounds: int) -> dict[str, Figure]:
    """Seconds a replay by one warm worker, and a call of the function in a bare loop."""
    with worker(folder) as warm:
        for _ in range(2):
            warm.replay(Task(episode.id))

        def replayed() -> float:
            return timed(lambda: [warm.replay(Task(episode.id)) for _ in range(calls)]) / calls  # type: ignore[func-returns-value]

        def bare() -> float:
            with mocked(episode.current.interactions):
                return timed(lambda: [answer(**episode.inputs) for _ in range(calls)]) / calls  # type: ignore[func-returns-value]

        bare()
        return medians(rounds, {"bare loop": bare, "batch": replayed})


@contextmanager
def mocked(interactions: tuple[Interaction, ...]) -> Iterator[None]:
    """Answer the agent from memory, in order, over and over, by MockTransport or as it would."""
    waiting: list[Interaction] = []

    def due() -> Any:
        waiting[:] = waiting or list(interactions)
        return waiting.pop(0).response

    def transport(http: Any) -> Any:
        def respond(_request: Any) -> Any:
            found = due()
            return http.Response(found.status, headers=list(found.headers), content=found.body)

        return http.MockTransport(respond).handle_request

    def send(_adapter: Any, request: Any, **_options: Any) -> Any:
        found, response = due(), requests.Response()
        response.status_code, response._content = found.status, found.body
        response.headers.update(dict(found.headers))
        response.url, response.request = request.url, request
        return response

    answering = [transport(httpx), transport(httpx2)]
    with ExitStack() as stack:
        for http, mock in zip((httpx, httpx2), answering, strict=True):
            patched(stack, http.HTTPTransport, "handle_request", lambda _, r, m=mock: m(r))
        patched(stack, requests.adapters.HTTPAdapter, "send", send)
        os.environ.setdefault("OPENAI_API_KEY", "not-a-key")
        yield


def patched(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    """Put *value* in place until the stack closes."""
    stack.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def workers(folder: Path, runs: list[Run]) -> dict[str, Figure]:
    """Seconds for the same batch with one worker and with two, and to resume it when it is done."""
    one = timed(lambda: checked(batch(folder, runs, 1)))
    two = timed(lambda: checked(batch(folder, runs, 2)))
    with closing(Batches(folder / "store.db")) as batches:
        plan = Plan(runs, resume=True)
        again = timed(lambda: checked(run_batch(plan, Local(lambda: worker(folder), 2), batches)))
    return {"one worker": Figure(one), "two": Figure(two), "resume": Figure(again)}


def checked(report: Report) -> None:
    """Make sure that what was measured did what it should."""
    assert report.counts == {"IDENTICAL": report.size}, report.counts


def memory(folder: Path, runs: list[Run]) -> dict[str, Figure]:
    """Resident bytes of runner and workers together, after a tenth of a batch and at its end."""
    seen: list[int] = []
    tenth = max(len(runs) // 10, 1)
    count = iter(range(1, len(runs) + 1))

    def heard(_result: object) -> None:
        if next(count) % tenth == 0:
            seen.append(resident(os.getpid()))

    checked(batch(folder, runs, 2, heard=heard))
    return {"first tenth": Figure(seen[0]), "most": Figure(max(seen)), "last": Figure(seen[-1])}


def resident(pid: int) -> int:
    """Bytes of a process and all that it started, shared pages counted once each."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        lists = Path(f"/proc/{pid}/task").glob("*/children")
        children = [child for path in lists for child in path.read_text().split()]
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
    return (int(found[1]) << 10 if found else 0) + sum(resident(int(c)) for c in children)


def dask(folder: Path, runs: list[Run]) -> dict[str, Figure]:
    """Run a batch on two Dask workers, kill one on the way, and compare with a serial run."""
    from replay.batch.dask import Dask

    began = time.perf_counter()
    serial = batch(folder, runs, 1)
    alone = time.perf_counter() - began
    with ExitStack() as stack:
        address = started(stack, folder / "s.log", "scheduler", "--port", "0", "--no-dashboard")
        doomed = stack.enter_context(ExitStack())
        started(doomed, folder / "a.log", "worker", address, "--nthreads", "1", "--no-nanny")
        started(stack, folder / "b.log", "worker", address, "--nthreads", "1", "--no-nanny")
        count = iter(range(1, 10 * len(runs)))

        def heard(_result: object) -> None:
            if next(count) == len(runs) // 3:
                threading.Thread(target=doomed.close).start()

        executor = Dask(address, ROOT, folder / "store.db")
        with closing(Batches(folder / "store.db")) as batches:
            began = time.perf_counter()
            cluster = run_batch(Plan(runs), executor, batches, heard)
    taken = time.perf_counter() - began
    assert [*map(unhurried, serial.results)] == [*map(unhurried, cluster.results)]
    return {"one worker": Figure(alone), "dask, one of two killed": Figure(taken)}


def unhurried(result: Any) -> Any:
    """Leave out of a result what differs from run to run."""
    return replace(result, seconds=0.0)


def started(stack: ExitStack, log: Path, what: str, *arguments: str) -> str:
    """Start a Dask process that ends with *stack*; its address."""
    command = [sys.executable, "-m", f"{DASK}{what}", "--host", "127.0.0.1", *arguments]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stderr=errors, cwd=ROOT)
    stack.callback(process.wait)
    stack.callback(process.kill)
    while not (found := re.search(r"tcp://\S+", log.read_text())):
        time.sleep(0.05)
    return found[0]


def tables(
    rounds: int,
    episodes: int = 120,
    long: int = 200,
    spread: int = 120,
    parts: Collection[str] = PARTS,
) -> Iterator[Table]:
    """Measure *parts*: *episodes* of a batch, *long* for memory, *spread* on Dask."""
    sizes = {"replay": 0, "workers": episodes, "memory": long, "dask": spread}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        episode, runs = stored(folder, max(sizes[part] for part in parts))
        if "replay" in parts:
            speed = throughput(folder, episode, 10, rounds)
            goals = (Goal("batch", 1 / 0.6, "bare loop"),)
            yield Table("a replay in a batch", "bare loop", {EPISODE: speed}, goals=goals)
        if "workers" in parts:
            both = workers(folder, runs[:episodes])
            goals = (Goal("two", 1 / 1.7, "one worker"),)
            row = {f"{episodes:,} episodes": both}
            yield Table("a batch", "one worker", row, goals=goals)
        if "memory" in parts:
            held = {f"{long:,} episodes": memory(folder, runs[:long])}
            yield Table("memory of a batch", "first tenth", held, "B")
        if "dask" in parts and installed("distributed"):
            lost = {f"{spread:,} episodes": dask(folder, runs[:spread])}
            yield Table("a batch on Dask, equal to a serial one", "one worker", lost)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--episodes", default=500, show_default=True, help="Of the batches.")
@click.option("--long", default=10_000, show_default=True, help="Episodes for the memory.")
@click.option("--spread", default=1_000, show_default=True, help="Episodes on Dask.")
@click.option("--rounds", default=7, show_default=True, help="Rounds; the median is shown.")
def main(parts: tuple[str, ...], **sizes: int) -> None:
    """Measure PARTS, by default all, on this machine; ratios of seconds hold elsewhere too."""
    out = Console(width=140)
    for table in tables(**sizes, parts=parts or PARTS):
        show(table, out)


if __name__ == "__main__":
    main()
