"""The store while others have it, and the clock that its times come from."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

from faults.fault import FEW, Fault
from faults.ground import (
    RECORD,
    Broken,
    Ground,
    generation,
    store_generations,
    told,
    whole_store,
)
from faults.killed import Upkeep
from replay.episodes.store import Store
from replay.model import Recording


class Waiting(Fault):
    title = "the store locked by another program, for seconds"
    made = "a write transaction held open for up to 3 s"
    holds = "What records waits, and records."
    told = "nothing"

    def prepare(self, ground: Ground) -> Ground:
        ground.succeed(f"ROUND=old {RECORD}")
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground = start.copied(folder)
        with _locked(ground.store) as release:
            threading.Timer(chance.uniform(0.1, 3), release.set).start()
            ground.succeed("ROUND=new replay record --from case")
        if store_generations(ground.store) != ["old", "new"]:
            raise Broken("not recorded")


class Locked(Waiting):
    title = "the store locked by another program, for longer"
    made = "a write transaction held open until the command has ended, a minute later"
    holds = "Nothing is sent and nothing changed; reading goes on."
    told = (
        "SQLite cannot use it: database is locked. … Another program keeps it locked. "
        "Once that has ended: the same command again."
    )
    runs = 1

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground = start.copied(folder)
        with _locked(ground.store):
            ground.succeed("replay list")
            ground.succeed("replay run case")
            done = ground.run(f"RAN={folder / 'ran'} ROUND=new replay record --from case")
            told(done.said, self.told)
        if done.code != 2 or (folder / "ran").exists():
            raise Broken(f"exit {done.code}, and the program ran" * (folder / "ran").exists())
        if store_generations(ground.store) != ["old"]:
            raise Broken("the store has other recordings")


@contextmanager
def _locked(path: Path) -> Iterator[threading.Event]:
    """Hold the store at *path* locked, until the block ends or what this gives is set."""
    taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("BEGIN IMMEDIATE")
            taken.set()
            release.wait(180)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield release
    finally:
        release.set()
        thread.join()


class Restored(Upkeep):
    title = "`replay restore --force` while others record"
    made = "a backup put back in the middle of a service's recording"
    command = "python service.py"
    holds = (
        "Refused while another process has the store open: it lacks nothing of what that records. "
        "Then restored: the store is whole and holds what the backup does; so is what was replaced."
    )
    runs = FEW

    def prepare(self, ground: Ground) -> Ground:
        self.whole(ground)
        (ground.folder / "service.py").write_text(_WRITER)
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground = start.copied(folder)
        said = list[str]()
        restorer = threading.Thread(target=lambda: said.append(_restore(ground, chance)))
        restorer.start()
        ground.succeed("python service.py")
        restorer.join()
        if said == ["InUse"]:
            with Store(ground.store, writable=False) as store:
                if len(store.ids("more")) != _RECORDED:
                    raise Broken(f"what was recorded meanwhile is not there: {store.ids()}")
            said = [_restore(ground, chance)]
        if said != [""]:
            raise Broken(said[0])
        whole_store(ground.store)
        with Store(ground.store, writable=False) as store:
            kept = [generation(recording.output) for recording in store.get("case").recordings]
        if kept != ["old", "new"]:
            raise Broken(f"not what the backup holds: {kept}")
        for aside in ground.store.parent.glob("*.replaced-?"):
            whole_store(aside)

    def after(self, ground: Ground) -> None:
        """Nothing was killed."""


_RECORDED = 12
_WRITER = f"""
import os, time, replay
from program import main
from replay.episodes.store import Store

with Store("episodes/episodes.db") as store:
    for number in range({_RECORDED}):
        with replay.record(f"more{{number}}", store=store) as run:
            run.call(main, calls=6)
        open("begun", "w").close()
"""


def _restore(ground: Ground, chance: Random) -> str:
    """Put the backup back once the others have begun; tell what was wrong."""
    from replay.episodes.upkeep import restore
    from replay.errors import InUse

    for _ in range(3000):
        if (ground.folder / "begun").exists():
            break
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.3))
    try:
        restore(ground.store, ground.folder / "new.db", force=True)
    except InUse:
        return "InUse"
    except Exception as error:  # noqa: BLE001 - told
        return f"{type(error).__name__}: {error}"
    return ""


_JUMPS = """
import datetime, sys, time_machine, replay
from program import main

def jumping(calls):
    said = []
    for hours in map(float, sys.argv[1:]):
        clock.shift(datetime.timedelta(hours=hours))
        said = main(calls)
    return said

now = datetime.datetime.now(datetime.timezone.utc)
with time_machine.travel(now, tick=True) as clock:
    with replay.record("jumped") as run:
        run.call(jumping, calls=6)
"""


class Clock(Fault):
    title = "a clock that jumps while something is recorded"
    made = "the program's clock (time-machine) set forward and back by up to 1,000 hours"
    holds = (
        "No duration is negative, the order is that of the calls, the newest is the current one."
    )
    told = "nothing"

    def prepare(self, ground: Ground) -> Ground:
        ground.succeed(f"ROUND=old {RECORD}")
        (ground.folder / "jumps.py").write_text(_JUMPS)
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground = start.copied(folder)
        for _ in range(2):
            jumps = " ".join(str(chance.randrange(-1000, 1000)) for _ in range(3))
            ground.succeed(f"ROUND=old python jumps.py {jumps}")
        whole_store(ground.store)
        with Store(ground.store, writable=False) as store:
            found = store.get("jumped")
        if len(found.recordings) != 2 or found.current != found.recordings[-1]:
            raise Broken(f"{len(found.recordings)} recordings")
        for recording in found.recordings:
            _in_order(recording)


def _in_order(recording: Recording) -> None:
    """Demand that the times of a recording are those of a clock that never jumped."""
    began = [interaction.started for interaction in recording.interactions]
    spans = [interaction.elapsed for interaction in recording.interactions]
    pieces = [c.at for i in recording.interactions if i.response for c in i.response.chunks]
    if began != sorted(began) or min([*began, *spans, *pieces, recording.elapsed]) < 0:
        raise Broken(f"began {began}, took {spans}")
    if len({str(i.request) for i in recording.interactions}) != len(began) // 3:
        raise Broken("a call is missing, or there twice")


FAULTS: tuple[type[Fault], ...] = (Waiting, Locked, Restored, Clock)
