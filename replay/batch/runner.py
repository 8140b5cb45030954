"""Running a batch: what is not done yet is executed, and every result kept as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from replay.batch.executor import Executor
from replay.batch.report import Report, Result, in_order, result_from, result_json, result_of
from replay.batch.runs import Run, batch_id, shard
from replay.engine.wire import Task
from replay.episodes.batches import Batches
from replay.model import Kind

Heard = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What to run: the *part*-th of *parts* shards of *runs*.

    *timeout* in seconds and *memory* in bytes hold for each replay, 0 for no limit. With *resume*,
    runs that have a result are left alone. *bundle_of* gives the text to ship with an episode,
    empty where workers look it up themselves.
    """

    runs: Sequence[Run]
    part: int = 1
    parts: int = 1
    timeout: float = 0.0
    memory: int = 0
    resume: bool = False
    fail_on: tuple[Kind, ...] = tuple(Kind)
    bundle_of: Callable[[str], str] = lambda _episode: ""

    @property
    def batch(self) -> str:
        """The name under which results are kept."""
        return batch_id(self.runs)

    @property
    def chosen(self) -> list[tuple[int, Run]]:
        """The runs of this shard, each with its place in the whole."""
        return shard(self.runs, self.part, self.parts)

    def task(self, run: Run) -> Task:
        """Say what a worker has to do for *run*."""
        bundle = self.bundle_of(run.episode)
        return Task(run.episode, run.version, bundle, self.timeout, self.memory)


def run_batch(
    plan: Plan, executor: Executor, batches: Batches, heard: Heard = lambda _result: None
) -> Report:
    """
    Execute *plan*; every result is kept, and told to *heard*, as it comes.

    Whatever ends this early, a `resume` goes on after the last result.
    """
    batch, chosen = plan.batch, plan.chosen
    if not plan.resume:
        batches.forget(batch, [place for place, _ in chosen])
    done = batches.done(batch)
    todo = [(place, run) for place, run in chosen if place not in done]
    with closing(executor.replays(len(todo), lambda number: plan.task(todo[number][1]))) as replays:
        for number, replay in replays:
            result = result_of(*todo[number], replay)
            batches.put(batch, result.place, result_json(result))
            heard(result)
    places = {place for place, _ in chosen}
    results = in_order(r for r in map(result_from, batches.results(batch)) if r.place in places)
    return Report(batch, len(plan.runs), results, plan.part, plan.parts, plan.fail_on)
