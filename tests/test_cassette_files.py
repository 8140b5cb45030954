"""Cassette files: ours and everybody else's, whole and damaged."""

import gzip
import json
from datetime import UTC, datetime

import httpx
import pytest
import vcr
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replay.cassettes.check import check
from replay.cassettes.files import cassette_text, read_cassette, write_cassette
from replay.errors import Damaged
from replay.model import Chunk, Failure, Interaction, Request, Response

BEGAN = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
URL = "https://api.example.com/v1/chat"

ASKED = Request("POST", URL, (("content-type", "application/json"),), b'{"a":1}')
STREAM = b"data: 1\n\ndata: 2\n\n"
WHOLE = Interaction(
    ASKED, Response(200, "OK", (("x-a", "1"), ("x-a", "2")), b'{"b":2}'), None, 0, 1
)
STREAMED = Interaction(
    ASKED, Response(200, "OK", (), STREAM, (Chunk(9, 0.1), Chunk(9, 0.2))), None, 1.0, 0.25
)
BROKEN = Interaction(
    ASKED, Response(200, "OK", (), b"da"), Failure("httpx.ReadError", "gone"), 2.0, 0.5
)
REFUSED = Interaction(ASKED, None, Failure("httpx.ConnectError", "refused"), 3.0, 0.5)
BINARY = Interaction(ASKED, Response(200, "OK", (), b"\x00\xff\xfe"), None, 4.0, 0.5)
ALL = (WHOLE, STREAMED, BROKEN, REFUSED, BINARY)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.yaml"


def test_what_is_written_is_read(path):
    """Requests, responses, chunks with their times, failures, binary bodies."""

    write_cassette(path, ALL, BEGAN)

    assert (read_cassette(path).interactions, read_cassette(path).began) == (ALL, BEGAN)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_body_comes_back_byte_for_byte(body):
    """YAML bends text in many ways; none of them shows."""

    interaction = Interaction(Request("POST", URL, (), body), Response(200, "OK", (), body))

    raw = yaml.safe_load(cassette_text([interaction], BEGAN))["interactions"][0]

    for half in (raw["request"]["body"], raw["response"]["body"]["string"]):
        assert (half.encode() if isinstance(half, str) else half or b"") == body


def test_stock_vcrpy_plays_what_we_write(path):
    """The format is vcrpy's; our extra facts do not disturb it."""

    write_cassette(path, [WHOLE, STREAMED], BEGAN)
    with vcr.use_cassette(str(path), record_mode="none"), httpx.Client() as client:
        answers = [client.post(URL, content=b'{"a":1}').content for _ in range(2)]

    assert answers == [b'{"b":2}', STREAM]


def test_streams_read_line_by_line(path):
    """A pull request shows an event stream as lines, not as one quoted string."""

    write_cassette(path, [STREAMED], BEGAN)

    assert "        data: 1\n\n        data: 2\n" in path.read_text()


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (b"", "the file is empty", 0),
        (b"version: 1\ninteractions:\n- request: {body: 'x\n", "not YAML", 4),
        (b'{"version": 1,\n "interactions": [', "not JSON", 2),
        (b"version: 1\ninteractions:\n- \xff\xfe\n", "byte 27 is not UTF-8", 3),
        (b"name: something else\n", "not a cassette: it holds name", 0),
        (b"just words", "not a cassette", 0),
        (b"version: 1\ninteractions:\n- request: {}\n", "interaction 1 is not one", 0),
        (gzip.compress(b"version: 1", mtime=0)[:-4], "the gzip data is broken", 0),
        (b"version: 1\ninteractions: !!python/object/apply:os.system [x]\n", "not YAML", 2),
    ],
)
def test_damage_is_told_with_its_place(path, content, what, line):
    """What is wrong and where; the file stays as it is."""

    path.write_bytes(content)

    with pytest.raises(Damaged) as caught:
        read_cassette(path)

    assert caught.value.what.startswith(what)
    assert (caught.value.line, path.read_bytes()) == (line, content)


def test_missing_file_is_told(path):
    """A path that is not there is not an empty cassette."""

    with pytest.raises(Damaged, match="cannot be opened"):
        read_cassette(path)


V1 = {
    "request": {"method": "get", "uri": URL, "body": None, "headers": {"Accept": "a/b"}},
    "response": {
        "status": {"code": 200, "message": "OK"},
        "headers": {"Content-Length": ["99"], "Content-Encoding": ["gzip"]},
        "body": {"string": "hello"},
    },
}
OLD_HTTPX = {
    "request": V1["request"],
    "response": {"status_code": 200, "headers": {}, "content": "hello", "http_version": "HTTP/1.1"},
}
BEFORE_1 = {
    "request": {
        "method": "GET",
        "protocol": "https",
        "host": "api.example.com",
        "port": 443,
        "path": "/v1/chat",
        "headers": {},
        "body": None,
    },
    "response": V1["response"] | {"headers": ["content-type: text/plain\r\n"]},
}
FORMS = {
    "v1.yaml": yaml.safe_dump({"version": 1, "interactions": [V1]}).encode(),
    "v1.json": json.dumps({"version": 1, "interactions": [V1]}).encode(),
    "old-httpx.yaml": yaml.safe_dump({"version": 1, "interactions": [OLD_HTTPX]}).encode(),
    "v0.json": json.dumps([BEFORE_1]).encode(),
    "langchain.yaml.gz": gzip.compress(
        yaml.safe_dump({"requests": [V1["request"]], "responses": [V1["response"]]}).encode()
    ),
    "istr.yaml": yaml.safe_dump({"version": 1, "interactions": [V1]})
    .replace("Accept: a/b", "!!python/object/apply:multidict._multidict.istr [Accept]: a/b")
    .encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_other_tools_cassettes_play(tmp_path, name):
    """Every form is read and healed: lower-case methods, wrong lengths, codings long undone."""

    path = tmp_path / name
    path.write_bytes(FORMS[name])

    found = check(path)

    assert (found.played, found.missed, found.refused) == (1, (), ())
    assert read_cassette(path).interactions[0].response.body == b"hello"


def test_check_tells_what_cannot_play(path):
    """A response that no client accepts is a finding, not a crash."""

    bad = V1 | {"request": V1["request"] | {"uri": "http://x/\x00"}}
    path.write_text(yaml.safe_dump({"version": 1, "interactions": [V1, bad]}))

    found = check(path)

    assert (found.played, len(found.refused)) == (1, 1)
    assert found.refused[0].startswith("#2: InvalidURL")
