"""Cassettes that other tools wrote: read, healed and said, kept, converted, and never trusted."""

import base64
import gzip
import json
import zlib

import pytest
import vcr
import yaml
import zstandard
from brotli import compress as brotli_compress
from click.testing import CliRunner

from replay.cassettes.check import check
from replay.cassettes.coding import decoded
from replay.cassettes.conversion import convert
from replay.cassettes.files import add_to_cassette, read_cassette, write_cassette
from replay.cassettes.limits import Allowance, TooMuch
from replay.cli import main
from replay.errors import Damaged, NotWritten, WouldOverwrite
from replay.model import Interaction, Request, Response

URL = "https://api.example.com/v1/chat"
SENT = b'{"model": "gpt-4o", "input": ["hello", 1]}'
HELLO = b'{"text":"hello"}'
CODES = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli_compress}
CODES["zstd"] = zstandard.ZstdCompressor().compress


def v1(**response):
    """One interaction as vcrpy writes it."""
    return {
        "request": {
            "method": "POST",
            "uri": URL,
            "body": SENT.decode(),
            "headers": {"Accept": ["a/b"]},
        },
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": {"Content-Type": ["application/json"]},
            "body": {"string": HELLO.decode()},
        }
        | response,
    }


def dumped(*items, **more):
    """A whole file of vcrpy's format v1."""
    value = {"version": 1, "interactions": list(items)} | more
    return yaml.safe_dump(value, sort_keys=False).encode()


def parsed_body(item):
    """One interaction as pydantic-ai writes it."""
    request = {k: v for k, v in item["request"].items() if k != "body"}
    response = {k: v for k, v in item["response"].items() if k != "body"}
    return {
        "request": request | {"parsed_body": json.loads(SENT)},
        "response": response | {"parsed_body": json.loads(HELLO)},
    }


def by_cassetter(item):
    """One interaction as cassetter writes it."""
    bodies = {"type": "json", "content": json.loads(SENT)}, {"type": "binary", "content": "00ff"}
    return {
        "request": item["request"] | {"body": bodies[0]},
        "response": item["response"] | {"status": 200, "body": bodies[1]},
        "recorded_at": "2026-11-21T08:00:00Z",
    }


BEFORE_1 = {
    "request": {
        "method": "POST",
        "protocol": "https",
        "host": "api.example.com",
        "port": 443,
        "path": "/v1/chat",
        "headers": {"accept": "a/b"},
        "body": SENT.decode(),
    },
    "response": v1()["response"] | {"headers": ["content-type: application/json\r\n"]},
}
OLD_HTTPX = {"status_code": 200, "headers": {}, "content": HELLO.decode(), "http_version": "HTTP/1"}
GO = {
    "request": {"body": SENT.decode(), "form": {}, "headers": {}, "url": URL, "method": "POST"},
    "response": {
        "body": HELLO.decode(),
        "headers": {"Content-Type": ["application/json"]},
        "status": "200 OK",
        "code": 200,
        "duration": "1.2s",
    },
}
BETAMAX = {
    "http_interactions": [
        {
            "recorded_at": "2026-11-21T08:00:00",
            "request": v1()["request"] | {"body": {"encoding": "utf-8", "string": SENT.decode()}},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "url": URL,
                "headers": {"Content-Encoding": ["gzip"]},
                "body": {
                    "encoding": "utf-8",
                    "base64_string": base64.b64encode(gzip.compress(HELLO)).decode(),
                },
            },
        }
    ],
    "recorded_with": "betamax/0.9",
}
NOCK = {
    "scope": "https://api.example.com:443",
    "method": "POST",
    "path": "/v1/chat",
    "body": json.loads(SENT),
    "status": 200,
    "response": json.loads(HELLO),
    "rawHeaders": ["Content-Type", "application/json"],
    "responseIsBinary": False,
}
DATADOG = {
    "request": {"method": "POST", "url": URL, "headers": {"Accept": "a/b"}, "body": SENT.decode()},
    "response": {
        "status": {"code": 200, "message": "OK"},
        "headers": {"Content-Type": "application/json"},
        "body": f"base64:{base64.b64encode(HELLO).decode()}",
    },
}
TAGGED = yaml.safe_dump({"interactions": [v1()]}).replace(
    "Accept:", "? !!python/object/apply:multidict._multidict.istr [Accept]\n      :"
)
LISTS = {"requests": [v1()["request"]], "responses": [v1()["response"]]}

FORMS = {
    "vcrpy v1": dumped(v1()),
    "vcrpy v1, JSON": json.dumps({"version": 1, "interactions": [v1()]}).encode(),
    "vcrpy v1, by httpx": dumped({"request": v1()["request"], "response": OLD_HTTPX}),
    "vcrpy v1, tags": TAGGED.encode(),
    "vcrpy 0.x": json.dumps([BEFORE_1]).encode(),
    "vcrpy 0.x, tags": yaml.safe_dump([BEFORE_1])
    .replace("request:", "request: !!python/object:vcr.request.Request")
    .encode(),
    "pydantic-ai": dumped(parsed_body(v1())),
    "langchain": gzip.compress(yaml.safe_dump(LISTS).encode(), mtime=0),
    "betamax": json.dumps(BETAMAX).encode(),
    "betamax, in YAML": yaml.safe_dump(BETAMAX).encode(),
    "go-vcr, 2": b"---\n" + dumped(GO),
    "go-vcr, 3": b"---\n" + dumped(GO | {"id": 0}, version=2),
    "nock": json.dumps([NOCK]).encode(),
    "Datadog": json.dumps(DATADOG).encode(),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.yaml"


@pytest.mark.parametrize("name", FORMS)
def test_other_tools_cassettes_play(path, name):
    """Each is found by what it holds, and its calls play through a real client."""

    path.write_bytes(FORMS[name])
    found, (one,) = check(path), read_cassette(path).interactions

    assert (found.played, found.missed, found.refused) == (1, (), ())
    assert (one.request.method, one.request.url.replace(":443", "")) == ("POST", URL)
    assert (found.form, json.loads(one.request.body)) == (name.partition(",")[0], json.loads(SENT))
    assert one.response.body.replace(b" ", b"") == HELLO


def test_cassetters_cassettes_play(path):
    """Its bodies have a type: a tree for JSON, hexadecimal for what is not text."""

    path.write_bytes(dumped(by_cassetter(v1())))
    (one,) = read_cassette(path).interactions

    assert check(path).played == 1
    assert (one.request.body, one.response.body) == (SENT.replace(b" ", b""), b"\0\xff")


@pytest.mark.parametrize(("length", "body"), [("16", HELLO), ("17", b'{"text": "hello"}')])
def test_a_parsed_body_is_spelled_as_long_as_it_was(path, length, body):
    """Where pydantic-ai has kept the length, it tells how the JSON was spelled."""

    path.write_bytes(dumped(parsed_body(v1(headers={"content-length": [length]}))))
    found = read_cassette(path)

    assert (found.interactions[0].response.body, found.healed) == (body, ())


def test_nock_keeps_packed_bodies_as_hexadecimal_pieces(path):
    """One text a piece where a content coding was on; one for all where there was none."""

    packed = gzip.compress(HELLO)
    pieces = {"response": [packed[:9].hex(), packed[9:].hex()], "rawHeaders": None}
    whole = {"response": b"\0\xff".hex(), "responseIsBinary": True, "reply": "201"}
    headers = {"headers": {"content-encoding": "gzip"}}
    path.write_text(json.dumps([NOCK | pieces | headers, NOCK | whole]))
    first, second = read_cassette(path).interactions

    assert (first.response.body, second.response.body) == (HELLO, b"\0\xff")
    assert second.response.status == 201


def test_harmless_python_tags_are_data(path):
    """A buffer, a tuple, an iterator and a header name of multidict's: all are read as values."""

    path.write_text(
        "interactions:\n"
        "- request:\n"
        "    body: !!python/object/new:_io.BytesIO\n"
        "      state: !!python/tuple [!!binary aGVsbG8=, 0, null]\n"
        "    headers:\n"
        "      ? !!python/object/new:multidict._multidict.istr\n"
        "        args: [Accept]\n"
        "      : !!python/tuple [a, b]\n"
        "    method: POST\n"
        f"    uri: {URL}\n"
        "  response:\n"
        "    status: {code: 200, message: OK}\n"
        "    headers: {}\n"
        "    body: {string: !!python/object/apply:builtins.iter {args: [[one, two]]}}\n"
    )
    (one,) = read_cassette(path).interactions

    assert one.request.headers == (("Accept", "a"), ("Accept", "b"))
    assert (one.request.body, one.response.body) == (b"hello", b"onetwo")
    assert read_cassette(path).healed[0].startswith("header names were !!python/object/new:multi")


@pytest.mark.parametrize(
    "bent",
    [
        [{"requests": [v1()["request"]], "responses": []}],
        [{"http_interactions": [{"request": 1}]}],
        [[NOCK | {"response": "x", "responseIsBinary": True}]],
        [DATADOG | {"request": 5}],
        [{"interactions": [v1(headers={"a": [["deep"]]})]}],
        [{"interactions": [v1(status={})]}],
        [{"interactions": [None]}],
    ],
)
def test_bent_cassettes_are_damage(path, bent):
    """Whatever a reader trips over is told as damage, not as a traceback."""

    path.write_text(json.dumps(bent[0]))

    with pytest.raises(Damaged, match=r"cassette that is broken|interaction 1 is not one"):
        read_cassette(path)


# --- healing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (v1(), ()),
        (
            v1(headers={"content-length": ["99"]}),
            ("#1: content-length was 99, the body has 16 bytes",),
        ),
        (
            v1(headers={"content-encoding": ["gzip"], "Content-Length": ["16"]}),
            ("#1: content-encoding gzip was left on a body that is stored decoded",),
        ),
        (
            v1(headers={"content-encoding": ["br"]}),
            ("#1: content-encoding br was left on a body that is stored decoded",),
        ),
        (
            v1(headers={"Content-Type": "application/json"}),
            ("#1: response headers were bare text, not lists",),
        ),
        (v1(body={"string": None}), ("#1: the response body was null, not empty",)),
        (v1(body={"string": {"text": "hello"}}), ("#1: the response body was a tree, not text",)),
        (
            {"request": v1()["request"] | {"method": "post"}, "response": v1()["response"]},
            ("#1: the method was written post",),
        ),
    ],
)
def test_what_is_wrong_is_healed_and_said(path, item, said):
    """Stock clients fail on these; here they play, and the reader says what it did."""

    path.write_bytes(dumped(item))
    found = check(path)

    assert (found.played, found.refused) == (1, ())
    assert (found.healed, read_cassette(path).healed) == (said, said)


def test_check_counts_what_it_healed(path):
    """The sum always, each with -v, and as data with --json."""

    path.write_bytes(dumped(v1(headers={"content-length": ["99"]})))
    said = "#1: content-length was 99, the body has 16 bytes"
    plain, verbose, data = (
        CliRunner().invoke(main, ["cassettes", "check", *option, str(path)])
        for option in ([], ["-v"], ["--json"])
    )

    assert plain.output.endswith("Healed on reading: 1 flaw in the files; -v lists them.\n")
    assert f"{path}: healed {said}\n" in verbose.output
    assert json.loads(data.output)["healed"] == [said]


@pytest.mark.parametrize("coding", CODES)
def test_packed_bodies_are_kept_plain(path, coding):
    """A coding that is really on comes off; that is no flaw."""

    packed = CODES[coding](HELLO)
    headers = {"content-encoding": [coding], "content-length": [str(len(packed))]}
    path.write_bytes(dumped(v1(headers=headers, body={"string": packed})))
    found = read_cassette(path)

    assert found.interactions[0].response.body == HELLO
    assert found.interactions[0].response.headers == (("content-length", "16"),)
    assert found.healed == ()


@pytest.mark.parametrize("coding", CODES)
def test_a_packed_body_cannot_fill_the_memory(coding):
    """Unpacking ends at the limit, not at the end of the data."""

    bomb = CODES[coding](bytes(5_000_000))
    response = Response(200, "OK", (("content-encoding", coding),), bomb)

    with pytest.raises(TooMuch):
        decoded(response, limit=100_000)

    assert len(decoded(response, limit=5_000_000).body) == 5_000_000


def test_many_bodies_cannot_either():
    """The limit is for all bodies of a cassette together."""

    allowance = Allowance(10)
    allowance.spend(6)

    with pytest.raises(TooMuch, match="bodies are larger than the limit"):
        allowance.spend(6)


def test_a_bomb_in_a_file_is_told_with_its_line(path):
    """A small gzip body that would unpack to 300 MB is refused, by interaction and line."""

    bomb = gzip.compress(bytes(300 * 1024 * 1024), 9)
    path.write_bytes(dumped(v1(headers={"content-encoding": ["gzip"]}, body={"string": bomb})))

    with pytest.raises(Damaged, match="the limit of 268,435,456, in interaction 1") as caught:
        read_cassette(path)

    assert caught.value.line == 3


# --- writing -------------------------------------------------------------------------------------

NEW = Interaction(
    Request("POST", URL, (("a", "b"),), b'{"n":1}'), Response(200, "OK", (), b'{"n":2}')
)


@pytest.mark.parametrize("name", FORMS)
def test_nothing_new_leaves_any_file_alone(path, name):
    """Whoever wrote it."""

    path.write_bytes(FORMS[name])
    write_cassette(path, read_cassette(path).interactions, None)

    assert path.read_bytes() == FORMS[name]


@pytest.mark.parametrize("name", [n for n in FORMS if n.startswith(("vcrpy v1", "pydantic"))])
def test_vcrpys_own_forms_are_added_to(path, name):
    """What was there reads as before, and its text is still there."""

    path.write_bytes(FORMS[name])
    before = read_cassette(path).interactions
    add_to_cassette(path, [NEW], None)

    assert read_cassette(path).interactions == (*before, NEW)
    assert name.endswith("JSON") or FORMS[name].partition(b"\nversion")[0] in path.read_bytes()


def test_langchains_lists_are_added_to(tmp_path):
    """Both of them, packed as they were, the rest spelled as langchain spells it."""

    path = tmp_path / "x.yaml.gz"
    path.write_bytes(FORMS["langchain"])
    add_to_cassette(path, [NEW], None)
    text = gzip.decompress(path.read_bytes()).decode()
    now = yaml.safe_load(text)

    assert read_cassette(path).interactions[1] == NEW
    assert (now["requests"][:1], now["responses"][:1]) == (LISTS["requests"], LISTS["responses"])
    assert text == yaml.safe_dump(now)


@pytest.mark.parametrize("name", ["vcrpy 0.x", "betamax", "go-vcr, 3", "nock", "Datadog"])
def test_other_forms_are_left_to_their_tools(path, name):
    """To write into one would take it away from the tool that plays it."""

    path.write_bytes(FORMS[name])

    with pytest.raises(NotWritten, match=f"replay cassettes convert {path}"):
        add_to_cassette(path, [NEW], None)

    assert path.read_bytes() == FORMS[name]


@pytest.mark.parametrize("name", FORMS)
def test_every_form_can_be_converted(tmp_path, name):
    """What it is made into holds the same calls, and stock vcrpy plays it."""

    old = tmp_path / "old.json"
    old.write_bytes(FORMS[name])
    done = convert(old, tmp_path / "new")
    new = tmp_path / "new" / "old.yaml"
    with vcr.use_cassette(str(new), record_mode="none") as cassette:
        played = [(one.uri.replace(":443", ""), json.loads(one.body)) for one in cassette.requests]

    assert (done.path, done.form, done.interactions) == (str(new), name.partition(",")[0], 1)
    assert read_cassette(new).interactions == read_cassette(old).interactions
    assert played == [(URL, json.loads(SENT))]


def test_the_command_converts_and_overwrites_nothing(tmp_path):
    """Beside the file by default, healed on the way; what is there stays, unless told otherwise."""

    old = tmp_path / "x.yaml.gz"
    old.write_bytes(gzip.compress(dumped(v1(headers={"content-length": ["99"]}))))
    command = ["cassettes", "convert", str(old)]
    first, second, third = (
        CliRunner().invoke(main, [*command, *option]) for option in ([], [], ["--force"])
    )

    assert first.output == (
        f"{tmp_path}/x.yaml: 1 interaction, from a vcrpy v1 cassette\n"
        "  healed #1: content-length was 99, the body has 16 bytes\n"
    )
    assert (first.exit_code, second.exit_code, third.exit_code) == (0, 2, 0)
    assert second.output == (
        f"{tmp_path}/x.yaml is there already, and stays as it is.\n"
        f"To replace it: replay cassettes convert --force {old}\n"
    )
    assert old.exists()


def test_a_folder_is_not_converted(tmp_path):
    """Other verbs take one; here its files would need names."""

    done = CliRunner().invoke(main, ["cassettes", "convert", str(tmp_path)])

    assert (done.exit_code, f"'{tmp_path}' is a directory." in done.output) == (2, True)


def test_a_conversion_in_place_has_to_be_asked_for(path):
    """A file that has the right name already is not replaced by the way."""

    path.write_bytes(FORMS["pydantic-ai"])

    with pytest.raises(WouldOverwrite):
        convert(path)

    convert(path, force=True)

    assert read_cassette(path).form == "vcrpy v1"
