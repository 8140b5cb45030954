"""Redaction: secrets are replaced before anything is kept, and the rest stays as it was."""

import gzip
import json
import logging
import random
import threading
from itertools import pairwise

import httpx
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.canonical import fields, request_key
from replay.cassettes.redaction import DEFAULTS, Redactor
from replay.cassettes.redaction.deltas import events, may_be_stream
from replay.cassettes.redaction.views import Whole
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.config import Redaction
from replay.engine.comparison import output_differences
from replay.errors import BadSetting
from replay.model import Chunk, Failure, Interaction, Request, Response
from tests.planting import PROVIDERS, SHAPES, deltas, message, planted, read_stream
from tests.server import plain, scripted

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
LOGIN, SPEND = "https://x.example.com/login", "https://x.example.com/spend?token={}"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIEow+/' * 8}\n-----END RSA PRIVATE KEY-----"


def redacted(value, rules=DEFAULTS):
    """Redact a request or an interaction with a redactor of its own."""
    redactor = Redactor(rules)
    return redactor.request(value) if isinstance(value, Request) else redactor.interaction(value)


def request_of(body, media="application/json", headers=()):
    """A request with that body."""
    data = body if isinstance(body, bytes) else body.encode()
    return Request("POST", "https://api.example.com/v1", (("content-type", media), *headers), data)


def answered(body, media="application/json", headers=(), chunks=()):
    """An interaction with that response body."""
    response = Response(200, "OK", (("content-type", media), *headers), body, chunks)
    return Interaction(Request("GET", "https://api.example.com/v1"), response)


def stream(provider, pieces):
    """Server-sent events with these pieces of text."""
    return "".join(f"data: {json.dumps(e)}\n\n" for e in deltas(provider, pieces)).encode()


@pytest.fixture
def local():
    """The address of a server that sets a cookie."""
    with scripted(plain(b"ok", b"set-cookie: session=" + KEY.encode())) as url:
        yield url


def in_text(text, rules=DEFAULTS):
    """Redact text in a request's body."""
    return redacted(request_of(text, "text/plain"), rules).body.decode()


# Every kind of secret, and what is none


SHAPED = {
    **{kind: f"{a}{core(random.Random(7))}{z}" for kind, (a, core, z) in SHAPES.items()},
    "google-token": "ya29.a0AfH6SMBx1234567890abcdefghij",
    "account-key": f"AccountKey={'Ab1+' * 20}==",
    "azure-key": f"{'A1' * 26}JQQJ99{'B2' * 13}",
    "sendgrid-key": f"SG.{'a1' * 11}.{'b2' * 21}x",
    "slack-webhook": f"https://hooks.slack.com/services/T00000000/B00000000/{'a1' * 12}",
    "telegram-token": f"123456789:AA{'b2' * 16}c",
    "pypi-token": f"pypi-AgEIcHlwaS5vcmc{'a1' * 30}",
    "openai-user": f"user-{'a1B' * 8}",
    "bearer-token": "Bearer abcdefghij0123456789",
    "basic-credentials": "Basic YW5uOmh1bnRlcjI=",
    "sentry-dsn": f"https://{'a1' * 16}@o123.ingest.sentry.io/4",
    "url-credentials": "postgres://ann:hunter2@db.example.com/x",
    "url-signature": f"https://x.blob.core.windows.net/a?se=1&sig={'aB3%2F' * 8}",
    "cookie": "__cf_bm=abcdefghij0123456789-1.0",
    "private-key": PEM,
}


@pytest.mark.parametrize("kind", SHAPED)
def test_known_shapes_are_found_in_text(kind):
    """What a key looks like is enough, wherever it stands."""

    found = in_text(f"before {SHAPED[kind]} after")

    assert f"<secret:{kind}:1>" in found
    assert found.startswith("before ")
    assert found.endswith(" after")


@pytest.mark.parametrize("kind", SHAPED)
@pytest.mark.parametrize(
    "around",
    [
        *('{{"a":"{}"}}', "x={}&y=1", "({})", "['{}']", "a\\n{}\\n", "é{}é"),
        *("a" * 40 + ":{}", "?" + "a%20" * 9 + "&{}", "a\\u0020{}"),
    ],
)
def test_what_stands_around_a_key_does_not_hide_it(kind, around):
    """In JSON, in parameters, in a program's text, in a long word, behind a written line break."""

    secret = SHAPED[kind].replace("\n", "\\n")

    assert "<secret:" in in_text(around.format(secret))


@pytest.mark.parametrize(
    "text",
    [
        '{"max_tokens": 100, "usage": {"total_tokens": 12}, "token": "Hello", "key": "value"}',
        '{"logprobs": {"content": [{"token": "Hi", "bytes": [72, 105], "logprob": -0.1}]}}',
        '{"properties": {"password": {"type": "string"}}, "required": ["password", "api_key"]}',
        '{"next_page_token": "CAUQAA", "pad_token": "</s>", "secret": "", "password": null}',
        '{"id": "call_abcdefghijklmnopqrstuvwx", "tool_call_id": "toolu_01A09q90qw90lq917835lq9"}',
        '{"encrypted_content": "gAAAAABo' + "aB3-sk-_9" * 40 + '"}',
        "a task-oriented disk-drive, sk-spinner-three-bounce-of-the-year, risk-free",
        "Basic understanding of bearer tokens, and bearer authentication",
        "https://example.com/home/about and /home/index.html and https://a.b/Users/list",
        "git@github.com:ann/repo.git, ssh://git@github.com/x, mail ann@example.com",
        "eyJjdXJzb3IiOiAiYWJjZGVmIn0= is a cursor",
        "api_key=os.environ['OPENAI_API_KEY'], api_key=settings.api_key",
    ],
)
def test_what_is_no_secret_stays(text):
    """Token counts, tokens of text, schemas, ids, words and URLs come back as the same bytes."""

    sent = request_of(text)
    got = answered(text.encode())

    assert redacted(sent) is sent
    assert redacted(got) == got


MEMBERS = (
    *("api_key", "openaiApiKey", "X-API-Key", "access_token", "refreshToken", "client_secret"),
    *("password", "DB_PASSWORD", "authorization", "aws_secret_access_key", "private_key", "secret"),
)


@pytest.mark.parametrize("name", MEMBERS)
def test_json_members_are_found_by_name_at_any_depth(name):
    """Also in JSON that is a string of JSON, in lists, and in JSON that is part of a text."""

    inner = {"a": [{name: 'hun"ter/2', "b": 1}]}
    bodies = [
        json.dumps(inner),
        json.dumps({"arguments": json.dumps(inner)}),
        json.dumps({"x": json.dumps({"y": json.dumps(inner)})}),
        json.dumps({name: ["hunter/2", "hunter3"]}),
        json.dumps({"name": name, "value": "hunter2"}),
        f"The tool said: {json.dumps(inner)} and no more",
        f"{{'{name}': 'hunter2'}}",
        json.dumps(inner).replace("e", "\\u0065").replace("/", "\\/"),
    ]
    found = [in_text(body) for body in bodies]

    assert [text for text in found if "hun" in text or "<secret:" not in text] == []


def test_named_secrets_keep_the_json_whole():
    """Only the value is replaced: every other byte is what it was."""

    body = '{ "password":"a\\"b",\n"n" : 1.50, "é":"\\u00e9" }'

    assert redacted(request_of(body)).body.decode() == body.replace('a\\"b', "<secret:password:1>")


def test_assignments_and_elements_are_found_by_name():
    """As in a shell, and as in the XML of cloud APIs, which stays XML."""

    shell = in_text("export AZURE_OPENAI_API_KEY=0123456789abcdef0123456789abcdef\nexport A=b")
    xml = redacted(answered(b"<R><SecretAccessKey>wJalr/x+1</SecretAccessKey></R>", "text/xml"))

    assert shell == "export AZURE_OPENAI_API_KEY=<secret:azure-openai-api-key:1>\nexport A=b"
    expected = b"<R><SecretAccessKey>&lt;secret:secret-access-key:1&gt;</SecretAccessKey></R>"
    assert xml.response.body == expected


def test_headers_are_found_whatever_their_case():
    """Of requests and responses: credentials by name, anything by shape; the scheme stays."""

    headers = (
        ("Authorization", "Bearer abc"),
        ("X-API-KEY", "abc"),
        ("OpenAI-Organization", "acme"),
        ("Location", f"https://x/?a={KEY}"),
        ("Accept", "a"),
    )
    found = redacted(Interaction(Request("GET", "http://x/", headers), Response(200, "", headers)))

    expected = (
        ("Authorization", "Bearer <secret:authorization:1>"),
        ("X-API-KEY", "<secret:x-api-key:1>"),
        ("OpenAI-Organization", "<secret:openai-organization:2>"),
        ("Location", "https://x/?a=<secret:openai-key:3>"),
        ("Accept", "a"),
    )
    assert found.request.headers == found.response.headers == expected


def test_cookies_keep_their_names_and_attributes():
    """A cookie that is set and sent back is seen to be the same."""

    sent = (("Cookie", "__cf_bm=abc; theme=dark"),)
    got = (("Set-Cookie", "__cf_bm=abc; path=/; expires=Thu, 01 Jan 2026 00:00:00 GMT; HttpOnly"),)
    found = redacted(Interaction(Request("GET", "http://x/", sent), Response(200, "", got)))

    assert found.request.headers[0][1] == "__cf_bm=<secret:cookie:1>; theme=<secret:cookie:2>"
    assert found.response.headers[0][1] == (
        "__cf_bm=<secret:cookie:1>; path=/; expires=Thu, 01 Jan 2026 00:00:00 GMT; HttpOnly"
    )


def test_urls_are_redacted_part_by_part():
    """Credentials, parameters by name, and shapes in the path or percent-encoded."""

    url = f"https://ann:pw@x.example.com/{KEY}/a?key=abc&q=1&next=https%3A%2F%2Fa%3Ab%40c.de"

    assert redacted(Request("GET", url)).url == (
        "https://<secret:url-credentials:1>@x.example.com/<secret:openai-key:2>/a"
        "?key=<secret:key:3>&q=1&next=https%3A%2F%2F<secret:url-credentials:4>%40c.de"
    )


def test_addresses_in_headers_are_read_as_urls():
    """By the names of parameters, and those of a URL that is passed on inside of one."""

    location = "/cb?state=1&token=abc&next=https%3A%2F%2Fy%2F%3Fa%3D1%26key%3Dxyz"
    link = "<https://x/?token=abc>; rel=next"
    got = answered(b"", headers=(("Location", location), ("Link", link)))

    assert redacted(got).response.headers[1:] == (
        (
            "Location",
            "/cb?state=1&token=<secret:token:1>&next=https%3A%2F%2Fy%2F%3Fa%3D1%26key%3D<secret:key:2>",
        ),
        ("Link", "<https://x/?token=<secret:token:1>>; rel=next"),
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/Users/ann/work/x.py", "<secret:home:1>/work/x.py"),
        ("/home/ann.b/x", "<secret:home:1>/x"),
        ("file:///home/ann/x", "file://<secret:home:1>/x"),
        ("C:\\Users\\ann\\x", "<secret:home:1>\\x"),
        ("/mnt/c/Users/ann", "/mnt/c<secret:home:1>"),
    ],
)
def test_home_paths_keep_the_rest(path, expected):
    """Who recorded is nobody's business; which file it was may matter."""

    body = redacted(request_of(json.dumps({"cwd": path, "text": f"in {path}"}))).body

    assert json.loads(body) == {"cwd": expected, "text": f"in {expected}"}


def test_multipart_fields_are_found_by_name():
    """The other parts are looked into as what they are."""

    body = (
        '--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\nhunter2\r\n'
        f'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nsee {KEY}\r\n--b--\r\n'
    )
    found = redacted(request_of(body, "multipart/form-data; boundary=b")).body.decode()

    assert found == body.replace("hunter2", "<secret:api-key:1>").replace(
        KEY, "<secret:openai-key:2>"
    )


def test_failures_are_redacted():
    """The message of an exception may hold the URL."""

    failure = Failure("httpx.ConnectError", "cannot reach https://ann:pw@x.example.com/")
    found = redacted(Interaction(Request("GET", "http://x/"), None, failure))

    assert "ann:pw" not in found.failure.message


# Rules of a project


def test_rules_add_to_the_defaults():
    """Headers, parameters, members, patterns and addresses; never instead of what is known."""

    rules = Redaction(
        headers=("X-Tenant",),
        query=("tenant",),
        json=("iban",),
        patterns={"order": r"ord_\d+", "vat": r"VAT (\w+)"},
        emails=True,
    )
    body = json.dumps(
        {"IBAN": "DE1", "a": "ord_12", "b": "VAT X9", "c": "to ann@example.com", "d": KEY}
    )
    found = redacted(
        Request("POST", "https://x/?tenant=acme", (("x-tenant", "acme"),), body.encode()), rules
    )

    assert found.url == "https://x/?tenant=<secret:tenant:1>"
    assert found.headers == (("x-tenant", "<secret:x-tenant:1>"),)
    assert list(json.loads(found.body).values()) == [
        "<secret:iban:2>",
        "<secret:order:3>",
        "VAT <secret:vat:4>",
        "to <secret:email:5>",
        "<secret:openai-key:6>",
    ]


def test_a_greedy_pattern_does_not_break_the_json():
    """A rule is about what the strings say, not about quotes and brackets."""

    rules = Redaction(patterns={"name": r"(?<=name: ).*"})
    body = json.dumps({"a": "name: Ann Lee", "b": "x"})
    found = json.loads(redacted(request_of(body), rules).body)

    assert found == {"a": "name: <secret:name:1>", "b": "x"}


def test_a_pattern_that_is_none_is_refused():
    """Before anything is recorded."""

    with pytest.raises(BadSetting) as error:
        Redactor(Redaction(patterns={"x": "("}))

    assert str(error.value).startswith("tool.replay.redact.patterns.x = '('")


# Numbers


def test_numbers_tell_secrets_apart_and_last_for_the_tape():
    """The same secret has the same number everywhere on the tape, whatever it is called there."""

    redactor = Redactor()
    first = redactor.request(request_of(f"{KEY} {KEY}1", "text/plain", (("X-Api-Key", KEY),)))
    second = redactor.request(request_of(json.dumps({"password": KEY})))

    assert first.body == b"<secret:openai-key:1> <secret:openai-key:2>"
    assert first.headers[1] == ("X-Api-Key", "<secret:openai-key:1>")
    assert second.body == b'{"password": "<secret:password:1>"}'


def test_numbers_go_on_after_those_that_are_there():
    """In the interaction itself, and in those of an old cassette that is added to."""

    old = answered(b'"<secret:jwt:4> <secret:authorization>"')
    text = f"see <secret:x:7> {KEY}"
    alone = Redactor().interaction(Interaction(request_of(text, "text/plain")))

    assert alone.request.body == b"see <secret:x:7> <secret:openai-key:8>"
    assert Redactor(after=[old]).request(request_of(KEY)).body == b"<secret:openai-key:5>"


def test_threads_share_one_numbering():
    """A thousand requests of eight threads: each secret one number, each number one secret."""

    redactor, found = Redactor(), {}

    def work():
        for n in range(125):
            key = f"{KEY}{n}"
            body = redactor.request(request_of(key)).body
            found.setdefault(key, set()).add(body)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [len(bodies) for bodies in found.values()] == [1] * 125
    assert len(set.union(*found.values())) == 125


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ("https://x/?key=<secret:key:1>", "https://x/?key=<secret:key:9>"),
        ("https://x/?key=<secret:key>", "https://x/?key=%3Csecret:key:2%3E"),
        ("https://x/<secret:a:1>/b", "https://x/%3Csecret%3Aa%3A12%3E/b"),
    ],
)
def test_keys_do_not_depend_on_the_number(recorded, now):
    """A replay has other secrets than the recording had, in another order."""

    recorded = Request("POST", recorded, (), b'{"a": "<secret:openai-key:1>"}')
    now = Request("POST", now, (), b'{"a":"<secret:openai-key:3>"}')

    assert request_key(recorded) == request_key(now)
    assert fields(recorded) == fields(now)


def test_a_placeholder_that_is_sent_back_answers_as_the_secret_did():
    """A program gets a token, and sends it on under another name: under replay, its placeholder."""

    token = "a1b2c3d4e5f6g7h8"
    tape = Tape(records=True)
    for url, body in ((LOGIN, json.dumps({"access_token": token}).encode()), (SPEND, b"spent")):
        take = tape.take(Request("GET", url.format(token)))
        take.answered(200, "OK", (("content-type", "application/json"),))
        take.chunk(body)
        take.end()
    again = Tape(tape.recorded)
    login = json.loads(again.answer(Request("GET", LOGIN)).response.body)

    assert login == {"access_token": "<secret:access-token:1>"}
    assert tape.recorded[1].request.url == SPEND.format("<secret:token:1>")
    assert (
        again.answer(Request("GET", SPEND.format(login["access_token"]))).response.body == b"spent"
    )


def test_outputs_do_not_hand_on_what_the_tape_has_met():
    """A token has neither shape nor name in what the program says of it; under replay, the same."""

    token = "a1b2c3d4e5f6g7h8"
    got = answered(
        json.dumps({"access_token": token, "theme": "dark", "password": "hunter2"}).encode()
    )
    recorder, player = Redactor(), Redactor()
    told = json.loads(recorder.interaction(got).response.body)

    def output(answer):
        return {
            "said": f"It is {answer['access_token']}",
            "api_key": answer["access_token"],
            "theme": "dark",
        }

    recorded = recorder.json(output(json.loads(got.response.body)))

    assert recorded == {
        "said": "It is <secret:access-token>",
        "api_key": "<secret:access-token>",
        "theme": "dark",
    }
    assert player.json(output(told)) == recorded


def test_outputs_agree_whatever_the_kind():
    """What the recorder knew by its name, and the replay by its placeholder, is no drift."""

    recorded, now = {"a": "<secret:token> x"}, {"a": "<secret:access-token:7> x"}

    assert output_differences(recorded, now) == ()
    assert output_differences(recorded, {"a": "none"}) != ()


def test_numbers_go_on_where_a_cassette_is_added_to():
    """What a tape records beside what it plays has numbers of its own."""

    tape = Tape([answered(b'"<secret:jwt:4>"')], records=True)
    take = tape.take(request_of(KEY, "text/plain"))
    take.answered(200, "OK", ())
    take.end()

    assert tape.recorded[0].request.body == b"<secret:openai-key:5>"


def test_other_secrets_replay_the_same_cassette():
    """Recorded with one's own keys, replayed with somebody else's."""

    def sent(secret, home):
        body = json.dumps({"api_key": secret, "note": f"{KEY}{secret} in {home}/x"})
        return Request("POST", f"https://x.example.com/?key={secret}", (), body.encode())

    recorded = redacted(Interaction(sent("aaa1", "/Users/ann"), Response(200, "", (), b"ok")))
    tape = Tape([recorded])

    assert tape.answer(sent("bbb2", "/home/bob")) == recorded


# Streams


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_is_found_wherever_it_is_split(provider):
    """Over two or three deltas of any provider, at every point."""

    text = f"It is {KEY}, they say"
    left = []
    for cut in range(len(text) + 1):
        for second in {cut, min(cut + 3, len(text))}:
            body = stream(provider, [text[:cut], text[cut:second], text[second:]])
            found = redacted(answered(body, "text/event-stream")).response.body
            if read_stream(found) != "It is <secret:openai-key:1>, they say":
                left.append((cut, second))

    assert left == []


@pytest.mark.parametrize("provider", ["tool", "anthropic-tool"])
def test_arguments_are_read_though_they_arrive_in_pieces(provider):
    """A name in one delta, its value sign by sign in the next ones, with escapes."""

    text = json.dumps({"login": json.dumps({"password": 'hun"ter2'}), "n": 1})
    found = redacted(answered(stream(provider, list(text)), "text/event-stream")).response.body

    assert read_stream(found).startswith(
        json.dumps({"login": json.dumps({"password": "<secret:password:1>"}), "n": 1})
    )


def test_only_the_events_that_held_it_change():
    """The placeholder stands in the event where the secret began, and its rest is gone."""

    pieces = ["It is ", KEY[:9], KEY[9:], " indeed"]
    body = stream("chat", pieces)
    found = redacted(answered(body, "text/event-stream")).response.body

    assert found == body.replace(KEY[:9].encode(), b"<secret:openai-key:1>").replace(
        KEY[9:].encode(), b""
    )


def test_choices_and_blocks_that_take_turns_are_kept_apart():
    """Two answers stream at once: each is put together by its index, not by its place in a list."""

    events = []
    for first, second in zip(KEY[:30], KEY[30:].ljust(30, "."), strict=True):
        choices = [(1, second), (0, first)]
        events += [{"choices": [{"index": i, "delta": {"content": c}}]} for i, c in choices]
    events += [{"choices": [{"index": 0, "delta": {"content": KEY[30:]}}]}]
    body = "".join(f"data: {json.dumps(e)}\n\n" for e in events).encode()
    found = redacted(answered(body, "text/event-stream")).response.body.decode()
    texts = {0: "", 1: ""}
    for line in found.splitlines():
        if line:
            choice = json.loads(line[6:])["choices"][0]
            texts[choice["index"]] += choice["delta"]["content"]

    assert texts == {0: "<secret:openai-key:1>", 1: KEY[30:].ljust(30, ".")}


def test_log_probabilities_do_not_tell_it_again():
    """Beside a token stand its bytes and its alternatives, which spell it out as well."""

    def entry(token):
        told = {"token": token, "logprob": -0.5, "bytes": list(token.encode())}
        return told | {"top_logprobs": [told]}

    tokens = ["It is ", KEY[:8], KEY[8:20], KEY[20:], " indeed"]
    body = json.dumps({"choices": [{"logprobs": {"content": [entry(t) for t in tokens]}}]})
    found = json.loads(redacted(answered(body.encode())).response.body)
    content = found["choices"][0]["logprobs"]["content"]

    assert [e["token"] for e in content] == ["It is ", "<secret:openai-key:1>", "", "", " indeed"]
    assert content[0] == entry("It is ")
    assert [(e["bytes"], e["top_logprobs"]) for e in content[1:4]] == [([], [])] * 3


def test_binary_event_streams_stay_readable():
    """Bedrock's messages are put together, redacted, and framed again with the right checksums."""

    pieces = ["It is ", KEY[:20], KEY[20:], " indeed"]
    payloads = [json.dumps(event).encode() for event in deltas("anthropic", pieces)]
    body = b"".join(map(message, payloads))
    media = "application/vnd.amazon.eventstream"
    found = redacted(answered(body, media, chunks=(Chunk(len(body), 0.1),))).response

    events = deltas("anthropic", ["It is ", "<secret:openai-key:1>", "", " indeed"])
    assert found.body == b"".join(message(json.dumps(event).encode()) for event in events)
    assert found.chunks == (Chunk(len(found.body), 0.1),)


def test_a_message_that_was_cut_off_is_looked_into():
    """A stream that broke: what came of the last message is text."""

    body = message(b'{"a":1}') + message(json.dumps({"a": f"see {KEY} "}).encode())[:-6]
    found = redacted(answered(body, "application/vnd.amazon.eventstream")).response.body

    assert KEY.encode() not in found


@given(st.lists(st.sampled_from([*SHAPED.values(), "plain", "text "]), max_size=6), st.data())
def test_chunks_cover_the_redacted_body(parts, data):
    """Chunk boundaries move with the text: a secret that spans two chunks is in none."""

    body = " ".join(parts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    sizes = [b - a for a, b in pairwise([0, *cuts, len(body)])]
    chunks = tuple(Chunk(size, n / 10) for n, size in enumerate(sizes))

    response = redacted(answered(body, "text/plain", chunks=chunks)).response

    assert sum(chunk.size for chunk in response.chunks) == len(response.body)
    assert [chunk.at for chunk in response.chunks] == [chunk.at for chunk in chunks]
    assert all(chunk.size >= 0 for chunk in response.chunks)


def test_chunks_outside_of_secrets_are_as_they_were():
    """A boundary moves only if what it cut is gone; sizes are in bytes."""

    pieces = ["é one ", f"two {KEY} ", "three é"]
    chunks = tuple(Chunk(len(p.encode()), 0.1) for p in pieces)
    found = redacted(answered("".join(pieces).encode(), "text/plain", chunks=chunks)).response

    expected = ["é one ", "two <secret:openai-key:1> ", "three é"]
    assert [c.size for c in found.chunks] == [len(p.encode()) for p in expected]


# Bodies as a whole


def test_ten_thousand_planted_secrets_are_found():
    """In every place and every kind of body, however it is spelled, coded or cut, none is left."""

    count = 0

    @settings(max_examples=320, database=None)
    @given(st.integers(0, 2**64))
    def check(seed):
        nonlocal count
        case = planted(random.Random(seed))
        count += len(case.secrets)
        once = redacted(case.interaction)
        said = list(case.read(once))
        left = [secret for secret in case.secrets if any(secret in text for text in said)]
        sizes = sum(chunk.size for chunk in once.response.chunks)

        assert left == []
        assert redacted(once) == once
        assert sizes == len(once.response.body)

    check()

    assert count >= 10_000


@given(st.text(st.sampled_from("sk-AIza:/@<>secret\"'{}=&%\\u0041 \n1é"), max_size=60))
def test_any_text_survives(text):
    """No text makes it fail, and doing it again changes nothing."""

    for media in ("application/json", "text/event-stream", "application/x-www-form-urlencoded"):
        got = answered(text.encode(), media).response
        once = redacted(Interaction(request_of(text, media), got))

        assert redacted(once) == once


@given(st.binary(max_size=80))
def test_any_bytes_survive(data):
    """Bytes that are no text come back as they are."""

    got = answered(data, "image/png").response
    once = redacted(Interaction(request_of(data, "image/png"), got))

    assert once.request.body == data
    assert once.response.body == data


def test_a_coded_body_without_secrets_stays_coded():
    """It is looked into, and comes back as the very same bytes."""

    body = gzip.compress(b'{"a": "nothing"}')
    got = answered(body, headers=(("content-encoding", "gzip"), ("content-length", str(len(body)))))

    assert redacted(got) == got


def test_a_coded_body_with_secrets_is_kept_decoded():
    """With the coding gone from the headers, and the length and digests fitting what is there."""

    headers = (("content-encoding", "gzip"), ("content-length", "999"), ("Content-MD5", "x"))
    response = redacted(answered(gzip.compress(KEY.encode()), "text/plain", headers)).response

    assert response.body == b"<secret:openai-key:1>"
    assert response.headers == (("content-type", "text/plain"), ("content-length", "21"))


# What leaves the process by other ways


def test_nothing_unredacted_is_logged(caplog, local):
    """vcrpy logs requests and responses as they are; under a tape it does not."""

    tape = Tape(records=True)
    url = f"{local}?key=hunter2hunter2"
    with caplog.at_level(logging.DEBUG), using(tape):
        requests.get(url, headers={"x-api-key": KEY}, timeout=5)
        httpx.get(url, headers={"x-api-key": KEY})
    names = ("vcr", "replay", "root")
    ours = [r.getMessage() for r in caplog.records if r.name.partition(".")[0] in names]

    assert len(tape.recorded) == 2
    assert [text for text in ours if KEY in text or "hunter2" in text] == []


def test_vcrpys_loggers_are_given_back(caplog, local):
    """Other cassettes of the same process log as before."""

    with using(Tape(records=True)):
        requests.get(local, timeout=5)
    with caplog.at_level(logging.INFO):
        logging.getLogger("vcr.stubs").info("after")

    assert "after" in caplog.messages


@given(
    st.lists(
        st.sampled_from(
            [
                "{",
                "[",
                "\n",
                "\r",
                "}",
                "data: x",
                '"a": 1',
                '"logprobs": {}',
                "\x1e",
                " ",
                "event:",
            ]
        ),
        max_size=6,
    ).map("".join),
    st.sampled_from(["", "text/event-stream", "application/json"]),
)
def test_what_is_no_stream_has_no_events(text, media):
    """The quick question about a body, and what is put together of it, know the same forms."""

    assert may_be_stream(text.encode(), media) or not list(events(Whole(text), media))
