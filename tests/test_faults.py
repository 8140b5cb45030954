"""Faults: the quick ones of `make faults`, and what it has found."""

import os
import shutil
import sqlite3
import threading
import time
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import httpx
import pytest

import replay
from faults import disk, killed, provider
from faults.__main__ import surroundings, tried
from faults.ground import may_mount
from faults.page import Row, rewritten
from replay.atomic import proposal, write_atomic
from replay.config import Config
from replay.episodes import database
from replay.episodes.store import Store
from replay.episodes.upkeep import verify
from replay.errors import Damaged
from replay.golden.pending import Decisions, pending
from replay.golden.pinning import pinned
from tests.conftest import ROOT
from tests.server import plain, scripted
from tests.test_bundle import episode


@pytest.fixture(scope="module")
def around():
    """What trials stand on; their shell starts once."""
    with surroundings(workers=1, seed=0) as found:
        yield found


QUICK = (
    killed.Recording,
    killed.Rewriting,
    killed.Migration,
    killed.Undoing,
    provider.Endless,
)


@pytest.mark.parametrize("kind", QUICK)
def test_fault_is_survived(around, kind):
    """Each is really done, at a moment and right before a change of a file."""

    assert list(tried(kind(), 2, around)) == ["", ""]


@pytest.mark.parametrize("kind", [disk.Reading])
def test_fault_of_a_disk_is_survived(around, kind):
    """Where disks may be mounted: golden tests pass on one that is read-only, for one."""

    if not may_mount(around.folder / "disk"):
        pytest.skip("nobody may mount a disk here")

    assert list(tried(kind(), 2, around)) == ["", ""]


def test_fault_that_is_not_survived_is_told(around):
    """What would hold only if nothing had happened."""

    class Wrong(killed.Recording):
        def after(self, ground):
            assert ground.run("replay list").said == ""

    [said] = tried(Wrong(), 1, around)

    assert "Wrong, trial 0: AssertionError" in said


def test_table_is_written_where_it_stood():
    """What is around it stays; only what was run is in it."""

    page = "before\n<!-- table: written by make faults -->\nold\n<!-- end of the table -->\nafter\n"
    now = rewritten(page, [Row("a fault", "made so", 7, "it holds", "a | b")])

    assert now.splitlines() == [
        "before",
        "<!-- table: written by make faults -->",
        "| fault | made by | runs | what holds afterwards | what one is told |",
        "| --- | --- | --- | --- | --- |",
        "| a fault | made so | 7 | it holds | a &#124; b |",
        "<!-- end of the table -->",
        "after",
    ]


# What it has found --------------------------------------------------------------------------------


def test_what_killed_processes_left_is_removed(tmp_path):
    """Once it is old by the clock of its disk; what is being written stays."""

    for name, age in (("dead", 4000), ("dead.tmp-journal", 4000), ("alive", 0)):
        left = tmp_path / f".replay-{name}.tmp"
        left.write_text("half")
        os.utime(left, (time.time() - age,) * 2)
    write_atomic(tmp_path / "x", "whole")

    assert sorted(path.name for path in tmp_path.iterdir()) == [".replay-alive.tmp", "x"]


def test_writing_a_golden_draws_no_random_number(tmp_path):
    """What a program draws in a recording, it has to draw in a replay, which writes nothing."""

    def drawn(writes):
        with pinned(datetime(2026, 1, 1, tzinfo=UTC), 7, waits=False):
            if writes:
                write_atomic(tmp_path / "x", "golden")
            return uuid.uuid4(), Random().random()

    assert drawn(writes=True) == drawn(writes=False)


def test_full_store_is_told_and_goes_on(tmp_path):
    """Not what came of rolling back; and what is added once there is room is there."""

    with Store(tmp_path / "store.db") as store:
        db = store.file.db.conn
        db.execute("PRAGMA max_page_count = 1")  # of those that it has
        large = replace(episode(), inputs={"all": "that there is no room for" * 10_000})
        with pytest.raises(Damaged, match="database or disk is full"):
            store.add(large)
        db.execute("PRAGMA max_page_count = 100000")
        store.add(replace(episode(), id="later"))
    with Store(tmp_path / "store.db") as store:
        assert "later" in store.ids()
        assert list(verify(store)) == []


def test_locked_store_is_told(tmp_path, monkeypatch):
    """Its disk is not full: somebody else has it."""

    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    with Store(tmp_path / "store.db") as store, closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Damaged, match="Another program keeps it locked"):
            store.add(episode())


class Noticing(Store):
    """Tells when an interaction was to be noted, whatever came of it."""

    noted = threading.Event()

    def note(self, *what):
        try:
            super().note(*what)
        finally:
            self.noted.set()


def test_recording_outlives_its_journal(tmp_path, monkeypatch):
    """What could not be noted on the way is there all the same when the recording ends well."""

    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    path = tmp_path / "store.db"

    def work(address):
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            said = httpx.get(address).text
            assert Noticing.noted.wait(30)
        return said

    with Noticing(path) as store, scripted(plain(b"hi")) as address:
        with replay.record("e", store=store) as run:
            run.call(work, address=address)

        assert store.get("e").current.output == "hi"
        assert store.incomplete() == []


def test_decisions_move_with_their_project(tmp_path):
    """Undoing one in a copy of the project leaves the project alone."""

    golden = tmp_path / "one/golden/a.json"
    write_atomic(golden, "1\n")
    write_atomic(proposal(golden), "2\n")
    config = Config(root=tmp_path / "one")
    Decisions(config).accept(pending(config))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    Decisions(replace(config, root=tmp_path / "two")).undo()

    assert golden.read_text() == "2\n"
    assert (tmp_path / "two/golden/a.json").read_text() == "1\n"


GOLDEN = """
import httpx, os, pytest

@pytest.mark.golden("it")
def test_it(golden):
    {before}
    assert {value} == golden
"""
RECORD = ("-q", "--record-mode=rewrite")


def test_nothing_recorded_leaves_nothing(project):
    """A test that fails before it has sent anything has no proposal to make."""

    project.write("test_it.py", GOLDEN.format(before="raise ValueError", value=1))
    done = project.pytest(*RECORD)

    assert done.returncode == 1
    assert not list((project.root / "cassettes").glob("*"))


def test_golden_that_cannot_be_proposed_is_compared(project):
    """The difference is shown, and why nothing waits beside the golden."""

    project.write("test_it.py", GOLDEN.format(before="", value=1))
    assert project.pytest(*RECORD, "--snapshot-update").returncode == 0
    (project.root / "golden/it.json.new").mkdir()
    passed = project.where(TEST_MODE="GOLDEN").pytest("-q")
    project.edit("test_it.py", "1 == golden", "2 == golden")
    failed = project.where(TEST_MODE="GOLDEN").pytest("-q")

    assert (passed.returncode, failed.returncode) == (0, 1)
    assert "now:      2" in failed.stdout
    assert "golden/it.json.new could not be written: Is a directory." in failed.stdout


@pytest.mark.parametrize(
    ("command", "then"),
    [
        ("review --html taken/x.html", "the same command again"),
        (
            "export episode_12345 --to taken",
            "replay export episode_12345   # the store has what was recorded",
        ),
    ],
)
def test_what_cannot_be_written_is_told(project, command, then):
    """In a sentence, whatever verb writes the file."""

    bundle = "episodes/episode_12345.jsonl"
    project.write(bundle, (ROOT / bundle).read_text()).write("taken", "a file, and no folder")
    done = project.replay(*command.split())

    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("taken/")
    assert " could not be written: " in done.stderr
    assert done.stderr.splitlines()[1] == "What it held before is untouched."
    assert done.stderr.splitlines()[2] == f"Make room, or make it writable; then {then}"
