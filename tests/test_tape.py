"""The tape: which recorded answer a request gets, and what a miss says."""

import pickle

import pytest

from replay.cassettes.tape import Tape
from replay.errors import CassetteMiss, ReplayStop
from replay.model import Interaction, Request, Response

URL = "https://api.example.com/v1/chat/completions"


def said(prompt: str, answer: str = "ok", url: str = URL) -> Interaction:
    return Interaction(asked(prompt, url), Response(200, body=answer.encode()))


def asked(prompt: str, url: str = URL) -> Request:
    body = f'{{"model":"m","tools":[],"messages":[{{"role":"user","content":"{prompt}"}}]}}'
    return Request("POST", url, (("content-type", "application/json"),), body.encode())


def answers(tape: Tape, *prompts: str) -> list[bytes]:
    return [tape.answer(asked(prompt)).response.body for prompt in prompts]


def test_equal_requests_are_answered_in_order():
    """A retry is recorded twice and replays twice: the failure first, then the success."""

    tape = Tape([said("a", "429"), said("b", "b"), said("a", "200")])

    assert answers(tape, "b", "a", "a") == [b"b", b"429", b"200"]


def test_the_same_bytes_come_before_the_same_meaning():
    """Two spellings of one request: each finds its own, and then what is left."""

    spaced = Request("POST", URL, (), b'{"a": 1}')
    compact = Request("POST", URL, (), b'{"a":1}')
    recorded = [(spaced, b"1"), (compact, b"2"), (compact, b"3")]
    tape = Tape([Interaction(request, Response(200, body=body)) for request, body in recorded])

    sent = [compact, spaced, spaced]
    assert [tape.answer(request).response.body for request in sent] == [b"2", b"1", b"3"]


def test_an_answer_is_never_reused():
    """One call more than was recorded is a miss that says so."""

    tape = Tape([said("a")])
    answers(tape, "a")

    with pytest.raises(CassetteMiss, match="Recorded call #1 is the same request, and was already"):
        tape.answer(asked("a"))


def test_unplayed_interactions_are_known():
    """What answered nothing is listed by its index."""

    tape = Tape([said("a"), said("b"), said("c")])
    answers(tape, "b")

    assert tape.unplayed == (0, 2)


def test_miss_names_the_closest_and_what_differs():
    """The message is the whole explanation: what, where, the field, the command."""

    tape = Tape(
        [said("refund order 1042"), said("hello", url="https://other.example.com/")],
        source="cassettes/refund.yaml",
        command="pytest tests/test_refund.py --record-mode=rewrite",
    )

    with pytest.raises(CassetteMiss) as caught:
        tape.answer(asked("refund order 1043"))

    assert str(caught.value).splitlines() == [
        f"POST {URL} is not in cassettes/refund.yaml.",
        "Closest is #1; it differs in its prompt:",
        "  messages[0].content",
        "    recorded: 'refund order 1042'",
        "    sent:     'refund order 1043'",
        "If the change is intended: pytest tests/test_refund.py --record-mode=rewrite",
    ]


def test_miss_prefers_what_was_not_played_yet():
    """Of two recorded requests that are as close, the one still waiting was meant."""

    tape = Tape([said("one"), said("two")])
    answers(tape, "one")

    with pytest.raises(CassetteMiss, match="Closest is #2"):
        tape.answer(asked("three"))


def test_miss_prefers_the_text_that_is_most_alike():
    """Of a thousand prompts that all differ in one field, the one that was edited."""

    tape = Tape([said(f"question {n} of many") for n in range(1000)])

    with pytest.raises(CassetteMiss, match="Closest is #778;"):
        tape.answer(asked("question 777 of very many"))


def test_miss_without_anything_close():
    """Nothing recorded goes there at all."""

    with pytest.raises(CassetteMiss, match="Nothing recorded goes to that address"):
        Tape([said("a")]).answer(Request("GET", "https://elsewhere.example.com/"))


def test_miss_survives_pickling_and_is_not_swallowed():
    """It crosses processes whole, and an SDK's `except Exception` does not catch it."""

    with pytest.raises(CassetteMiss) as caught:
        Tape([said("a")]).answer(asked("b"))
    again = pickle.loads(pickle.dumps(caught.value))

    assert str(again) == str(caught.value)
    assert isinstance(again, ReplayStop)
    assert not isinstance(again, Exception)


def test_credentials_do_not_take_part_in_matching():
    """A recording made with one key in the URL answers a program that uses another."""

    recorded = Tape(records=True)
    take = recorded.take(Request("GET", "https://x.example.com/v1?key=AIza-mine&alt=sse"))
    take.answered(200, "OK", ())
    take.end()
    url = recorded.recorded[0].request.url

    tape = Tape(recorded.recorded)

    assert url == "https://x.example.com/v1?key=<secret:key:1>&alt=sse"
    assert tape.answer(Request("GET", "https://x.example.com/v1?key=placeholder&alt=sse"))


def test_credentials_in_a_foreign_cassette_do_not_take_part_either():
    """A recording that no filter ever saw answers all the same; a miss does not show its key."""

    there = Interaction(Request("GET", "https://x.example.com/v1?key=mine&q=1"), Response(200))
    tape = Tape([there])

    with pytest.raises(CassetteMiss) as caught:
        tape.answer(Request("GET", "https://x.example.com/v1?key=yours&q=2"))

    assert "mine" not in str(caught.value)
    assert tape.answer(Request("GET", "https://x.example.com/v1?key=yours&q=1"))


def recording(tape, *pieces):
    """Begin to record a request, and the first pieces of its answer."""
    take = tape.take(Request("POST", "http://x/", (), b"asked"))
    take.answered(200, "OK", ())
    for piece in pieces:
        take.chunk(piece)
    return take


def test_tape_without_room_forgets_all_of_it():
    """What is whole, what is under way, and what comes later."""

    held = []
    tape = Tape(records=True, room=lambda size: held.append(size) or sum(held) < 5000)
    recording(tape, b"one").end()
    second = recording(tape, b"x" * 5000)
    recording(tape, b"three").end()
    second.end()

    assert (tape.recorded, tape.is_over) == ((), True)


def test_what_comes_after_the_end_changes_nothing():
    """A stream that is read on when its run has ended is kept as it was then."""

    ended = []
    tape = Tape(records=True, room=lambda _: not ended)
    take = recording(tape, b"one")
    tape.close()
    ended.append(True)
    take.chunk(b"two")
    take.end()

    assert [found.response.body for found in tape.recorded] == [b"one"]
