"""SIGKILL: of what records, rewrites, migrates, decides, keeps the store, serves, replays many."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

from bench.store import agent_run
from faults.fault import MANY, Fault, Killed
from faults.ground import (
    RECORD,
    REWRITE,
    Broken,
    Ground,
    bundle_generations,
    cassette_generation,
    generation,
    store_generations,
    told,
    whole_store,
)
from replay.atomic import proposal
from replay.batch.runs import Run, batch_id
from replay.episodes.batches import Batches
from replay.episodes.store import Store
from replay.model import Episode
from tests.batches import episode, project_of
from tests.stores import GONE, old_store


class Recording(Killed):
    title = "`replay record`, killed"
    command = "ROUND=new replay record --from case"
    holds = (
        "Store and bundle hold the old recording, and the new one whole or not at all; what was "
        "answered by then is there as incomplete. Recording again works."
    )
    told = (
        "`replay list`: Incomplete: case, begun … complete interactions kept, no recording was "
        "made. To clear it: replay gc"
    )

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {RECORD}")

    def after(self, ground: Ground) -> None:
        if store_generations(ground.store) not in (["old"], ["old", "new"]):
            raise Broken("the store has other recordings")
        if bundle_generations(ground.bundle) not in (["old"], ["old", "new"]):
            raise Broken("the bundle has other recordings")
        with Store(ground.store, writable=False) as store:
            left = store.incomplete()
        if any(not i.response or i.response.status != 200 for at in left for i in at.interactions):
            raise Broken("half an interaction was kept")
        if left:
            told(ground.succeed("replay list"), self.told.partition(": ")[2])
        ground.succeed("replay run case")
        ground.succeed(self.command)
        ground.succeed("replay gc")
        if bundle_generations(ground.bundle)[-1] != "new" or "Incomplete" in ground.succeed(
            "replay list"
        ):
            raise Broken("recording again did not mend it")


class Rewriting(Killed):
    title = "`pytest --record-mode=rewrite --snapshot-update`, killed"
    command = f"ROUND=new {REWRITE} --snapshot-update"
    holds = (
        "Cassette and golden are each the old or the new one, whole; what lies beside them is "
        "whole. Where one is new and the other old, the test fails; recording again mends it."
    )
    told = "case.json: … differ…Re-record: pytest 'test_program.py::test_it' --record-mode=rewrite"

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {REWRITE} --snapshot-update")

    def after(self, ground: Ground) -> None:
        recorded = cassette_generation(ground.cassette)
        approved = generation(json.loads(ground.golden.read_text()))
        if (beside := proposal(ground.golden)).exists():
            generation(json.loads(beside.read_text()))
        if (beside := proposal(ground.cassette)).exists():
            cassette_generation(beside)
        ground.succeed("replay cassettes check cassettes")
        code, said, *_ = ground.run(f"TEST_MODE=GOLDEN ROUND={recorded} pytest -q")
        if code != (recorded != approved):
            raise Broken(f"{recorded} cassette, {approved} golden: exit {code}\n{said}")
        if code:
            told(said, self.told)
        ground.succeed(self.command)
        if cassette_generation(ground.cassette) != "new":
            raise Broken("recording again did not mend it")


_LARGE = Episode("run", "m:f", {}, tuple(agent_run(8, seed) for seed in range(6)))


class Migration(Killed):
    title = "the migration of a store of an older version, killed"
    command = "replay tag run nightly"
    holds = "The store is the old one or the new one, whole; opened again, it has everything."

    def whole(self, ground: Ground) -> None:
        ground.store.parent.mkdir()
        old_store(ground.store, _LARGE)

    def after(self, ground: Ground) -> None:
        with Store(ground.store, writable=False) as store:
            if store.get("run").recordings != _LARGE.recordings:
                raise Broken("a recording is gone")
        ground.succeed(self.command)
        whole_store(ground.store)
        with Store(ground.store) as store:
            if store.get("run") != replace(_LARGE, tags=("nightly",)):
                raise Broken("a recording is gone")


class Accepting(Killed):
    title = "`replay review --accept all`, killed"
    command = "replay review --accept all"
    holds = (
        "Cassette and golden are each the old or the new one, whole; accepting again finishes it, "
        "and undoing brings the old ones back."
    )

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {REWRITE} --snapshot-update")
        ground.run(f"ROUND=new {REWRITE}")

    def after(self, ground: Ground) -> None:
        generations(ground)
        while proposal(ground.golden).exists():
            ground.succeed(self.command)
        if proposal(ground.cassette).exists():
            ground.succeed(f"ROUND=new {REWRITE}")
        if generations(ground) != ["new", "new"]:
            raise Broken(f"accepting again did not finish it: {generations(ground)}")
        undone(ground)


class Undoing(Killed):
    title = "`replay review --undo`, killed"
    command = "replay review --undo"
    holds = "Cassette and golden are each the old or the new one, whole; undoing again finishes it."

    def whole(self, ground: Ground) -> None:
        Accepting().whole(ground)
        ground.succeed(Accepting.command)

    def after(self, ground: Ground) -> None:
        generations(ground)
        undone(ground)


def generations(ground: Ground) -> list[str]:
    """Tell which cassette and which golden are there, both whole."""
    approved = generation(json.loads(ground.golden.read_text()))
    return [cassette_generation(ground.cassette), approved]


def undone(ground: Ground) -> None:
    """Demand that the old ones come back once all decisions are undone."""
    while (done := ground.run("replay review --undo")).code == 0:
        pass
    told(done.said, "no decision to undo")
    if generations(ground) != ["old", "old"]:
        raise Broken(f"undoing did not bring the old ones back: {generations(ground)}")


class Cleaning(Killed):
    title = "`replay cassettes scan --fix`, killed"
    command = "replay cassettes scan --fix cassettes"
    holds = "The cassette is the old or the clean one, whole; fixing again finishes it."

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {REWRITE} --snapshot-update")
        text = ground.cassette.read_text().replace("connection:", "x-api-key:", 2)
        ground.cassette.write_text(text.replace("- close", f"- sk-proj-{'aB3dE6gH9k' * 4}", 2))

    def after(self, ground: Ground) -> None:
        cassette_generation(ground.cassette)
        ground.run(self.command)
        ground.succeed("replay cassettes scan cassettes")
        cassette_generation(ground.cassette)


class Upkeep(Killed):
    """The store has the old recording, its backup the new one too; each stays whole."""

    runs = MANY // 2

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {RECORD}")
        ground.succeed("replay backup old.db")
        ground.succeed("ROUND=new replay record --from case")
        ground.succeed("replay backup new.db")
        ground.succeed("replay restore --force old.db")
        ground.bundle.unlink()
        for left in ground.store.parent.glob("*.replaced-*"):
            left.unlink()
        with Store(ground.store) as store:
            store.begin("case", "2026-01-01", GONE)


class Clearing(Upkeep):
    title = "`replay gc`, killed"
    command = "replay gc"
    holds = "Every recording is there, the store is whole; clearing again finishes it."

    def after(self, ground: Ground) -> None:
        ground.succeed(self.command)
        if store_generations(ground.store) != ["old"]:
            raise Broken("a recording is gone")


class BackingUp(Upkeep):
    title = "`replay backup --force`, killed"
    command = "replay backup --force new.db"
    holds = "The backup is the one that was there or the new one, whole; so is the store."

    def after(self, ground: Ground) -> None:
        if store_generations(ground.folder / "new.db") not in (["old"], ["old", "new"]):
            raise Broken("the backup has other recordings")
        ground.succeed(self.command)
        if store_generations(ground.folder / "new.db") != ["old"]:
            raise Broken("the backup is not what the store is")


class Restoring(Upkeep):
    title = "`replay restore --force`, killed"
    command = "replay restore --force new.db"
    holds = (
        "The store is what it was or what the backup is, whole; what was replaced lies beside it, "
        "whole. Restoring again finishes it."
    )

    def after(self, ground: Ground) -> None:
        found = store_generations(ground.store)
        if found not in (["old"], ["old", "new"]):
            raise Broken("the store has other recordings")
        for aside in ground.store.parent.glob("*.replaced-?"):
            if store_generations(aside) != ["old"]:
                raise Broken("what was replaced is not what it was")
        ground.succeed(self.command)
        if store_generations(ground.store) != ["old", "new"]:
            raise Broken("restoring again did not finish it")


class Merging(Upkeep):
    title = "`replay merge`, killed"
    command = "replay merge new.db"
    holds = "The store has its own recordings, and those of the other whole or not at all."

    def after(self, ground: Ground) -> None:
        if store_generations(ground.store) not in (["old"], ["old", "new"]):
            raise Broken("the store has other recordings")
        ground.succeed(self.command)
        if store_generations(ground.store) != ["old", "new"]:
            raise Broken("merging again did not finish it")


SERVICE = """
import replay
from program import main

@replay.episode
def ask(calls):
    return main(calls)

for number in range(8):
    ask(calls=6)
"""


class Service(Killed):
    title = "a service that records in the background, killed"
    command = "python service.py"
    holds = "Every episode in the store is whole; the rest is there as incomplete, or not at all."

    def whole(self, ground: Ground) -> None:
        (ground.folder / "service.py").write_text(SERVICE)
        ground.succeed(f"ROUND=old {RECORD}")

    def after(self, ground: Ground) -> None:
        whole_store(ground.store)
        with Store(ground.store, writable=False) as store:
            for name in store.ids():
                for recording in store.get(name).recordings:
                    generation(recording.output)
        ground.succeed("replay list")


REPLAYS = 10
BATCH = "replay batch runs.txt --workers 2 --json report.json"


def replays(ground: Ground) -> None:
    """Put a list of replays in place, and the report of all of them, undisturbed."""
    project_of(ground.folder, [episode(number) for number in range(REPLAYS)])
    (ground.folder / "runs.txt").write_text("".join(f"e{n:04}\n" for n in range(REPLAYS)))
    ground.succeed(BATCH)
    (ground.folder / "report.json").rename(ground.folder / "undisturbed.json")


def report(path: Path) -> object:
    """Read a report, but for its times."""
    found = json.loads(path.read_text())
    for result in found["results"]:
        del result["time"]
    return found


def ran(path: Path) -> list[tuple[int, int]]:
    """List which replays ran, and in which process."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines if " " in line]


class Batch(Killed):
    title = "`replay batch`, killed, and `--resume`"
    command = f"RAN=first {BATCH}"
    holds = (
        "The report is that of an undisturbed batch, no replay that was kept as done is repeated, "
        "and no process is left behind."
    )
    runs = MANY // 2

    def whole(self, ground: Ground) -> None:
        replays(ground)

    def after(self, ground: Ground) -> None:
        whole_store(ground.store)
        with closing(Batches(ground.store)) as batches:
            done = batches.done(batch_id([Run(f"e{n:04}") for n in range(REPLAYS)]))
        ground.succeed(f"RAN=second {BATCH} --resume")
        again = {number + 1 for number, _ in ran(ground.folder / "second")}
        if report(ground.folder / "report.json") != report(ground.folder / "undisturbed.json"):
            raise Broken("the report is another one")
        if again & done:
            raise Broken(f"was done, and was done again: {sorted(again & done)}")
        for _, process in ran(ground.folder / "first"):
            gone(process)


class Worker(Fault):
    title = "a worker of a batch, or the process of one replay, killed"
    made = "SIGKILL of either, at a random replay"
    holds = "The report is that of an undisturbed batch: what it was at is replayed anew."
    runs = MANY // 4

    def prepare(self, ground: Ground) -> Ground:
        replays(ground)
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground = start.copied(folder)
        log = folder / "first"
        killer = threading.Thread(target=_kill_one, args=(log, chance.randrange(REPLAYS), number))
        killer.start()
        ground.succeed(f"RAN=first {BATCH}")
        killer.join()
        if report(folder / "report.json") != report(folder / "undisturbed.json"):
            raise Broken("the report is another one")


def _kill_one(log: Path, after: int, number: int) -> None:
    """Kill the process of a replay, or the worker that waits for it, once *after* others began."""
    for _ in range(5000):
        if len(found := ran(log)) > after:
            process = found[-1][1]
            with suppress(OSError, IndexError):
                if number % 2:
                    process = int(Path(f"/proc/{process}/stat").read_text().split()[3])
                if b"replay.engine.worker" in Path(f"/proc/{process}/cmdline").read_bytes():
                    os.kill(process, signal.SIGKILL)
            return
        time.sleep(0.002)


def gone(process: int) -> None:
    """Demand that a process ends soon, if it has not."""
    for _ in range(1000):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise Broken(f"process {process} is still there")


FAULTS: tuple[type[Fault], ...] = (
    *(Recording, Rewriting, Service, Migration, Accepting, Undoing, Cleaning),
    *(Clearing, BackingUp, Restoring, Merging, Batch, Worker),
)
