"""Asking another model the same, whatever client wrote the request."""

import json

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.llm.calls import read_call
from replay.llm.rewriting import rewritten
from replay.model import Interaction, Request
from tests.test_llm import ANTHROPIC, ANYTHING, BEDROCK, GEMINI, OBJECT, OPENAI, URLS, over, sse

MESSAGES = [{"role": "user", "content": "Hi"}]
ASKED = {"temperature": 0, "top_p": 0.5, "seed": 7, "max_tokens": 9}
AZURE = "https://x.openai.azure.com/openai/deployments"
EMBED = GEMINI.replace("gemini-2.5-flash", "new")


def request(url: str, sent: object) -> Request:
    """A request as a client spells it, with its length."""
    body = json.dumps(sent, separators=(",", ":")).encode()
    return Request("POST", url, (("Content-Length", str(len(body))), ("X-A", "b")), body)


@pytest.mark.parametrize(
    ("url", "sent", "url_after", "after"),
    [
        (
            f"{OPENAI}/chat/completions",
            {"model": "old", "messages": MESSAGES},
            f"{OPENAI}/chat/completions",
            {"model": "new", "messages": MESSAGES, "temperature": 0, "top_p": 0.5, "seed": 7}
            | {"max_completion_tokens": 9},
        ),
        (
            "https://api.mistral.ai/v1/chat/completions",
            {"model": "old", "messages": MESSAGES, "random_seed": 1},
            "https://api.mistral.ai/v1/chat/completions",
            {"model": "new", "messages": MESSAGES, "random_seed": 7, "temperature": 0}
            | {"top_p": 0.5, "max_tokens": 9},
        ),
        (
            f"{OPENAI}/responses",
            {"model": "old", "input": "Hi", "temperature": 1},
            f"{OPENAI}/responses",
            {"model": "new", "input": "Hi", "temperature": 0, "top_p": 0.5, "max_output_tokens": 9},
        ),
        (
            f"{AZURE}/old/chat/completions?api-version=1",
            {"messages": MESSAGES, "max_tokens": 1},
            f"{AZURE}/new/chat/completions?api-version=1",
            {"messages": MESSAGES, "max_tokens": 9, "temperature": 0, "top_p": 0.5, "seed": 7},
        ),
        (
            ANTHROPIC,
            {"model": "old", "max_tokens": 1, "messages": MESSAGES},
            ANTHROPIC,
            {"model": "new", "max_tokens": 9, "messages": MESSAGES, "temperature": 0, "top_p": 0.5},
        ),
        (
            f"{GEMINI}:streamGenerateContent?alt=sse",
            {"contents": [], "generationConfig": {"topK": 3, "temperature": 1}},
            f"{GEMINI.replace('gemini-2.5-flash', 'new')}:streamGenerateContent?alt=sse",
            {
                "contents": [],
                "generationConfig": {"topK": 3, "temperature": 0, "topP": 0.5, "seed": 7}
                | {"maxOutputTokens": 9},
            },
        ),
        (
            f"{BEDROCK}/old.model-v1%3A0/converse",
            {"messages": []},
            f"{BEDROCK}/new/converse",
            {"messages": [], "inferenceConfig": {"temperature": 0, "topP": 0.5, "maxTokens": 9}},
        ),
        (
            f"{BEDROCK}/old/invoke",
            {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "messages": MESSAGES},
            f"{BEDROCK}/new/invoke",
            {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": MESSAGES}
            | {"temperature": 0, "top_p": 0.5},
        ),
        (
            f"{BEDROCK}/amazon.titan-embed-text-v2%3A0/invoke",
            {"inputText": "Hi"},
            f"{BEDROCK}/new/invoke",
            {"inputText": "Hi"},
        ),
        (
            f"{BEDROCK}/old/invoke",
            {"schemaVersion": "messages-v1", "messages": []},
            f"{BEDROCK}/new/invoke",
            {
                "schemaVersion": "messages-v1",
                "messages": [],
                "inferenceConfig": {"temperature": 0, "topP": 0.5, "max_new_tokens": 9},
            },
        ),
    ],
)
def test_each_format_is_rewritten(url, sent, url_after, after):
    """The model where it stands, the parameters that the format knows, and the length."""
    found = rewritten(request(url, sent), model="new", sampling=ASKED)

    assert (found.url, json.loads(found.body)) == (url_after, after)
    assert found.headers == (("Content-Length", str(len(found.body))), ("X-A", "b"))


def test_what_was_rewritten_reads_so():
    """Reading and rewriting agree on the names."""
    for url in (f"{OPENAI}/chat/completions", f"{GEMINI}:generateContent", f"{BEDROCK}/m/converse"):
        sent = request(url, {"model": "m", "messages": MESSAGES})

        call = read_call(Interaction(rewritten(sent, model="a/b:0", sampling=ASKED)))

        assert call.requested == "a/b:0"
        assert call.sampling == {name: ASKED[name] for name in call.sampling}
        assert {"temperature", "top_p", "max_tokens"} <= set(call.sampling)


def test_a_parameter_can_be_taken_out():
    """Some models refuse what others want."""
    sent = request(f"{OPENAI}/responses", {"model": "old", "temperature": 0})

    found = rewritten(sent, sampling={"temperature": None, "max_tokens": None})

    assert json.loads(found.body) == {"model": "old"}


@pytest.mark.parametrize(
    "sent",
    [
        Request("GET", f"{OPENAI}/models"),
        Request("POST", "https://example.com/orders", (), b'{"model": "T", "temperature": 3}'),
        Request("POST", f"{OPENAI}/chat/completions", (), b"\x1f\x8bcompressed"),
        Request("POST", "http://[::1", (), b"{}"),
        Request("POST", f"{OPENAI}/responses", (), b'{ "model" : "new", "temperature": 0 }'),
        Request("POST", f"{OPENAI}/embeddings", (), b'{"model": "new", "input": "a"}'),
        Request("POST", f"{OPENAI}/images/generations", (), b'{"model": "new", "prompt": "a"}'),
        Request("POST", "http://127.0.0.1/api/embed", (), b'{"model": "new", "input": "a"}'),
        Request("POST", "https://api.cohere.com/v2/embed", (), b'{"model": "new", "texts": []}'),
        Request("POST", f"{EMBED}:embedContent", (), b'{"content": {"parts": []}}'),
    ],
)
def test_all_else_stays_as_it_is(sent):
    """Byte for byte: what is in no known format, asks for just that already, or draws nothing."""
    assert rewritten(sent, model="new", sampling={"temperature": 0}) == sent


def test_what_a_real_client_sends_is_rewritten():
    """The spelling of the client stays."""
    client = openai.OpenAI(api_key="none", http_client=over(sse()))
    built = client._build_request(
        openai._models.FinalRequestOptions(
            method="post",
            url="/chat/completions",
            json_data={"model": "gpt-4o", "messages": [{"role": "user", "content": "é"}]},
        )
    )
    sent = Request("POST", str(built.url), tuple(built.headers.items()), built.content)

    found = rewritten(sent, model="gpt-4.1")

    assert found.body == sent.body.replace(b"gpt-4o", b"gpt-4.1")
    assert dict(found.headers)["content-length"] == str(len(found.body))


@given(st.sampled_from(URLS), OBJECT, ANYTHING)
def test_no_request_is_an_error(url, sent, value):
    """Whatever stands in any member."""
    found = rewritten(request(url, sent), model="new", sampling=ASKED | {"temperature": value})

    assert isinstance(json.loads(found.body), dict)
