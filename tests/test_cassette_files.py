"""Cassette files of our own: what is written, what is kept, what is damaged, who writes at once."""

import gzip
import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import requests
import vcr
import yaml
from hypothesis import given
from hypothesis import strategies as st
from vcr.serializers import yamlserializer

from replay.cassettes.check import check
from replay.cassettes.files import add_to_cassette, read_cassette, write_anew, write_cassette
from replay.cassettes.healing import parts
from replay.cassettes.reading import read_bytes, read_source
from replay.cassettes.yaml_quick import read_quick
from replay.cassettes.yaml_v1 import cassette, item
from replay.cassettes.yaml_values import parse_yaml
from replay.errors import Damaged, NotSaved, NotWritten
from replay.model import Chunk, Failure, Interaction, Request, Response
from replay.spelling import SPELLINGS, respelled

BEGAN = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
URL = "https://api.example.com/v1/chat"
JSON = (("content-type", "application/json"),)

ASKED = Request("POST", URL, JSON, b'{"a":1}')
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


def asking(number):
    """An interaction like no other number's."""
    return replace(WHOLE, request=replace(ASKED, body=b'{"n":%d}' % number))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.yaml"


# --- the written form ---------------------------------------------------------------------------


def test_what_is_written_is_read(path):
    """Requests, responses, chunks with their times, failures, binary bodies."""

    write_cassette(path, ALL, BEGAN)

    assert (read_cassette(path).interactions, read_cassette(path).began) == (ALL, BEGAN)


def test_reads_well_in_a_review(path):
    """JSON is indented, a list of numbers keeps its line, a stream is lines, keys have an order."""

    sent = {"model": "gpt-4o", "input": ["it's\nme: é"], "vector": [1, 2.5]}
    request = Request("POST", URL, JSON, respelled(sent, "compact"))
    answer = Response(200, "OK", JSON, STREAM, (Chunk(9, 0.1), Chunk(9, 0.25)))
    write_cassette(path, [Interaction(request, answer, None, 0.0, 0.25)], BEGAN)

    assert path.read_text("utf-8") == textwrap.dedent(
        """\
        # Recorded by golden-replay.
        version: 1
        interactions:
        - request:
            method: POST
            uri: https://api.example.com/v1/chat
            headers:
              content-type:
              - application/json
            body: |-
              {
                "model": "gpt-4o",
                "input": [
                  "it's\\nme: é"
                ],
                "vector": [1,2.5]
              }
          response:
            status:
              code: 200
              message: OK
            headers:
              content-type:
              - application/json
            body:
              string: |+
                data: 1

                data: 2

          replay:
            began: '2026-11-21T08:00:00.123456+00:00'
            request: compact
            started: 0.0
            elapsed: 0.25
            chunks: [[9, 0.1], [9, 0.25]]
        ...
        """
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)
JSON_BODIES = st.builds(
    respelled,
    st.lists(JSON_VALUES, max_size=4) | st.dictionaries(st.text(max_size=5), JSON_VALUES),
    st.sampled_from(list(SPELLINGS)),
).filter(lambda body: b"\xed" not in body)
BODIES = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.text("{}[]\",: \n\t\r-|>#'0aé\x85\u2028", max_size=60).map(str.encode)
    | JSON_BODIES
)
FIELDS = st.text(st.characters(codec="latin-1", exclude_characters="\n\r\0"), max_size=30)
EVENTS = (("content-type", "text/event-stream"),)
INTERACTIONS = st.builds(
    Interaction,
    st.builds(Request, st.sampled_from(["GET", "M-SEARCH"]), FIELDS, st.just(()), BODIES),
    st.builds(
        Response,
        st.integers(100, 599),
        FIELDS,
        st.sampled_from([(), EVENTS, JSON]) | st.tuples(st.tuples(st.just("x: y"), FIELDS)),
        BODIES,
        st.lists(st.builds(Chunk, st.integers(0, 9), st.floats(0, 9)), min_size=2).map(tuple),
    ),
    st.none() | st.builds(Failure, FIELDS, st.text(max_size=20)),
    st.floats(0, 1e9),
    st.integers(0, 9),
)


@given(st.lists(INTERACTIONS, min_size=1, max_size=3))
def test_any_interaction_comes_back_exactly(tmp_path_factory, interactions):
    """YAML bends text in many ways, and JSON is spelled anew; none of it shows."""

    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_bytes(cassette([item(one) for one in interactions]).encode())

    assert read_source(path, read_bytes(path)).interactions == tuple(interactions)


def by_us(interactions):
    """The text that we write."""
    return cassette([item(one, BEGAN) for one in interactions])


def by_vcrpy(interactions):
    """The text that stock vcrpy writes."""
    asked, answered = [], []
    for one in interactions:
        sent, got = one.request, one.response
        fields = {name: [value] for name, value in got.headers}
        asked.append(vcr.request.Request(sent.method, sent.url, sent.body, dict(sent.headers)))
        status = {"code": got.status, "message": got.reason}
        answered.append({"status": status, "headers": fields, "body": {"string": got.body}})
    return vcr.serialize.serialize({"requests": asked, "responses": answered}, yamlserializer)


def test_two_spaces_are_read_fast():
    """PyYAML writes them without quotes."""

    spaced = Interaction(Request("GET", "", (), b""), Response(200, "", (), b"0  0"))
    [found] = read_quick(by_vcrpy([spaced]))

    assert found.body == "0  0"


@given(
    st.sampled_from([by_us, by_vcrpy]), st.lists(INTERACTIONS, min_size=1, max_size=2), st.data()
)
def test_fast_reading_is_yaml_reading(write, interactions, data):
    """What the fast reader takes, whole or bent by hand, means the same to a YAML parser."""

    text = write(interactions)
    assert read_quick(text) is not None
    at = data.draw(st.integers(0, len(text)))
    more = data.draw(st.text(" \n-:#'\"\\|&*{}0ae\u2028", max_size=4))
    text = text[:at] + more + text[at + data.draw(st.integers(0, 4)) :]
    found = read_quick(text)

    if found is not None:
        items = parse_yaml(text).value["interactions"]
        assert [as_bytes(p) for p in found] == [as_bytes(parts(raw, print)) for raw in items]


def as_bytes(found):
    """Parts with their bodies as bytes."""
    bodies = (b.encode() if isinstance(b, str) else b for b in (found.sent, found.body))
    return found._replace(**dict(zip(("sent", "body"), bodies, strict=True)))


@pytest.mark.parametrize("client", [httpx, requests])
def test_stock_vcrpy_plays_what_we_write(path, client):
    """The format is vcrpy's, our facts do not disturb it, and lengths fit what it plays."""

    headers = (*JSON, ("content-length", "7"))
    long = replace(WHOLE, response=Response(200, "OK", headers, b'{"b":2}'))
    write_cassette(path, [long, STREAMED], BEGAN)
    with vcr.use_cassette(str(path), record_mode="none", match_on=["method", "uri", "body"]):
        answers = [client.post(URL, json={"a": 1}) for _ in range(2)]

    assert ([a.status_code for a in answers], answers[0].json()) == ([200, 200], {"b": 2})
    assert answers[0].headers["content-length"] == str(len(answers[0].content))
    assert answers[1].content == STREAM
    assert read_cassette(path).interactions[0] == long


def test_a_body_that_would_change_is_written_as_it_is(path):
    """A key that stands twice, a spelling of its own: the text stays, and needs no fact."""

    bodies = [b'{"a":1,"a":2}', b'{"a" : 1}', b'{"a":1.10}', b'{"a":1', b"[]"]
    made = [replace(WHOLE, request=replace(ASKED, body=body)) for body in bodies]
    write_cassette(path, made, BEGAN)
    raw = yaml.safe_load(path.read_text())["interactions"]

    assert [one["request"]["body"].encode() for one in raw] == bodies
    assert not any("request" in one["replay"] for one in raw)


def test_windows_line_ends_of_a_stream_are_kept_in_one_word(path):
    """An event stream reads as lines whatever its line ends; other text is not touched."""

    crlf = b"data: 1\r\n\r\ndata: 2\r\n\r\n"
    streams = [Response(200, "OK", EVENTS, crlf), Response(200, "OK", (), crlf)]
    made = tuple(replace(WHOLE, response=response) for response in streams)
    write_cassette(path, made, BEGAN)
    raw = yaml.safe_load(path.read_text())["interactions"]

    assert raw[0]["response"]["body"]["string"] == "data: 1\n\ndata: 2\n\n"
    assert raw[1]["response"]["body"]["string"].encode() == crlf
    assert read_cassette(path).interactions == made


# --- what did not change stays -------------------------------------------------------------------

FOREIGN = """\
# Why this was recorded: ticket 12.
interactions:
# the first call
-   request: {method: GET, uri: "https://api.example.com/1", body: null, headers: {}}
    response:
        status: {code: 200, message: OK}   # as ever
        headers: {}
        body: {string: one}

# the second call
-   request: {method: GET, uri: "https://api.example.com/2", body: null, headers: {}}
    response:
        status: {code: 200, message: OK}
        headers: {}
        body:
            string: |
                # not a comment
# below
version: 1
# the end"""


def test_nothing_new_leaves_the_file_alone(path):
    """No byte and no time of the file changes when it holds what it is to hold."""

    path.write_text(FOREIGN)
    before = path.stat()
    write_cassette(path, read_cassette(path).interactions, LATER)

    assert path.read_text() == FOREIGN
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_adding_keeps_every_line(path):
    """A new interaction is put behind the others, in the column of their dashes."""

    path.write_text(FOREIGN)
    add_to_cassette(path, [WHOLE], BEGAN)
    first, second = FOREIGN.split("# below")

    assert path.read_text() == f"{first}{item(WHOLE, BEGAN)}# below{second}"
    assert read_cassette(path).interactions[2] == WHOLE


def test_replacing_one_keeps_the_others(path):
    """What is said above the replaced one stays, too."""

    path.write_text(FOREIGN)
    one, _two = read_cassette(path).interactions
    write_cassette(path, [one, WHOLE], BEGAN)
    head, _, tail = FOREIGN.partition('-   request: {method: GET, uri: "https://api.example.com/2')
    tail = tail[tail.index("# below") :]

    assert path.read_text() == f"{head}{item(WHOLE, BEGAN)}{tail}"


def test_taking_one_out_keeps_the_other(path):
    """An interaction goes with the comment above it."""

    path.write_text(FOREIGN)
    one, _two = read_cassette(path).interactions
    write_cassette(path, [one], BEGAN)
    start, stop = FOREIGN.index("\n# the second"), FOREIGN.index("# below")

    assert path.read_text() == FOREIGN[:start] + FOREIGN[stop:]


@pytest.mark.parametrize(
    "text",
    [
        "interactions: []\nversion: 1\n",
        "version: 1\ninteractions: []",
        (
            "version: 1\r\ninteractions:\r\n- request: {method: GET, uri: u, headers: {}}\r\n"
            "  response: {status: {code: 200, message: OK}, headers: {}, body: {string: é}}\r\n"
        ),
        (
            "version: 1\ninteractions: [{request: {method: GET, uri: u, headers: {}}, "
            "response: {status: {code: 200, message: OK}, headers: {}, body: {string: a}}}]\n"
        ),
    ],
)
def test_adding_to_any_layout(path, text):
    """Empty lists, no last line end, Windows line ends, lists in brackets."""

    path.write_bytes(text.encode())
    there = read_cassette(path).interactions
    add_to_cassette(path, [WHOLE], BEGAN)

    assert read_cassette(path).interactions == (*there, WHOLE)
    assert path.read_bytes().count(b"\r\n") in (0, path.read_bytes().count(b"\n"))


def test_what_an_alias_stood_for_is_not_lost(path):
    """Where keeping text would break other text, everything is written anew."""

    path.write_text(
        "interactions:\n"
        "- request: &one {method: GET, uri: u, headers: {}}\n"
        "  response: &ok {status: {code: 200, message: OK}, headers: {}, body: {string: a}}\n"
        "- request: *one\n"
        "  response: *ok\n"
    )
    _, second = read_cassette(path).interactions
    write_cassette(path, [WHOLE, second], BEGAN)

    assert read_cassette(path).interactions == (WHOLE, second)


@pytest.mark.parametrize("spelled", [{"indent": 4}, {"indent": 2, "ensure_ascii": False}, {}])
def test_json_stays_json(tmp_path, spelled):
    """A cassette that vcrpy keeps as JSON is added to as JSON, the rest spelled as it was."""

    path = tmp_path / "x.json"
    raw = yaml.safe_load(item(asking(1)))[0] | {"recorded_in": "Köln"}
    text = json.dumps({"version": 1, "interactions": [raw]}, **spelled)
    path.write_text(text, "utf-8")
    add_to_cassette(path, [STREAMED, REFUSED], BEGAN)

    assert path.read_text("utf-8").startswith(text.rstrip("\n]} "))
    assert read_cassette(path).interactions[1:] == (STREAMED, REFUSED)
    assert (read_cassette(path).interactions[0], read_cassette(path).began) == (asking(1), BEGAN)

    with pytest.raises(NotWritten, match="cannot hold a body that is not text"):
        add_to_cassette(path, [BINARY], BEGAN)


def test_sessions_are_told_apart(path):
    """Each one says at its first interaction when it began; the last is the cassette's."""

    write_cassette(path, [asking(1), asking(2)], BEGAN)
    add_to_cassette(path, [asking(3), asking(4)], LATER)
    add_to_cassette(path, [asking(5)], LATER)
    raw = yaml.safe_load(path.read_text())["interactions"]

    assert ["began" in one["replay"] for one in raw] == [True, False, True, False, False]
    assert read_cassette(path).began == LATER


# --- damage ---------------------------------------------------------------------------------------

ONE = cassette([item(WHOLE)])


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (b"", "the file is empty", 0),
        (b" \n\n", "the file is empty", 0),
        (b"version: 1\ninteractions:\n- request: {body: 'x\n", "not YAML", 4),
        (b'{"version": 1,\n "interactions": [', "not JSON", 2),
        (b"version: 1\ninteractions:\n- \xff\xfe\n", "byte 27 is not UTF-8", 3),
        (b"version: 1\ninteractions:\n- a\x00b\n", "not YAML: control characters", 3),
        (b"name: something else\n", "not a cassette: it holds name", 0),
        (b"just words", "not a cassette", 0),
        (
            b"version: 1\ninteractions:\n- request: {}\n",
            "interaction 1 is not one: it has no 'response'",
            3,
        ),
        (b"version: 1\ninteractions: 5\n", "not a cassette", 0),
        (b"a: 1\nversion: 2\ninteractions: []\n", "its format is version 2, known is 1", 2),
        (b"version: 1\ninteractions: []\n---\na: 1\n", "not YAML: it holds more than one", 3),
        (b"version: 1\ninteractions: *x\n", "not YAML: the alias 'x' stands for nothing", 2),
        (b"version: 1\ninteractions: &x [*x]\n", "not YAML: the alias 'x' stands for nothing", 2),
        (b"version: 1\ninteractions:\n- ? {}\n  : 1\n", "not YAML: a key is a mapping", 4),
        (b"version: 1\na: " + b"9" * 5000 + b"\n", "not YAML: '999999", 2),
        (gzip.compress(b"version: 1", mtime=0)[:-4], "the gzip data is broken", 0),
        (b"version: 1\ninteractions: !!python/object/apply:os.system [x]\n", "not YAML", 2),
        (b"version: 1\ninteractions: !!python/name:os.system ''\n", "not YAML: it asks for", 2),
        (
            (
                b"interactions: [{request: {method: GET, uri: u},\n response: {status: 200, body: {"
                b"string: a}}, replay: {response: odd}}]\n"
            ),
            "interaction 1 is not one",
            1,
        ),
        (ONE[: ONE.rindex("  replay")].encode(), "it is cut off: the last line is not its", 26),
        (ONE[:-5].encode(), "it is cut off: the last line is not its end", 31),
        (ONE.replace("compact", "indented").encode(), "interaction 1 is not one", 4),
    ],
)
def test_damage_is_told_with_its_place(path, content, what, line):
    """What is wrong and where; the file stays as it is."""

    path.write_bytes(content)

    with pytest.raises(Damaged) as caught:
        read_cassette(path)

    assert caught.value.what.startswith(what)
    assert (caught.value.line, path.read_bytes()) == (line, content)

    with pytest.raises(Damaged):
        add_to_cassette(path, [WHOLE], BEGAN)

    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["gone.yaml", "."])
def test_missing_file_is_told(tmp_path, name):
    """A path that is not there, or no file, is not an empty cassette."""

    with pytest.raises(Damaged, match="cannot be opened"):
        read_cassette(tmp_path / name)


def test_check_tells_what_cannot_play(path):
    """A response that no client accepts is a finding, not a crash."""

    bad = replace(WHOLE, request=replace(ASKED, url="http://x/\x00"))
    write_cassette(path, [WHOLE, bad], BEGAN)

    found = check(path)

    assert (found.played, len(found.refused)) == (1, 1)
    assert found.refused[0].startswith("#2: InvalidURL")


# --- untrusted input ------------------------------------------------------------------------------


def test_a_file_that_is_too_large_is_not_read(path):
    """Not as it lies there, and not when a small one unpacks to it."""

    with path.open("wb") as file:
        file.truncate(70 * 1024 * 1024)

    with pytest.raises(Damaged, match="it is larger than the limit of 67,108,864"):
        read_cassette(path)

    path.write_bytes(gzip.compress(b" " * 70 * 1024 * 1024))

    with pytest.raises(Damaged, match="unpacked, it is larger than the limit"):
        read_cassette(path)


def test_aliases_cannot_make_much_of_little(path):
    """What stands behind an alias is counted where it is used: ten lines for 10^9 values."""

    lines = ["version: 1", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path.write_text("\n".join(lines))

    with pytest.raises(Damaged, match="more values than the limit of 2,000,000") as caught:
        read_cassette(path)

    assert caught.value.line == 8


def test_a_long_text_cannot_be_multiplied(path):
    """Text behind aliases counts in full as well."""

    path.write_text(f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 100)}]\n")

    with pytest.raises(Damaged, match="more text than the limit"):
        read_cassette(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{a: " * 100_000, "- " * 100_000])
def test_nesting_ends_early(path, text):
    """YAML and JSON, long before a stack is full."""

    path.write_text(text)

    with pytest.raises(Damaged, match="nested deeper than 200 levels"):
        read_cassette(path)


def test_a_link_is_replaced_and_not_followed(tmp_path, path):
    """A cassette from a pull request cannot lead a recording into another file."""

    target = tmp_path / "profile"
    target.write_text("mine")
    path.symlink_to(target)
    write_cassette(path, [WHOLE], BEGAN)

    assert (target.read_text(), path.is_symlink()) == ("mine", False)


# --- writing at the same time ---------------------------------------------------------------------

ADDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from replay.cassettes.files import add_to_cassette
from replay.model import Interaction, Request, Response

path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(15):
    request = Request("POST", "https://api.example.com/", (), f"{name} {number}".encode())
    recorded = Interaction(request, Response(200, "OK", (), b"ok"))
    add_to_cassette(path, [recorded], datetime(2026, 11, 21, tzinfo=UTC))
"""


def test_processes_that_record_one_cassette_lose_nothing(path):
    """Each adds what it recorded to what the others have written by then."""

    started = [subprocess.Popen([sys.executable, "-c", ADDS, path, name]) for name in "abc"]
    ended = [process.wait(60) for process in started]
    bodies = sorted(one.request.body.decode() for one in read_cassette(path).interactions)

    assert ended == [0, 0, 0]
    assert bodies == sorted(f"{name} {number}" for name in "abc" for number in range(15))
    assert [p.name for p in path.parent.iterdir()] == ["x.yaml"]


def test_a_write_that_fails_leaves_the_old_one(path, monkeypatch):
    """A full disk, say: the cassette is as it was, and nothing lies beside it."""

    write_cassette(path, [WHOLE], BEGAN)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NotSaved, match="no space"):
        write_cassette(path, [STREAMED], BEGAN)

    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["x.yaml"]


def test_permissions_are_kept(path):
    """A cassette that only its owner may read stays so."""

    write_cassette(path, [WHOLE], BEGAN)
    path.chmod(0o600)
    write_cassette(path, [STREAMED], BEGAN)

    assert path.stat().st_mode & 0o777 == 0o600


def test_written_anew_keeps_nothing(path):
    """Asked for a new cassette, what was there does not matter, not even that it is damaged."""

    path.write_text("version: 2\n")
    write_anew(path, [WHOLE], BEGAN)

    assert read_cassette(path).interactions == (WHOLE,)
    assert Path(path).read_text().endswith("\n...\n")
