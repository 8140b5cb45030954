"""Stores, bundles and decisions of a stranger: refused with a sentence, or as good as our own."""

import json
import sqlite3
import zlib
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from fuzz.edits import ODD, edited
from fuzz.examples import EXAMPLE
from replay.canonical import DEPTH, bytes_hash, content_hash
from replay.cli import main
from replay.config import Config
from replay.episodes import bundle
from replay.episodes.batches import Batches
from replay.episodes.checked import checked
from replay.episodes.exports import export_har
from replay.episodes.pieces import MOST, pack, unpack
from replay.episodes.store import Store
from replay.episodes.upkeep import merge
from replay.errors import Damaged, NotJson
from replay.golden.extension import GoldenExtension
from replay.golden.pending import Decisions
from replay.golden.plain import plain
from replay.golden.shapes import shape_differences
from replay.model import Chunk, Episode, Interaction, Manifest, Recording, Request, Response
from tests.talking import call, run

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


def changed(path, *statements):
    """A store with one episode in which somebody has changed something."""
    episode = bundle.load(EXAMPLE.read_text())
    with Store(path) as store:
        store.add(episode)
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()
    return episode.id


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (
            ["CREATE TRIGGER lie AFTER INSERT ON recording BEGIN DELETE FROM recording; END"],
            "lie is a trigger that is not ours",
        ),
        (
            ["CREATE TRIGGER text_ai AFTER INSERT ON text BEGIN DELETE FROM recording; END"],
            "text_ai is a trigger that is not ours",
        ),
        (
            ["ALTER TABLE episode RENAME TO e", f"CREATE VIEW episode AS {ENDLESS}"],
            "episode is a view, and not the table that it was",
        ),
        (
            ["DROP TABLE _sqlite_migrations", f"CREATE VIEW _sqlite_migrations AS {ENDLESS}"],
            "_sqlite_migrations is a view, and not the table that it was",
        ),
    ],
)
def test_a_store_in_which_something_acts_is_not_opened(tmp_path, statements, says, writable):
    """Neither what changes other rows, nor what never ends."""

    changed(tmp_path / "x.db", *statements)

    with pytest.raises(Damaged, match=says):
        Store(tmp_path / "x.db", writable=writable)


@pytest.mark.parametrize(
    "change",
    [
        "content SET pack = NULL, parts = '[' || id || ']'",
        f"content SET parts = '{'[' * 5000}'",
        "content SET start = 'x'",
        "content SET hash = 'x' || id",
        f"recording SET output = '{'[' * 5000}'",
        "recording SET failure = '[1]'",
        "interaction SET answer = NULL",
        "interaction SET url = x'ff'",
    ],
)
def test_a_value_where_it_does_not_belong(tmp_path, change):
    name = changed(tmp_path / "x.db", f"UPDATE {change}")

    with Store(tmp_path / "x.db") as store, pytest.raises(Damaged):
        store.get(name)


@pytest.mark.parametrize(
    "change",
    ["episode SET tags = '['", "recording SET models = '[5]'", "recording SET tokens = 'x'"],
)
def test_a_listing_of_what_is_no_fact(tmp_path, change):
    changed(tmp_path / "x.db", f"UPDATE {change}")

    with Store(tmp_path / "x.db") as store, pytest.raises(Damaged):
        store.summaries()


@pytest.mark.parametrize("column", ["id", "tenant"])
def test_what_is_merged_climbs_nowhere(tmp_path, column):
    """Names are folders and files: of one that could be none, it is told, and the rest comes."""

    with Store(tmp_path / "theirs.db") as theirs:
        for name in ("bad", "good"):
            theirs.add(Episode(name, "m:f", {}))
        row = ["", "bad", "m:f", "{}", "[]", ""]
        row[("tenant", "id").index(column)] = "../../x"
        db = theirs.file.db.conn
        db.execute(
            f"UPDATE episode SET {column} = ?, seal = ? WHERE id = 'bad'",
            ["../../x", content_hash(row)],
        )
    with Store(":memory:") as ours:
        done = merge(ours, tmp_path / "theirs.db")

        assert (done.episodes, len(done.refused), ours.tenants()) == (1, 1, [""])
        assert "../../x" in done.refused[0]


def test_a_pack_is_no_bomb():
    packer = zlib.compressobj(1)
    mebibyte = bytes(2**20)
    packed = [packer.compress(mebibyte) for _ in range(MOST // 2**20 + 1)]
    bomb = b"".join([*packed, packer.flush()])

    with pytest.raises(ValueError, match="larger than any"):
        unpack("zlib", bomb)
    assert unpack(*pack(mebibyte)) == mebibyte


def forged(*lines):
    texts = [json.dumps(line) for line in lines]
    end = {"end": len(texts), "digest": bytes_hash("\n".join(texts).encode())}
    return "\n".join([*texts, json.dumps(end)]) + "\n"


HEAD = {"bundle": 1, "id": "a", "entrypoint": "m:f", "inputs": {}}


@pytest.mark.parametrize(
    "lines",
    [
        [HEAD | {"id": True}],
        [HEAD | {"inputs": []}],
        [HEAD | {"tags": [5]}],
        [HEAD, {"recording": "x"}, {"manifest": 5}, {"ended": {}}],
        [HEAD, {"recording": "x"}, {"manifest": {"clock": "9999-12-31"}}, {"ended": {}}],
        [HEAD, {"recording": "x"}, {"call": 1, "body": "compact"}, {"sent": "x"}, {"ended": {}}],
    ],
)
def test_a_bundle_whose_digest_is_right_and_whose_values_are_not(lines):
    with pytest.raises(Damaged, match="not a bundle"):
        bundle.load(forged(*lines))


def test_a_bundle_is_as_deep_as_a_value_may_be():
    """What can be recorded can be read again; what nobody could walk through is refused."""

    def nested(levels):
        return json.loads("[" * levels + "1" + "]" * levels)

    deep = Recording(Manifest("2026-01-01T00:00:00+00:00", True, 0), output=nested(DEPTH))
    episode = Episode("a", "m:f", {"x": nested(DEPTH - 1)}, (deep,))

    assert bundle.load(bundle.dump(episode)) == episode
    assert plain(nested(DEPTH)) == nested(DEPTH)
    with pytest.raises(NotJson, match="nested deeper"):
        plain(nested(DEPTH + 1))
    with pytest.raises(Damaged, match="line 1: not JSON: it is nested deeper"):
        bundle.load(forged(HEAD | {"inputs": {"x": nested(500)}}))
    with pytest.raises(Damaged, match="line 1: not JSON: it is nested deeper"):
        bundle.load(f'{{"a": {"[" * 100_000}')


@pytest.mark.parametrize(
    "wrong",
    [
        Request("GET", 5),
        Request("GET", "x", (("a", 5),)),
        Request("GET", "x", [("a", "b")]),
        Response(True),
        Response(200, chunks=(Chunk(1, float("nan")),)),
        Interaction(Request("GET", "x"), elapsed=1e300),
        Interaction(Request("GET", "x"), response=Request("GET", "x")),
    ],
    ids=repr,
)
def test_a_value_of_another_type_is_none_of_ours(wrong):
    with pytest.raises(TypeError, match=f" of {type(wrong).__name__}|of Chunk"):
        checked(wrong)


def test_an_answer_without_a_byte_keeps_its_time():
    """A bundle had no place for it, and then was not what its recording is called."""

    empty = Response(204, "", (), b"", (Chunk(0, 0.5),))
    recording = Recording(
        Manifest("2026-01-01T00:00:00+00:00", True, 0),
        (Interaction(Request("GET", "http://x/"), empty),),
    )
    episode = Episode("a", "m:f", {}, (recording,))

    assert bundle.load(bundle.dump(episode)) == episode


def test_an_address_that_is_none_is_shown_and_exported(tmp_path):
    clock = "2026-01-01T00:00:00+00:00"
    recording = run(call(url="http://[/v1/chat/completions"), clock=clock)

    assert shape_differences(recording.interactions, recording.interactions) == ()
    assert "http://[" in export_har(Episode("a", "", {}, (recording,)), "", tmp_path).read_text()


@pytest.mark.parametrize(
    "decision",
    [
        "[",
        "{}",
        '{"verb": "accept", "files": [{"path": "../owned.json"}]}',
        '{"verb": "accept", "files": [{"path": "golden/../../owned.json"}]}',
        '{"verb": "accept", "files": [{"path": "golden/conftest.py"}]}',
        '{"verb": "accept", "files": [{"path": "pyproject.toml"}]}',
    ],
)
def test_a_decision_that_was_sent_writes_nowhere_else(tmp_path, decision):
    """`.replay` belongs into no repository; where somebody adds it, undoing wrote what it says."""

    root = tmp_path / "project"
    folder = root / ".replay/review/000001"
    folder.mkdir(parents=True)
    (folder / "decision.json").write_text(decision)
    (folder / "0.old").write_text("owned")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(Damaged):
        Decisions(Config(root=root)).undo()

    assert sorted(tmp_path.rglob("*")) == before


def test_edits_reach_every_place():
    """What the fuzzer's bytes do: two for a place, one for what is put there."""

    assert [edited({"a": 1, "b": [2]}, bytes([0, place, 0])) for place in range(3)] == [
        {"a": None, "b": [2]},
        {"a": 1, "b": None},
        {"a": 1, "b": [None]},
    ]
    assert edited({"a": 1}, bytes([0, 0, len(ODD)])) == {}


def test_the_command_says_what_is_wrong(tmp_path, monkeypatch):
    """No traceback, whatever lies in the folders."""

    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.replay]\n")
    for folder in ("episodes", "golden"):
        (tmp_path / folder).mkdir()
    (tmp_path / "episodes/deep.jsonl").write_text(f'{{"a": {"[" * 100_000}')
    (tmp_path / "golden/a.json").write_bytes(b"\xff")
    (tmp_path / "golden/a.json.new").write_text("[" * 100_000)

    for verb in (["list"], ["show", "deep"], ["run", "deep"], ["review"], ["review", "--json"]):
        done = CliRunner().invoke(main, verb)
        assert isinstance(done.exception, SystemExit), (verb, done.exception)


def test_a_golden_of_a_long_name_has_one_that_every_system_takes(tmp_path):
    """A file system counts bytes, not characters."""

    location = SimpleNamespace(snapshot_name="s" * 150)
    name = GoldenExtension.get_snapshot_name(test_location=location, index="注" * 60)

    (tmp_path / f"{name}.json.new").write_text("1")


def test_a_result_of_a_batch_that_is_no_json_is_damage(tmp_path):
    """It stands in the store as well, and may have been changed there."""

    batches = Batches(tmp_path / "store.db")
    batches.put("nightly", 1, {"outcome": "identical"})
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("UPDATE batch_results SET result = '{'")
    db.close()

    with pytest.raises(Damaged, match="not JSON"):
        list(batches.results("nightly"))
    batches.close()
