"""Batches on a Dask cluster: a real scheduler and real workers, in processes of their own."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.batches import episode, project_of

pytest.importorskip("distributed")

SCHEDULER = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0")
WORKER = ("distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard", "--no-nanny")


@contextmanager
def running(project, name, *arguments) -> Iterator[tuple[subprocess.Popen, str]]:
    """A Dask process, and the address that it says it has."""
    log = project.root / name
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=project.root, env=project.env, stderr=errors
        )
    try:
        yield process, waited_for(log, r"tcp://\S+")
    finally:
        process.kill()
        process.wait()


def waited_for(log, pattern):
    for _ in range(400):
        if log.exists() and (found := re.search(pattern, log.read_text())):
            return found[0]
        threading.Event().wait(0.05)
    raise AssertionError(f"{log} has no {pattern!r}")


@contextmanager
def cluster(project):
    with (
        running(project, "scheduler.log", *SCHEDULER, "--no-dashboard") as (_, address),
        running(project, "doomed.log", *WORKER, address) as (doomed, _),
        running(project, "worker.log", *WORKER, address),
    ):
        yield address, doomed


@pytest.mark.parametrize("how", [(), ("--ship",)], ids=["shared store", "shipped"])
def test_lost_worker_costs_nothing(tmp_path, how):
    """One of two workers is killed on the way; every run has its one result, as of a serial run."""

    count = 60
    project = project_of(tmp_path, [episode(n) for n in range(count)])
    project.edit("program.py", "    if does", "    if n % 9 == 0: n += 1\n    if does", count=1)
    project.replay("batch", "--all", "--workers", "1", "--json", "serial.json")
    project = project.where(RAN=str(tmp_path / "ran"))
    with cluster(project) as (address, doomed):
        command = ["batch", "--all", "--executor", "dask", "--scheduler", address, *how]
        killer = threading.Thread(target=killed_on_the_way, args=(tmp_path / "ran", doomed))
        killer.start()
        done = project.replay(*command, "--json", "dask.json")
        lost_on_the_way = not killer.is_alive()
        killer.join()
    serial, dask = (
        json.loads((tmp_path / name).read_text())["results"]
        for name in ("serial.json", "dask.json")
    )
    for result in [*serial, *dask]:
        del result["time"]

    assert lost_on_the_way
    assert len({result["episode"] for result in dask}) == count, done.stderr
    assert serial == dask


def killed_on_the_way(log, process):
    """Kill *process* when a third of the runs is done."""
    waited_for(log, r"(.*\n){20}")
    process.kill()
    process.wait()


def test_missing_extra_is_told(tmp_path):
    """With the command that installs it."""

    project = project_of(tmp_path, [episode(0)])
    project.write("distributed.py", "raise ImportError\n")
    command = ["batch", "--all", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:1"]
    done = project.where(PYTHONPATH=f"{tmp_path}:{project.env['PYTHONPATH']}").replay(*command)

    assert done.returncode == 2
    assert done.stderr == 'Dask is not installed: pip install "golden-replay[dask]"\n'
