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
from tests.conftest import Project

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


COUNT = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A project, the results of a serial run of it, and a scheduler with one worker."""
    root = tmp_path_factory.mktemp("dask")
    project = project_of(root, [episode(n) for n in range(COUNT)])
    project.edit("program.py", "    if does", "    if n % 9 == 0: n += 1\n    if does", count=1)
    project.replay("batch", "--all", "--workers", "1", "--json", "serial.json")
    project = project.where(RAN=str(root / "ran"))
    with (
        running(project, "scheduler.log", *SCHEDULER, "--no-dashboard") as (_, address),
        running(project, "worker.log", *WORKER, address),
    ):
        yield project, results(root / "serial.json"), address


@pytest.mark.parametrize("how", [(), ("--ship",)], ids=["shared store", "shipped"])
def test_lost_worker_costs_nothing(cluster, how):
    """One of two workers is killed on the way; every run has its one result, as of a serial run."""

    project, serial, address = cluster
    log = project.root / "ran"
    log.unlink(missing_ok=True)
    with running(project, "doomed.log", *WORKER, address) as (doomed, _):
        killer = threading.Thread(target=killed_on_the_way, args=(log, doomed))
        killer.start()
        command = ("batch", "--all", "--executor", "dask", "--scheduler", address, *how)
        done = Project(project.root, project.env).replay(*command, "--json", "dask.json")
        lost_on_the_way = not killer.is_alive()
        killer.join()
    dask = results(project.root / "dask.json")

    assert lost_on_the_way
    assert len({result["episode"] for result in dask}) == COUNT, done.stderr
    assert serial == dask


def results(path):
    """What a report tells, but for the times."""
    found = json.loads(path.read_text())["results"]
    return [{k: v for k, v in result.items() if k != "time"} for result in found]


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
    path = f"{tmp_path}:{project.env['PYTHONPATH']}"
    done = Project(tmp_path, project.env | {"PYTHONPATH": path}).replay(*command)

    assert done.returncode == 2
    assert done.stderr == 'Dask needs an extra: pip install "golden-replay[dask]"\n'


def test_a_scheduler_that_does_not_answer_is_told(tmp_path):
    """Exit 2, and how to start one."""

    project = project_of(tmp_path, [episode(1)])
    env = project.env | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "500ms"}
    command = ("-m", "replay", "batch", "--all", "--executor", "dask")
    done = Project(tmp_path, env).run(sys.executable, *command, "--scheduler", "tcp://127.0.0.1:9")

    assert done.returncode == 2, done.stderr
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
