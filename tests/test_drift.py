"""What changed between two runs: found, named, and told once."""

import json
from dataclasses import replace

import pytest

from replay.cassettes.matching import Matcher
from replay.config import Matching
from replay.drift.clustering import Clusters
from replay.drift.comparison import compare
from replay.drift.kinds import Kind
from replay.model import Failure, Response
from tests.talking import URL, call, run


def kinds(before, after):
    return [change.kind for change in compare(before, after).changes]


def with_answer(interaction, **changes):
    return replace(interaction, response=replace(interaction.response, **changes))


def test_ids_times_and_volatile_headers_are_no_drift():
    """Two recordings that say the same agree, and what was put aside is counted."""

    found = compare(run(call(number=1)), run(call(number=2)))

    assert found.changes == ()
    assert found.aside == {"ids and times in responses": 2, "response headers": 1}


@pytest.mark.parametrize(
    ("changed", "kind", "place"),
    [
        (call(url=URL.replace("v1", "v2")), Kind.ADDRESS, "endpoint"),
        (call(url=f"{URL}?beta=true"), Kind.ADDRESS, "query.beta"),
        (call("goodbye"), Kind.MESSAGES, "messages[0].content"),
        (call(temperature=0), Kind.PARAMETERS, "temperature"),
        (call(tools=[{"type": "function"}]), Kind.TOOLS, "tools"),
        (call(user="ann"), Kind.BODY, "user"),
        (call(answered="hey"), Kind.TEXT, "text"),
        (call(answer={"refusal": "No."}), Kind.REFUSAL, "refusal"),
        (call(answer={"audio": "x"}), Kind.SHAPE, "choices[*].message.audio"),
        (with_answer(call(), status=201), Kind.STATUS, "status"),
        (
            with_answer(call(), headers=(("content-type", "text/plain"),)),
            Kind.ANSWER_HEADERS,
            "content-type",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_has_its_kind_and_place(changed, kind, place):
    """What is named is what was changed."""

    found = compare(run(call()), run(changed)).changes

    assert (kind, place) in [(change.kind, change.place) for change in found]


def test_a_model_that_is_asked_for_and_one_that_answers_are_told_apart():
    """An alias that moves is the provider's doing, another model asked for is ours."""

    assert kinds(run(call()), run(call(model="gpt-4.1"))) == [Kind.MODEL, Kind.ANSWERED]


def test_the_prompt_is_told_from_the_messages():
    """A system message is the prompt, wherever it stands."""

    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}]
    other = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]

    assert kinds(run(call(messages=said)), run(call(messages=other))) == [Kind.PROMPT]


def test_a_message_put_in_between_is_one_change():
    """What only moved in a list did not change."""

    said = [{"role": "user", "content": str(n)} for n in range(9)]
    more = [*said[:2], {"role": "user", "content": "new"}, *said[2:]]

    (change,) = compare(run(call(messages=said)), run(call(messages=more))).changes

    assert (change.place, change.was) == ("messages[2]", "(absent)")


def test_tool_calls_compare_by_sequence_and_arguments():
    """Which tools are called, and with what, is read whatever way they are spelled."""

    def calling(name, **arguments):
        used = {"name": name, "arguments": json.dumps(arguments)}
        return call(answer={"tool_calls": [{"id": "call_1", "type": "function", "function": used}]})

    (other,) = compare(run(calling("find", sku=1)), run(calling("find", sku=2))).changes
    names = compare(run(calling("find", sku=1)), run(calling("buy", sku=1))).changes

    assert (
        *(other.kind, other.place),
        *(other.was, other.now),
    ) == (Kind.TOOL_CALLS, "find.arguments.sku", 1, 2)
    assert [(c.kind, c.place) for c in names] == [(Kind.TOOL_CALLS, "sequence")]


def test_structured_answers_compare_by_field_and_by_being_valid():
    """An answer in JSON is compared as what it says; prose in its place is told as such."""

    was = run(call(answered='{"id": "A-1", "total": 3}'))

    (field,) = compare(was, run(call(answered='{"total": 3, "id": "A-2"}'))).changes
    broken = compare(was, run(call(answered="A-1 costs 3"))).changes

    assert (field.kind, field.place, field.was, field.now) == (Kind.TEXT, "text.id", "A-1", "A-2")
    assert Kind.STRUCTURE in [change.kind for change in broken]


def test_a_stream_compares_as_the_message_it_makes_up():
    """Where the chunks were cut says nothing."""

    def streamed(*pieces):
        chunk = {"id": "chatcmpl-1", "model": "gpt-4o", "object": "chat.completion.chunk"}
        choices = [[{"index": 0, "delta": {"content": piece}}] for piece in pieces]
        events = [f"data: {json.dumps({**chunk, 'choices': choice})}\n\n" for choice in choices]
        body = "".join([*events, "data: [DONE]\n\n"]).encode()
        response = Response(200, "OK", (("content-type", "text/event-stream"),), body)
        return run(replace(call(stream=True), response=response))

    same = compare(streamed("Hel", "lo"), streamed("H", "el", "lo"))
    (other,) = compare(streamed("Hel", "lo"), streamed("Good", "bye")).changes

    assert (same.changes, same.aside) == ((), {"streams that say the same": 1})
    assert (other.kind, other.was, other.now) == (Kind.TEXT, "Hello", "Goodbye")


def test_the_same_talk_with_another_api_is_not_a_wall_of_fields():
    """Requests in two formats compare by what they ask for."""

    sent = {"model": "gpt-4o", "input": [{"role": "user", "content": "hello"}]}
    told = {
        "object": "response",
        "model": "gpt-4o-2024-08-06",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "hi"}],
            }
        ],
    }
    url = URL.replace("chat/completions", "responses")
    new = call(url=url)
    new = replace(
        new,
        request=replace(new.request, body=json.dumps(sent).encode()),
        response=replace(new.response, body=json.dumps(told).encode()),
    )

    found = {change.kind for change in compare(run(call()), run(new)).changes}

    assert {Kind.ADDRESS, Kind.FORMAT, Kind.SHAPE} <= found
    assert found.isdisjoint({Kind.MODEL, Kind.PROMPT, Kind.TOOLS, Kind.TEXT})


def test_what_carries_on_a_changed_answer_is_a_consequence():
    """The first divergence is the answer; the next request only repeats it."""

    def talk(answer):
        history = [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "go on"},
        ]
        return run(call(answered=answer), call(messages=history))

    found = compare(talk("hi there"), talk("good day"))

    assert (found.first.kind, found.first.after) == (Kind.TEXT, 1)
    assert [change.kind for change in found.changes] == [Kind.TEXT, Kind.HISTORY]


def test_calls_are_paired_wherever_they_stand():
    """A call put first shifts none of the others."""

    old = run(call("one"), call("two"))
    new = run(call("zero", url="https://other.example.com/x/y"), call("two"), call("one"))

    (change,) = compare(old, new).changes

    assert (change.kind, change.before, change.after) == (Kind.CALL_ADDED, 0, 1)


def test_a_call_that_went_says_which():
    """The endpoint is named, without the ids in it."""

    poll = call(url="https://api.example.com/v1/threads/thread_abcDEF0123456789")

    (change,) = compare(run(call(), poll), run(call())).changes

    assert (
        change.kind,
        change.place,
    ) == (Kind.CALL_REMOVED, "POST https://api.example.com/v1/threads/<id>")


def test_outputs_compare_field_by_field():
    """An id in the program's own output may be the very point; a time stamp is not."""

    was = run(output={"order": {"id": "A", "at": "2026-01-01T10:00:00Z"}})
    now = run(output={"order": {"id": "B", "at": "2026-02-02T11:00:00Z"}})

    (change,) = compare(was, now).changes

    assert (change.kind, change.place) == (Kind.OUTPUT_VALUE, "order.id")


def test_a_run_that_fails_drifts():
    """How a program ends is part of what comes out."""

    failed = replace(run(), failure=Failure("builtins.KeyError", "'sku'"))

    assert kinds(run(), failed) == [Kind.OUTPUT_ERROR]


def test_declared_rules_hold_here_too():
    """What does not decide a match is no drift."""

    matcher = Matcher(Matching(ignore_json=("metadata.run",)))
    one, two = (run(call(metadata={"run": run_id})) for run_id in ("a", "b"))

    assert compare(one, two, matcher=matcher).changes == ()


def test_one_cause_is_one_finding():
    """24 runs whose path went from v1beta to v1 are one line, whatever else stands in the path."""

    clusters = Clusters()
    for n in range(24):
        urls = (f"https://x.dev/{version}/models/m{n}:go" for version in ("v1beta", "v1"))
        clusters.add(f"test_{n}", compare(*(run(call(url=url)) for url in urls)).changes)

    (finding,) = clusters.findings()

    assert (finding.runs, finding.sentence) == (24, "Requests go to another address: v1beta → v1")


def test_prose_is_quoted():
    """A comma that is gone is no comma of ours."""

    clusters = Clusters()
    asked = ("Be brief, kind and exact.", "Be brief and exact.")
    clusters.add("a", compare(*(run(call(text)) for text in asked)).changes)

    (finding,) = clusters.findings()

    assert finding.sentence == "The messages changed: messages[*].content ', kind' is gone"


def test_fields_that_always_change_together_are_one_finding():
    """A new schema is one cause, however many fields it has."""

    clusters = Clusters()
    for name in ("a", "b"):
        clusters.add(name, compare(run(call()), run(call(seed=1, top_p=0.5))).changes)

    (finding,) = clusters.findings()

    assert finding.sentence == "Parameters changed: seed 1 is new; top_p 0.5 is new"
