"""A run as a person reads it, whatever was said in it."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from replay.llm.transcript import transcript
from replay.model import Interaction, Request, Response
from tests.test_llm import CHAT_CALL, OBJECT, OPENAI, URLS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SYSTEM = {"role": "system", "content": "Be kind."}
QUESTION = {"role": "user", "content": "How is Oslo?"}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
WET = {"role": "assistant", "content": "Wet."}


def chat(messages, said, finish="stop", model="gpt-4o", elapsed=0.0) -> Interaction:
    """A call of a chat model."""
    answer = {
        "model": f"{model}-2024-08-06",
        "choices": [{"message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200},
    }
    body = json.dumps({"model": model, "messages": messages}).encode()
    request = Request("POST", f"{OPENAI}/chat/completions", (), body)
    return Interaction(request, Response(200, body=json.dumps(answer).encode()), elapsed=elapsed)


RUN = [
    chat([SYSTEM, QUESTION], CALLS, "tool_calls", elapsed=1.25),
    Interaction(Request("GET", "https://weather.example/oslo?unit=c"), Response(200, body=b"rain")),
    chat([SYSTEM, QUESTION, CALLS, RESULT], WET),
]


def test_a_run_is_told_once():
    """The system prompt once, and of each call only what is new."""
    assert (
        transcript(RUN, at=NOW)
        == """\
## 1. openai chat gpt-4o → gpt-4o-2024-08-06

**system**

```text
Be kind.
```

**user**

```text
How is Oslo?
```

**answer calls weather call_1**

```json
{
  "city": "Oslo"
}
```

1,000 → 200 tokens · $0.004500 · ended with tool_calls

## 2. GET https://weather.example/oslo?unit=c → 200

## 3. openai chat gpt-4o → gpt-4o-2024-08-06

Continues 1: 2 messages as above.

**tool call_1**

```text
rain
```

**answer**

```text
Wet.
```

1,000 → 200 tokens · $0.004500 · ended with stop
"""
    )


def test_timings_and_prices_are_asked_for():
    """Without, the same run gives the same text at all times."""
    first = transcript(RUN[:1], timings=True).splitlines()[-1]

    assert first == "1,000 → 200 tokens · ended with tool_calls · 1.25 s"


def test_conversations_side_by_side_are_kept_apart():
    """Each goes on from its own last call."""
    other = {"role": "user", "content": "How is Rome?"}
    dry = {"role": "assistant", "content": "Dry."}
    thanks = {"role": "user", "content": "Thanks!"}

    told = transcript(
        [
            chat([QUESTION], WET),
            chat([other], dry),
            chat([QUESTION, WET, thanks], WET),
            chat([other, dry, thanks], dry),
            chat([QUESTION], WET),
        ]
    )

    went_on = [line for line in told.splitlines() if line.startswith("Continues")]
    assert went_on == [
        "Continues 1: 2 messages as above.",
        "Continues 2: 2 messages as above.",
        "Continues 1: 1 message as above.",
    ]
    assert told.count("How is Oslo?") == told.count("How is Rome?") == 1


def test_a_changed_history_is_told_again():
    """What was sent before, but otherwise, is new."""
    told = transcript([chat([QUESTION], WET), chat([{**QUESTION, "content": "Oslo?"}], WET)])

    assert "Continues" not in told
    assert "Oslo?\n" in told


def test_what_steers_a_terminal_is_spelled_out():
    """In texts, in names and in addresses; nothing is hidden."""
    evil = "\x1b]0;owned\x07 \u202eabc\u200b\U000e0041 \ud800 \r\nfine\there"
    said = {"role": "assistant", "content": evil, "refusal": evil}

    told = transcript(
        [chat([QUESTION], said, evil, model=evil), Interaction(Request("GET", f"http://x/{evil}"))]
    )

    assert told.encode()
    assert r"\x1b]0;owned\x07 \u202eabc\u200b\U000e0041 \ud800 \r" in told
    assert not {c for c in told if not c.isprintable()} - set("\n\t")


NASTY = st.text(st.sampled_from("`~#>*-_[]()<!&\\ \t\n\r\x1b\u2028a1=|+:"), max_size=40)


@settings(max_examples=50)
@given(st.lists(st.tuples(NASTY, NASTY, NASTY, NASTY), min_size=1, max_size=3))
def test_no_text_breaks_the_structure(said):
    """A Markdown reader finds our headings and no others, and every text whole in a fence."""
    calls = [
        chat(
            [
                {"role": name, "content": text},
                {"role": "tool", "tool_call_id": name, "content": "x"},
            ],
            {
                "role": "assistant",
                "content": more,
                "tool_calls": [{"id": name, "function": {"name": name}}],
            },
            finish=name,
            model=name,
        )
        for text, more, name, _ in said
    ]
    others = [Interaction(Request("GET", f"http://x/{url}")) for *_, url in said]

    tokens = MarkdownIt().parse(transcript([*calls, *others]))

    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert kinds <= {"heading", "inline", "paragraph", "fence"}
    assert sum(token.type == "heading_open" for token in tokens) == 2 * len(said)
    fenced = [token.content for token in tokens if token.type == "fence"]
    last = said[0][1].replace("\r", "\\r").replace("\x1b", "\\x1b").replace("\u2028", "\\u2028")
    assert not last or f"{last}\n" in fenced


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(URLS), OBJECT, OBJECT), max_size=4))
def test_any_payload_can_be_told(said):
    """Each has its section, whatever stands in any member."""
    run = [
        Interaction(
            Request("POST", url, (), json.dumps(sent).encode()),
            Response(200, body=json.dumps(answer).encode()),
        )
        for url, sent, answer in said
    ]

    tokens = MarkdownIt().parse(transcript(run, at=NOW, timings=True))

    assert sum(token.type == "heading_open" for token in tokens) == len(run)


def test_depth_can_be_told():
    """Deeper than a program would nest; the section is there."""
    deep = f'{{"messages": [], "model": "m", "tools": [], "system": {"[" * 600}{"]" * 600}}}'
    request = Request("POST", "https://api.anthropic.com/v1/messages", (), deep.encode())

    assert transcript([Interaction(request)]).startswith("## 1. ")
