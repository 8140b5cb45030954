"""The seam between a batch and what executes it; another engine is one more module like `local`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol, TypeAlias

from replay.engine.replayer import Replay
from replay.engine.wire import Task

TaskOf: TypeAlias = Callable[[int], Task]
"""Makes the task of a number; tasks that carry a bundle are not kept longer than needed."""

Done: TypeAlias = tuple[int, Replay]
"""The number of a task, and what came of it."""


class Executor(Protocol):
    """Something that gets tasks replayed, each in a child process of a `Worker`."""

    def replays(self, count: int, task_of: TaskOf) -> Generator[Done]:
        """
        Give the replay of each task from 0 to *count* when it is there, in any order.

        Closing the generator ends what is still being executed.
        """
        ...
