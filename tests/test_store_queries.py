"""Finding episodes again: lists, filters, search, prefixes, layers, tenants, the verbs."""

import json
import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest

from bench.store import agent_run
from replay.config import Config
from replay.episodes.bundle import dump
from replay.episodes.folder import find
from replay.episodes.layers import Layered, open_store, recording_of, resolve
from replay.episodes.pieces import cut, pack, unpack
from replay.episodes.store import Filter, Store
from replay.errors import (
    Ambiguous,
    BadFilter,
    BadSetting,
    OtherEpisode,
    OtherTenant,
    UnknownEpisode,
)
from replay.model import Episode, Failure, Interaction, Request
from tests.test_bundle import episode

RUN = agent_run(2)
RAISED = replace(
    RUN,
    manifest=replace(RUN.manifest, clock="2026-02-01T12:00:00+00:00"),
    failure=Failure("builtins.ValueError", "no"),
)


def test_forty_turns_take_a_tenth_of_their_yaml(tmp_path):
    """And come back byte for byte."""

    from bench.store import sizes

    run = agent_run(40)
    found = sizes(tmp_path, run)

    assert found["grown"] <= found["yaml"] / 10
    with Store(tmp_path / "run.db") as store:
        assert store.get("run").current == run


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages": [' + b", ".join([b'{"role": "user", "content": "%s"}' % (b"x" * 200)] * 9)
        + b'],\n\t"model" : "m" }',
        b'{"a": "' + "é\\ud800".encode() * 900 + b'"}',
        b"[" + b",".join([b'"' + b"y" * 150 + b'"'] * 9) + b"] and more",
        b'{"messages": [{"role": "user"' + b" " * 1200,
        b"[" * 5000,
        b'{"a":"' + b"\xff" * 2000 + b'"}',
        b"\x00" * 2000,
        b"",
    ],
    ids=["spaced", "escapes", "array", "cut off", "deep", "not UTF-8", "binary", "empty"],
)  # fmt: skip
def test_pieces_put_together_are_the_body(body):
    """However it is spelled, whole or broken; packed and unpacked too."""

    assert b"".join(cut(body)) == body
    assert unpack(*pack(body)) == body


def test_a_longer_history_shares_its_pieces():
    """Each message is a piece; only the end of the array differs."""

    one, two = (RUN.interactions[n].request.body for n in (0, 1))

    assert len(set(cut(one)) & set(cut(two))) >= len(cut(one)) - 2


@pytest.fixture
def store():
    with Store(":memory:") as made:
        made.add(Episode("agent", "shop.agent:run", {}, (RUN, RAISED), tags=("nightly",)))
        made.add(replace(episode("Where is my refund?"), id="plain"))
        yield made


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), {"agent": 2, "plain": 1}),
        (Filter(tags=("nightly",)), {"agent": 2}),
        (Filter(tags=("nightly", "other")), {}),
        (Filter(model="gpt-4o*"), {"agent": 2}),
        (Filter(model="gpt-4o-2024-08-06"), {"agent": 2}),
        (Filter(entrypoint="shop.*"), {"agent": 2}),
        (Filter(outcome="raised"), {"agent": 1}),
        (Filter(since="2026-02-01", until="2026-02-01"), {"agent": 1}),
        (Filter(until="2026-02-01T11:59"), {"agent": 1}),
        (Filter(since="2026-02-01T13:00+01:00"), {"agent": 1, "plain": 1}),
        (Filter(cost=Decimal("0.000001")), {"agent": 2}),
        (Filter(cost=Decimal(100)), {}),
    ],
)
def test_filters(store, wanted, found):
    """Those of recordings leave the other recordings of an episode out."""

    assert {row.id: row.recordings for row in store.summaries(wanted)} == found


def test_a_time_that_is_none_is_told(store):
    """With how one is written."""

    with pytest.raises(BadFilter, match="2026-09-01"):
        store.summaries(Filter(since="yesterday"))


def test_search_finds_words_and_phrases(store):
    """Whatever their ending; a phrase in quotes; SQL and FTS syntax are just words."""

    assert [hit.episode for hit in store.search("refunds")] == ["plain"]
    assert [hit.excerpt for hit in store.search('"my refund"')] == ["Where is [my refund]?"]
    assert store.search('"refund my"') == []
    assert store.search("refund NOT AND * '") == []
    with pytest.raises(BadFilter):
        store.search("  ")


def test_search_finds_system_prompts_of_every_provider(store):
    """Gemini's has parts, Anthropic's may be a list."""

    google, anthropic = "https://generativelanguage.googleapis.com", "https://api.anthropic.com"
    parts, blocks = {"parts": [{"text": "Gull"}]}, [{"type": "text", "text": "Gull"}]
    for url, body in (
        (f"{google}/v1beta/models/gemini-2.5-flash:generateContent", {"systemInstruction": parts}),
        (f"{anthropic}/v1/messages", {"system": blocks, "messages": []}),
    ):
        asked = Interaction(Request("POST", url, (), json.dumps(body).encode()))
        store.add(Episode(next(iter(body)), "", {}, (replace(RUN, interactions=(asked,)),)))

    assert {hit.episode for hit in store.search("gull")} == {"systemInstruction", "system"}


def test_a_message_is_listed_where_it_was_first_said(store):
    """Not at every step that sends it again."""

    store.add(Episode("once", "m:f", {}, (RUN,)))
    rows = store.file.rows("SELECT step, direction, role FROM messages WHERE episode = 'once'")

    first = [(1, "sent", "system"), (1, "sent", "user"), (1, "received", "assistant")]
    assert rows == [*first, (2, "sent", "tool"), (2, "received", "assistant")]


def test_views_are_for_people(store):
    """Every view reads, with names instead of numbers."""

    one = {
        view: store.file.rows(f"SELECT * FROM {view} WHERE episode = 'agent'")
        for view in ("episodes", "recordings", "calls", "messages", "tool_calls", "tokens", "costs")
    }

    assert {view: len(rows) for view, rows in one.items()} == {
        "episodes": 1,
        "recordings": 2,
        "calls": 4,
        "messages": 10,
        "tool_calls": 4,
        "tokens": 2,
        "costs": 2,
    }
    total = store.summaries(Filter(tags=("nightly",)))[0]
    assert sum(row[5] + row[6] for row in one["tokens"]) == total.tokens > 0
    assert sum(row[4] for row in one["costs"]) == pytest.approx(total.dollars)


def test_a_beginning_of_a_name_will_do(store, tmp_path):
    """If it is one episode's only; a whole name is meant even if it begins another."""

    store.add(replace(episode(), id="plainer"))

    assert resolve(store, tmp_path, "ag") == "agent"
    assert resolve(store, tmp_path, "plain") == "plain"
    with pytest.raises(Ambiguous, match="plainer"):
        resolve(store, tmp_path, "pl")
    with pytest.raises(UnknownEpisode):
        find(store, tmp_path, resolve(store, tmp_path, "nothing"))


def test_a_recording_is_chosen_by_its_beginning(store):
    """The newest if none is named."""

    found = store.get("agent")

    assert recording_of(found) == RAISED
    with pytest.raises(BadFilter, match="b2:"):
        recording_of(found, "b2:zz")
    with pytest.raises(Ambiguous):
        recording_of(found, "b2:")


def test_tenants_do_not_see_each_other(store):
    """The same name is two episodes; what is another's is an error, not unknown."""

    acme = store.of("acme")
    acme.add(replace(episode("ho"), id="plain"))

    assert acme.ids() == ["plain"]
    assert acme.get("plain").tenant == "acme"
    assert store.get("plain").recordings != acme.get("plain").recordings
    with pytest.raises(OtherTenant, match="--tenant ''"):
        acme.get("agent")
    with pytest.raises(OtherTenant):
        store.add(acme.get("plain"))
    assert len(store.summaries(Filter(all_tenants=True))) == 3


@pytest.fixture
def layered(tmp_path):
    with Store(tmp_path / "shared.db") as shared:
        shared.add(replace(episode(), tags=("shared",)))
        shared.add(replace(episode(), id="other"))
    config = Config(root=tmp_path, store="local.db", shared="shared.db")
    with open_store(config) as store:
        yield store


def test_look_ups_fall_through_and_writes_stay_local(layered, tmp_path):
    """A recording that is added to a shared episode is the newest of both."""

    before = (tmp_path / "shared.db").read_bytes()
    new = episode("ho").recordings
    layered.add(episode("ho"))
    layered.tag("other", ("mine",))

    assert isinstance(layered, Layered)
    assert layered.get("e").recordings == (*episode().recordings, *new)
    assert [row.recordings for row in layered.summaries()] == [2, 1]
    assert (layered.get("e").tags, layered.get("other").tags) == (("shared",), ("mine",))
    assert layered.add(episode()) == 0
    assert {hit.excerpt for hit in layered.search("hi")} == {"[hi]"}
    with pytest.raises(OtherEpisode):
        layered.add(replace(episode(), inputs={"q": 2}))
    assert (tmp_path / "shared.db").read_bytes() == before
    with Store(tmp_path / "local.db") as local:
        assert local.get("e").recordings == new


def test_a_shared_store_that_is_not_there_is_told(tmp_path):
    """A typing error is no empty store."""

    config = Config(root=tmp_path, store="local.db", shared="nowhere.db")

    with pytest.raises(BadSetting, match=r"tool\.replay\.shared"):
        open_store(config)


def test_reading_makes_no_store(project):
    """Nor does it need leave to write: bundles are enough."""

    project.write("episodes/e.jsonl", dump(replace(episode("find me"), tags=("x",))))
    listed = project.replay("list", "--json", "--tag", "x")
    table = project.replay("list").stdout
    found = project.replay("search", "find", "--json")
    shown = project.replay("show", "e", "--json")
    ran = project.replay("run", "e")

    (row,) = json.loads(listed.stdout)["episodes"]
    assert row["id"] == "e"
    assert row["started"][:10] in table
    assert json.loads(found.stdout)["excerpt"] == "[find] me"
    assert json.loads(shown.stdout)["recording"]["calls"] == 1
    assert "'m:f' cannot be run" in ran.stderr
    assert [path.name for path in (project.root / "episodes").iterdir()] == ["e.jsonl"]


def test_a_store_that_may_not_be_written_is_read(project):
    """Opened for reading only, not a byte of it changes, and no log is left beside it."""

    path = project.root / "episodes/episodes.db"
    with Store(path) as store:
        store.add(episode())
    path.chmod(0o444)
    before = path.read_bytes()
    done = project.replay("show", "e")

    assert done.returncode == 0, done.stderr
    assert "**answer" in done.stdout or "## 1." in done.stdout
    assert path.read_bytes() == before


def test_upkeep_from_the_command_line(project):
    """Import, tag, verify, back up, merge, restore: each says what it did."""

    project.write("e.jsonl", dump(episode()))
    commands = [
        ("import", "e.jsonl"),
        ("tag", "e", "nightly", "flaky"),
        ("tag", "e", "--remove", "flaky"),
        ("verify",),
        ("gc", "--dry-run"),
        ("backup", "copy.db"),
        ("merge", "copy.db"),
        ("export", "e", "--to", "out"),
    ]
    done = [project.replay(*command) for command in commands]

    assert [d.returncode for d in done] == [0] * len(done), [d.stderr for d in done]
    assert [d.stdout.splitlines()[0] for d in done[:4]] == [
        "e: 1 new recording, from a bundle",
        "e: nightly, flaky",
        "e: nightly",
        f"{project.root}/episodes/episodes.db: everything is what it was.",
    ]
    assert '"tags": ["nightly"]' in (project.root / "out/e.jsonl").read_text()

    db = sqlite3.connect(project.root / "episodes/episodes.db")
    db.execute("UPDATE episode SET inputs = '{}'")
    db.commit()
    db.close()
    broken, refused = project.replay("verify"), project.replay("restore", "nowhere.db")
    mended = project.replay("restore", "copy.db")

    assert (broken.returncode, refused.returncode, mended.returncode) == (1, 2, 0)
    assert "episode e is not what it was" in broken.stdout
    assert project.replay("verify").returncode == 0
    aside = f"{project.root}/episodes/episodes.db.replaced-1"
    assert f"What was there is {aside}: delete it when you are sure" in mended.stdout
    assert f"{aside}: what a restore has replaced" in project.replay("gc").stdout


def test_verbs_name_a_tenant(project):
    """As an option of each, in the environment, or in the settings."""

    project.write("e.jsonl", dump(episode()))
    put = project.replay("import", "--tenant", "acme", "e.jsonl")
    missed = project.replay("show", "e")
    seen = project.where(REPLAY_TENANT="acme").replay("show", "e")

    assert (put.returncode, missed.returncode, seen.returncode) == (0, 2, 0)
    assert "To mean it: --tenant acme" in missed.stderr


def test_names_complete_in_the_shell(project):
    """As click's own script asks for them."""

    for name in ("episode_1", "episode_2", "other"):
        project.write(f"episodes/{name}.jsonl", dump(replace(episode(), id=name)))
    shell = project.where(
        _REPLAY_COMPLETE="bash_complete", COMP_WORDS="replay show epi", COMP_CWORD="2"
    )
    done = shell.run(*_command())

    assert done.stdout.split() == ["plain,episode_1", "plain,episode_2"]


def _command():
    import sys

    code = "from replay.cli import main; main(prog_name='replay')"
    return sys.executable, "-c", code
