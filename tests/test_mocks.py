"""Mocks: what a test scripts reaches the real SDKs, in the format and the way they ask for it."""

import asyncio
import json
import time

import anthropic
import httpx
import httpx2
import openai
import pytest
import requests

from replay.config import Config
from replay.errors import NeverAsked, Unhermetic, Unscripted
from replay.mocks.fixtures import MockHTTP, MockLLM
from replay.mocks.script import Script
from replay.mocks.stage import MockStage

USER = [{"role": "user", "content": "Where is my order?"}]
CHAT = {"model": "gpt-4o", "messages": USER}
RESPONSE = {"model": "gpt-4o", "input": "Where is my order?"}
MESSAGE = {"model": "claude-test", "messages": USER, "max_tokens": 100}
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Where is my order?"}]}]}
ARGUMENTS = {"order_id": 1042, "fields": ["état"]}


@pytest.fixture
def scripted():
    """What a test is given, and the stage it plays on, for what has to go wrong."""
    script = Script()
    stage = MockStage(script, Config())
    with stage.playing() as tape:
        yield MockLLM(script, tape.asked), MockHTTP(script, tape.asked), stage


def sse(response) -> list[dict]:
    """The events of a stream."""
    return [json.loads(line[6:]) for line in response.text.splitlines() if line[:6] == "data: "]


def test_openai_chat(mock_llm):
    """A reply, tool calls, why it ended and what it took."""

    mock_llm.reply("On its way.", tokens=(12, 4))
    mock_llm.reply("Let me see.", calls=[("get_order", ARGUMENTS), ("get_order", {})])
    client = openai.OpenAI()
    first = client.chat.completions.create(**CHAT)
    second = client.chat.completions.create(**CHAT)

    assert first.choices[0].message.content == "On its way."
    assert (first.model, first.usage.total_tokens) == ("gpt-4o", 16)
    assert [r.choices[0].finish_reason for r in (first, second)] == ["stop", "tool_calls"]
    calls = second.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == [ARGUMENTS, {}]
    assert second.choices[0].message.content == "Let me see."
    assert len({call.id for call in calls} | {first.id, second.id}) == 4


def test_openai_chat_stream(mock_llm):
    """As many chunks as there are pieces; the usage only where it is asked for."""

    mock_llm.stream(["On its", " way."], tokens=(12, 4))
    mock_llm.tool_call("get_order", ARGUMENTS)
    client = openai.OpenAI()
    chunks = list(
        client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True})
    )
    with client.chat.completions.stream(**CHAT) as stream:
        whole = stream.get_final_completion()

    texts = [c.choices[0].delta.content for c in chunks if c.choices]
    assert [text for text in texts if text] == ["On its", " way."]
    assert chunks[-1].usage.total_tokens == 16
    assert json.loads(whole.choices[0].message.tool_calls[0].function.arguments) == ARGUMENTS


async def test_openai_chat_async(mock_llm):
    """Two at once, first in first out, plain and streamed."""

    mock_llm.reply("one")
    mock_llm.stream(["tw", "o"])
    client = openai.AsyncOpenAI()
    plain = await client.chat.completions.create(**CHAT)
    stream = await client.chat.completions.create(**CHAT, stream=True)
    pieces = [chunk.choices[0].delta.content async for chunk in stream]

    assert plain.choices[0].message.content == "one"
    assert [piece for piece in pieces if piece] == ["tw", "o"]


def test_openai_responses(mock_llm):
    """Plain, cut off, and built up by events."""

    mock_llm.reply("On its", finish="length")
    mock_llm.tool_call("get_order", ARGUMENTS)
    mock_llm.stream(["On its", " way."], tokens=(12, 4))
    mock_llm.tool_call("get_order", ARGUMENTS)
    client = openai.OpenAI()
    cut = client.responses.create(**RESPONSE)
    called = client.responses.create(**RESPONSE)
    events = list(client.responses.create(**RESPONSE, stream=True))
    with client.responses.stream(**RESPONSE) as stream:
        streamed = stream.get_final_response()

    assert (cut.output_text, cut.incomplete_details.reason) == ("On its", "max_output_tokens")
    assert [(item.type, item.name) for item in called.output] == [("function_call", "get_order")]
    assert [e.delta for e in events if e.type == "response.output_text.delta"] == [
        "On its",
        " way.",
    ]
    assert events[-1].response.output_text == "On its way."
    assert events[-1].response.usage.total_tokens == 16
    assert [json.loads(item.arguments) for item in streamed.output] == [ARGUMENTS]


def test_openai_embeddings(mock_llm):
    """In base64, as the SDK asks for them, and as numbers."""

    mock_llm.embedding([0.5, -0.25], [1.0, 0.0])
    mock_llm.embedding([0.5])
    client = openai.OpenAI()
    two = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    one = client.embeddings.create(
        model="text-embedding-3-small", input="a", encoding_format="float"
    )

    assert [item.embedding for item in (*two.data, *one.data)] == [[0.5, -0.25], [1.0, 0.0], [0.5]]


def test_anthropic(mock_llm):
    """Blocks of text and of tool use."""

    mock_llm.reply("Let me see.", calls=[("get_order", ARGUMENTS)], tokens=(12, 4))
    answer = anthropic.Anthropic().messages.create(**MESSAGE)

    assert [block.type for block in answer.content] == ["text", "tool_use"]
    assert (answer.content[1].name, answer.content[1].input) == ("get_order", ARGUMENTS)
    assert (answer.stop_reason, answer.usage.input_tokens) == ("tool_use", 12)


async def test_anthropic_streams(mock_llm):
    """Sync and async, put together by the SDK."""

    mock_llm.stream(["On its", " way."], tokens=(12, 4))
    mock_llm.reply("Let me see.", calls=[("get_order", ARGUMENTS)])
    with anthropic.Anthropic().messages.stream(**MESSAGE) as stream:
        pieces = list(stream.text_stream)
        said = stream.get_final_message()
    async with anthropic.AsyncAnthropic().messages.stream(**MESSAGE) as stream:
        called = await stream.get_final_message()

    assert pieces == ["On its", " way."]
    assert (said.stop_reason, said.usage.input_tokens, said.usage.output_tokens) == (
        "end_turn",
        12,
        4,
    )
    assert (called.content[1].input, called.stop_reason) == (ARGUMENTS, "tool_use")


@pytest.mark.parametrize("post", [httpx.post, requests.post], ids=["httpx", "requests"])
def test_gemini(mock_llm, post):
    """Text, a function call, a stream and embeddings, by whatever client."""

    mock_llm.reply("On its way.", tokens=(12, 4))
    mock_llm.tool_call("get_order", ARGUMENTS)
    mock_llm.stream(["On its", " way."])
    mock_llm.embedding([0.5])
    said = post(f"{GEMINI}:generateContent", json=CONTENTS).json()
    called = post(f"{GEMINI}:generateContent", json=CONTENTS).json()
    events = sse(post(f"{GEMINI}:streamGenerateContent?alt=sse", json=CONTENTS))
    embedded = post(f"{GEMINI}:embedContent", json={"content": {"parts": [{"text": "a"}]}}).json()

    assert said["candidates"][0]["content"]["parts"] == [{"text": "On its way."}]
    assert said["usageMetadata"]["totalTokenCount"] == 16
    assert called["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"name": "get_order", "args": ARGUMENTS}}
    ]
    texts = [event["candidates"][0]["content"]["parts"][0]["text"] for event in events]
    assert texts == ["On its", " way."]
    assert [e["candidates"][0].get("finishReason") for e in events] == [None, "STOP"]
    assert embedded == {"embedding": {"values": [0.5]}}


def test_requests_are_read_alike(mock_llm):
    """Model, messages, system prompt and tools, whatever the provider calls them."""

    for _ in range(3):
        mock_llm.reply("Yes.")
    openai.OpenAI().chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "system", "content": "Be brief."}, *USER],
        tools=[{"type": "function", "function": {"name": "get_order", "parameters": {}}}],
    )
    anthropic.Anthropic().messages.create(
        **MESSAGE, system="Be brief.", tools=[{"name": "get_order", "input_schema": {}}]
    )
    declared = {"tools": [{"functionDeclarations": [{"name": "get_order"}]}]}
    httpx.post(f"{GEMINI}:generateContent", json=CONTENTS | declared)

    asked = mock_llm.requests
    assert [r.provider for r in asked] == ["openai", "anthropic", "gemini"]
    assert [r.model for r in asked] == ["gpt-4o", "claude-test", "gemini-2.5-flash"]
    assert {r.messages[-1].text for r in asked} == {"Where is my order?"}
    assert [r.system for r in asked[:2]] == [["Be brief."], "Be brief."]
    assert {r.tools for r in asked} == {("get_order",)}
    assert asked[1].json["max_tokens"] == 100


def test_errors_are_the_sdks_own(mock_llm):
    """With the provider's message; the SDK tries again, and waiting takes no time."""

    mock_llm.error(429, retry_after=30)
    mock_llm.reply("On its way.")
    mock_llm.error(529, times=3)
    mock_llm.error(400, "no such model")
    mock_llm.error(503, retry_after=2)
    began = time.time()
    said = openai.OpenAI().chat.completions.create(**CHAT)
    waited = time.time() - began
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        anthropic.Anthropic().messages.create(**MESSAGE)
    with pytest.raises(openai.BadRequestError, match="no such model"):
        openai.OpenAI().chat.completions.create(**CHAT)
    down = httpx.post(f"{GEMINI}:generateContent", json=CONTENTS)

    assert (said.choices[0].message.content, waited) == ("On its way.", 30)
    assert overloaded.value.body["error"] == {
        "type": "overloaded_error",
        "message": "529, says the script",
    }
    assert (down.status_code, down.headers["retry-after"]) == (503, "2")
    assert down.json()["error"]["status"] == "UNAVAILABLE"


async def test_plain_http(mock_http):
    """Each address has its own order; every client is answered."""

    for client in ("httpx", "httpx2", "requests"):
        mock_http("GET", "https://shop.example/orders?id=1", json={"client": client})
    mock_http("POST", "https://shop.example/refunds", status=202, text="queued")
    mock_http("GET", "https://shop.example/label", content=b"%PDF", headers={"X-Kind": "label"})
    got = [
        http.get("https://shop.example/orders", params={"id": 1}).json()["client"]
        for http in (httpx, httpx2, requests)
    ]
    async with httpx.AsyncClient() as client:
        refund = await client.post("https://shop.example/refunds", json={"id": 1})
    label = httpx.get("https://shop.example/label")

    assert got == ["httpx", "httpx2", "requests"]
    assert (refund.status_code, refund.text) == (202, "queued")
    assert (label.content, label.headers["x-kind"]) == (b"%PDF", "label")
    assert [r.method for r in mock_http.requests] == ["GET", "GET", "GET", "POST", "GET"]


def test_a_scripted_address_goes_before_the_queue(mock_llm, mock_http):
    """A provider that mock_llm does not write is scripted as plain HTTP."""

    mock_http("POST", "https://api.cohere.com/v2/chat", json={"message": {"role": "assistant"}})
    mock_llm.reply("On its way.")
    raw = httpx.post("https://api.cohere.com/v2/chat", json={"model": "command", "messages": USER})

    assert raw.json() == {"message": {"role": "assistant"}}
    assert openai.OpenAI().chat.completions.create(**CHAT).choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("script", "send", "why"),
    [
        (
            lambda *_: None,
            lambda: openai.OpenAI().chat.completions.create(**CHAT),
            r"\(gpt-4o\) has no answer: the test has scripted none.*\n.*mock_llm\.reply",
        ),
        (
            lambda llm, _: llm.error(429),
            lambda: openai.OpenAI().chat.completions.create(**CHAT),
            "all 1 scripted answers are given",
        ),
        (
            lambda llm, _: llm.reply("Yes."),
            lambda: openai.OpenAI().embeddings.create(model="e", input="a"),
            r"next in the script is reply\('Yes\.'\).*\n.*mock_llm\.embedding",
        ),
        (
            lambda llm, _: llm.embedding([1.0]),
            lambda: openai.OpenAI().embeddings.create(model="e", input=["a", "b"]),
            "asks for 2 embeddings, and 1 are scripted",
        ),
        (
            lambda llm, _: llm.reply("Yes."),
            lambda: httpx.post("https://api.cohere.com/v2/chat", json=CHAT),
            r"does not write the format of cohere.*\n.*mock_http\(\"POST\", \"https://api\.cohere",
        ),
        (
            lambda _, http: http("GET", "https://shop.example/orders?id=1"),
            lambda: httpx.get("https://shop.example/orders?id=2"),
            r"scripted is GET https://shop\.example/orders\?id=1",
        ),
    ],
    ids=["nothing", "retry", "kind", "number", "format", "address"],
)
def test_what_is_not_scripted_stops_the_test(scripted, script, send, why):
    """No SDK takes it for a network error; a test that swallows it fails at its end."""

    llm, http, stage = scripted
    script(llm, http)
    with pytest.raises(Unscripted, match=why):
        send()
    with pytest.raises(Unscripted, match=why):
        stage.end(passed=True)


def test_what_is_never_asked_for_fails_the_test(scripted):
    """Each as it was scripted; a test that failed anyway says what went wrong first."""

    llm, http, stage = scripted
    llm.reply("Yes.")
    llm.tool_call("get_order", {})
    llm.error(500)
    http("GET", "https://shop.example/orders")
    stage.end(passed=False)
    with pytest.raises(NeverAsked) as caught:
        stage.end(passed=True)

    assert str(caught.value).splitlines()[1:5] == [
        "  mock_llm.reply('Yes.')",
        "  mock_llm.tool_call('get_order')",
        "  mock_llm.error(500)",
        "  mock_http('GET', 'https://shop.example/orders')",
    ]


def test_the_network_is_blocked(scripted):
    """Whoever goes round the clients meets the guard."""

    import socket

    _, _, stage = scripted
    with pytest.raises(Unhermetic):
        socket.create_connection(("127.0.0.1", 9))
    with pytest.raises(Unhermetic, match=r"127\.0\.0\.1:9"):
        stage.end(passed=True)


async def test_concurrent_requests_each_get_one(mock_llm):
    """Twenty at once, each its own answer."""

    for number in range(20):
        mock_llm.reply(str(number))
    client = openai.AsyncOpenAI()
    answers = await asyncio.gather(*(client.chat.completions.create(**CHAT) for _ in range(20)))

    texts = sorted(int(answer.choices[0].message.content) for answer in answers)
    assert (texts, len({answer.id for answer in answers})) == (list(range(20)), 20)
