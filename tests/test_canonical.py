"""Keys: what makes two requests the same, and what does not."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replay.canonical import (
    DEPTH,
    canonical_url,
    content_hash,
    differences,
    fields,
    parsed_json,
    request_key,
)
from replay.model import Difference, Request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def key(body: bytes = b"", url: str = "https://api.example.com/v1", media: str = "", method="POST"):
    return request_key(Request(method, url, (("content-type", media),) if media else (), body))


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_order_of_json_keys_is_free(value):
    """Two spellings of one JSON body have one key."""

    backwards = dict(reversed(value.items()))

    assert key(json.dumps(value).encode()) == key(json.dumps(backwards, indent=1).encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":2}'),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":1}', b'{"a":"1"}'),
        (b"text", b"Text"),
        (b"\x00\xff", b"\x00\xfe"),
        (b"", b"{}"),
    ],
)
def test_other_bodies_have_other_keys(one, other):
    """Matching is exact: what means something else is something else."""

    assert key(one) != key(other)


def test_form_fields_are_free_in_order():
    """A form is its fields."""

    media = "application/x-www-form-urlencoded"

    assert key(b"a=1&b=2", media=media) == key(b"b=2&a=1", media=media)
    assert key(b"a=1&b=2", media=media) != key(b"a=1&b=3", media=media)


def test_multipart_boundary_is_not_content():
    """Clients draw a new boundary every time."""

    def upload(boundary: str, text: str) -> str:
        head = "content-disposition: form-data; name=f"
        body = f"--{boundary}\r\n{head}\r\n\r\n{text}\r\n--{boundary}--"
        return key(body.encode(), media=f"multipart/form-data; boundary={boundary}")

    assert upload("AaB03x", "hello") == upload("ZzY99y", "hello")
    assert upload("AaB03x", "hello") != upload("AaB03x", "bye")


def test_method_and_url_belong_to_the_key():
    """Everything of a URL but its fragment, in whatever order its query stands."""

    assert key(url="https://API.example.com:443/v1?b=2&a=1") == key(
        url="https://api.example.com/v1?a=1&b=2#top"
    )
    assert key(url="https://api.example.com/v1?a=1") != key(url="https://api.example.com/v1?a=2")
    assert key(url="http://127.0.0.1:1/") != key(url="http://127.0.0.1:2/")
    assert key(method="GET") != key(method="POST")
    assert key(method="post") == key(method="POST")


def test_ambiguous_queries_stay_apart():
    """An ampersand inside of a value is not one between values."""

    assert canonical_url("http://x/?a=1%26b%3D2") != canonical_url("http://x/?a=1&b=2")


def test_headers_do_not_belong_to_the_key():
    """Credentials, versions and trace ids change without a change in what is asked."""

    with_key = Request("GET", "http://x/", (("authorization", "Bearer 1"),))

    assert request_key(with_key) == request_key(Request("GET", "http://x/"))


def test_differences_name_the_field():
    """A difference is a path and both values."""

    recorded = fields(Request("POST", "http://x/", body=b'{"m":[{"c":"hi"}],"t":0}'))
    now = fields(Request("POST", "http://x/", body=b'{"m":[{"c":"ho"}],"n":[]}'))

    assert differences(recorded, now) == (
        Difference("m[0].c", "hi", "ho"),
        Difference("t", 0, "(absent)"),
        Difference("n", "(absent)", []),
    )


@given(JSON, JSON)
def test_content_hash_tells_values_apart(one, other):
    """Equal hashes mean equal JSON."""

    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (content_hash(one) == content_hash(other)) is same


NUMBERS = st.floats() | st.from_regex(
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"
)


@given(st.one_of(JSON.map(json.dumps), NUMBERS.map(str), st.text('[]{}:,"\\u09Daf-+.eE \n')))
@example('{"a": 1, "b": 2, "a": 3}')
@example('"\\ud800"')
@example('"\ud800"')
@example("-0")
@example("-Infinity")
@example("\ufeff1")
def test_json_is_parsed_as_by_the_standard_library(text):
    """The value, its types, the order of its members, and whether it is JSON at all."""

    assert outcome(parsed_json, text) == outcome(json.loads, text)


def outcome(parse, text):
    """What *parse* makes of a text: `repr` tells 1 from 1.0 and 0.0 from -0.0."""
    try:
        return repr(parse(text))
    except ValueError:
        return None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_parsed_in_every_unicode(encoding):
    """As the standard library does, which finds out which it is."""

    assert parsed_json('{"a": ["é", null]}'.encode(encoding)) == {"a": ["é", None]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("levels", [DEPTH, DEPTH + 1, DEPTH + 2, 100_000])
def test_json_may_be_so_deep_and_no_deeper(levels, encoding):
    """Else a stranger's body would exhaust the stack of whoever walks through it."""

    text = ("[" * levels + "1" + "]" * levels).encode(encoding)

    assert (outcome(parsed_json, text) is None) is (levels > DEPTH)
