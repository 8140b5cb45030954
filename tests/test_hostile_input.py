"""Readers keep their promises for any bytes: what fuzzing found, bombs, names that climb."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from base64 import b64encode

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import seeds
from fuzz.targets import SECRET, TARGETS
from replay.canonical import DEPTH, json_body, parsed_json, request_key
from replay.cassettes.check import cassette_paths
from replay.cassettes.cleaning import scan
from replay.cassettes.conversion import convert
from replay.cassettes.files import read_cassette, write_cassette
from replay.cassettes.redaction import Redactor
from replay.cassettes.routing import using
from replay.cassettes.scanner import Scanner
from replay.cassettes.tape import Tape
from replay.cassettes.yaml_values import parse_yaml
from replay.config import Redaction
from replay.drift.report import report
from replay.drift.sources import paired, revisions
from replay.episodes.store import Store
from replay.errors import BadName, Damaged, NothingToCompare
from replay.model import Episode, Failure, Interaction, Request, Response
from replay.reports.drift_json import drift_json
from tests.bombs import AMAZON, BOMBS, ROOT, message
from tests.planting import deltas, read_stream
from tests.planting import message as framed
from tests.server import plain, scripted
from tests.talking import call, run

KEY = f"sk-proj-{SECRET}".encode()

FOUND = [
    ("cassette", b"a: !!int ''"),
    ("cassette", b"version: 0x" + b"f" * 5_000 + b"\ninteractions: []"),
    ("cassette", b"interactions: [{request: {method: a, uri: b}, response: {status: .inf}}]"),
    ("cassette", b'{"interactions": [{"request": {"method": "\\ud800"}, "response": 1}]}'),
    ("cassette", b"[" * 600 + b"]" * 600),
    ("yaml", b"- !!float ''"),
    ("quick", b""),
    ("quick", next(seeds("quick")).replace(b"message: OK", b'message: "\\ud800"')),
    ("quick", next(seeds("quick")).replace(b"started: 0.5", b"started: 1.0e+999")),
    ("quick", next(seeds("quick")).replace(b"code: 200", b"code: 2000")),
    *(
        ("quick", next(seeds("quick")).replace(b"message: OK", b"message: " + text))
        for text in (
            b'"OK"\\ ',
            b'"\\x9\\\n        0"',
            b'"\\U0001F6\\\n        00"',
        )
    ),
    ("amazon", bytes(12)),
    ("amazon", message(0, 0)),
    ("hidden", message(20, 2**32 - 1)),
    ("call", b"\x00" + b"[" * 990 + b"]" * 990 + b"\0\0" + b'{"a":' * 400 + b"1" + b"}" * 400),
    ("matching", b'{"a":' * 450 + b"1" + b"}" * 450),
    ("matching", b"//[0]"),
    ("redaction", b"\x03?a=?a=\0" + b"?a=" * 1_200),
    ("redaction", b"\x02" + message(16, 0) + b"\0x"),
    ("golden", b'{"a": {"<lines>": 5}}'),
    ("golden", b"\xff"),
    ("golden", b"[" * 900 + b"]" * 900),
    ("recorded", b"\xb5K[su\x1e\xbb"),
    ("recorded", b"\x90\xeb\x9f("),
    ("recorded", b"\x88w+\\\xba\xc0h"),
]
"""What fuzzing found, made small, and what stands next to it: the target, and the input."""


@pytest.mark.parametrize(("target", "data"), FOUND, ids=[name for name, _ in FOUND])
def test_what_fuzzing_found_once(target, data):
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=25)
@given(st.binary(max_size=300))
def test_any_bytes(target, data):
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_fuzzer_begins_with(target):
    """The seeds hold too, so that a target that never gets anywhere is seen here."""

    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.fixture(scope="module")
def defused(tmp_path_factory):
    """What became of each bomb in a process with little memory and time: it survives them all."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, (_, made) in BOMBS.items():
        content = made()
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    command = [sys.executable, "-m", "tests.bombs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return dict(line.split()[:2] for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_or_refused_within_limits(defused, name):
    assert defused.get(name) == BOMBS[name][0]


# Depth


@pytest.mark.parametrize("make", ["[{}]".format, '{{"a": {}}}'.format], ids=["lists", "objects"])
def test_json_is_looked_into_up_to_a_depth(make):
    """What is deeper is bytes: it is matched as such, and nothing has to walk through it."""

    value, deepest = "1", ""
    for _ in range(DEPTH + 1):
        deepest, value = value, make(value)
    text = value.encode()

    assert json_body(text) is None
    assert json_body(deepest.encode()) == json.loads(deepest)
    with pytest.raises(ValueError, match="nested deeper than 200 levels"):
        parsed_json(value)
    assert request_key(Request("POST", "http://x", (), text))
    assert request_key(Request("POST", "http://x", (), text + b" ")) != request_key(
        Request("POST", "http://x", (), text)
    )


def test_a_deep_body_is_recorded_and_read_again(tmp_path):
    body = b"[" * 500 + b"]" * 500
    deep = Interaction(Request("POST", "http://x/", (), body), Response(200, "OK", (), body))

    write_cassette(tmp_path / "x.yaml", [deep], None)

    assert read_cassette(tmp_path / "x.yaml").interactions == (deep,)


# YAML


def test_what_is_merged_first_counts():
    """As PyYAML has it: the mapping itself, then its sources in their order."""

    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n"

    assert parse_yaml(text).value["c"] == {"x": 1, "y": 3, "z": 2}


# Secrets that hide


def redacted(body, media="text/plain"):
    headers = (("content-type", media),)
    found = Redactor().interaction(
        Interaction(Request("POST", "http://x/", headers, body), Response(200, "", headers, body))
    )
    assert not list(Scanner().findings([found]))
    assert found.response
    return found.response.body


def test_keys_that_stand_next_to_each_other_are_all_found():
    first, second = b"AIza" + b"aB3-_" * 7, b"AIza" + b"cD4-_" * 7

    assert redacted(first + second) == b"<secret:google-key:1><secret:google-key:2>"


def test_a_gzip_file_is_read_to_its_last_member():
    """Such a file may be several, one behind the other; clients read them as one."""

    body = gzip.compress(b"plain ") + gzip.compress(KEY)

    assert gzip.decompress(redacted(body)) == b"plain <secret:openai-key:1>"


def test_base64_that_is_none_is_text():
    payload = b'{"bytes":"QUJD=="}' + KEY
    assert SECRET.encode() not in redacted(framed(payload), AMAZON)


def test_an_event_in_base64_is_looked_into():
    body = framed(b'{"bytes":"' + b64encode(b'{"a": "' + KEY + b'"}') + b'"}')

    assert b64encode(SECRET.encode()[:30])[:38] not in redacted(body, AMAZON)


def test_a_key_that_a_stream_has_cut_is_found_in_an_output():
    """A program may hand on what it got as it came."""

    pieces = [f"data: {json.dumps(event)}\n\n" for event in deltas("chat", _cut(KEY.decode()))]

    found = Redactor().json({"text": "".join(pieces)})

    assert read_stream(found["text"].encode()) == "<secret:openai-key>"


def _cut(text):
    return [text[at : at + 5] for at in range(0, len(text), 5)]


def test_what_was_fixed_leaves_no_compiled_form(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, request = tmp_path / "x.json", {"method": "GET", "uri": "http://x/", "body": "x" * 20_000}
    answer = {"status": {"code": 200}, "headers": {}, "body": {"string": KEY.decode()}}
    path.write_text(json.dumps({"interactions": [{"request": request, "response": answer}]}))
    read_cassette(path)
    kept = list((tmp_path / "cache").rglob("*.v*"))

    scan(path, Redaction(), fix=True)

    assert [SECRET.encode() in form.read_bytes() for form in kept if form.exists()] == []
    assert kept


# What no text can hold


async def test_header_bytes_that_are_no_utf8_are_written_as_what_they_are(tmp_path):
    """aiohttp gives them as half characters, which no YAML reader takes."""

    tape = Tape(records=True)
    with scripted(plain(b"ok", b"x-name: caf\xe9")) as url, using(tape):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.read()
    write_cassette(tmp_path / "x.yaml", tape.recorded, None)

    (found,) = read_cassette(tmp_path / "x.yaml").interactions
    assert found.response
    assert ("x-name", "caf\xe9") in found.response.headers


@pytest.mark.parametrize("place", ["method", "uri"])
def test_half_a_character_is_refused(tmp_path, place):
    request = {"method": "GET", "uri": "http://x/", place: "\ud800"}
    response = {"status": {"code": 200}, "body": {"string": ""}, "headers": {}}
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"interactions": [{"request": request, "response": response}]}))

    with pytest.raises(Damaged, match="interaction 1 is not one: UnicodeEncodeError"):
        read_cassette(path)


def test_a_recorded_failure_makes_no_other_class_run():
    """A cassette names the exception that is raised again, and chooses nothing else."""

    failed = Failure("subprocess.Popen", "touch /tmp/x")
    tape = Tape([Interaction(Request("GET", "http://127.0.0.1:1/"), None, failed)])

    async def ask():
        async with aiohttp.ClientSession() as session:
            await session.get("http://127.0.0.1:1/")

    with using(tape), pytest.raises(ConnectionError, match="touch /tmp/x"):
        asyncio.run(ask())


# Names and places


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/b",
        "a\\b",
        "",
        ".",
        "..",
        ".x",
        "a\0b",
        "a\nb",
        "C:",
        "nul",
        "Com1.x",
        "x" * 121,
        "\u202ex",
        "~",
        "-x",
    ],
)
def test_no_episode_is_called_what_is_a_path(tmp_path, name):
    with Store(tmp_path / "x.db") as store, pytest.raises(BadName):
        store.add(Episode(name, "a:b", {}, (run(call()),)))


@pytest.mark.parametrize("name", ["..json", "...yaml", "a\nb.json", "-x.json"])
def test_conversion_stays_in_its_folder(tmp_path, name):
    """Whatever a file is called, what is made of it lies in the folder that was asked for."""

    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / name).write_text('{"interactions": []}')

    convert(source / name, target)

    assert len([path for path in target.iterdir() if path.name.endswith(".yaml")]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_conversion_writes_through_no_link(tmp_path):
    (tmp_path / "x.json").write_text('{"interactions": []}')
    outside = tmp_path / "outside"
    outside.write_text("precious")
    target = tmp_path / "out"
    target.mkdir()
    (target / "x.yaml").symlink_to(outside)

    convert(tmp_path / "x.json", target, force=True)

    assert outside.read_text() == "precious"
    assert not (target / "x.yaml").is_symlink()


def test_no_secret_of_another_tool_gets_into_a_report(tmp_path):
    """Drift is told to everybody; the cassettes that it reads may be from before redaction."""

    for name in ("old", "new"):
        answer = {"status": 200, "headers": {}, "body": {"string": f"{KEY.decode()}{name}"}}
        request = {"method": "GET", "uri": f"http://[{name}?key={SECRET}", "headers": {}}
        text = json.dumps({"interactions": [{"request": request, "response": answer}]})
        (tmp_path / f"{name}.json").write_text(text)

    pairs = list(paired([tmp_path / "old.json"], [tmp_path / "new.json"]))

    assert SECRET not in drift_json(report("old", "new", pairs))


def test_a_revision_is_no_option_of_git(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write_cassette(tmp_path / "x.yaml", [call()], None)

    with pytest.raises(NothingToCompare):
        list(revisions(tmp_path, f"--output={tmp_path / 'made'}", ""))

    assert not list(tmp_path.glob("made*"))


def test_a_pipe_in_a_folder_is_no_cassette(tmp_path):
    """Opening one would wait for ever."""

    os.mkfifo(tmp_path / "pipe.yaml")
    write_cassette(tmp_path / "x.yaml", [call()], None)

    assert [path.name for path in cassette_paths([tmp_path])] == ["x.yaml"]
