"""Bundles: lossless, readable line by line, and never half taken for whole."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.episodes.bundle import dump, load
from replay.errors import Damaged
from replay.model import (
    Chunk,
    Episode,
    Failure,
    Interaction,
    Manifest,
    Recording,
    Request,
    Response,
)

MANIFEST = Manifest(clock="2026-11-21T08:00:00+00:00", pinned=True, seed=0)

TEXT = st.text(max_size=12)
BODIES = (
    st.binary(max_size=24)
    | st.dictionaries(
        TEXT, st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=3) | TEXT
    ).map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
    | st.dictionaries(TEXT, st.floats(allow_nan=False) | st.integers()).map(
        lambda value: json.dumps(value).encode()
    )
    | st.sampled_from([b'{"a":1,"a":2}', b'{"a": 1.0e5}', b'{"\\ud800": 1}', b"[1]", b'{"a":1}\n'])
)
SECONDS = st.floats(0, 1000).map(lambda s: round(s, 4))
HEADERS = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
FAILURES = st.none() | st.builds(Failure, TEXT, TEXT)


@st.composite
def responses(draw):
    """A response whose chunks, if any, cover its body."""
    pieces = draw(st.lists(BODIES.filter(bool), max_size=3))
    chunks = tuple(Chunk(len(piece), draw(SECONDS)) for piece in pieces)
    body = b"".join(pieces) if pieces else draw(BODIES)
    return Response(draw(st.integers(100, 599)), draw(TEXT), draw(HEADERS), body, chunks)


INTERACTIONS = st.builds(
    Interaction,
    st.builds(Request, TEXT, TEXT, HEADERS, BODIES),
    st.none() | responses(),
    FAILURES,
    SECONDS,
    SECONDS,
)
RECORDINGS = st.builds(
    Recording,
    st.just(MANIFEST),
    st.lists(INTERACTIONS, max_size=3).map(tuple),
    st.dictionaries(TEXT, TEXT) | st.none(),
    FAILURES,
    SECONDS,
)
EPISODES = st.builds(
    Episode,
    st.from_regex(r"\w[\w.\-+=@]{0,20}", fullmatch=True),
    TEXT,
    st.dictionaries(TEXT, TEXT),
    st.lists(RECORDINGS, max_size=2, unique_by=repr).map(tuple),
)


@given(EPISODES)
def test_bundles_are_lossless(episode):
    """Whatever was recorded comes back the same, and is written the same again."""

    text = dump(episode)

    assert load(text) == episode
    assert dump(load(text)) == text


def episode(prompt: str = "hi") -> Episode:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}]}).encode()
    answer = Response(200, "OK", (), b"data: 1\n\ndata: 2\n\n", (Chunk(9, 0.1), Chunk(9, 0.2)))
    call = Interaction(Request("POST", "http://x/", (), body), answer, None, 0.0, 0.2)
    return Episode("e", "m:f", {"q": 1}, (Recording(MANIFEST, (call,), {"a": 1}, None, 0.3),))


def test_a_changed_prompt_is_one_changed_line():
    """A pull request shows the message that changed; the hashes are the only other lines."""

    old, new = (dump(episode(prompt)).splitlines() for prompt in ("hi", "ho"))

    changed = [a for a, b in zip(old, new, strict=True) if a != b]

    assert changed[1:-1] == ['{"sent": {"messages": [{"role": "user", "content": "hi"}]}}']
    assert [line.split('"')[1] for line in changed] == ["recording", "sent", "end"]


def test_a_stream_is_a_line_a_chunk():
    """With the time at which it came."""

    assert '{"received": "data: 2\\n\\n", "at": 0.2}' in dump(episode()).splitlines()


@pytest.mark.parametrize("number", range(len(dump(episode()).splitlines())))
def test_every_changed_line_is_found(number):
    """Flip one digit or letter anywhere, and the bundle is refused."""

    lines = dump(episode()).splitlines()
    lines[number] = lines[number].replace('": ', '": 1', 1)

    with pytest.raises(Damaged):
        load("\n".join(lines) + "\n")


@pytest.mark.parametrize("kept", range(len(dump(episode()).splitlines())))
def test_a_cut_off_bundle_is_not_taken_for_whole(kept):
    """However much of it is there."""

    lines = dump(episode()).splitlines()[:kept]

    with pytest.raises(Damaged, match=r"cut off|empty"):
        load("\n".join(lines))


def test_damage_names_the_line():
    """So that an editor can go there."""

    lines = dump(episode()).splitlines()
    lines[4] = lines[4][:-2]

    with pytest.raises(Damaged, match=r"x\.jsonl, line 5: not JSON"):
        load("\n".join(lines), "x.jsonl")


def test_merge_conflict_markers_are_told():
    """With the commands that keep the recordings of both sides."""

    lines = dump(episode()).splitlines()
    lines.insert(4, "<<<<<<< HEAD")

    with pytest.raises(Damaged, match=r"line 5: .*merge-conflict markers") as caught:
        load("\n".join(lines), "x.jsonl")

    assert "git show MERGE_HEAD:x.jsonl > other.jsonl" in str(caught.value)


def test_tags_and_tenant_travel():
    """They are part of what an episode is."""

    wanted = replace(episode(), tags=("nightly", "refunds"), tenant="acme")

    assert load(dump(wanted)) == wanted


def test_a_bundle_of_another_format_is_refused():
    """With the command that helps."""

    from replay.episodes.bundle import _digest

    lines = [dump(episode()).splitlines()[0].replace('"bundle": 1', '"bundle": 9')]
    lines.append(json.dumps({"end": 1, "digest": _digest(lines)}))

    with pytest.raises(Damaged, match="pip install -U golden-replay"):
        load("\n".join(lines))
