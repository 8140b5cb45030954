"""The store as a whole: looked through, cleared, copied, put back, merged, brought up to date."""

import os
import random
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlite_utils import Database

from bench.store import agent_run
from replay.canonical import content_hash
from replay.episodes.schema import migrations
from replay.episodes.store import Store
from replay.episodes.upkeep import backup, gc, merge, restore, verify
from replay.errors import Damaged, InUse, WouldOverwrite
from replay.model import Episode
from tests.conftest import ROOT
from tests.stores import GONE, old_store
from tests.test_bundle import episode

RUN = agent_run(4)


def filled(path):
    """A store with a bit of everything; closed, and all of it in the one file."""
    with Store(path) as store:
        store.add(replace(episode(), tags=("nightly",)))
        store.add(Episode("agent", "shop:agent", {"q": 1}, (RUN,)))
        store.of("acme").add(episode("ho"))
        store.note(store.begin("e", "2026-01-01", GONE), 1, RUN.interactions[0])
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("whole") / "store.db")


def dumped(path):
    """All that a reader can see; not when a migration ran, nor FTS5's own way to keep its index."""
    db = sqlite3.connect(path)
    left_out = ("_sqlite_migrations", "text_fts_")
    try:
        return [line for line in db.iterdump() if not any(name in line for name in left_out)]
    finally:
        db.close()


def test_a_whole_store_has_no_problems(whole):
    """Nor does looking at it change it."""

    before = whole.read_bytes()
    with Store(whole, writable=False) as store:
        assert list(verify(store)) == []

    assert whole.read_bytes() == before


@pytest.mark.parametrize("seed", range(10))
def test_one_flipped_byte_is_found(whole, tmp_path, seed):
    """Wherever it is: a byte that nothing reads, in the free space of a page, changes nothing."""

    chance = random.Random(seed)
    content = whole.read_bytes()
    wanted = dumped(whole)
    for _ in range(4):
        flipped = bytearray(content)
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        path = tmp_path / "flipped.db"
        path.write_bytes(flipped)
        assert problems(path) or dumped(path) == wanted


def problems(path):
    try:
        with Store(path) as store:
            return list(verify(store))
    except Damaged as error:
        return [error.what]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE episode SET inputs = '{\"q\": 2}' WHERE id = 'e'",
        "UPDATE episode SET tags = '[]' WHERE id = 'e'",
        "UPDATE recording SET episode = 2 WHERE number = 1",
        "UPDATE recording SET dollars = 0",
        "UPDATE interaction SET url = 'http://y/' WHERE recording = 1",
        "UPDATE content SET size = size + 1 WHERE pack IS NULL",
        "UPDATE call SET answered = 'gpt-5' WHERE recording = 2",
        "UPDATE message SET role = 'user' WHERE role = 'system'",
        "UPDATE tool_call SET name = 'other'",
        "UPDATE attempt_line SET lines = '[]'",
        "UPDATE attempt SET pid = 1",
        "DELETE FROM call WHERE step = 2",
        "DELETE FROM text_fts",
        "DROP VIEW calls",
        "CREATE TRIGGER mine AFTER INSERT ON call BEGIN DELETE FROM call; END",
        "CREATE TRIGGER text_as AFTER INSERT ON call BEGIN DELETE FROM call; END",
    ],
)
def test_a_changed_row_is_found(whole, tmp_path, change):
    """By hand, in any table; a view that is gone, a trigger that is new."""

    path = shutil.copy(whole, tmp_path / "changed.db")
    db = sqlite3.connect(path)
    db.execute(change)
    db.commit()
    db.close()

    assert problems(path)


def test_clearing_takes_what_nobody_uses(tmp_path):
    """What a dead process left, and what a deleted recording did; the rest is as it was."""

    path = filled(tmp_path / "store.db")
    with Store(path) as store:
        live = store.begin("live", _now(), os.getpid())
        store.file.db.execute("PRAGMA foreign_keys = OFF")
        for table in ("interaction", "call", "message", "tool_call"):
            store.file.db.execute(f"DELETE FROM {table} WHERE recording = 2")
        store.file.db.execute("DELETE FROM recording WHERE number = 2")
        said = gc(store, dry_run=True)
        untouched = len(store.incomplete())
        done = gc(store)

        assert (said.attempts, said.contents, said.texts) == (
            done.attempts,
            done.contents,
            done.texts,
        )
        assert (untouched, done.attempts, store.incomplete()) == (1, 1, [])
        assert done.contents > 20
        assert store.get("e").recordings == episode().recordings
        assert list(verify(store)) == []
        assert store.file.rows("SELECT id FROM attempt") == [(live,)]


def _now():
    return datetime.now(UTC).isoformat()


def test_a_recording_that_is_being_made_is_not_incomplete():
    """Of this machine's processes we can tell; another machine's may be alive."""

    with Store(":memory:") as store:
        store.begin("mine", _now(), os.getpid())
        store.begin("dead", "2026-01-01", GONE)
        far = store.begin("far", "2026-01-01", GONE)
        store.file.db.execute("UPDATE attempt SET host = 'elsewhere' WHERE id = ?", [far])

        assert [item.episode for item in store.incomplete()] == ["dead"]
        assert socket.gethostname() != "elsewhere"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process started")
def test_a_process_of_the_same_number_is_another_one():
    """In a container the next process gets the number of the one that was killed."""

    with Store(":memory:") as store:
        before = store.begin("before", _now(), os.getpid())
        store.begin("mine", _now(), os.getpid())
        ((born,),) = store.file.rows("SELECT born FROM attempt WHERE id = ?", before)
        boot, _, ticks = born.partition("/")
        earlier = f"{boot}/{int(ticks) - 1}"
        store.file.db.execute("UPDATE attempt SET born = ? WHERE id = ?", [earlier, before])

        assert [item.episode for item in store.incomplete()] == ["before"]
        assert gc(store).attempts == 1


def test_backup_is_done_while_a_writer_is_busy(tmp_path):
    """It is a whole store, of one moment."""

    stop = threading.Event()
    with Store(tmp_path / "store.db") as store, Store(tmp_path / "store.db") as other:
        store.add(episode())

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                other.add(replace(episode(), id=f"e{number}"))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(3):
                backup(store, tmp_path / f"{number}.db")
        finally:
            stop.set()
            writer.join()
    for number in range(3):
        with Store(tmp_path / f"{number}.db", writable=False) as copy:
            assert list(verify(copy)) == []
            assert copy.get("e") == episode()


def test_backup_replaces_nothing(tmp_path, whole):
    """A file that is there stays, unless that is said."""

    (tmp_path / "b.db").write_bytes(b"mine")
    with Store(whole, writable=False) as store:
        with pytest.raises(WouldOverwrite, match="--force"):
            backup(store, tmp_path / "b.db")
        backup(store, tmp_path / "b.db", force=True)

    assert dumped(tmp_path / "b.db") == dumped(whole)


def test_a_good_store_is_not_restored_over(tmp_path, whole):
    """With --force it is, and stays beside."""

    path = filled(tmp_path / "store.db")
    with Store(path) as store:
        store.add(replace(episode(), id="new"))
    with pytest.raises(WouldOverwrite):
        restore(path, whole)
    aside = restore(path, whole, force=True)

    assert dumped(path) == dumped(whole)
    assert not list(tmp_path.glob("*-journal"))
    with Store(aside) as store:
        assert "new" in store.ids()


WRITER = """
import sys
from dataclasses import replace
from replay.episodes.store import Store
from tests.conftest import ROOT
from tests.test_bundle import episode

with Store(sys.argv[1]) as store:
    for number in range(100_000):
        store.add(replace(episode(), id=f"w{number}"))
        print(number, flush=True)
"""


@pytest.mark.parametrize("damaged", [False, True])
def test_a_store_that_is_written_to_is_not_restored(tmp_path, whole, damaged):
    """Not even a damaged one: what the writer says it has written is there. Then it is."""

    path = filled(tmp_path / "store.db")
    if damaged:
        with Store(path) as store:
            store.file.db.execute("UPDATE recording SET tokens = 7")
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        written = int(writer.stdout.readline())
        with pytest.raises(InUse, match="open in another process"):
            restore(path, whole, force=True)
        while written < 5:
            written = int(writer.stdout.readline())
        writer.kill()

    with Store(path) as store:
        assert f"w{written}" in store.ids()
    aside = restore(path, whole, force=True)
    assert dumped(path) == dumped(whole)
    with Store(aside, writable=False) as store:
        assert f"w{written}" in store.ids()


def test_a_damaged_store_is_restored(tmp_path, whole):
    """And the log of changes that belonged to it does not reach the new one."""

    path = tmp_path / "store.db"
    path.write_bytes(b"garbage" * 1000)
    (tmp_path / "store.db-wal").write_bytes(b"a log that is not of the new store")
    aside = restore(path, whole)

    assert dumped(path) == dumped(whole)
    assert aside.read_bytes() == b"garbage" * 1000


def test_a_store_that_is_cut_off_is_restored(tmp_path, whole):
    """What is left of it stays beside, whatever SQLite can read of that."""

    path = tmp_path / "store.db"
    path.write_bytes(whole.read_bytes()[:30_000])
    aside = restore(path, whole)

    assert dumped(path) == dumped(whole)
    assert aside.exists()


def test_a_store_of_other_pages_is_restored_over(tmp_path, whole):
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA page_size = 4096")
        db.execute("VACUUM")
    with Store(path) as store:
        store.add(replace(episode(), id="before"))
    aside = restore(path, whole, force=True)

    with Store(path) as store:
        assert store.get("agent").recordings == (RUN,)
        assert list(verify(store)) == []
    with Store(aside) as store:
        assert store.ids() == ["before"]


def test_a_backup_is_not_written_over_by_half_of_one(tmp_path, whole):
    """A full disk: the old one stays, and nothing lies beside it."""

    path = tmp_path / "b.db"
    path.write_bytes(b"old")
    command = [sys.executable, "-m", "replay", "backup", "--force", str(path)]
    env = os.environ | {"REPLAY_STORE": str(whole), "REPLAY_TENANT": ""}
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (8_000, 8_000))
    done = subprocess.run(
        command, env=env, preexec_fn=limit, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "SQLite cannot use it" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["b.db"]
    assert path.read_bytes() == b"old"


def test_a_damaged_backup_is_not_restored(tmp_path, whole):
    """What is there is better than that."""

    broken = tmp_path / "broken.db"
    content = bytearray(whole.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) // 2)
    broken.write_bytes(content)

    with pytest.raises(Damaged, match="not a whole store"):
        restore(tmp_path / "store.db", broken)
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize("verb", [merge, lambda store, source: restore(Path(store.path), source)])
def test_what_is_no_store_is_not_to_be_moved_away(tmp_path, verb):
    """Somebody named a wrong file: that is no store which was damaged."""

    other = tmp_path / "pyproject.toml"
    other.write_text("[project]\n")
    with Store(tmp_path / "store.db") as store, pytest.raises(Damaged) as told:
        verb(store, other)

    assert "file is not a database" in str(told.value)
    assert "mv " not in str(told.value)
    assert "replay backup FILE" in str(told.value)


def test_merge_takes_over_what_is_new(tmp_path, whole):
    """Of all tenants, tags too; another case of the same name is refused, and the rest comes."""

    with Store(tmp_path / "store.db") as store:
        store.add(episode("other prompt"))
        store.add(replace(episode(), id="agent"))
        done = merge(store, whole)

        assert (done.episodes, done.recordings) == (2, 2)
        assert [why for why in done.refused if "'agent'" in why] == list(done.refused)
        assert store.get("e").recordings == (*episode("other prompt").recordings, *RECORDED)
        assert store.get("e").tags == ("nightly",)
        assert store.of("acme").get("e").recordings == episode("ho").recordings
        assert merge(store, whole).recordings == 0
        assert list(verify(store)) == []


RECORDED = episode().recordings


def test_an_old_store_keeps_every_recording(tmp_path):
    """Brought up to date where it may be written, and in memory where not."""

    path, run = tmp_path / "old.db", Episode("run", "m:f", {"q": "é"}, (RUN, *RECORDED))
    old_store(path, run)
    before = path.read_bytes()
    with Store(path, writable=False) as store:
        assert store.get("run") == run
    assert path.read_bytes() == before

    with Store(path) as store:
        assert store.get("run") == run
        assert store.imported("run") == "b2:digest"
        assert [item.interactions for item in store.incomplete()] == [(RUN.interactions[0],)]
        assert list(verify(store)) == []
        assert not [t for t in store.file.db.table_names() if t.startswith("before")]


def test_recordings_in_progress_come_over_from_before_processes_had_a_birth(tmp_path):
    """What of them was changed before is still found."""

    path = tmp_path / "old.db"
    db = Database(path)
    migrations().apply(db, stop_before="m005_read_later")
    for number, pid in enumerate((GONE, os.getpid(), GONE), 1):
        row = "", f"e{number}", "2026-01-01", socket.gethostname(), pid
        sealed = content_hash(row) if number < 3 else "b2:0"
        db.execute("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?)", (number, *row, sealed))
    db.conn.commit()
    db.conn.close()

    with Store(path) as store:
        assert [item.episode for item in store.incomplete()] == ["e1", "e3"]
        (problem,) = verify(store)
        assert '"e3"' in problem


def test_an_old_store_that_is_damaged_is_not_migrated(tmp_path):
    """All of it comes over, or it stays what it is."""

    path = tmp_path / "old.db"
    old_store(path, Episode("run", "m:f", {}, (RUN,)))
    db = sqlite3.connect(path)
    db.execute("UPDATE interactions SET status = 201 WHERE step = 2")
    db.commit()
    db.close()

    before = dumped(path)
    with pytest.raises(Damaged, match="does not have the content of that name"):
        Store(path)
    assert dumped(path) == before


def test_processes_and_threads_write_at_once(tmp_path):
    """Nothing is lost, nothing is half there, and nobody hears that the database is locked."""

    code = (
        "import sys, threading; from dataclasses import replace; from pathlib import Path\n"
        "from replay.episodes.store import Store; from tests.test_bundle import episode\n"
        "def work(store, name):\n"
        "    for n in range(5):\n"
        "        store.add(replace(episode(name), id=f'{name}-{n}'))\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    names = [f'{sys.argv[2]}-{t}' for t in range(3)]\n"
        "    threads = [threading.Thread(target=work, args=(store, name)) for name in names]\n"
        "    [thread.start() for thread in threads]\n"
        "    [thread.join() for thread in threads]\n"
    )
    path = tmp_path / "store.db"
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], stderr=subprocess.PIPE)
        for n in range(2)
    ]
    errors = [worker.communicate()[1] for worker in workers]

    with Store(path) as store:
        assert (errors, len(store.ids()), list(verify(store))) == ([b""] * 2, 30, [])
