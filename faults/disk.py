"""Disks: one that is full before a command is done, one that nobody may write to."""

from __future__ import annotations

from pathlib import Path
from random import Random

from faults.fault import FILE_SAYS, MANY, STORE_SAYS, Fault, FullDisk, Killed
from faults.ground import (
    RECORD,
    REWRITE,
    Broken,
    Ground,
    bundle_generations,
    generation,
    larger,
    protect,
    small,
    store_generations,
    told,
    whole_store,
)
from faults.killed import (
    BATCH,
    SERVICE,
    Accepting,
    BackingUp,
    Cleaning,
    Migration,
    generations,
    replays,
    report,
)
from replay.episodes.store import Store
from tests.shell import Done


class Recording(FullDisk):
    title = "`replay record`, disk full"
    command = "ROUND=new replay record --from case"
    holds = "Store and bundle hold the old recording, and the new one whole or not at all."

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {RECORD}")

    def after(self, ground: Ground, done: Done) -> None:
        stored, exported = store_generations(ground.store), bundle_generations(ground.bundle)
        if stored not in (["old"], ["old", "new"]) or exported not in (["old"], ["old", "new"]):
            raise Broken(f"other recordings: {stored}, {exported}")
        if done.code == 0 and exported != ["old", "new"]:
            raise Broken("said to be recorded, and is not")
        larger(ground.folder)
        if stored == ["old", "new"] and exported == ["old"]:
            ground.succeed("replay export case")
        else:
            ground.succeed(self.command)
        if bundle_generations(ground.bundle)[:2] != ["old", "new"]:
            raise Broken("going on did not mend it")


class Rewriting(FullDisk):
    title = "`pytest --record-mode=rewrite --snapshot-update`, disk full"
    command = f"ROUND=new {REWRITE} --snapshot-update"
    holds = "Cassette and golden are each the old or the new one, whole; again, with room, works."
    runs = 3 * MANY // 4

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {REWRITE} --snapshot-update")

    def after(self, ground: Ground, done: Done) -> None:
        found = generations(ground)
        if done.code == 0 and found != ["new", "new"]:
            raise Broken("said to be recorded, and is not")
        larger(ground.folder)
        ground.succeed(self.command)
        if generations(ground) != ["new", "new"]:
            raise Broken("again did not mend it")


class Playing(FullDisk):
    title = "golden tests, no room for what is derived"
    command = "TEST_MODE=GOLDEN ROUND=old pytest"
    holds = "They pass: the compiled form of a cassette is done without."
    told = "nothing"

    def whole(self, ground: Ground) -> None:
        ground.succeed(f"ROUND=old {REWRITE} --snapshot-update")

    def after(self, ground: Ground, done: Done) -> None:
        told(done.said, "1 passed")
        if done.code:
            raise Broken(done.said)


class AsKilled(FullDisk):
    """What holds after SIGKILL holds after this too, once there is room."""

    kind: type[Killed]

    def whole(self, ground: Ground) -> None:
        self.kind().whole(ground)

    def after(self, ground: Ground, done: Done) -> None:
        larger(ground.folder)
        self.kind().after(ground)


class Migrating(AsKilled):
    title = "the migration of a store of an older version, disk full"
    kind, command, holds = Migration, Migration.command, Migration.holds


class Deciding(AsKilled):
    title = "`replay review --accept all`, disk full"
    kind, command, holds = Accepting, Accepting.command, Accepting.holds


class Cleansing(AsKilled):
    title = "`replay cassettes scan --fix`, disk full"
    kind, command, holds = Cleaning, Cleaning.command, Cleaning.holds
    told = "not all of it: it could not be written: No space left on device"
    says = (told,)


class Copying(AsKilled):
    title = "`replay backup --force`, disk full"
    kind, command, holds = BackingUp, BackingUp.command, BackingUp.holds


class Batch(FullDisk):
    title = "`replay batch`, disk full, and `--resume`"
    command = BATCH
    holds = "With room and `--resume`, the report is that of an undisturbed batch."

    def whole(self, ground: Ground) -> None:
        replays(ground)

    def after(self, ground: Ground, done: Done) -> None:
        whole_store(ground.store)
        larger(ground.folder)
        ground.succeed(f"{BATCH} --resume")
        if report(ground.folder / "report.json") != report(ground.folder / "undisturbed.json"):
            raise Broken("the report is another one")


class Service(FullDisk):
    title = "a service that records in the background, disk full"
    command = "python service.py"
    holds = "The service goes on; every episode in the store is whole."
    told = "in its log: not recorded: …: SQLite cannot use it: …"

    def whole(self, ground: Ground) -> None:
        (ground.folder / "service.py").write_text(SERVICE)
        ground.succeed(f"ROUND=old {RECORD}")

    def after(self, ground: Ground, done: Done) -> None:
        if done.code:
            raise Broken(done.said)
        whole_store(ground.store)
        with Store(ground.store, writable=False) as store:
            kept = [name for name in store.ids() if name != "case"]
            for name in kept:
                generation(store.get(name).current.output)
        if len(kept) < 8:
            told(done.said, self.told.partition(": ")[2])


class ReadOnly(Fault):
    """Commands in a project that nobody may write to; each *expected* to end so."""

    made = "a tmpfs mounted read-only"
    mounts = True
    expected: tuple[tuple[str, int, str], ...] = ()

    def prepare(self, ground: Ground) -> Ground:
        ground.succeed(f"ROUND=old {RECORD}")
        ground.succeed(f"ROUND=old {REWRITE} --snapshot-update")
        (ground.folder / "runs.txt").write_text("case\n")
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        command, code, said = self.expected[number % len(self.expected)]
        with small(folder, 64 << 20):
            ground = start.copied(folder)
            before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            protect(folder)
            done = ground.run(command)
            told(done.said, said)
            if done.code != code:
                raise Broken(f"{command}: exit {done.code}\n{done.said}")
            if before != {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}:
                raise Broken("a file is another one")


class Reading(ReadOnly):
    title = "what only reads, in a read-only folder"
    holds = "It works as ever: golden tests, replays, lists, checks."
    told = "nothing"
    expected = (
        ("TEST_MODE=GOLDEN ROUND=old pytest", 0, "1 passed"),
        ("TEST_MODE=GOLDEN ROUND=new pytest", 1, "is not in cassettes/case.yaml"),
        ("replay run case", 0, "IDENTICAL"),
        ("replay list", 0, "case"),
        ("replay show case", 0, "/old/0"),
        ("replay verify", 0, "everything is what it was"),
        ("replay cassettes check cassettes", 0, ""),
        ("replay review", 0, ""),
    )
    runs = len(expected)


class Writing(ReadOnly):
    title = "what writes, in a read-only folder"
    holds = "Nothing is changed, and nobody is asked for money first."
    told = (
        f"{STORE_SAYS} Or: {FILE_SAYS.replace('No space left on device', 'Read-only file system')}"
    )
    expected = tuple(
        (command, 1, "Make room, or make it writable; then")
        if "pytest" in command
        else (command, 2, STORE_SAYS)
        for command in (
            "ROUND=new replay record --from case",
            f"ROUND=new {REWRITE} --snapshot-update",
            "replay batch runs.txt",
            "replay tag case nightly",
            "replay export case",
            "replay gc",
        )
    )
    runs = len(expected)


FAULTS: tuple[type[Fault], ...] = (
    *(Recording, Rewriting, Playing, Service, Migrating, Deciding, Cleansing, Copying, Batch),
    *(Reading, Writing),
)
