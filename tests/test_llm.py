"""Reading payloads: who said what, with which model, for how much, whatever the wire format."""

import binascii
import json
import struct
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import anthropic
import httpx2
import openai
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from replay.llm.calls import read_call
from replay.llm.conversation import Call, Message, Tokens, ToolCall
from replay.llm.exchange import sse_data
from replay.llm.prices import dollars
from replay.model import Failure, Interaction, Request, Response

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com/v1/messages"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
WEATHER = ToolCall("call_1", "weather", {"city": "Oslo"})
ASKED = Message("user", "How is Oslo?")
RESULT = Message("tool", "rain", tool_call_id="call_1")


def read(url, sent, answer=b"{}", status=200, headers=()) -> Call:
    """Read one exchange; *answer* is bytes, or an object that is sent as JSON."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    request = Request("POST", url, (), json.dumps(sent).encode())
    return read_call(Interaction(request, Response(status, "", headers, body)))


def sse(*events: dict[str, object]) -> bytes:
    """Frame *events* as a server does."""
    named = ((f"event: {e['type']}\n" if "type" in e else "", json.dumps(e)) for e in events)
    return "".join(f"{name}data: {data}\n\n" for name, data in named).encode()


def lines(*events: object) -> bytes:
    """Frame *events* a line each."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def amazon(*events: tuple[str, object], kind: str = "event") -> bytes:
    """Frame *events* as Amazon does."""
    return b"".join(_frame(name, compact(event), kind) for name, event in events)


def compact(value: object) -> bytes:
    """Spell *value* as Amazon does."""
    return json.dumps(value, separators=(",", ":")).encode()


def _frame(name: str, payload: bytes, kind: str) -> bytes:
    headers = b""
    for key, value in ((f":{kind}-type", name), (":message-type", kind)):
        headers += struct.pack(">B", len(key)) + key.encode() + b"\x07"
        headers += struct.pack(">H", len(value)) + value.encode()
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = lengths + struct.pack(">I", binascii.crc32(lengths)) + headers + payload
    return whole + struct.pack(">I", binascii.crc32(whole))


def chunk(index=0, finish=None, usage=None, **delta):
    """One chunk of a chat."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    shared = {"id": "c", "object": "chat.completion.chunk", "created": 1, "usage": usage}
    return shared | {"model": "gpt-4o-2024-08-06", "choices": [choice]}


def piece(index, arguments, **first):
    """One piece of a tool call in a chunk."""
    return chunk(
        tool_calls=[
            {"index": index, "function": {"arguments": arguments} | first.pop("f", {})} | first
        ]
    )


FUNCTION = {"name": "weather", "arguments": '{"city": "Oslo"}'}
CHAT_CALL = {"id": "call_1", "type": "function", "function": FUNCTION}
CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "How is Oslo?"}]},
    {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
]
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
SAID = {"role": "assistant", "content": "Wet.", "refusal": None}
CONVERSATION = (ASKED, Message("assistant", tool_calls=(WEATHER,)), RESULT)
CHAT_STREAM = sse(
    chunk(role="assistant", content="I "),
    chunk(content="look."),
    piece(0, '{"ci', id="call_1", type="function", f={"name": "weather"}),
    piece(1, "{}", id="call_2", type="function", f={"name": "time"}),
    piece(0, 'ty": "Oslo"}'),
    chunk(finish="tool_calls"),
    chunk(usage=USAGE) | {"choices": []},
)


def test_chat_is_read():
    """Model, sampling, system prompt, conversation, answer and what it took."""
    sent = {"model": "gpt-4o", "temperature": 0, "max_tokens": 9, "messages": CHAT, "tools": [1]}
    choices = [{"index": 0, "message": SAID, "finish_reason": "stop"}]
    answer = {"model": "gpt-4o-2024-08-06", "choices": choices, "usage": USAGE}

    assert read(f"{OPENAI}/chat/completions", sent, answer) == Call(
        provider="openai",
        operation="chat",
        requested="gpt-4o",
        answered="gpt-4o-2024-08-06",
        tokens=Tokens(10, 5, cached=4, reasoning=2),
        sampling={"temperature": 0, "max_tokens": 9},
        system=["Be kind."],
        tools=[1],
        sent=CONVERSATION,
        answers=(Message("assistant", "Wet."),),
        finish_reasons=("stop",),
    )


def test_chat_stream_is_put_together():
    """Texts grow, and the pieces of a tool call find each other by their index."""
    call = read(f"{OPENAI}/chat/completions", {"model": "m", "messages": []}, CHAT_STREAM)

    calls = (WEATHER, ToolCall("call_2", "time", {}))
    assert call.answers == (Message("assistant", "I look.", tool_calls=calls),)
    assert (call.streamed, call.finish_reasons) == (True, ("tool_calls",))
    assert call.tokens == Tokens(10, 5, cached=4, reasoning=2)


def test_every_choice_is_an_answer():
    """Refusals are told apart from texts; a stream may mix the choices."""
    stream = sse(
        chunk(1, content="B"), chunk(0, refusal="No", finish="stop"), chunk(1, content="!")
    )

    call = read(f"{OPENAI}/chat/completions", {"model": "m", "n": 2}, stream)

    assert call.answers == (Message("assistant", refusal="No"), Message("assistant", "B!"))


def test_what_is_not_text_is_kept_aside():
    """Images and what the model thought, as they stand in the payload."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}]
    answer = {"choices": [{"message": SAID | {"reasoning_content": "Hm."}}]}

    call = read(f"{OPENAI}/chat/completions", {"model": "m", "messages": messages}, answer)

    assert call.sent == (Message("user", "What is it?", others=(image,)),)
    assert call.answers[0].others == ({"reasoning_content": "Hm."},)


@pytest.mark.parametrize(
    ("url", "provider", "requested"),
    [
        ("https://api.mistral.ai/v1/chat/completions", "mistral", "m"),
        ("https://api.groq.com/openai/v1/chat/completions", "groq", "m"),
        ("https://openrouter.ai/api/v1/chat/completions", "openrouter", "m"),
        ("http://localhost:8000/whatever", "openai", "m"),
        ("https://x.openai.azure.com/openai/deployments/mine/chat/completions", "azure", "mine"),
    ],
)
def test_many_speak_the_same(url, provider, requested):
    """The host says whose it is; Azure's model stands in the path."""
    sent = {"messages": CHAT} if provider == "azure" else {"model": "m", "messages": CHAT}

    call = read(url, sent, {"choices": [{"message": SAID}]})

    assert (call.provider, call.requested) == (provider, requested)
    assert (call.sent, call.answers) == (CONVERSATION, (Message("assistant", "Wet."),))


def test_completions_and_embeddings_are_read():
    """Texts stand for messages of the user; vectors are no answer."""
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    completed = read(
        f"{OPENAI}/completions",
        {"model": "m", "prompt": ["a", "b"]},
        sse({"choices": [{"index": 0, "text": "x"}]}, {"choices": [{"index": 0, "text": "y"}]}),
    )
    embedded = read(
        f"{OPENAI}/embeddings",
        {"model": "m", "input": [[1, 2], [3]]},
        {"model": "m-2", "data": [{"embedding": [0.1]}], "usage": usage},
    )

    assert completed.operation == "completions"
    assert completed.sent == (Message("user", "a"), Message("user", "b"))
    assert completed.answers == (Message("assistant", "xy"),)
    assert (embedded.operation, embedded.answers) == ("embeddings", ())
    assert embedded.sent == (Message("user", others=([1, 2],)), Message("user", others=([3],)))
    assert embedded.tokens == Tokens(3)


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
FUNCTION_CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1"} | FUNCTION
OUTPUT = [
    THOUGHT,
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
    },
    FUNCTION_CALL,
]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-4o-2024-08-06",
    "status": "completed",
    "output": OUTPUT,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 2},
    },
}
LOOKED = Message("assistant", "I look.", tool_calls=(WEATHER,), others=(THOUGHT,))


def test_responses_are_read():
    """What the model said in one turn is one message, when it comes and when it is sent again."""
    result = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    sent = {
        "model": "gpt-4o",
        "instructions": "Be kind.",
        "max_output_tokens": 9,
        "input": [{"role": "user", "content": "How is Oslo?"}, *OUTPUT, result],
    }

    call = read(f"{OPENAI}/responses", sent, RESPONSE)

    assert (call.operation, call.system, call.sampling) == (
        "responses",
        "Be kind.",
        {"max_tokens": 9},
    )
    assert call.sent == (ASKED, LOOKED, RESULT)
    assert (call.answers, call.finish_reasons) == ((LOOKED,), ("completed",))
    assert call.tokens == Tokens(10, 5, cached=4, reasoning=2)


def responses_events():
    """What a server sends for `RESPONSE`."""
    begun = RESPONSE | {"output": [], "usage": None, "status": "in_progress"}
    text = {"type": "output_text", "text": "", "annotations": []}
    at = {"output_index": 1, "item_id": "msg_1", "content_index": 0}
    return [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": THOUGHT},
        {
            "type": "response.output_item.added",
            "output_index": 1,
            "item": OUTPUT[1] | {"content": []},
        },
        {"type": "response.content_part.added", "part": text} | at,
        {"type": "response.output_text.delta", "delta": "I ", "logprobs": []} | at,
        {"type": "response.output_text.delta", "delta": "look.", "logprobs": []} | at,
        {
            "type": "response.output_item.added",
            "output_index": 2,
            "item": FUNCTION_CALL | {"arguments": ""},
        },
        {
            "type": "response.function_call_arguments.delta",
            "item_id": "fc_1",
            "output_index": 2,
            "delta": '{"city": "Oslo"}',
        },
        {"type": "response.completed", "response": RESPONSE},
    ]


def test_a_response_that_broke_off_says_what_came_until_then():
    """The last event, which repeats it all, is missing."""
    whole = read(f"{OPENAI}/responses", {"model": "m"}, sse(*responses_events()))
    broken = read(f"{OPENAI}/responses", {"model": "m"}, sse(*responses_events()[:-1]))

    assert whole.answers == broken.answers == (LOOKED,)
    assert (whole.finish_reasons, broken.finish_reasons) == (("completed",), ("in_progress",))


USE = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}}
CLAUDE = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 9,
    "system": "Be kind.",
    "messages": [
        {"role": "user", "content": "How is Oslo?"},
        {"role": "assistant", "content": [USE]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"},
                {"type": "text", "text": "And now?"},
            ],
        },
    ],
}
CLAUDE_SAID = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, USE],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
    },
}
CLAUDE_ANSWER = Message(
    "assistant",
    tool_calls=(WEATHER,),
    others=({"type": "thinking", "thinking": "Hm.", "signature": "s"},),
)
CLAUDE_STREAM = sse(
    {"type": "message_start", "message": CLAUDE_SAID | {"content": [], "stop_reason": None}},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "thinking_delta", "thinking": "Hm."},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "s"},
    },
    {"type": "content_block_start", "index": 1, "content_block": USE | {"input": {}}},
    *(
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": part},
        }
        for part in ('{"city":', ' "Oslo"}')
    ),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
)


@pytest.mark.parametrize("answer", [CLAUDE_SAID, CLAUDE_STREAM], ids=["plain", "streamed"])
def test_anthropic_is_read(answer):
    """A tool's result is a message of its own; what was cached counts as sent."""
    call = read(ANTHROPIC, CLAUDE, answer)

    assert call.sent == (*CONVERSATION, Message("user", "And now?"))
    assert (call.requested, call.answered) == ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929")
    assert (call.system, call.sampling) == ("Be kind.", {"max_tokens": 9})
    assert (call.answers, call.finish_reasons) == ((CLAUDE_ANSWER,), ("tool_use",))
    assert call.tokens == Tokens(15, 5, cached=3, stored=2)


def over(body: bytes) -> httpx2.Client:
    """A client that gets *body* as the answer to everything."""
    events = {"content-type": "text/event-stream"}
    return httpx2.Client(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=events, content=body))
    )


def test_openai_agrees_on_chat():
    """The SDK puts the same bytes together to the same."""
    found = read(f"{OPENAI}/chat/completions", {"model": "m"}, CHAT_STREAM)

    client = openai.OpenAI(api_key="none", http_client=over(CHAT_STREAM))
    with client.chat.completions.stream(model="m", messages=[]) as stream:
        whole = stream.get_final_completion()

    [choice] = whole.choices
    assert found.answers[0].text == choice.message.content
    assert [call.id for call in found.answers[0].tool_calls] == ["call_1", "call_2"]
    assert [call.arguments for call in found.answers[0].tool_calls] == [
        json.loads(call.function.arguments) for call in choice.message.tool_calls
    ]
    assert found.finish_reasons == (choice.finish_reason,)
    assert (
        (found.tokens.sent, found.tokens.received)
        == (10, 5)
        == (
            whole.usage.prompt_tokens,
            whole.usage.completion_tokens,
        )
    )


def test_openai_agrees_on_responses():
    """The SDK puts the same bytes together to the same."""
    events = [event | {"sequence_number": n} for n, event in enumerate(responses_events())]
    found = read(f"{OPENAI}/responses", {"model": "m"}, sse(*events[:-1]))

    client = openai.OpenAI(api_key="none", http_client=over(sse(*events)))
    with client.responses.stream(model="m", input="") as stream:
        whole = stream.get_final_response()

    [asked] = [item for item in whole.output if item.type == "function_call"]
    assert found.answers[0].text == whole.output_text
    assert found.answers[0].tool_calls == (
        ToolCall(asked.call_id, asked.name, json.loads(asked.arguments)),
    )


def test_anthropic_agrees():
    """The SDK puts the same bytes together to the same."""
    found = read(ANTHROPIC, CLAUDE, CLAUDE_STREAM)

    client = anthropic.Anthropic(api_key="none", http_client=over(CLAUDE_STREAM))
    with client.messages.stream(model="m", max_tokens=9, messages=[]) as stream:
        whole = stream.get_final_message()

    thought, use = whole.content
    assert found.answers[0].others[0]["thinking"] == thought.thinking
    assert found.answers[0].tool_calls == (ToolCall(use.id, use.name, use.input),)
    assert found.finish_reasons == (whole.stop_reason,)


GEMINI_SENT = {
    "systemInstruction": {"parts": [{"text": "Be kind."}]},
    "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9, "seed": 1},
    "contents": [
        {"role": "user", "parts": [{"text": "How is Oslo?"}]},
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "call_1"} | {"name": "weather", "args": {"city": "Oslo"}}}
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "call_1", "response": {"is": "rain"}}}],
        },
    ],
}
GEMINI_USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "cachedContentTokenCount": 4,
}
GEMINI_EVENTS = [
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hm.", "thought": True}]}}]},
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "It "}]}}]},
    {
        "candidates": [{"content": {"parts": [{"text": "rains."}]}, "finishReason": "STOP"}],
        "usageMetadata": GEMINI_USAGE,
        "modelVersion": "gemini-2.5-flash-001",
    },
]


@pytest.mark.parametrize(
    "answer",
    [
        sse(*GEMINI_EVENTS),
        json.dumps(GEMINI_EVENTS, indent=2).encode(),
        json.dumps(GEMINI_EVENTS).encode()[:-1],
    ],
    ids=["events", "list", "list that broke off"],
)
def test_gemini_streams_are_read(answer):
    """The model stands in the path; thoughts count as received."""
    call = read(f"{GEMINI}:streamGenerateContent?alt=sse", GEMINI_SENT, answer)

    called = Message("assistant", tool_calls=(WEATHER,))
    result = Message("tool", '{"is": "rain"}', tool_call_id="call_1")
    assert (call.provider, call.requested) == ("gemini", "gemini-2.5-flash")
    assert (call.answered, call.streamed) == ("gemini-2.5-flash-001", True)
    assert call.sampling == {"temperature": 0.5, "max_tokens": 9, "seed": 1}
    assert call.system == {"parts": [{"text": "Be kind."}]}
    assert call.sent == (ASKED, called, result)
    thought = {"text": "Hm.", "thought": True}
    assert call.answers == (Message("assistant", "It rains.", others=(thought,)),)
    assert call.tokens == Tokens(10, 7, cached=4, reasoning=2)


def test_gemini_answers_are_read():
    """Plain, by Vertex, with a refusal of the prompt, or an embedding."""
    vertex = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l"
    called = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}
    plain = read(
        f"{vertex}/publishers/google/models/gemini-2.5-pro:generateContent",
        GEMINI_SENT,
        {"candidates": [{"content": {"parts": [called]}, "finishReason": "STOP"}]},
    )
    blocked = read(
        f"{GEMINI}:generateContent", GEMINI_SENT, {"promptFeedback": {"blockReason": "SAFETY"}}
    )
    embedded = read(f"{GEMINI}:embedContent", {"content": {"parts": [{"text": "a"}]}}, {})

    assert plain.requested == "gemini-2.5-pro"
    assert plain.answers[0].tool_calls == (ToolCall("", "weather", {"city": "Oslo"}),)
    assert (blocked.answers, blocked.finish_reasons) == ((), ("SAFETY",))
    assert (embedded.operation, embedded.sent) == ("embeddings", (Message("user", "a"),))


CONVERSE = {
    "system": [{"text": "Be kind."}],
    "inferenceConfig": {"maxTokens": 9, "topP": 0.5},
    "messages": [
        {"role": "user", "content": [{"text": "How is Oslo?"}]},
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Oslo"}}}
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "call_1", "content": [{"text": "rain"}]}}],
        },
    ],
}
CONVERSED = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [{"text": "I look."}, CONVERSE["messages"][1]["content"][0]],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 4},
}
CONVERSE_EVENTS = (
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "I "}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "look."}}),
    (
        "contentBlockStart",
        {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "call_1", "name": "weather"}}},
    ),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city": '}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '"Oslo"}'}}}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": CONVERSED["usage"]}),
)


INVOKED = [
    ("chunk", {"bytes": b64encode(json.dumps({name: event}).encode()).decode()})
    for name, event in CONVERSE_EVENTS
]


@pytest.mark.parametrize(
    ("way", "answer"),
    [
        ("converse", CONVERSED),
        ("converse-stream", amazon(*CONVERSE_EVENTS)),
        ("invoke-with-response-stream", amazon(*INVOKED)),
    ],
)
def test_bedrock_converse_is_read(way, answer):
    """Plain, as a binary stream, and as Amazon's own models are invoked."""
    call = read(f"{BEDROCK}/{HAIKU.replace(':', '%3A')}/{way}", CONVERSE, answer)

    assert (call.provider, call.requested, call.answered) == ("bedrock", HAIKU, "")
    assert (call.sent, call.system) == (CONVERSATION, [{"text": "Be kind."}])
    assert call.sampling == {"max_tokens": 9, "top_p": 0.5}
    assert call.answers == (Message("assistant", "I look.", tool_calls=(WEATHER,)),)
    assert (call.finish_reasons, call.tokens) == (("tool_use",), Tokens(14, 5, cached=4))


METERED = (("X-Amzn-Bedrock-Input-Token-Count", "3"), ("X-Amzn-Bedrock-Output-Token-Count", "2"))


@pytest.mark.parametrize(
    ("sent", "answer", "reason"),
    [
        ({"prompt": "Hi"}, {"generation": "Yo", "stop_reason": "stop"}, "stop"),
        (
            {"inputText": "Hi"},
            {
                "inputTextTokenCount": 3,
                "results": [{"tokenCount": 2, "outputText": "Yo", "completionReason": "FINISH"}],
            },
            "FINISH",
        ),
        ({"prompt": "Hi"}, {"generations": [{"text": "Yo", "finish_reason": "MAX"}]}, "MAX"),
        ({"message": "Hi"}, {"text": "Yo", "finish_reason": "COMPLETE"}, "COMPLETE"),
        (
            {"messages": [{"role": "user", "content": "Hi"}]},
            {
                "choices": [
                    {"message": {"role": "assistant", "content": "Yo"}, "finish_reason": "stop"}
                ]
            },
            "stop",
        ),
        (
            {
                "anthropic_version": "bedrock-2023-05-31",
                "messages": [{"role": "user", "content": "Hi"}],
            },
            {"type": "message", "content": [{"type": "text", "text": "Yo"}], "stop_reason": "end"},
            "end",
        ),
        (
            {"prompt": "Hi"},
            {"completions": [{"data": {"text": "Yo"}, "finishReason": {"reason": "x"}}]},
            "x",
        ),
    ],
)
def test_bedrock_invoke_is_read(sent, answer, reason):
    """Each vendor's own form; where the body does not count the tokens, the headers do."""
    call = read(f"{BEDROCK}/some.model-v1/invoke", sent, answer, headers=METERED)

    assert (call.provider, call.requested) == ("bedrock", "some.model-v1")
    assert (call.sent, call.answers) == ((Message("user", "Hi"),), (Message("assistant", "Yo"),))
    assert (call.finish_reasons, call.tokens) == ((reason,), Tokens(3, 2))


COHERE_CALL = {"name": "weather", "parameters": {"city": "Oslo"}}
COHERE_V1_END = {
    "text": "Wet.",
    "finish_reason": "COMPLETE",
    "meta": {"billed_units": {"input_tokens": 10, "output_tokens": 5}},
}


@pytest.mark.parametrize(
    "answer",
    [
        COHERE_V1_END,
        lines(
            {"event_type": "text-generation", "text": "We"},
            {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": COHERE_V1_END},
        ),
    ],
    ids=["plain", "streamed"],
)
def test_cohere_1_is_read(answer):
    """The newest message, the history and the results of tools stand apart."""
    sent = {
        "message": "How is Oslo?",
        "preamble": "Be kind.",
        "p": 0.5,
        "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Yo"}],
        "tool_results": [{"call": COHERE_CALL, "outputs": [{"is": "rain"}]}],
    }

    call = read("https://api.cohere.com/v1/chat", sent, answer)

    assert (call.provider, call.system, call.sampling) == ("cohere", "Be kind.", {"top_p": 0.5})
    assert call.sent == (
        Message("user", "Hi"),
        Message("assistant", "Yo"),
        ASKED,
        Message("tool", '[{"is": "rain"}]', tool_call_id="weather"),
    )
    assert call.answers == (Message("assistant", "Wet."),)
    assert (call.finish_reasons, call.tokens) == (("COMPLETE",), Tokens(10, 5))


def cohere_delta(kind, said, index=0):
    """One event of version 2."""
    return {"type": kind, "index": index, "delta": {"message": said}}


def test_cohere_2_stream_is_read():
    """Contents and calls come one by one, each with its index."""
    first = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    usage = {"billed_units": {"input_tokens": 10, "output_tokens": 5}}
    stream = sse(
        cohere_delta("message-start", {"role": "assistant", "content": [], "tool_calls": []}),
        cohere_delta("tool-plan-delta", {"tool_plan": "I will "}),
        cohere_delta("tool-plan-delta", {"tool_plan": "look."}),
        cohere_delta("tool-call-start", {"tool_calls": first}),
        cohere_delta("tool-call-delta", {"tool_calls": {"function": {"arguments": '{"city":'}}}),
        cohere_delta("tool-call-delta", {"tool_calls": {"function": {"arguments": ' "Oslo"}'}}}),
        cohere_delta("content-start", {"content": {"type": "text", "text": ""}}),
        cohere_delta("content-delta", {"content": {"text": "We"}}),
        cohere_delta("content-delta", {"content": {"text": "t."}}),
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    )

    call = read("https://api.cohere.com/v2/chat", {"model": "c", "messages": CHAT}, stream)

    plan = {"tool_plan": "I will look."}
    assert (call.sent, call.system) == (CONVERSATION, ["Be kind."])
    assert call.answers == (Message("assistant", "Wet.", tool_calls=(WEATHER,), others=(plan,)),)
    assert (call.finish_reasons, call.tokens) == (("COMPLETE",), Tokens(10, 5))


def test_ollama_is_read():
    """Lines of JSON, which it sends unless told otherwise."""
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 10, "eval_count": 5}
    called = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
    }
    chat = lines(
        *(
            {"model": "llama3", "message": m}
            for m in ({"role": "assistant", "content": "We"}, called)
        ),
        {"model": "llama3", "message": {"role": "assistant", "content": "t."}} | end,
    )
    generated = lines({"model": "llama3", "response": "We"}, {"model": "llama3", "response": "t."})
    sent = {"model": "llama3", "messages": CHAT, "options": {"num_predict": 9}}

    call = read("http://127.0.0.1:11434/api/chat", sent, chat)
    other = read(
        "http://127.0.0.1:11434/api/generate", {"model": "llama3", "prompt": "Hi"}, generated
    )

    assert (call.provider, call.sampling, call.sent) == ("ollama", {"max_tokens": 9}, CONVERSATION)
    answer = Message("assistant", "Wet.", tool_calls=(ToolCall("", "weather", {"city": "Oslo"}),))
    assert (call.answers, call.tokens, call.finish_reasons) == ((answer,), Tokens(10, 5), ("stop",))
    assert (other.operation, other.answers) == ("completions", (Message("assistant", "Wet."),))


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (429, {"error": {"message": "slow down", "type": "rate"}}, "slow down"),
        (404, {"error": "no such model"}, "no such model"),
        (400, {"message": "bad"}, "bad"),
        (502, b"<html>", "HTTP 502"),
        (
            200,
            sse({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
            "busy",
        ),
        (200, amazon(("throttlingException", {"message": "busy"}), kind="exception"), "busy"),
        (
            200,
            sse({"type": "response.failed", "response": {"error": {"message": "broke"}}}),
            "broke",
        ),
        (200, {"choices": [], "error": None}, ""),
    ],
)
def test_what_the_provider_says_instead_is_read(status, answer, error):
    """As an answer, or in the middle of a stream."""
    call = read(f"{OPENAI}/chat/completions", {"model": "m", "messages": []}, answer, status)

    assert call.error == error


def test_a_request_without_an_answer_is_a_call():
    """What failed is said."""
    request = Request("POST", f"{OPENAI}/embeddings", (), b'{"model": "m", "input": "a"}')

    call = read_call(Interaction(request, failure=Failure("httpx.ReadTimeout", "timed out")))

    assert (call.sent, call.error) == ((Message("user", "a"),), "httpx.ReadTimeout: timed out")


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "https://example.com/orders", b'{"q": 1}'),
        ("POST", "https://example.com/chat", b'{"text": "hi"}'),
        ("POST", "https://example.com/", b'{"model": 3}'),
        ("POST", "https://example.com/", b"model=m&prompt=x"),
        ("POST", f"{OPENAI}/threads/thread_1/messages", b'{"role": "user", "content": "hi"}'),
        ("POST", "https://api.cohere.com/v2/rerank", b'{"model": "m", "query": "q"}'),
        ("POST", "http://[::1", b"{}"),
        ("GET", f"{OPENAI}/chat/completions", b""),
        ("GET", f"{OPENAI}/models", b""),
    ],
)
def test_other_traffic_is_no_call(method, url, body):
    """And no error."""
    assert read_call(Interaction(Request(method, url, (), body), Response(200, body=b"{}"))) is None


URLS = [
    f"{OPENAI}/chat/completions",
    f"{OPENAI}/responses",
    f"{OPENAI}/embeddings",
    ANTHROPIC,
    f"{GEMINI}:generateContent",
    f"{BEDROCK}/m/converse",
    f"{BEDROCK}/m/invoke",
    "https://api.cohere.com/v1/chat",
    "https://api.cohere.com/v2/chat",
    "http://localhost:11434/api/chat",
    "http://localhost:11434/api/generate",
]
MEMBERS = sorted(
    {"role", "text", "type", "index", "delta", "usage", "response", "item", "start", "id", "output"}
    | {"content", "parts", "message", "messages", "tool_calls", "function", "arguments", "name"}
    | {"choices", "candidates", "error", "completion", "generations", "meta", "toolUse", "input"}
    | {"contents", "prompt", "model", "system", "generationConfig", "inferenceConfig", "event_type"}
    | {
        "contentBlockDelta",
        "content_block",
        "functionCall",
        "finish_reason",
        "stopReason",
        "options",
    }
)
KINDS = ["message_start", "content_block_start", "content_block_delta", "message_delta"]
KINDS += ["response.output_text.delta", "response.output_item.added", "message", "text", "tool_use"]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats()
    | st.sampled_from(["", "a", *KINDS]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECT = st.dictionaries(st.sampled_from(MEMBERS), ANYTHING, max_size=6)


@given(st.sampled_from(URLS), OBJECT, st.lists(OBJECT, max_size=4), st.sampled_from([sse, lines]))
def test_no_payload_is_an_error(url, sent, events, framed):
    """Whatever stands in any member, plain or streamed."""
    for answer in (framed(*events), json.dumps(events[0] if events else {}).encode()):
        call = read(url, sent, answer)
        assert call is None or isinstance(call, Call)


def test_depth_is_no_error():
    """Deeper than what any client can make."""
    deep = b'{"choices": ' + b'[{"message":' * 50_000
    request = Request("POST", URLS[0], (), b'{"model": "m", "messages": ' + b"[" * 50_000)

    assert read_call(Interaction(request, Response(200, body=deep))).answers == ()


def test_line_separators_inside_an_event_do_not_end_it():
    """U+2028 may stand in JSON as it is."""
    assert list(sse_data('data: {"t":"a\u2028b"}\n\n'.encode())) == ['{"t":"a\u2028b"}']


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-2024-08-06"),
        ("azure", "gpt-4o"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("gemini", "gemini-2.5-flash"),
        ("bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("mistral", "mistral-small-latest"),
        ("cohere", "command-r"),
        ("groq", "llama-3.1-8b-instant"),
        ("openrouter", "openai/gpt-4o"),
        ("deepseek", "deepseek-chat"),
        ("xai", "grok-4"),
    ],
)
def test_each_provider_has_its_prices(provider, model):
    """By the list that genai-prices keeps; a cached token is never dearer."""
    plain = dollars(Call(provider, "chat", model, tokens=Tokens(1000, 100)), NOW)
    cached = dollars(Call(provider, "chat", model, tokens=Tokens(1000, 100, cached=900)), NOW)

    assert plain >= cached > 0


@pytest.mark.parametrize("tokens", [Tokens(900, 70, 500, 0, 300), Tokens(900_000, 70, 1, 0, 20)])
def test_a_price_is_to_the_last_digit_what_the_list_works_out(tokens):
    """Whether a token has one price, or is dearer in a long prompt."""
    usage = Usage(
        input_tokens=tokens.sent,
        output_tokens=tokens.received,
        cache_read_tokens=tokens.cached,
        cache_write_tokens=tokens.stored,
    )
    listed = [(p.id, m.id) for p in get_snapshot().providers for m in p.models][::9]
    wanted, found = {}, {}
    for provider, model in listed:
        found[provider, model] = dollars(Call(provider, "chat", model, tokens=tokens), NOW)
        with suppress(LookupError, ValueError):
            price = calc_price(
                usage, model, provider_id=provider, genai_request_timestamp=NOW
            ).total_price
            wanted[provider, model] = price

    assert len(wanted) > 100
    assert wanted == {key: price for key, price in found.items() if price is not None}


@pytest.mark.parametrize(
    ("call", "price"),
    [
        (Call("openai", "chat", "made-up", tokens=Tokens(1, 1)), None),
        (Call("ollama", "chat", "deepseek-r1", tokens=Tokens(1, 1)), None),
        (Call("openai", "chat", "gpt-4o"), None),
        (Call("openai", "chat", "gpt-4o", error="slow down"), Decimal(0)),
        (Call("openai", "chat", "gpt-4o", tokens=Tokens(1, 1, cached=9)), None),
    ],
)
def test_a_price_that_cannot_be_told_is_none(call, price):
    """Never 0, except for what was refused."""
    assert dollars(call, NOW) == price
