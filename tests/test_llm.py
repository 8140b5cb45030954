"""Reading payloads: models, tokens and dollars, whatever provider and however streamed."""

import json
from datetime import UTC, datetime

import pytest

from replay.llm.calls import Tokens, read_call, sse_data
from replay.llm.prices import dollars
from replay.model import Interaction, Request, Response

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def call(sent: object, answer: bytes) -> Interaction:
    body = json.dumps(sent).encode()
    return Interaction(
        Request("POST", "https://api.example.com/", (), body), Response(200, body=answer)
    )


def events(*values: object) -> bytes:
    return b"".join(f"data: {json.dumps(value)}\n\n".encode() for value in values)


ASKED = {
    "model": "gpt-4o",
    "temperature": 0,
    "messages": [{"role": "system", "content": "Be kind."}],
}
CHAT = json.dumps(
    {
        "model": "gpt-4o-2024-08-06",
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    }
).encode()
CHAT_STREAM = events(
    {"model": "gpt-4o-2024-08-06", "usage": None, "choices": []},
    {"model": "gpt-4o-2024-08-06", "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
)
RESPONSES_STREAM = events(
    {"type": "response.created", "response": {"model": "gpt-4o-2024-08-06", "usage": None}},
    {"type": "response.completed", "response": {"usage": {"input_tokens": 10, "output_tokens": 5}}},
)
ANTHROPIC_STREAM = events(
    {
        "type": "message_start",
        "message": {"model": "gpt-4o-2024-08-06", "usage": {"input_tokens": 10}},
    },
    {"type": "message_delta", "usage": {"output_tokens": 5}},
)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        (CHAT, Tokens(10, 5, 4)),
        (CHAT_STREAM + b"data: [DONE]\n\n", Tokens(10, 5)),
        (RESPONSES_STREAM, Tokens(10, 5)),
        (ANTHROPIC_STREAM, Tokens(10, 5)),
        (b"not json", Tokens()),
    ],
)
def test_tokens_are_read(answer, tokens):
    """Plain or streamed, in one event or in several."""

    assert read_call(call(ASKED, answer)).tokens == tokens


def test_requested_and_answered_model_are_kept_apart():
    """The alias that was asked for is not the version that answered."""

    found = read_call(call(ASKED, CHAT))

    assert (found.requested, found.answered) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (found.sampling, found.system) == ({"temperature": 0}, ["Be kind."])


@pytest.mark.parametrize("sent", [{"q": 1}, [1], "text", {"model": 3}])
def test_other_traffic_is_no_call(sent):
    """And no error."""

    assert read_call(call(sent, b"{}")) is None


def test_line_separators_inside_an_event_do_not_end_it():
    """U+2028 may stand in JSON as it is."""

    assert list(sse_data('data: {"t":"a\u2028b"}\n\n'.encode())) == ['{"t":"a\u2028b"}']


def test_known_models_have_a_price_and_unknown_ones_none():
    """Of the version that answered, by the list that genai-prices keeps."""

    known = read_call(call(ASKED, CHAT))
    unknown = read_call(call({"model": "made-up"}, b"{}"))

    assert dollars(known, NOW) > 0
    assert dollars(unknown, NOW) is None
