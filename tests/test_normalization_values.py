"""Values become JSON without the user's help, the same whatever order a set gives up its items."""

import collections
import dataclasses
import enum
import re
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import anthropic
import attrs
import httpx
import openai
import pydantic
import pytest
from anthropic.types import Message
from openai.types.chat import ChatCompletion

from replay.errors import NotJson
from replay.golden.plain import plain

from .server import chunked, scripted

UUID_1 = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


@dataclasses.dataclass
class Point:
    x: int
    tags: frozenset[str] = frozenset()


@attrs.define
class Line:
    start: Point
    note: str | None = None


class Color(enum.Enum):
    RED = "red"


class Answer(pydantic.BaseModel):
    id: UUID
    at: datetime
    tags: set[str] = pydantic.Field(default_factory=set)
    inner: Point | None = None


Pair = collections.namedtuple("Pair", "one two")


class Array:
    """What numpy and torch have in common."""

    def tolist(self):
        return [[1.0, 2.0], [3.0, 4.0]]


def failed() -> Exception:
    try:
        try:
            raise KeyError("sku")
        except KeyError as error:
            raise ValueError("no such order") from error
    except ValueError as error:
        error.add_note("order 1042")
        return error


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1), {"x": 1, "tags": []}),
        (Line(Point(1)), {"start": {"x": 1, "tags": []}, "note": None}),
        (Pair(1, "b"), {"one": 1, "two": "b"}),
        ((1, {"b", "a"}, None), [1, ["a", "b"], None]),
        ({1: "a", Color.RED: date(2026, 1, 2)}, {"1": "a", "red": "2026-01-02"}),
        (Decimal("129.90"), "129.90"),
        (timedelta(seconds=90), "PT1M30S"),
        (Path("a/b"), "a/b"),
        (Color.RED, "red"),
        (float("nan"), "NaN"),
        (b"text", "text"),
        (b"\xff\x00", {"base64": "/wA="}),
        (Array(), [[1.0, 2.0], [3.0, 4.0]]),
        ((n for n in range(3)), [0, 1, 2]),
        (map(str, (1, 2)), ["1", "2"]),
        (httpx.Response(404, json={"detail": "gone"}), {"status": 404, "body": {"detail": "gone"}}),
        (httpx.Response(200, text="hello"), {"status": 200, "body": "hello"}),
        (
            Answer(id=UUID(UUID_1), at=datetime(2026, 1, 2, tzinfo=UTC), tags={"b", "a"}),
            {"id": UUID_1, "at": "2026-01-02T00:00:00Z", "tags": ["a", "b"], "inner": None},
        ),
        (
            failed(),
            {
                "error": "builtins.ValueError",
                "message": "no such order",
                "cause": {"error": "builtins.KeyError", "message": "'sku'"},
                "notes": ["order 1042"],
            },
        ),
        (
            ExceptionGroup("two", [ValueError("a")]),
            {
                "error": "builtins.ExceptionGroup",
                "message": "two (1 sub-exception)",
                "exceptions": [{"error": "builtins.ValueError", "message": "a"}],
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_become_json_without_help(value, expected):
    """Models, dataclasses, attrs, named tuples, arrays, iterators, exceptions."""

    assert plain(value) == expected


def test_what_pytest_raises_gives_is_its_exception():
    """As it stands in a test."""

    with pytest.raises(ZeroDivisionError) as error:
        _ = 1 / 0

    assert plain(error) == {"error": "builtins.ZeroDivisionError", "message": "division by zero"}


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_sets_have_one_order(seed):
    """Whatever the hash seed is."""

    code = (
        "from replay.golden.plain import plain; import pydantic\n"
        "class M(pydantic.BaseModel):\n    tags: set[str]; more: list[frozenset[str]] = []\n"
        "words = {'one', 'two', 'three', 'four'}\n"
        "print(plain([words, M(tags=words, more=[words]), {'k': frozenset(words)}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )

    words = "['four', 'one', 'three', 'two']"
    assert done.stdout.strip() == (
        f"[{words}, {{'tags': {words}, 'more': [{words}]}}, {{'k': {words}}}]"
    )


def test_what_has_no_json_form_is_told():
    """With what it was."""

    with pytest.raises(NotJson, match=r"The output has to be JSON: .*object"):
        plain(object())


def test_what_holds_itself_is_told():
    """Instead of a traceback of a thousand lines."""

    value: list[object] = []
    value.append(value)

    with pytest.raises(NotJson, match="recursion"):
        plain(value)


async def _events():
    yield 1


def test_an_asynchronous_stream_says_how_to_read_it():
    """Comparing is no place to await."""

    with pytest.raises(NotJson, match=r"collect it first: \[event async for event in stream\]"):
        plain(_events())


CHAT = [
    (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o",'
        b'"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
    ),
    (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o",'
        b'"choices":[{"index":0,"delta":{"content":"lo","tool_calls":[{"index":0,"id":"call_1",'
        b'"type":"function","function":{"name":"get_order","arguments":"{\\"a\\":"}}]}}]}\n\n'
    ),
    (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o",'
        b'"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},'
        b'"finish_reason":"tool_calls"}]}\n\n'
    ),
    b"data: [DONE]\n\n",
]
MESSAGES = [
    (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1",'
        b'"type":"message",'
        b'"role":"assistant","content":[],"model":"claude","stop_reason":null,"stop_sequence":null,'
        b'"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    ),
    (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
    ),
    (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"Hel"}}\n\n'
    ),
    (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"lo"}}\n\n'
    ),
    (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":1,'
        b'"content_block":{"type":"tool_use","id":"toolu_1","name":"get_order","input":{}}}\n\n'
    ),
    (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,'
        b'"delta":{"type":"input_json_delta","partial_json":"{\\"a\\": 1}"}}\n\n'
    ),
    (
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use",'
        b'"stop_sequence":null},"usage":{"output_tokens":9}}\n\n'
    ),
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]


@pytest.fixture
def openai_stream(scripted_url):
    client = openai.OpenAI(base_url=scripted_url(CHAT), api_key="none", max_retries=0)
    with client:
        yield client.chat.completions.create(model="gpt-4o", messages=[], stream=True)


@pytest.fixture
def anthropic_stream(scripted_url):
    client = anthropic.Anthropic(base_url=scripted_url(MESSAGES), api_key="none", max_retries=0)
    with client:
        yield client.messages.create(model="claude", max_tokens=5, messages=[], stream=True)


@pytest.fixture
def scripted_url():
    with ExitStack() as stack:
        yield lambda pieces: stack.enter_context(scripted(heard(chunked(pieces))))


def heard(script):
    """Read the whole request first: closing on unread bytes would reset the connection."""

    def patient(connection, data):
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(body) < size:
            body += connection.recv(65536)
        script(connection, data)

    return patient


@pytest.mark.parametrize("collected", [False, True])
def test_openai_streams_are_put_together(openai_stream, collected):
    """The SDK's own stream, or the chunks that an asynchronous test has collected."""

    found = plain(list(openai_stream) if collected else openai_stream)

    assert ChatCompletion.model_validate(found).choices[0].message.content == "Hello"
    (call,) = found["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "get_order", "arguments": '{"a":1}'}
    assert found["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("collected", [False, True])
def test_anthropic_streams_are_put_together(anthropic_stream, collected):
    """Texts, and the arguments of tools, which come as pieces of JSON."""

    found = plain(list(anthropic_stream) if collected else anthropic_stream)

    message = Message.model_validate(found)
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert (found["content"][0]["text"], found["content"][1]["input"]) == ("Hello", {"a": 1})
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 9)


def test_responses_end_in_the_whole():
    """OpenAI's Responses say it themselves in the last event."""

    events = [
        {"type": "response.output_text.delta", "delta": "Hel"},
        {"type": "response.completed", "response": {"id": "resp_1", "output": []}},
    ]

    assert plain(iter(events)) == {"id": "resp_1", "output": []}


def test_sdk_errors_say_what_the_provider_said(scripted_url):
    """Type and message, as a test shows them."""

    found = plain(openai.APIConnectionError(request=httpx.Request("POST", "http://x/")))

    assert found == {"error": "openai.APIConnectionError", "message": "Connection error."}
