"""The store: write-once, found out when damaged, safe against many writers and sudden death."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given

from replay.episodes.bundle import dump
from replay.episodes.folder import export_bundle, find, import_bundle
from replay.episodes.store import Store
from replay.errors import Damaged, OtherEpisode, UnknownEpisode
from replay.model import Episode
from tests.test_bundle import EPISODES, episode


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@given(EPISODES)
def test_the_store_is_lossless(given_episode):
    """What goes in comes out, written the same as a bundle."""

    with Store(":memory:") as store:
        store.add(given_episode)
        found = store.get(given_episode.id)

    assert found == given_episode
    assert dump(found) == dump(given_episode)


def test_adding_again_changes_nothing():
    """A recording is named by its content: the same one is there once."""

    with Store(":memory:") as store:
        added = [store.add(episode()), store.add(episode())]

        assert (added, len(store.get("e").recordings)) == ([1, 0], 1)


def test_a_further_recording_is_the_current_one():
    """Re-recording adds, and keeps what was there."""

    old, new = episode(), episode("ho")
    with Store(":memory:") as store:
        store.add(old)
        store.add(new)
        found = store.get("e")

    assert found.recordings == (*old.recordings, *new.recordings)
    assert found.current == new.current


def test_another_case_of_the_same_name_is_refused():
    """Recordings of two cases under one name would compare what cannot be compared."""

    with Store(":memory:") as store:
        store.add(episode())
        with pytest.raises(OtherEpisode, match="a name of its own"):
            store.add(replace(episode("ho"), inputs={"q": 2}))

        assert len(store.get("e").recordings) == 1


def test_unknown_episode_names_the_closest():
    """Three at most, and the command that lists them."""

    with Store(":memory:") as store:
        for name in ("episode_1", "episode_2", "other"):
            store.add(replace(episode(), id=name))
        with pytest.raises(UnknownEpisode) as caught:
            store.get("episode_3")

    assert set(caught.value.closest) == {"episode_1", "episode_2"}
    assert "replay list" in str(caught.value)


def test_equal_contents_are_stored_once(path):
    """Ten recordings that got the same answer hold one copy: of bodies, headers and manifest."""

    with Store(path) as store:
        for elapsed in range(10):
            recording = replace(episode().current, elapsed=float(elapsed))
            store.add(Episode("e", "m:f", {"q": 1}, (recording,)))
    with sqlite3.connect(path) as db:
        counted = db.execute("SELECT count(*) FROM content")
        assert counted.fetchone() == (5,)  # manifest, two headers, two bodies
        assert db.execute("SELECT count(*) FROM pack").fetchone() == (1,)
    db.close()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("pack", "CAST(data AS TEXT)"),
        ("recording", "output"),
        ("recording", "id"),
        ("interaction", "elapsed"),
        ("interaction", "status"),
        ("episode", "inputs"),
    ],
)
def test_a_flipped_value_is_found(path, table, column):
    """Every read derives the names anew."""

    with Store(path) as store:
        recordings = (replace(episode().current, output=2, elapsed=2.5),)
        store.add(replace(episode(), recordings=recordings, inputs={"q": 2}))
    name = "data" if "data" in column else column
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE {table} SET {name} = replace({column}, '2', '3')")
    db.close()

    with (
        Store(path) as store,
        pytest.raises(Damaged, match=r"not what it was|not there|of that name|cannot"),
    ):
        store.get("e")


def test_a_file_that_is_no_store_is_refused_untouched(path):
    """With what to do about it."""

    path.write_bytes(b"not a database, but somebody's file" * 100)

    with pytest.raises(Damaged, match="not a database") as caught:
        Store(path)

    assert "mv " in str(caught.value)
    assert path.read_bytes().startswith(b"not a database, but")


def test_a_cut_off_store_is_refused(path):
    """Half a file is not taken for a whole one."""

    with Store(path) as store:
        store.add(episode())
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(Damaged), Store(path) as store:
        store.get("e")


def test_a_store_from_the_future_is_refused_untouched(path):
    """Its tables may mean something else."""

    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('golden-replay', 'm999_later', '2030')"
        )
    db.close()

    with pytest.raises(Damaged, match="newer version"):
        Store(path)


def test_many_processes_write_at_once(path):
    """Nothing is lost, and nobody hears that the database is locked."""

    code = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from replay.episodes.store import Store; from tests.test_bundle import episode\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    for n in range(25):\n"
        "        store.add(replace(episode(), id=f'{sys.argv[2]}-{n}'))\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], stderr=subprocess.PIPE)
        for n in range(4)
    ]
    errors = [worker.communicate()[1] for worker in workers]

    with Store(path) as store:
        assert (errors, len(store.ids())) == ([b""] * 4, 100)


def test_many_processes_open_a_new_store_at_once(path):
    """One of them makes the tables, and nobody hears of it."""

    code = "import sys; from pathlib import Path; from replay.episodes.store import Store\n"
    code += "Store(Path(sys.argv[1])).close()"
    command = [sys.executable, "-c", code, str(path)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(6)]

    assert [worker.communicate()[1] for worker in workers] == [b""] * 6


def test_bundle_is_imported_when_it_is_new_or_has_changed(tmp_path):
    """`find` looks at the folder first: it is what was reviewed."""

    (tmp_path / "e.jsonl").write_text(dump(episode()))
    with Store(":memory:") as store:
        first = find(store, tmp_path, "e")
        both = replace(first, recordings=(*first.recordings, *episode("ho").recordings))
        (tmp_path / "e.jsonl").write_text(dump(both))

        assert find(store, tmp_path, "e") == both


def test_export_keeps_what_only_the_bundle_had(tmp_path):
    """A bundle that came by git is read before it is written anew."""

    (tmp_path / "e.jsonl").write_text(dump(episode()))
    with Store(":memory:") as store:
        store.add(episode("ho"))
        path = export_bundle(store, "e", tmp_path)

    with Store(":memory:") as store:
        import_bundle(store, path)
        assert len(store.get("e").recordings) == 2


def test_a_damaged_bundle_is_not_overwritten(tmp_path):
    """It may be the only copy of something."""

    path = tmp_path / "e.jsonl"
    path.write_text(dump(episode())[:-20])
    before = path.read_bytes()
    with Store(":memory:") as store:
        store.add(episode("ho"))
        with pytest.raises(Damaged):
            export_bundle(store, "e", tmp_path)

    assert path.read_bytes() == before


RECORDER = """
import sys
from pathlib import Path
import httpx, replay

def work(url, calls):
    for n in range(calls):
        httpx.get(f"{url}/orders/1042?n={n}")
        print(n, flush=True)

with replay.record("killed", store=Path(sys.argv[1])) as run:
    run.call(work, url=sys.argv[2], calls=40)
"""


@pytest.mark.parametrize("after", [0, 1, 5, 17])
def test_a_killed_recording_is_incomplete_and_whole(path, standin, after):
    """SIGKILL at any moment: what was complete is there, and no recording is made of it."""

    command = [sys.executable, "-c", RECORDER, str(path), standin]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(after):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    if after == 0 and not path.exists():
        return
    with Store(path) as store:
        incomplete = store.incomplete()
        known = store.ids()

    assert known == []
    for attempt in incomplete:
        assert len(attempt.interactions) >= after - 1
        assert all(i.response.status == 200 for i in attempt.interactions)
    assert len(incomplete) == 1 or after == 0
