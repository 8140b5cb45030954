"""Deleting episodes: what goes, what stays, and that nobody does it by mistake."""

import json
from dataclasses import replace

import pytest

from bench.store import agent_run
from replay.config import Config
from replay.episodes.deletion import Doomed, delete, doomed
from replay.episodes.layers import open_store
from replay.episodes.store import Store
from replay.episodes.upkeep import gc, verify
from replay.errors import Damaged, NotSaved, OnlyShared, OtherTenant, UnknownEpisode
from replay.model import Episode
from tests.batches import episode, project_of

RUN = agent_run(4)
WORD = json.loads(RUN.interactions[0].request.body)["messages"][1]["content"].split()[0]
LONGER = replace(RUN, interactions=(*RUN.interactions, *agent_run(6).interactions[4:]))


@pytest.fixture
def store(tmp_path):
    """Two episodes that say the same for most of the time, and one of that name of a tenant."""
    with Store(tmp_path / "store.db") as store:
        store.add(Episode("kept", "m:f", {}, (RUN,)))
        store.add(Episode("gone", "m:f", {}, (LONGER, RUN)))
        store.of("acme").add(Episode("gone", "m:f", {}, (RUN,)))
        yield store


def test_what_others_share_stays(store, tmp_path):
    """Before and after the room is given back; and a new recording may take its number."""

    kept, theirs = store.get("kept"), store.of("acme").get("gone")
    found = doomed(store, tmp_path, "gone")
    delete(store, found)

    assert found == Doomed("gone", 2, len(RUN.interactions) + len(LONGER.interactions), None)
    assert store.ids() == ["kept"]
    assert {hit.episode for hit in store.search(WORD)} == {"kept"}
    assert list(verify(store)) == []
    assert gc(store).contents > 0
    assert (store.get("kept"), store.of("acme").get("gone")) == (kept, theirs)
    assert store.add(Episode("gone", "m:g", {}, (LONGER,))) == 1
    assert list(verify(store)) == []


def test_what_is_damaged_can_go(store, tmp_path):
    """It is not loaded for that."""

    store.file.db.execute("UPDATE episode SET seal = 'x' WHERE id = 'gone' AND tenant = ''")
    with pytest.raises(Damaged):
        store.get("gone")
    delete(store, doomed(store, tmp_path, "gone"))

    assert (store.ids(), list(verify(store))) == (["kept"], [])


def test_a_bundle_that_cannot_be_removed_keeps_all(store, tmp_path):
    """What is gone from one place only would come back."""

    (tmp_path / "folder").mkdir()
    with pytest.raises(NotSaved):
        delete(store, replace(doomed(store, tmp_path, "gone"), bundle=tmp_path / "folder"))

    assert len(store.get("gone").recordings) == 2


def test_a_name_is_meant_as_it_is_written(store, tmp_path):
    """A beginning is not enough, and another tenant's is another's."""

    for name in ("gon", "nothing"):
        with pytest.raises(UnknownEpisode):
            doomed(store, tmp_path, name)
    with pytest.raises(OtherTenant):
        doomed(store.of("other"), tmp_path, "kept")


def test_the_shared_store_is_left_alone(tmp_path):
    """What only that has is refused; of what both have, the own part goes."""

    with Store(tmp_path / "shared.db") as shared:
        shared.add(Episode("both", "m:f", {}, (RUN,)))
        shared.add(Episode("theirs", "m:f", {}, (RUN,)))
    with open_store(Config(root=tmp_path, store="local.db", shared="shared.db")) as store:
        store.add(Episode("both", "m:f", {}, (LONGER,)))
        with pytest.raises(OnlyShared):
            doomed(store, tmp_path, "theirs")
        delete(store, doomed(store, tmp_path, "both"))

        assert store.get("both").recordings == (RUN,)


def test_the_command_asks(tmp_path):
    """Without a terminal it says how to say yes; a dry run says what would go."""

    project = project_of(tmp_path, [episode(1), episode(2)])
    bundle = tmp_path / "episodes/e0001.jsonl"
    project.replay("export", "e0001")
    asked = project.replay("delete", "e0001")
    tried = project.replay("delete", "e0001", "--dry-run")
    there = bundle.exists()
    done = project.replay("delete", "e0001", "--yes")

    assert (asked.returncode, "--yes" in asked.stderr, there) == (2, True, True)
    assert tried.stdout == f"e0001: 1 recording, 1 call and {bundle}\n"
    assert done.stdout.splitlines()[1:] == [
        "Deleted e0001",
        "The room that they took in the store is given back by: replay gc",
    ]
    assert not bundle.exists()
    assert "e0001" not in project.replay("list").stdout
    assert project.replay("run", "e0002").returncode == 0
