"""Traffic that others recorded, as episodes; and recordings as files for others."""

import json
from dataclasses import replace

import pytest

from bench.store import agent_run
from fuzz.examples import ASKED, SAID
from replay.cassettes.files import read_cassette, write_cassette
from replay.config import Redaction
from replay.episodes.exports import export_cassette, export_har
from replay.episodes.imports import import_file, read_recorded
from replay.episodes.store import Store
from replay.errors import Damaged, WouldOverwrite
from replay.llm.calls import read_call
from replay.model import Chunk, Episode, Failure, Interaction, Request, Response

PNG = b"\x89PNG\r\n\xff"
RUN = replace(
    agent_run(2),
    interactions=(
        *(
            replace(item, response=replace(item.response, chunks=()))
            for item in agent_run(2).interactions
        ),
        Interaction(
            Request("GET", "https://x/logo?a=1", (("accept", "*/*"), ("accept", "image/png"))),
            Response(
                200, "OK", (("content-type", "image/png"),), PNG, (Chunk(4, 0.1), Chunk(3, 0.2))
            ),
            None,
            2.5,
            0.25,
        ),
        Interaction(
            Request("POST", "https://x/form", (), PNG),
            None,
            Failure("httpx.ConnectError", "refused"),
            3.0,
            0.1,
        ),
    ),
)


def imported(path, name=""):
    return read_recorded(path, Redaction(), name)


def written(path, *values):
    path.write_text("\n".join(json.dumps(value) for value in values))
    return path


@pytest.mark.parametrize("export", [export_cassette, export_har])
def test_out_and_in_again_is_the_same(tmp_path, export):
    """Bodies, chunks, times, failures, and headers that stand there twice."""

    path = export(Episode("run", "m:f", {}, (RUN,)), "", tmp_path)
    found = imported(path)

    assert found.episode.current.interactions == RUN.interactions
    assert found.episode.current.manifest.clock == RUN.manifest.clock
    assert found.episode.id == "run"


def test_chunks_of_a_body_that_was_edited(tmp_path):
    """They add up to it again: a bundle has no other way to say them."""

    response = Response(200, "OK", (), b"hello", (Chunk(2, 0.1), Chunk(1, 0.2)))
    path = tmp_path / "edited.yaml"
    write_cassette(path, [Interaction(Request("GET", "http://x/"), response)], None)
    (found,) = imported(path).episode.current.interactions

    assert found.response.chunks == (Chunk(2, 0.1), Chunk(1, 0.2), Chunk(2, 0.2))


def test_a_file_that_is_there_is_not_replaced(tmp_path):
    """Unless that is said."""

    episode = Episode("run", "m:f", {}, (RUN,))
    export_har(episode, "", tmp_path)

    with pytest.raises(WouldOverwrite, match="--format har"):
        export_har(episode, "", tmp_path)
    export_har(episode, "", tmp_path, force=True)


def test_a_cassette_becomes_an_episode_without_entrypoint(tmp_path):
    """Importing it again changes nothing; secrets in it are replaced."""

    path = tmp_path / "refund.yaml"
    key = "Bearer sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    call = RUN.interactions[0]
    write_cassette(path, [call], None)
    path.write_text(path.read_text().replace("value of header 0, as it is always", key, 1))
    with Store(":memory:") as store:
        done = [import_file(store, path, Redaction()).new for _ in range(2)]
        found = store.get("refund")

    assert (done, found.entrypoint, found.inputs) == ([1, 0], "", {})
    assert "sk-proj" in path.read_text()
    assert "sk-proj" not in repr(found)
    assert found.current.manifest.models_answered == ("gpt-4o-2024-08-06",)
    assert read_cassette(path).interactions[0].response == found.current.interactions[0].response


def test_a_browsers_archive(tmp_path):
    """Decoded bodies under headers that say gzip, HTTP/2 names, forms, an entry without answer."""

    request = {"method": "POST", "url": "https://x/a", "headers": [{"name": ":path", "value": "/"}]}
    form = {"mimeType": "x", "params": [{"name": "a", "value": "1 2"}]}
    headers = [{"name": "content-encoding", "value": "gzip"}]
    answer = {"status": 200, "statusText": "OK", "headers": headers, "content": {"text": "hello"}}
    entries = [
        {
            "startedDateTime": "2026-09-01T12:00:01Z",
            "time": -1,
            "request": request | {"postData": form},
            "response": answer,
        },
        {
            "startedDateTime": "2026-09-01T12:00:00Z",
            "time": 40,
            "request": request | {"method": "GET"},
            "response": {
                "status": 0,
                "statusText": "",
                "headers": [],
                "content": {},
                "_error": "reset",
            },
        },
    ]
    path = written(tmp_path / "My session.har", {"log": {"entries": entries}})
    found = imported(path)
    first, second = found.episode.current.interactions

    assert found.episode.id == "My_session"
    assert found.episode.current.manifest.clock == "2026-09-01T12:00:00+00:00"
    assert (first.failure.message, first.response, first.elapsed) == ("reset", None, 0.04)
    assert (second.request.body, second.request.headers, second.started) == (b"a=1+2", (), 1.0)
    assert (second.response.body, second.response.headers) == (b"hello", ())
    assert any("content-encoding" in what or "gzip" in what for what in found.healed)


CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": ASKED["messages"]}
CLAUDE_SAID = {
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "hello"}],
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
CHUNKS = [
    {"model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {"content": piece}}]}
    for piece in ("hel", "lo")
]
OPENAI, ANTHROPIC = (
    "https://api.openai.com/v1/chat/completions",
    "https://api.anthropic.com/v1/messages",
)


@pytest.mark.parametrize(
    ("lines", "url"),
    [
        ([{"request": ASKED, "response": SAID}], OPENAI),
        (
            [
                {
                    "request": {"url": OPENAI, "body": ASKED},
                    "response": {"status": 200, "body": SAID},
                }
            ],
            OPENAI,
        ),
        ([{"input": ASKED, "output": CHUNKS, "latency_ms": 20}], OPENAI),
        ([{"kwargs": CLAUDE, "completion": CLAUDE_SAID}], ANTHROPIC),
        (
            [
                {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": ASKED},
                {"custom_id": "1", "response": {"status_code": 200, "body": SAID}, "error": None},
            ],
            OPENAI,
        ),
        (
            [
                {"custom_id": "1", "params": CLAUDE},
                {"custom_id": "1", "result": {"type": "succeeded", "message": CLAUDE_SAID}},
            ],
            ANTHROPIC,
        ),
    ],
    ids=["plain", "envelope", "streamed", "anthropic", "openai batch", "anthropic batch"],
)
def test_request_logs(tmp_path, lines, url):
    """Whatever they call what was asked and what was answered."""

    found = imported(written(tmp_path / "calls.jsonl", *lines))
    call = read_call(found.episode.current.interactions[0])

    assert found.form == "request log"
    assert [item.request.url for item in found.episode.current.interactions] == [url]
    assert ([m.text for m in call.sent], [m.text for m in call.answers]) == (["hi"], ["hello"])


def test_lines_of_a_log_are_put_in_order(tmp_path):
    """By their times, which become seconds since the first."""

    lines = [
        {"timestamp": 1767225605, "request": ASKED | {"n": 2}, "response": SAID},
        {"timestamp": "2026-01-01T00:00:00Z", "request": ASKED | {"n": 1}, "response": SAID},
        {"timestamp": "2026-01-01T00:00:00Z", "note": "neither asked nor answered"},
    ]
    found = imported(written(tmp_path / "calls.jsonl", *lines)).episode.current

    assert [item.started for item in found.interactions] == [0.0, 5.0]
    assert [json.loads(item.request.body)["n"] for item in found.interactions] == [1, 2]


def attributes(**values):
    return [{"key": key.replace("__", "."), "value": value} for key, value in values.items()]


NEWER = attributes(
    gen_ai__request__model={"stringValue": "gpt-4o"},
    gen_ai__response__model={"stringValue": "gpt-4o-2024-08-06"},
    gen_ai__usage__input_tokens={"intValue": "3"},
    gen_ai__usage__output_tokens={"intValue": "2"},
    gen_ai__input__messages={
        "stringValue": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])
    },
    gen_ai__output__messages={
        "stringValue": json.dumps(
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "text", "content": "hello"},
                        {"type": "tool_call", "id": "1", "name": "look", "arguments": {"a": 1}},
                    ],
                }
            ]
        )
    },
)
OLDER = [
    {"key": key, "value": {"stringValue": value}}
    for key, value in {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "hi",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "hello",
        "gen_ai.completion.0.tool_calls.0.id": "1",
        "gen_ai.completion.0.tool_calls.0.name": "look",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"a": 1}',
    }.items()
]


@pytest.mark.parametrize("found_in", [NEWER, OLDER], ids=["conventions", "openllmetry"])
def test_spans(tmp_path, found_in):
    """Those that hold messages; a span of something else is left out."""

    times = {"startTimeUnixNano": "1767225600000000000", "endTimeUnixNano": "1767225600500000000"}
    spans = [times | {"name": "chat", "attributes": found_in}, times | {"name": "GET /"}]
    path = written(
        tmp_path / "traces.jsonl", {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    )
    found = imported(path)
    (item,) = found.episode.current.interactions
    call = read_call(item)

    assert (found.form, item.elapsed) == ("OpenTelemetry", 0.5)
    assert found.episode.current.manifest.clock == "2026-01-01T00:00:00+00:00"
    assert ([m.text for m in call.sent], [m.text for m in call.answers]) == (["hi"], ["hello"])
    assert [(t.name, t.arguments) for t in call.answers[0].tool_calls] == [("look", {"a": 1})]


def any_value(value):
    """Write *value* as OTLP does."""

    if isinstance(value, dict):
        pairs = [{"key": key, "value": any_value(item)} for key, item in value.items()]
        return {"kvlistValue": {"values": pairs}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def record(second, body, span="b7", **names):
    return {
        "timeUnixNano": f"176722560{second}000000000",
        "traceId": "5b",
        "spanId": span,
        "attributes": [{"key": k.replace("__", "."), "value": v} for k, v in names.items()],
        "body": any_value(body),
    }


LOOK = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
EVENTS = [
    record(0, {"content": "Be kind."}) | {"eventName": "gen_ai.system.message"},
    record(0, {"content": "hi"}, event__name={"stringValue": "gen_ai.user.message"}),
    record(
        1,
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"content": "hello", "tool_calls": [LOOK]},
        },
        event__name={"stringValue": "gen_ai.choice"},
    ),
    record(1, {"content": "of no call"}, span="") | {"eventName": "gen_ai.user.message"},
    record(1, "GET / took long"),
]
WHOLE = {
    "timeUnixNano": "1767225600000000000",
    "eventName": "gen_ai.client.inference.operation.details",
    "attributes": NEWER,
}
CHAT_SPAN = {
    "traceId": "5b",
    "spanId": "b7",
    "startTimeUnixNano": "1767225600000000000",
    "endTimeUnixNano": "1767225601000000000",
    "attributes": NEWER[:4],
}


def logged(*records):
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}


@pytest.mark.parametrize(
    ("lines", "model", "system", "elapsed"),
    [
        ([logged(*EVENTS)], "", ["Be kind."], 1.0),
        ([logged(WHOLE)], "gpt-4o-2024-08-06", None, 0.0),
        (
            [logged(*EVENTS), {"resourceSpans": [{"scopeSpans": [{"spans": [CHAT_SPAN]}]}]}],
            "gpt-4o-2024-08-06",
            ["Be kind."],
            1.0,
        ),
    ],
    ids=["events", "one event", "events of a span"],
)
def test_log_records(tmp_path, lines, model, system, elapsed):
    """GenAI events are what their span would say; what else is logged is left out."""

    found = imported(written(tmp_path / "logs.jsonl", *lines))
    (item,) = found.episode.current.interactions
    call = read_call(item)

    assert found.form == "OpenTelemetry"
    assert found.episode.current.manifest.clock == "2026-01-01T00:00:00+00:00"
    assert (call.answered, call.system, item.elapsed) == (model, system, elapsed)
    assert ([m.text for m in call.sent], [m.text for m in call.answers]) == (["hi"], ["hello"])
    assert [(t.name, t.arguments) for t in call.answers[0].tool_calls] == [("look", {"a": 1})]


@pytest.mark.parametrize("text", ["", "hello", "{}", "[1]", '{"log": {"entries": [1]}}', '{"a"'])
def test_what_is_nobodys_is_refused(tmp_path, text):
    """Never half read."""

    path = tmp_path / "file.json"
    path.write_text(text)

    with pytest.raises(Damaged, match=r"file\.json"):
        imported(path)


def test_verbs_take_files_of_any_kind(project):
    """What cannot be read is told, the rest comes. Such an episode cannot run."""

    written(project.root / "calls.jsonl", {"request": ASKED, "response": SAID})
    project.write("broken.har", '{"log": {"entries": [1]}}')
    put = project.replay("import", "broken.har", "calls.jsonl")
    listed = project.replay("list")
    out = project.replay("export", "calls", "--format", "har", "--to", "out")
    ran = project.replay("run", "calls")
    back = project.replay("import", "out/calls.har", "--id", "again")

    assert (put.returncode, out.returncode, ran.returncode, back.returncode) == (2, 0, 2, 0)
    assert "calls: 1 new recording, from a request log" in put.stdout
    assert "broken.har: a HAR file that is broken" in put.stderr
    assert "(none: imported)" in listed.stdout
    assert "calls was imported" in ran.stderr
