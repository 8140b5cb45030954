"""Recordings that are safe before they are read: in a burst, and after a service was killed."""

import json
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.store import agent_run
from replay.cli import main
from replay.episodes import database, layers
from replay.episodes.deletion import delete, doomed
from replay.episodes.rows import IS_UNREAD
from replay.episodes.store import Filter, Store
from replay.episodes.upkeep import verify
from replay.model import Episode, Request
from tests.conftest import Project, surroundings
from tests.test_bundle import RECORDINGS, episode

RUN = agent_run(2)


def read_up(store):
    """Read what is unread; how many that were."""
    return sum(store.catch_up())


def rows(store):
    """All that stands in the tables of *store*, and what the index finds of it."""
    told = {
        table: sorted(map(repr, store.file.rows(f"SELECT * FROM {table}")))
        for table in ("recording", "interaction", "content", "call", "message", "text", "tool_call")
    }
    return told, store.file.rows("SELECT rowid FROM text_fts WHERE text_fts MATCH 'the'")


@settings(max_examples=30)  # two stores each
@given(st.lists(st.one_of(RECORDINGS, st.just(RUN)), max_size=3))
def test_what_is_read_later_is_what_is_read_at_once(recordings):
    """To the byte, seals and search included, and it can be loaded in between."""

    found = Episode("e", "m:f", {}, tuple(recordings))
    with Store(":memory:") as at_once, Store(":memory:") as later:
        new = at_once.add(found)

        assert later.add(found, read=False) == new
        assert later.unread() == new
        assert later.get("e") == at_once.get("e")
        assert list(verify(later)) == []
        assert read_up(later) == new
        assert later.unread() == 0
        assert rows(later) == rows(at_once)
        assert list(verify(later)) == []


def test_what_is_unread_is_listed_without_what_it_says():
    """It is no free run, and no run without a model: that is not known."""

    with Store(":memory:") as store:
        store.add(Episode("e", "m:f", {}, (RUN,)), read=False)

        (row,) = store.rows()
        assert (row.calls, row.models, row.tokens, row.dollars) == (2, (), 0, None)
        assert (store.search("the"), store.rows(Filter(model="gpt*"))) == ([], [])

        assert read_up(store) == 1
        (row,) = store.rows(Filter(model="gpt*"))
        assert row.tokens > 0
        assert row.dollars > 0
        assert store.search("the")


def test_two_that_read_at_once_write_it_once(tmp_path):
    """Whoever is second finds nothing left; many of both are one step each."""

    with Store(tmp_path / "store.db") as one, Store(tmp_path / "store.db") as other:
        for number in range(120):
            one.add(replace(episode(), id=f"e{number}"), read=False)
        first, second = one.catch_up(), other.catch_up()
        expected = 120 * len(episode().recordings)
        steps = [next(first), next(second), *first, *second]

        assert sum(steps) == expected == one.file.rows("SELECT count(*) FROM recording")[0][0]
        assert len([step for step in steps if step]) >= expected // 50
        assert list(verify(one)) == []


def three(store):
    """Put three unread recordings into *store*, each of an episode of its own."""
    for name in ("a", "b", "c"):
        store.add(Episode(name, "m:f", {}, (replace(RUN, output=name),)), read=False)


@pytest.mark.parametrize(
    "change",
    ["output = '1'", "output = CAST(x'22ff22' AS TEXT)", "id = x'00'", "episode = 3"],
)
def test_what_is_damaged_stays_unread(change):
    """The others are read; it is said that it is not what it was."""

    with Store(":memory:") as store:
        three(store)
        store.file.db.execute(f"UPDATE recording SET {change} WHERE number = 2")

        assert (read_up(store), store.unread(), read_up(store)) == (2, 1, 0)
        assert list(verify(store))


@pytest.mark.parametrize(
    "change",
    [
        "recording SET started = '2020-01-01'",
        "recording SET models = '[\"x\"]'",
        "recording SET calls = 7",
        "recording SET tokens = 1",
        "recording SET dollars = 0",
        "recording SET seal = ''",
        "recording SET seal = substr(seal, 2)",
    ],
)
def test_what_stands_beside_the_unread_is_verified(change):
    """What a listing would show of it; and a seal keeps nothing from being looked at."""

    with Store(":memory:") as store:
        three(store)
        store.file.db.execute(f"UPDATE {change} WHERE number = 2")

        (problem,) = verify(store)
        assert "of b say is not what it was" in problem


def test_what_is_put_beside_the_unread_is_found_and_goes():
    """Nothing is said of a recording before it is read."""

    with Store(":memory:") as read, Store(":memory:") as store:
        read.add(Episode("e", "m:f", {}, (RUN,)))
        store.add(Episode("e", "m:f", {}, (RUN,)), read=False)
        row = 1, 1, "openai", "chat", "gpt-4", "gpt-4", 0, 1, 1, 0, 0.0, ""
        store.file.db.execute(f"INSERT INTO call VALUES ({', '.join('?' * 12)})", row)

        assert "not what it was" in next(verify(store))
        assert read_up(store) == 1
        assert rows(store) == rows(read)


def test_large_ones_are_read_by_themselves():
    """So that who has something to write waits for one, and not for fifty."""

    large = replace(RUN.interactions[0], request=Request("POST", "http://x/", (), bytes(1_100_000)))
    with Store(":memory:") as store:
        for name in ("a", "b", "c"):
            run = replace(RUN, interactions=(large,), output=name)
            store.add(Episode(name, "m:f", {}, (run,)), read=False)

        assert list(store.catch_up()) == [1, 1, 1]


def test_a_recording_is_not_taken_for_the_one_that_had_its_number(tmp_path):
    """It was deleted while it was read, and another has come."""

    with Store(tmp_path / "store.db") as reader, Store(tmp_path / "store.db") as other:
        other.add(Episode("first", "m:f", {}, (RUN,)), read=False)
        (number,) = reader.file.rows("SELECT number FROM recording")

        def deleted(sql):
            if sql == "BEGIN IMMEDIATE":
                delete(other, doomed(other, tmp_path, "first"))
                other.add(Episode("second", "m:f", {}, (agent_run(3, 1),)), read=False)

        reader.file.db.conn.set_trace_callback(deleted)
        assert next(reader.catch_up()) == 0
        reader.file.db.conn.set_trace_callback(None)
        assert reader.file.rows("SELECT number FROM recording") == [number]
        assert read_up(reader) == 1
        assert list(verify(reader)) == []


@pytest.fixture
def home(tmp_path) -> Project:
    """A project whose store is held by others, until three batches of runs wait."""
    return Project(tmp_path, surroundings()).write("burst.py", BURST)


BURST = """
import json, os, signal, sqlite3, sys, threading, time
import replay
from replay.episodes.store import Store
from replay.errors import BadName

reads, add, catch_up = [], Store.add, Store.catch_up
opened = threading.Event()

def added(store, episode, *rest, read=True):
    reads.append(read)
    if "busy" in sys.argv and read and len(reads) < 450 and (len(reads) < 151 or store.unread()):
        with replay.record_in_background(f"run{len(reads)}x"):
            pass
    return add(store, episode, *rest, read=read)

def caught_up(store):
    opened.set()
    return read_on(store)

def read_on(store):
    if reads and "killed" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    while reads and "endless" in sys.argv:
        yield 1
    if reads and "moved" in sys.argv:
        os.rename("episodes", "moved")
    if reads and "failing" in sys.argv:
        raise BadName("whatever it is")
    yield from catch_up(store)

Store.add, Store.catch_up = added, caught_up

Store("episodes/episodes.db").close()
others = sqlite3.connect("episodes/episodes.db", isolation_level=None)
others.execute("BEGIN IMMEDIATE")
for n in range(150):
    with replay.record_in_background(f"run{n}") as run:
        run.output = n
    opened.wait(60)  # the thread has taken the first run, and no other
others.execute("COMMIT")
while "endless" in sys.argv and replay.recording_stats().waiting:
    time.sleep(0.01)
flushed = replay.flush_recordings(2 if "endless" in sys.argv else 60)
print(json.dumps([flushed, sorted(set(reads)), replay.recording_stats().lost]))
"""


def test_a_service_reads_a_burst_once_nothing_waits(home):
    """What waits is written first; before the stores are closed, all of it is read."""

    ran = home.run(sys.executable, "burst.py")

    assert json.loads(ran.stdout) == [True, [False, True], {}], ran.stderr
    with Store(home.root / "episodes/episodes.db", writable=False) as store:
        assert (len(store.ids()), store.unread()) == (150, 0)
        assert list(verify(store)) == []


def test_a_service_that_is_always_busy_reads_a_burst_in_between(home):
    """There need be no moment at which it has nothing to write."""

    ran = home.run(sys.executable, "burst.py", "busy")

    assert json.loads(ran.stdout)[0] is True, ran.stderr
    with Store(home.root / "episodes/episodes.db", writable=False) as store:
        assert store.unread() == 0
        assert 150 < len(store.ids()) < 400  # the more there are, the longer nothing was read


def test_what_is_left_to_be_read_is_no_recording_that_is_not_written(home):
    """The seconds of a flush were enough; what is unread has half of them, however much it is."""

    ran = home.run(sys.executable, "burst.py", "endless")

    assert json.loads(ran.stdout)[::2] == [True, {}], ran.stderr
    with Store(home.root / "episodes/episodes.db", writable=False) as store:
        assert (len(store.ids()), store.unread()) == (150, 100)


def test_a_store_that_is_moved_away_is_not_begun_anew_to_be_read(home):
    """It is by who has something to write; what was left unread, the next who looks reads."""

    ran = home.run(sys.executable, "burst.py", "moved")

    assert json.loads(ran.stdout)[::2] == [True, {}], ran.stderr
    assert not (home.root / "episodes").exists()
    with Store(home.root / "moved/episodes.db") as store:
        assert (len(store.ids()), list(verify(store))) == (150, [])
        assert read_up(store) == 50


def test_what_cannot_be_read_costs_nothing_else(home):
    """It is not tried again and again, and no recording is lost by it."""

    ran = home.run(sys.executable, "burst.py", "failing")

    assert json.loads(ran.stdout)[::2] == [True, {}], ran.stderr
    with Store(home.root / "episodes/episodes.db") as store:
        assert read_up(store) == 100


def test_what_a_killed_service_left_is_read_by_the_next_who_looks(home):
    """All of it is there, and nobody who lists or searches hears that it was not read."""

    ran = home.run(sys.executable, "burst.py", "killed")
    path = home.root / "episodes/episodes.db"
    with Store(path) as store:
        left = store.unread()
        store.add(Episode("agent", "shop:agent", {}, (RUN,)), read=False)
    listed, found = home.replay("list", "--json"), home.replay("search", "the", "--json")

    assert (ran.returncode, left) == (-signal.SIGKILL, 100), ran.stderr
    assert [listed.returncode, found.returncode, listed.stderr + found.stderr] == [0, 0, ""]
    assert len(json.loads(listed.stdout)["episodes"]) == 151
    with Store(path, writable=False) as store:
        assert store.unread() == 0


def test_a_listing_reads_for_seconds_only(tmp_path, monkeypatch):
    """However much was left; each goes on where the one before it ended, and says what is left."""

    monkeypatch.setattr(layers, "_PATIENCE", 0.0)
    monkeypatch.chdir(tmp_path)
    small = replace(episode(), recordings=episode().recordings[:1])
    with Store("episodes/episodes.db") as store:
        for number in range(120):
            store.add(replace(small, id=f"e{number}"), read=False)
        runner = CliRunner()

        for left in (70, 20):
            listed = runner.invoke(main, ["list", "--json"])
            assert f"that are not read yet: {left}." in listed.stderr
            assert len(json.loads(listed.stdout)["episodes"]) == 120
        assert runner.invoke(main, ["list", "--json"]).stderr == ""


def test_a_listing_does_not_wait_for_who_has_the_store(tmp_path, monkeypatch):
    """What is unread is read another time."""

    monkeypatch.setattr(layers, "_PATIENCE", 0.0)
    monkeypatch.setattr(database, "_BUSY_SECONDS", 1e6)
    monkeypatch.chdir(tmp_path)
    with Store("episodes/episodes.db") as store, store.file.writing():
        store.add(Episode("before", "m:f", {}, (RUN,)), read=False)
        store.file.db.execute("COMMIT")
        store.file.db.execute("BEGIN IMMEDIATE")
        listed = CliRunner().invoke(main, ["list"])

    assert listed.exit_code == 0
    assert "before" in listed.stdout
    assert "that are not read yet: 1." in listed.stderr


def test_what_nobody_here_may_read_is_said(tmp_path):
    """A shared store is never written: what it lacks stands under the list."""

    with Store(tmp_path / "shared.db") as store:
        store.add(Episode("e", "m:f", {}, (RUN,)), read=False)
    home = Project(tmp_path, surroundings())
    home.write("pyproject.toml", '[tool.replay]\nshared = "shared.db"\n')
    before = (tmp_path / "shared.db").read_bytes()

    for verb in (["list"], ["search", "the"]):
        ran = home.replay(*verb)
        assert "that are not read yet: 1." in ran.stderr, ran.stdout
    assert (tmp_path / "shared.db").read_bytes() == before


def test_an_index_leads_to_what_is_unread(tmp_path):
    """However many recordings there are, that none is unread is known at once."""

    Store(tmp_path / "store.db").close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        sql = f"EXPLAIN QUERY PLAN SELECT count(*) FROM recording WHERE {IS_UNREAD}"
        ((*_, plan),) = db.execute(sql)

    assert "recording_unread" in plan
