"""Declared rules: what they leave out of the key, and what they bind to today's values."""

import uuid

import pytest

from replay.cassettes.matching import Matcher
from replay.cassettes.tape import Tape
from replay.config import Matching
from replay.errors import BadSetting, CassetteMiss
from replay.model import Chunk, Interaction, Request, Response

URL = "https://api.example.com/v1/chat"
RUN = Matching(volatile={"run": r"run_[a-z]+"})


def post(body: str, url: str = URL) -> Request:
    return Request("POST", url, (("content-type", "application/json"),), body.encode())


def said(body: str, answer: str = "ok", url: str = URL) -> Interaction:
    return Interaction(post(body, url), Response(200, body=answer.encode()))


def same(rules: Matching, one: Request, other: Request) -> bool:
    matcher = Matcher(rules)
    return matcher.key(one) == matcher.key(other)


@pytest.mark.parametrize(
    ("path", "one", "other", "expected"),
    [
        ("metadata.run", '{"metadata":{"run":1},"a":1}', '{"metadata":{"run":2},"a":1}', True),
        ("metadata.run", '{"metadata":{"run":1},"a":1}', '{"metadata":{"run":1},"a":2}', False),
        ("$.m[*].id", '{"m":[{"id":1},{"id":2}]}', '{"m":[{"id":3},{"id":4}]}', True),
        ("m[0]", '{"m":[1,2]}', '{"m":[3,2]}', True),
        ("m[*]", '{"m":[1,2]}', '{"m":[]}', True),
        ("user", '{"a":1}', '{"user":"u","a":1}', True),
        ("$..trace", '{"a":{"trace":1}}', '{"a":{"trace":2}}', True),
        ("$", '{"a":1}', '{"b":2}', True),
    ],
)
def test_ignored_json_paths(path, one, other, expected):
    """What the path points at does not decide, whether it is there or not."""

    assert same(Matching(ignore_json=(path,)), post(one), post(other)) is expected


def test_ignored_query_parameters():
    """By name."""

    rules = Matching(ignore_query=("nonce",))

    assert same(rules, post("", f"{URL}?a=1&nonce=1"), post("", f"{URL}?nonce=2&a=1"))
    assert not same(rules, post("", f"{URL}?a=1&nonce=1"), post("", f"{URL}?a=2&nonce=1"))


def test_rules_of_a_host_hold_for_it_alone():
    """And add to those that hold for all."""

    rules = Matching(hosts={"*.example.com": Matching(ignore_query=("nonce",))})
    there, elsewhere = "https://api.example.com/", "https://api.example.org/"

    assert same(rules, post("", f"{there}?nonce=1"), post("", f"{there}?nonce=2"))
    assert not same(rules, post("", f"{elsewhere}?nonce=1"), post("", f"{elsewhere}?nonce=2"))


def test_a_new_rule_re_keys_an_old_recording():
    """Keys are derived when a tape is opened: nothing has to be recorded again."""

    recorded = [said('{"user":"then","a":1}')]
    now = post('{"user":"now","a":1}')

    with pytest.raises(CassetteMiss):
        Tape(recorded).answer(now)
    assert Tape(recorded, matcher=Matcher(Matching(ignore_json=("user",)))).answer(now)


def test_todays_token_stands_for_the_recorded_one():
    """In later responses, headers aside; the chunks stay as many as they were."""

    body = b'data: {"run":"run_old"}\n\ndata: run_old\n\n'
    chunks = (Chunk(20, 0.1), Chunk(len(body) - 20, 0.2))
    first = Interaction(post('{"run":"run_old"}'), Response(200, body=body, chunks=chunks))
    tape = Tape([first], matcher=Matcher(RUN))

    response = tape.answer(post('{"run":"run_longername"}')).response

    assert response.body == b'data: {"run":"run_longername"}\n\ndata: run_longername\n\n'
    assert sum(chunk.size for chunk in response.chunks) == len(response.body)
    assert [chunk.at for chunk in response.chunks] == [0.1, 0.2]
    assert tape.plays[0].verbatim is False
    assert tape.bindings.value({"said": ["in run_old"]}) == {"said": ["in run_longername"]}


def test_two_runs_in_one_recording_stay_apart():
    """The same question of two runs gets the answer of the run that asks."""

    recorded = [
        said('{"run":"run_a","q":"hello"}'),
        said('{"run":"run_b","q":"hi"}'),
        said('{"run":"run_a","q":"next"}', "of a"),
        said('{"run":"run_b","q":"next"}', "of b"),
    ]
    tape = Tape(recorded, matcher=Matcher(RUN))
    for body in ('{"run":"run_y","q":"hi"}', '{"run":"run_x","q":"hello"}'):
        tape.answer(post(body))

    answers = [
        tape.answer(post(f'{{"run":"{run}","q":"next"}}')).response.body
        for run in ("run_y", "run_x")
    ]

    assert answers == [b"of b", b"of a"]


def test_a_token_that_changed_its_run_misses():
    """One recorded token cannot be two of today's."""

    recorded = [said('{"run":"run_a","q":1}'), said('{"run":"run_a","q":2}')]
    tape = Tape(recorded, matcher=Matcher(RUN))
    tape.answer(post('{"run":"run_x","q":1}'))

    with pytest.raises(CassetteMiss):
        tape.answer(post('{"run":"run_y","q":2}'))


def test_fresh_uuids_in_every_request():
    """Idempotency keys, say: drawn anew for each request, then and now."""

    pattern = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    matcher = Matcher(Matching(volatile={"uuid": pattern}))
    recorded = [said(f'{{"key":"{uuid.uuid4()}","n":{n}}}', str(n)) for n in range(3)]
    tape = Tape(recorded, matcher=matcher)

    answers = [
        tape.answer(post(f'{{"key":"{uuid.uuid4()}","n":{n}}}')).response.body for n in (2, 0, 1)
    ]

    assert answers == [b"2", b"0", b"1"]


def test_strict_order_reports_the_first_swap():
    """Which one was due, which one this is."""

    tape = Tape([said('{"n":1}'), said('{"n":2}')], matcher=Matcher(Matching(order="strict")))

    with pytest.raises(CassetteMiss, match=r"The order is strict: #1 is due, this is #2\."):
        tape.answer(post('{"n":2}'))
    assert [tape.answer(post(f'{{"n":{n}}}')).response.status for n in (1, 2)] == [200, 200]


def test_rules_that_mean_nothing_are_told():
    """When they are read, not when they would match."""

    with pytest.raises(BadSetting) as caught:
        Matcher(Matching(volatile={"run": "("}))

    assert caught.value.name == "tool.replay.match.volatile"


@pytest.mark.parametrize(
    ("recorded", "sent", "change"),
    [
        ('{"messages":[{"content":"a"}]}', '{"messages":[{"content":"b"}]}', "prompt"),
        ('{"tools":[{"name":"a"}]}', '{"tools":[{"name":"b"}]}', "tools"),
        ('{"model":"a","temperature":0}', '{"model":"b","temperature":1}', "model and parameters"),
        ('{"query":"a"}', '{"query":"b"}', "address"),
        ('{"sku":"a"}', '{"sku":"b"}', "body"),
    ],
)
def test_a_miss_names_the_sort_of_change(recorded, sent, change):
    """Of the prompt, the tools, the model, the parameters."""

    with pytest.raises(CassetteMiss, match=f"it differs in its {change}:"):
        Tape([said(recorded)]).answer(post(sent))


def test_prompts_of_several_lines_differ_by_line():
    """A diff of lines, not two walls of text."""

    lines = [f"line {n}" for n in range(50)]
    old = '{"system":"' + "\\n".join(lines) + '"}'
    new = old.replace("line 25", "line twenty-five")

    with pytest.raises(CassetteMiss) as caught:
        Tape([said(old)]).answer(post(new))

    assert str(caught.value).splitlines()[2:] == [
        "  system",
        "     line 24",
        "    -line 25",
        "    +line twenty-five",
        "     line 26",
    ]


def test_long_values_are_shown_from_where_they_part():
    """The difference is on the screen, however far in it is."""

    old, new = "x" * 5000 + "old tail", "x" * 5000 + "new tail"

    with pytest.raises(CassetteMiss) as caught:
        Tape([said(f'{{"prompt":"{old}"}}')]).answer(post(f'{{"prompt":"{new}"}}'))

    assert "old tail'" in str(caught.value)
    assert len(str(caught.value)) < 600
