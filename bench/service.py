"""
Serve requests with and without recording them: time added to each, and memory over many.

A real uvicorn with a Starlette app, whose one route posts to an upstream; `python -m bench.service
--requests 100000` measures memory over so many, which `make bench` does over fewer.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import httpx
from rich.console import Console

from bench.tables import Figure, Goal, Table, medians, show
from bench.traffic import body
from bench.upstream import upstream

LATENCY = 0.02
CALLS = 100
"""Requests in one round, one after the other."""

REQUESTS = 4_000
STEPS = 8
"""How often memory is looked at on the way."""

RECORDING = {"unrecorded": "off", "replay": "on"}

SETTINGS = """
[tool.replay]
store = "episodes.db"
"""


def tables(rounds: int) -> Iterator[Table]:
    """Measure everything here."""
    yield added(rounds)
    yield memory(REQUESTS)


def added(rounds: int) -> Table:
    """Seconds that a client waits for a request, which waits 20 ms for an upstream."""
    with upstream(LATENCY) as url, ExitStack() as stack:
        clients = {
            name: stack.enter_context(serving(url, record))[0] for name, record in RECORDING.items()
        }
        for client in clients.values():
            asked(client, 20)
        rows = {
            f"{middle.__name__} of {CALLS}": medians(
                rounds,
                {n: lambda c=c, m=middle: m(asked(c, CALLS)) for n, c in clients.items()},
            )
            for middle in (statistics.median, statistics.fmean)
        }
    goals = (Goal("replay", 1.05, "unrecorded"),)
    title = f"a request to a service, {LATENCY * 1000:.0f} ms upstream"
    return Table(title, "unrecorded", rows, goals=goals)


def memory(requests: int) -> Table:
    """Resident memory of the service after parts of so many requests, to a fast upstream."""
    part = requests // STEPS
    with upstream() as url, serving(url, "on") as (client, pid):
        asked(client, 200)
        row = {}
        for step in range(1, STEPS + 1):
            asked(client, part)
            row[f"{part * step:,}"] = Figure(resident(pid))
        note = f"recorded, lost, waiting, held: {client.get('/stats').text}"
    first = f"{part:,}"
    return Table("memory of a recording service", first, {"after": row}, unit="B", note=note)


def asked(client: httpx.Client, count: int) -> list[float]:
    """Send requests, one after the other; seconds each took."""
    taken = []
    for n in range(count):
        began = time.perf_counter()
        client.post("/ask", content=body(n))
        taken.append(time.perf_counter() - began)
    return taken


def resident(pid: int) -> float:
    """Bytes of memory that a process holds (Linux)."""
    pages = Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(url: str, record: str) -> Iterator[tuple[httpx.Client, int]]:
    """Start the app below in a folder of its own; yields a client of it, and its process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(SETTINGS, "utf-8")
        env = os.environ | {"UPSTREAM": url, "REPLAY_RECORD": record}
        env["PYTHONPATH"] = str(Path(__file__).parent.parent)
        command = [sys.executable, "-m", "bench.served"]
        with subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            address = process.stdout.readline().strip()
            try:
                with httpx.Client(base_url=address, timeout=60) as client:
                    yield client, process.pid
            finally:
                process.terminate()


@click.command()
@click.option("--requests", default=REQUESTS, show_default=True, help="Over how many.")
def main(requests: int) -> None:
    """Measure memory alone."""
    show(memory(requests), Console(width=160))


if __name__ == "__main__":
    main()
