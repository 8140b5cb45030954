"""Redaction: credentials are replaced before anything is kept, and the rest stays as it was."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.cassettes.redaction import Redactor
from replay.config import Redaction
from replay.errors import BadSetting
from replay.model import Chunk, Interaction, Request, Response

redacted = Redactor().interaction

SECRETS = [
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-123456789012-abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWhlcmU",
]


def interaction(text: str) -> Interaction:
    """One that holds *text* in every position."""
    headers = (("X-Trace", f"a {text} b"),)
    body = f'{{"a": "{text}"}}'.encode()
    return Interaction(
        Request("POST", f"https://x.example.com/p/{text}?q={text}", headers, body),
        Response(200, "OK", headers, body, (Chunk(8, 0.1), Chunk(len(body) - 8, 0.2))),
    )


@given(st.sampled_from(SECRETS))
def test_known_shapes_are_replaced_everywhere(secret):
    """No key of a known shape is left in URL, headers or bodies."""

    assert secret not in repr(redacted(interaction(secret)))


@given(st.sampled_from(SECRETS) | st.text("abc-_ <>:é", max_size=30))
def test_redaction_is_a_fixed_point(text):
    """Redacting what is redacted changes nothing."""

    once = redacted(interaction(text))

    assert redacted(once) == once


@given(st.lists(st.sampled_from([*SECRETS, "plain", "text "]), max_size=6), st.data())
def test_chunks_cover_the_redacted_body(parts, data):
    """Chunk boundaries move with the text: a secret that spans two chunks is in none."""

    body = " ".join(parts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    edges = [0, *cuts, len(body)]
    sizes = [b - a for a, b in pairwise(edges)]
    chunks = tuple(Chunk(size, 0.0) for size in sizes)

    response = redacted(
        Interaction(Request("GET", "http://x/"), Response(200, body=body, chunks=chunks))
    ).response

    assert sum(chunk.size for chunk in response.chunks) == len(response.body)
    assert all(chunk.size >= 0 for chunk in response.chunks)


def test_secret_headers_are_replaced_whatever_their_case():
    """Of requests and responses."""

    headers = (("Authorization", "Bearer x"), ("SET-COOKIE", "__cf_bm=1"), ("Accept", "a"))
    found = redacted(
        Interaction(Request("GET", "http://x/", headers), Response(200, headers=headers))
    )

    expected = (
        ("Authorization", "<secret:authorization>"),
        ("SET-COOKIE", "<secret:set-cookie>"),
        ("Accept", "a"),
    )
    assert found.request.headers == found.response.headers == expected


def test_rules_add_to_the_defaults():
    """Headers, query parameters, members of JSON bodies, shapes, addresses."""

    rules = Redaction(
        headers=("X-Vault",),
        query=("code",),
        json=("iban",),
        patterns={"badge": r"BADGE-\d+"},
        emails=True,
    )
    headers = (("x-vault", "v1"), ("authorization", "a1"))
    body = b'{"iban": "DE00 1", "who": "ada@example.com", "n": "BADGE-77", "i2": "kept"}'
    given = Interaction(
        Request("POST", "http://x/?code=c1&q=kept", headers, body),
        Response(200, headers=headers, body=body, chunks=(Chunk(len(body), 0.1),)),
    )
    redactor = Redactor(rules)

    found = redactor.interaction(given)

    assert found.request.url == "http://x/?code=<secret:code>&q=kept"
    assert [v for _, v in found.request.headers] == ["<secret:x-vault>", "<secret:authorization>"]
    assert found.response.body == (
        b'{"iban": "<secret:iban>", "who": "<secret:email>", "n": "<secret:badge>", "i2": "kept"}'
    )
    assert redactor.interaction(found) == found


def test_a_rule_that_is_no_pattern_is_told():
    """By its setting."""

    with pytest.raises(BadSetting, match=r"tool\.replay\.redact\.patterns"):
        Redactor(Redaction(patterns={"x": "("}))
