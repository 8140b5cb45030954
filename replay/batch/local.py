"""The usual executor: a few workers on this machine."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

from replay.batch.executor import Done, TaskOf
from replay.engine.child import Worker


class Local:
    """Runs tasks on *workers* workers, which *start* makes."""

    def __init__(self, start: Callable[[], Worker], workers: int) -> None:
        self._start = start
        self._workers = workers

    def replays(self, count: int, task_of: TaskOf) -> Generator[Done]:
        """Give results as they come; closing this ends the workers and what they are at."""
        todo, done = SimpleQueue[int](), SimpleQueue[Done | Exception]()
        for number in range(count):
            todo.put(number)
        workers = [self._start() for _ in range(min(self._workers, count))]
        threads = [Thread(target=_work, args=(worker, task_of, todo, done)) for worker in workers]
        for thread in threads:
            thread.start()
        try:
            for _ in range(count):
                came = done.get()
                if isinstance(came, Exception):
                    raise came
                yield came
        finally:
            with suppress(Empty):
                while True:
                    todo.get_nowait()
            for worker in workers:
                worker.close()
            for thread in threads:
                thread.join()


def _work(
    worker: Worker,
    task_of: TaskOf,
    todo: SimpleQueue[int],
    done: SimpleQueue[Done | Exception],
) -> None:
    with suppress(Empty):
        while True:
            number = todo.get_nowait()
            try:
                done.put((number, worker.replay(task_of(number))))
            except Exception as error:  # noqa: BLE001 - raised again where results are taken
                done.put(error)
                return
