"""OpenAI's wire format: what leaves the stand-in as JSON and server-sent events."""

import base64
import hashlib
import json
import math
import re
import secrets
import string
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .brain import JSON, Ask, Thought, text_of

ALPHANUMERIC = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call under its id."""

    ask: Ask
    id: str = field(default_factory=lambda: f"call_{_letters(24)}")

    def json(self, arguments: str | None = None) -> JSON:
        """Spell the call as OpenAI does: arguments are a text that holds JSON."""
        text = json.dumps(self.ask.arguments) if arguments is None else arguments
        function = {"name": self.ask.name, "arguments": text}
        return {"id": self.id, "type": "function", "function": function}


def completion(model: str, thought: Thought, usage: JSON) -> JSON:
    """Wrap *thought* as a chat completion."""
    calls = [Call(ask).json() for ask in thought.asks]
    message: JSON = {
        "role": "assistant",
        "content": thought.text,
        "refusal": None,
        "annotations": [],
    }
    choice = {
        "index": 0,
        "message": {**message, "tool_calls": calls} if calls else message,
        "logprobs": None,
        "finish_reason": "tool_calls" if calls else "stop",
    }
    return {**_chat_frame(model, "chat.completion"), "choices": [choice], "usage": usage}


def completion_chunks(model: str, thought: Thought, usage: JSON | None) -> Iterator[JSON]:
    """
    Cut *thought* into the chunks of a streamed completion.

    With *usage*, every chunk carries the key, and a last one without choices carries the figures.
    """
    frame = _chat_frame(model, "chat.completion.chunk")
    rest = {} if usage is None else {"usage": None}
    for delta, finish in _deltas(thought):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        yield {**frame, "choices": [choice], **rest}
    if usage is not None:
        yield {**frame, "choices": [], "usage": usage}


def _deltas(thought: Thought) -> Iterator[tuple[JSON, str | None]]:
    """Yield what each chunk adds, and the reason to finish in the last one."""
    opening = None if thought.asks else ""
    yield {"role": "assistant", "content": opening, "refusal": None}, None
    for piece in pieces(thought.text or ""):
        yield {"content": piece}, None
    for index, ask in enumerate(thought.asks):
        yield {"tool_calls": [{"index": index, **Call(ask).json(arguments="")}]}, None
        for piece in pieces(json.dumps(ask.arguments)):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None
    yield {}, "tool_calls" if thought.asks else "stop"


def _chat_frame(model: str, kind: str) -> JSON:
    return {
        "id": f"chatcmpl-{_letters(29)}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "service_tier": "default",
        "system_fingerprint": f"fp_{hashlib.sha256(model.encode()).hexdigest()[:10]}",
    }


def response(model: str, text: str, usage: JSON, asked: JSON) -> JSON:
    """Wrap *text* as an answer of the Responses API to the request *asked*."""
    message = {"id": f"msg_{secrets.token_hex(25)}", "type": "message", "role": "assistant"}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    return {
        "id": f"resp_{secrets.token_hex(25)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "model": model,
        "output": [{**message, "status": "completed", "content": [part]}],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": "default",
        "store": True,
        "temperature": asked.get("temperature", 1.0),
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": asked.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": asked.get("metadata") or {},
    }


def response_events(done: JSON) -> Iterator[JSON]:
    """Tell how the response *done* came about, as the events of its stream."""
    for number, event in enumerate(_steps(done)):
        yield {"type": event.pop("type"), "sequence_number": number, **event}


def _steps(done: JSON) -> Iterator[JSON]:
    item = done["output"][0]
    part = item["content"][0]
    begun = {**done, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    empty = {**item, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
    where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
    text = {"text": part["text"], "logprobs": []}
    yield {"type": "response.output_text.done", **where, **text}
    yield {"type": "response.content_part.done", **where, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": done}


def sse(data: JSON | str, event: str | None = None) -> str:
    """Encode one server-sent event; chat streams carry no event name, responses do."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return f"event: {event}\ndata: {text}\n\n" if event else f"data: {text}\n\n"


def models(aliases: Mapping[str, str], versions: Sequence[str]) -> JSON:
    """List what may be asked for."""
    shared = {"object": "model", "created": 1722902400, "owned_by": "stand-in"}
    return {"object": "list", "data": [{"id": name, **shared} for name in (*versions, *aliases)]}


def embeddings(model: str, asked: JSON) -> JSON:
    """Embed the input; the vectors come from a hash, so nearness means nothing."""
    given = asked.get("input", "")
    texts = [text if isinstance(text, str) else json.dumps(text) for text in _listed(given)]
    vectors = [_vector(text, asked.get("dimensions") or 8) for text in texts]
    packed = asked.get("encoding_format") == "base64"
    count = sum(map(tokens, texts))
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": i, "embedding": _packed(v) if packed else v}
            for i, v in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }


def _listed(given: object) -> list[object]:
    """Make the input a list: it is a text, a list of texts, tokens, or a list of tokens."""
    if isinstance(given, list) and not all(isinstance(item, int) for item in given):
        return given
    return [given]


def _vector(text: str, size: int) -> list[float]:
    digest = hashlib.shake_256(text.encode()).digest(2 * size)
    raw = [value / 32768 for value in struct.unpack(f"<{size}h", digest)]
    norm = math.hypot(*raw) or 1.0
    return [value / norm for value in raw]


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def chat_usage(asked: JSON, thought: Thought) -> JSON:
    """Count tokens under the names of the chat API."""
    sent, made = _sent(asked), _made(thought)
    return {
        "prompt_tokens": sent,
        "completion_tokens": made,
        "total_tokens": sent + made,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def response_usage(messages: Sequence[JSON], thought: Thought) -> JSON:
    """Count tokens under the names of the Responses API."""
    sent, made = _sent({"messages": messages}), _made(thought)
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sent + made,
    }


def _sent(asked: JSON) -> int:
    tools = tokens(json.dumps(asked["tools"])) if asked.get("tools") else 0
    return 3 + tools + sum(4 + _weight(message) for message in asked["messages"])


def _weight(message: JSON) -> int:
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return tokens(text_of(message.get("content"))) + sum(
        tokens(function["name"] + function["arguments"]) for function in functions
    )


def _made(thought: Thought) -> int:
    calls = (ask.name + json.dumps(ask.arguments) for ask in thought.asks)
    return tokens(thought.text or "") + sum(8 + tokens(call) for call in calls)


def tokens(text: str) -> int:
    """Guess the number of tokens: about four characters each, as in English."""
    return math.ceil(len(text) / 4)


def pieces(text: str) -> list[str]:
    """
    Cut *text* into the bits a stream delivers; together they are the text again.

    >>> pieces("Hello Ada, all is well")
    ['Hello', ' Ada,', ' all', ' is', ' well']
    """
    return re.findall(r"\s*\S{1,5}|\s+", text)


def error(message: str, kind: str, code: str | None = None, param: str | None = None) -> JSON:
    """Spell an error as OpenAI does."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _letters(count: int) -> str:
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(count))
