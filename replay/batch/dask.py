"""An executor on a Dask cluster, for `golden-replay[dask]`; the only module that imports it."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future, WorkerPlugin, as_completed, get_worker

from replay.batch.executor import Done, TaskOf
from replay.engine.child import Worker
from replay.engine.replayer import Replay
from replay.engine.wire import Task
from replay.errors import NoScheduler

_PLUGIN = "golden-replay"
_CHUNK_SECONDS = 0.5  # between 0.2, where the scheduler shows, and 1, where the end gets ragged
_LARGEST_CHUNK = 500
_AHEAD = 2


class Dask:
    """
    Runs tasks on the workers of *scheduler*, in chunks of about half a second.

    Each Dask worker needs golden-replay and the project in the folder *root*; and *store*, unless
    episodes travel with their tasks. The replays run in child processes of theirs: a clock that
    is frozen in the process would hang a Dask worker.
    """

    def __init__(self, scheduler: str, root: Path, store: Path) -> None:
        self._scheduler = scheduler
        self._workers = _Workers(root, store)

    def replays(self, count: int, task_of: TaskOf) -> Generator[Done]:
        """
        Give results as they come; a chunk whose worker was lost is executed again by another.

        Raises:
            NoScheduler: nothing answers at the address.

        """
        with self._client() as client:
            client.register_plugin(self._workers, name=_PLUGIN)
            pace, waiting = _Pace(), iter(range(count))
            chunks = as_completed(loop=client.loop)

            def submit() -> None:
                numbers = list(islice(waiting, pace.size))
                if numbers:
                    tasks = [task_of(number) for number in numbers]
                    chunks.add(client.submit(_replay_chunk, numbers, tasks, pure=False))

            for _ in range(_AHEAD * max(sum(client.nthreads().values()), 1)):
                submit()
            try:
                for chunk in chunks:
                    replays, seconds = _result(chunk)
                    pace.learn(len(replays), seconds)
                    submit()
                    yield from replays
            finally:
                client.cancel(list(chunks.futures))

    def _client(self) -> Client:
        try:
            return Client(self._scheduler, set_as_default=False)
        except (OSError, ValueError) as error:
            raise NoScheduler(self._scheduler, str(error)) from error


class _Pace:
    """Learns how many replays fit in a chunk."""

    def __init__(self) -> None:
        self.size = 1

    def learn(self, replays: int, seconds: float) -> None:
        fitting = int(_CHUNK_SECONDS * replays / max(seconds, 1e-6))
        self.size = max(1, min(fitting, self.size * 2, _LARGEST_CHUNK))


class _Workers(WorkerPlugin):
    """Keeps workers of ours beside each Dask worker, one for each of its threads that asks."""

    def __init__(self, root: Path, store: Path) -> None:
        self._root = root
        self._store = store

    def setup(self, worker: Any) -> None:  # noqa: ARG002 - Dask's signature
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._environ = os.environ | {"REPLAY_STORE": str(self._store)}

    def teardown(self, worker: Any) -> None:  # noqa: ARG002 - Dask's signature
        while not self._idle.empty():
            self._idle.get().close()

    def replay(self, tasks: list[Task]) -> list[Replay]:
        """Replay *tasks* on a worker that nobody else uses meanwhile."""
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = Worker(self._root, self._environ)
        try:
            return [worker.replay(task) for task in tasks]
        finally:
            self._idle.put(worker)


def _replay_chunk(numbers: list[int], tasks: list[Task]) -> tuple[list[Done], float]:
    """Replay a chunk, on a Dask worker; tell how many seconds it took."""
    began = time.perf_counter()
    workers: Any = get_worker().plugins[_PLUGIN]
    replays: list[Replay] = workers.replay(tasks)
    return list(zip(numbers, replays, strict=True)), time.perf_counter() - began


def _result(chunk: Future[Any]) -> tuple[list[Done], float]:
    found: tuple[list[Done], float] = chunk.result()
    return found
