"""
Play recorded OpenAI and Anthropic traffic back through the providers' own SDKs.

`python -m bench.sdk_playback PATH…` takes cassettes, or folders of them. Bytes that come back equal
are only half of a replay: what a program sees is the object that its SDK makes of them. Here every
call to either provider is made again, offline, and the parsed object is held against the bytes.
"""

from __future__ import annotations

import base64
import inspect
import json
import re
import struct
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import anthropic
import click
import openai
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.beta import BetaFileMetadata, BetaMessage, BetaRawMessageStreamEvent
from openai.pagination import SyncCursorPage
from openai.types import Completion, CreateEmbeddingResponse, ImagesResponse
from openai.types.beta import Assistant, AssistantStreamEvent, Thread
from openai.types.beta.threads import Message as ThreadMessage
from openai.types.beta.threads import Run
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response as OpenAIResponse
from openai.types.responses import ResponseStreamEvent

from replay.canonical import header, json_body
from replay.cassettes.check import cassette_paths
from replay.cassettes.files import read_cassette
from replay.cassettes.guard import guarded
from replay.cassettes.routing import using
from replay.cassettes.tape import Tape
from replay.errors import CassetteMiss, Damaged, ReplayStop
from replay.model import Interaction, Request, Response

Facts: TypeAlias = dict[str, Any]
"""What is compared, by name: read in one way from parsed objects and from recorded JSON."""

_TIMEOUT = 60.0
_BETA_HEADERS = ("anthropic-beta", "openai-beta")
_OPTIONS = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})
_TOKENS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
_STATUS_ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}


Plain: TypeAlias = tuple[Any, Callable[[Any], Facts]]
"""What the SDK makes of an answer, and how its facts are read."""

Stream: TypeAlias = tuple[Any, Callable[[list[Any]], Facts]]
"""What the SDK makes of each event, and how the facts of all of them are read."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One thing that an SDK can be asked for.

    *request* is verb and path; names in braces are arguments of *method*, which is given as the
    path to it from the client. *beta* holds for paths that are asked with `?beta=true`.
    """

    request: str
    method: str
    plain: Plain
    stream: Stream | None = None
    beta: bool = False

    @property
    def name(self) -> str:
        """What the SDK calls it, without the verb."""
        return self.method.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Provider:
    """One SDK: its *module*, a *client* of it with a key that opens nothing, what it can ask."""

    name: str
    module: ModuleType
    client: Any
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded interaction taken apart into what an SDK is asked with."""

    interaction: Interaction
    provider: Provider
    endpoint: Endpoint | None
    ids: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any] | None

    @property
    def streamed(self) -> bool:
        """Whether the program asked for a stream."""
        return bool(self.body and self.body.get("stream"))

    @property
    def headers(self) -> dict[str, str]:
        """The recorded headers that select a beta."""
        recorded = self.interaction.request.headers
        return {name: value for name in _BETA_HEADERS if (value := header(recorded, name))}


@dataclass(frozen=True, slots=True)
class Step:
    """
    How one interaction went; *wrong* says what did, *number* counts from 1.

    *way* is `method` (the SDK's own), `typed` (its low-level call with the recorded body and the
    SDK's type) or `untyped` (the same for an endpoint that the SDK has no type for).
    """

    number: int
    provider: str
    endpoint: str
    streamed: bool
    way: str
    status: int
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class FilePlayback:
    """How one cassette went, of which only calls to the two providers count."""

    path: str
    steps: tuple[Step, ...]

    @property
    def failed(self) -> tuple[Step, ...]:
        """The steps that went wrong."""
        return tuple(step for step in self.steps if step.wrong)


class Recorded(dict[str, Any]):
    """A recorded JSON object, read like a parsed one: members as attributes, None when absent."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


# What is compared -----------------------------------------------------------------------------


def _of(value: Any, name: str) -> Any:
    """Read a member that only some kinds of an object have."""
    return getattr(value, name, None)


def _usage(usage: Any) -> Facts:
    return {name: count for name in _TOKENS if (count := _of(usage, name)) is not None}


def _last_usage(events: list[Any]) -> Facts:
    return _usage(next((e.usage for e in reversed(events) if _of(e, "usage")), None))


def _chat(answer: Any) -> Facts:
    messages = [choice.message for choice in answer.choices]
    return {
        "id": answer.id,
        "model": answer.model,
        "text": [message.content for message in messages],
        "calls": [_chat_call(call) for m in messages for call in m.tool_calls or ()],
        "functions": [(call.name, call.arguments) for m in messages if (call := m.function_call)],
        "finish": [choice.finish_reason for choice in answer.choices],
        "usage": _usage(answer.usage),
    }


def _chat_call(call: Any) -> tuple[Any, ...]:
    made = _of(call, "function") or _of(call, "custom")
    return call.id, made.name, _of(made, "arguments") or _of(made, "input")


def _chat_stream(events: list[Any]) -> Facts:
    text: dict[int, str] = defaultdict(str)
    calls: dict[tuple[int, int], str] = defaultdict(str)
    for choice in (choice for event in events for choice in event.choices or ()):
        text[choice.index] += choice.delta.content or ""
        for call in choice.delta.tool_calls or ():
            made = call.function
            calls[choice.index, call.index] += f"{made.name or ''} {made.arguments or ''}"
    return _stream_head(events) | {"text": dict(text), "calls": dict(calls)}


def _stream_head(events: list[Any]) -> Facts:
    ids = {event.id for event in events}
    models = {event.model for event in events}
    return {"ids": ids, "models": models, "count": len(events), "usage": _last_usage(events)}


def _completion(answer: Any) -> Facts:
    return {
        "id": answer.id,
        "model": answer.model,
        "text": [choice.text for choice in answer.choices],
        "finish": [choice.finish_reason for choice in answer.choices],
        "usage": _usage(answer.usage),
    }


def _completion_stream(events: list[Any]) -> Facts:
    text: dict[int, str] = defaultdict(str)
    for choice in (choice for event in events for choice in event.choices):
        text[choice.index] += choice.text
    return _stream_head(events) | {"text": dict(text)}


def _response(answer: Any) -> Facts:
    contents = [part for item in answer.output for part in _of(item, "content") or ()]
    return {
        "id": answer.id,
        "model": answer.model,
        "status": answer.status,
        "items": [(item.type, _of(item, "id")) for item in answer.output],
        "text": [text for part in contents if (text := _of(part, "text")) is not None],
        "calls": [(_of(item, "name"), _of(item, "arguments")) for item in answer.output],
        "usage": _usage(answer.usage),
    }


def _response_stream(events: list[Any]) -> Facts:
    deltas: dict[tuple[str, str], str] = defaultdict(str)
    for event in events:
        if isinstance(delta := _of(event, "delta"), str):
            deltas[event.type, event.item_id] += delta
    last = next((e.response for e in reversed(events) if _of(e, "response")), None)
    found = {"types": [event.type for event in events], "deltas": dict(deltas)}
    return found | (_response(last) if last else {})


def _embeddings(answer: Any) -> Facts:
    return {
        "model": answer.model,
        "vectors": [_vector(item.embedding) for item in answer.data],
        "usage": _usage(answer.usage),
    }


def _vector(value: str | list[float]) -> list[float]:
    """Read a vector: numbers, or 32-bit floats in little-endian order as base64."""
    if not isinstance(value, str):
        return list(value)
    return [number for (number,) in struct.iter_unpack("<f", base64.b64decode(value))]


def _images(answer: Any) -> Facts:
    data = answer.data or ()
    return {"created": answer.created, "images": [(i.url, i.b64_json) for i in data]}


def _message(answer: Any) -> Facts:
    return {
        "id": answer.id,
        "model": answer.model,
        "blocks": [_block(block) for block in answer.content],
        "stop": answer.stop_reason,
        "usage": _usage(answer.usage),
    }


def _block(block: Any) -> tuple[Any, ...]:
    return block.type, *(_of(block, name) for name in ("text", "thinking", "name", "input"))


def _message_stream(events: list[Any]) -> Facts:
    deltas: dict[tuple[int, str], str] = defaultdict(str)
    for event in (event for event in events if event.type == "content_block_delta"):
        for name in ("text", "thinking", "partial_json"):
            deltas[event.index, name] += _of(event.delta, name) or ""
    return {
        "types": [event.type for event in events],
        "heads": [_message(e.message) for e in events if e.type == "message_start"],
        "blocks": [_block(e.content_block) for e in events if e.type == "content_block_start"],
        "deltas": {key: text for key, text in deltas.items() if text},
        "stops": [e.delta.stop_reason for e in events if e.type == "message_delta"],
        "usage": _last_usage(events),
    }


def _object(answer: Any) -> Facts:
    names = ("id", "object", "model", "status", "filename", "size_bytes", "mime_type")
    found = {name: _of(answer, name) for name in names}
    return found | {"text": _thread_text(answer), "usage": _usage(_of(answer, "usage"))}


def _thread_text(answer: Any) -> list[str]:
    parts = _of(answer, "content") or _of(_of(answer, "delta"), "content") or ()
    return [part.text.value for part in parts if _of(part, "text")]


def _page(answer: Any) -> Facts:
    data = [_object(item) for item in answer.data]
    return {"object": _of(answer, "object"), "data": data, "more": answer.has_more}


def _thread_stream(events: list[Any]) -> Facts:
    return {"events": [(event.event, _object(event.data)) for event in events]}


def _json(answer: Any) -> Facts:
    return {"json": answer}


_JSON: Plain = (object, _json)
_CHAT: Plain = (ChatCompletion, _chat)
_CHAT_STREAM: Stream = (ChatCompletionChunk, _chat_stream)
_COMPLETION: Plain = (Completion, _completion)
_COMPLETION_STREAM: Stream = (Completion, _completion_stream)
_RESPONSE: Plain = (OpenAIResponse, _response)
_RESPONSE_STREAM: Stream = (ResponseStreamEvent, _response_stream)
_ASSISTANT: Plain = (Assistant, _object)
_TEXT: Plain = (ThreadMessage, _object)
_TEXTS: Plain = (SyncCursorPage[ThreadMessage], _page)
_RUN: Plain = (Run, _object)
_RUN_STREAM: Stream = (AssistantStreamEvent, _thread_stream)
_MESSAGE_STREAM: Stream = (RawMessageStreamEvent, _message_stream)
_BETA_STREAM: Stream = (BetaRawMessageStreamEvent, _message_stream)

_THREAD = "/v1/threads/{thread_id}"

_OPENAI = (
    Endpoint("POST /v1/chat/completions", "chat.completions.create", _CHAT, _CHAT_STREAM),
    Endpoint("POST /v1/completions", "completions.create", _COMPLETION, _COMPLETION_STREAM),
    Endpoint("POST /v1/responses", "responses.create", _RESPONSE, _RESPONSE_STREAM),
    Endpoint("POST /v1/embeddings", "embeddings.create", (CreateEmbeddingResponse, _embeddings)),
    Endpoint("POST /v1/images/generations", "images.generate", (ImagesResponse, _images)),
    Endpoint("POST /v1/assistants", "beta.assistants.create", _ASSISTANT),
    Endpoint("GET /v1/assistants/{assistant_id}", "beta.assistants.retrieve", _ASSISTANT),
    Endpoint("POST /v1/threads", "beta.threads.create", (Thread, _object)),
    Endpoint(f"POST {_THREAD}/messages", "beta.threads.messages.create", _TEXT),
    Endpoint(f"GET {_THREAD}/messages", "beta.threads.messages.list", _TEXTS),
    Endpoint(f"POST {_THREAD}/runs", "beta.threads.runs.create", _RUN, _RUN_STREAM),
    Endpoint(f"GET {_THREAD}/runs/{{run_id}}", "beta.threads.runs.retrieve", _RUN),
    Endpoint(
        f"POST {_THREAD}/runs/{{run_id}}/submit_tool_outputs",
        "beta.threads.runs.submit_tool_outputs",
        _RUN,
        _RUN_STREAM,
    ),
)
_ANTHROPIC = (
    Endpoint("POST /v1/messages", "messages.create", (Message, _message), _MESSAGE_STREAM),
    Endpoint(
        "POST /v1/messages",
        "beta.messages.create",
        (BetaMessage, _message),
        _BETA_STREAM,
        beta=True,
    ),
    Endpoint("POST /v1/files", "beta.files.upload", (BetaFileMetadata, _object), beta=True),
)


# Taking a recorded call apart -----------------------------------------------------------------


def providers() -> dict[str, Provider]:
    """Make one client of each SDK, by the host that it talks to."""
    chosen: Any = {"api_key": "none", "max_retries": 0, "timeout": _TIMEOUT}
    first = openai.OpenAI(base_url="https://api.openai.com/v1", **chosen)
    second = anthropic.Anthropic(base_url="https://api.anthropic.com", **chosen)
    return {
        "api.openai.com": Provider("openai", openai, first, _OPENAI),
        "api.anthropic.com": Provider("anthropic", anthropic, second, _ANTHROPIC),
    }


def _call(interaction: Interaction, known: dict[str, Provider]) -> Call | None:
    """Take *interaction* apart; None when it went elsewhere."""
    url = urlsplit(interaction.request.url)
    provider = known.get(url.hostname or "")
    if provider is None:
        return None
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    sent = f"{interaction.request.method} {url.path}"
    endpoint, ids = _endpoint(provider, sent, query.get("beta") == "true")
    return Call(interaction, provider, endpoint, ids, query, _body(interaction.request))


def _endpoint(provider: Provider, sent: str, beta: bool) -> tuple[Endpoint | None, dict[str, str]]:
    for endpoint in provider.endpoints:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint.request)
        if endpoint.beta == beta and (found := re.fullmatch(pattern, sent)):
            return endpoint, found.groupdict()
    return None, {}


def _body(request: Request) -> dict[str, Any] | None:
    """Read the arguments out of a JSON object or a form; None when the body is neither."""
    media = header(request.headers, "content-type")
    if boundary := re.search(r'^multipart/.*boundary="?([^";,]+)', media):
        return dict(_parts(request.body, boundary[1].encode())) or None
    value = json_body(request.body)
    return value if isinstance(value, dict) else None


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, Any]]:
    """Cut a form (RFC 7578) into fields, and files as the SDKs take them: name, bytes, type."""
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        found = dict(re.findall(r'(\w+)="([^"]*)"', head.decode()))
        media = re.search(r"(?im)^content-type: *(\S+)", head.decode())
        file = (found.get("filename"), content, media[1] if media else None)
        yield found["name"], file if "filename" in found else content.decode()


# Asking the SDK -------------------------------------------------------------------------------


def _by_method(call: Call) -> Any:
    """Call the SDK's method as the program did; what it has no argument for goes as an extra."""
    assert call.endpoint is not None
    method = attrgetter(call.endpoint.method)(call.provider.client)
    names = inspect.signature(method).parameters.keys() - _OPTIONS
    body, query = _as_called(call), call.query
    given = {name: value for name, value in (query | body).items() if name in names}
    return method(
        **call.ids,
        **given,
        extra_headers=call.headers,
        extra_query={name: value for name, value in query.items() if name not in names},
        extra_body={name: value for name, value in body.items() if name not in names} or None,
    )


def _as_called(call: Call) -> dict[str, Any]:
    """Leave out what the SDK adds by itself: it decodes only the base64 that it asked for."""
    body = dict(call.body or {})
    if call.endpoint and call.endpoint.name == "embeddings":
        body = {k: v for k, v in body.items() if (k, v) != ("encoding_format", "base64")}
    return body


def _by_request(call: Call) -> Any:
    """Send the recorded body by the SDK's low-level call, which parses as its methods do."""
    request, client = call.interaction.request, call.provider.client
    options = {"params": call.query, "headers": call.headers}
    url = request.url.partition("?")[0]
    if request.method == "GET":
        return client.get(url, cast_to=_answer_type(call), options=options)
    sent: dict[str, Any] = {"body": call.body, "cast_to": _answer_type(call), "options": options}
    if call.body is None and request.body:
        raise ValueError(f"neither JSON nor a form was recorded, but {_short(request.body)}")
    if call.streamed:
        event = call.endpoint.stream[0] if call.endpoint and call.endpoint.stream else object
        sent |= {"stream": True, "stream_cls": call.provider.module.Stream[event]}
    return client.post(url, **sent)


def _answer_type(call: Call) -> Any:
    if call.endpoint:
        return call.endpoint.plain[0]
    recorded = call.interaction.response
    return NoneType if recorded and recorded.status == 204 else object


def _ways(call: Call) -> dict[str, Callable[[Call], Any]]:
    if call.endpoint is None:
        return {"untyped": _by_request}
    if any(isinstance(value, tuple) for value in (call.body or {}).values()):
        return {"method": _by_method}  # a form with files, which only the method puts together
    return {"method": _by_method, "typed": _by_request}


# Playing --------------------------------------------------------------------------------------


def play(path: Path, known: dict[str, Provider]) -> FilePlayback:
    """
    Play the calls to *known* hosts in the cassette at *path*.

    Raises:
        Damaged: it cannot be read as a cassette.

    """
    interactions = read_cassette(path).interactions
    tape = Tape(interactions, source=str(path), ignore_hosts=())
    steps = []
    with guarded(), using(tape), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDKs warn about retired models: these are old calls
        for index, interaction in enumerate(interactions):
            if call := _call(interaction, known):
                steps.append(_step(tape, index, call))
    return FilePlayback(str(path), tuple(steps))


def _step(tape: Tape, index: int, call: Call) -> Step:
    recorded = call.interaction.response
    way, wrong = _way(tape, index, call)
    return Step(
        number=index + 1,
        provider=call.provider.name,
        endpoint=call.endpoint.name if call.endpoint else "other",
        streamed=call.streamed,
        way=way,
        status=recorded.status if recorded else 0,
        wrong=wrong,
    )


def _way(tape: Tape, index: int, call: Call) -> tuple[str, str]:
    """Ask in the first way that sends what was recorded; say which, and what went wrong."""
    way = wrong = ""
    for way, ask in _ways(call).items():
        before = len(tape.plays)
        wrong = _wrong(call, ask)
        answered = [play.index for play in tape.plays[before:]]
        if answered:
            return way, wrong if answered == [index] else f"answered by #{answered[0] + 1}"
    return way, wrong


def _wrong(call: Call, ask: Callable[[Call], Any]) -> str:
    """Ask the SDK; say what it made of the answer other than recorded, or nothing."""
    module: Any = call.provider.module
    recorded = call.interaction.response
    try:
        answer = _read(call, ask(call))
        if recorded is None or recorded.status >= 400:
            return "the SDK raised no error"
        return _difference(_recorded(call, recorded), answer)
    except module.APIError as error:
        return _wrong_error(call, error)
    except CassetteMiss as error:
        return str(error)
    except (Exception, ReplayStop) as error:  # noqa: BLE001 - whatever an SDK refuses is the finding
        return f"{type(error).__name__}: {error}"


def _wrong_error(call: Call, error: Any) -> str:
    """Hold an error of the SDK's own kinds against the recorded status and message."""
    recorded, told = call.interaction.response, f"{type(error).__name__}: {error}"
    if call.interaction.failure:
        return ""
    if recorded is None or _of(error, "status_code") not in (None, recorded.status):
        return told
    kind = _error_kind(recorded.status)
    if not isinstance(error, getattr(call.provider.module, kind)):
        return f"{told}, instead of {kind}"
    said = _said(recorded)
    if not said:
        return "" if recorded.status >= 400 else told
    return "" if said in str(error) else f"{told}, instead of {said!r}"


def _error_kind(status: int) -> str:
    if status >= 500:
        return "InternalServerError"
    return _STATUS_ERRORS.get(status, "APIStatusError" if status >= 400 else "APIError")


def _said(response: Response) -> str:
    """Read the message of a recorded error: the whole answer, or an event of a stream."""
    whole = json_body(response.body)
    for answer in [whole] if isinstance(whole, dict) else _events(response.body):
        if isinstance(error := answer.get("error"), dict):
            return str(error.get("message") or "")
    return ""


def _read(call: Call, answer: Any) -> Facts:
    """Take the facts out of an answer; a stream is iterated to its end."""
    endpoint = call.endpoint
    if call.streamed:
        read_all = endpoint.stream[1] if endpoint and endpoint.stream else _json
        return read_all(list(answer))
    return (endpoint.plain if endpoint else _JSON)[1](answer)


def _recorded(call: Call, response: Response) -> Facts:
    """Take the same facts out of the recorded bytes, without the SDK."""
    if call.streamed:
        return _read(call, _events(response.body))
    return _read(call, json.loads(response.body or b"null", object_hook=Recorded))


def _events(body: bytes) -> Iterator[Any]:
    """
    Read a stream of events as the SDKs hand it on: without pings, up to `[DONE]`.

    An event that no blank line ends is none (WHATWG HTML, section 9.2). OpenAI's events of threads
    carry their name outside the data.
    """
    name, data = "", []
    for text in body.splitlines():
        if text.startswith(b"event:"):
            name = text[6:].strip().decode()
        elif text.startswith(b"data:"):
            data.append(text[5:].removeprefix(b" "))
        elif not text:
            if data and data[0].startswith(b"[DONE]"):
                return
            if data and name != "ping":
                value = json.loads(b"\n".join(data), object_hook=Recorded)
                yield Recorded(event=name, data=value) if name.startswith("thread.") else value
            name, data = "", []


def _difference(recorded: Facts, parsed: Facts) -> str:
    if not any(recorded.values()) and recorded != {"json": None}:
        return "the recorded answer says nothing to compare"
    wrong = [name for name in recorded if parsed.get(name) != recorded[name]]
    return "; ".join(
        f"{name}: {_short(parsed.get(name))} instead of {_short(recorded[name])}" for name in wrong
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# Telling --------------------------------------------------------------------------------------


def line(file: FilePlayback) -> str:
    """Say in one line how a cassette went."""
    failed = file.failed
    reasons = "; ".join(
        f"#{step.number} {step.endpoint}: {' '.join(step.wrong.split())}" for step in failed
    )
    counts = f"{len(file.steps) - len(failed)} parsed, {len(failed)} failed"
    return f"{file.path}: {counts}{': ' if reasons else ''}{reasons}"


def sums(files: Iterable[FilePlayback]) -> dict[str, Any]:
    """Count files, and interactions by everything that tells them apart."""
    files = list(files)
    steps = [step for file in files for step in file.steps]
    good = [step for step in steps if not step.wrong]
    return {
        "files": len(files),
        "whole": sum(not file.failed for file in files),
        "parsed": len(good),
        "failed": len(steps) - len(good),
        "errors": sum(step.status >= 400 for step in good),
        "whole files by provider": _files_by_provider(files),
        "parsed by provider": _count(step.provider for step in good),
        "parsed by endpoint": _count(
            f"{s.provider} {s.endpoint} {'streamed' if s.streamed else 'plain'}" for s in good
        ),
        "parsed by way": _count(step.way for step in good),
    }


def _files_by_provider(files: list[FilePlayback]) -> dict[str, int]:
    whole = [file for file in files if not file.failed]
    return _count(name for file in whole for name in {step.provider for step in file.steps})


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _sum_lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['whole']} of {found['files']} files played whole"
    yield (
        f"{found['parsed']} interactions parsed, {found['failed']} failed; "
        f"{found['errors']} of the parsed are the SDK's own status errors"
    )
    for title, counts in found.items():
        if isinstance(counts, dict):
            yield f"{title}:"
            yield from (f"  {count:5} {name}" for name, count in counts.items())


def _played(paths: Iterable[Path]) -> Iterator[FilePlayback]:
    """Play what can be read; a file that is no cassette is named on the error stream."""
    known = providers()
    for path in paths:
        try:
            file = play(path, known)
        except Damaged as error:
            click.echo(f"{path}: not read: {error.what}", err=True)
            continue
        if file.steps:
            yield file


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def main(paths: tuple[Path, ...], as_json: bool) -> None:
    """
    Play the OpenAI and Anthropic calls in the cassettes PATHS through the providers' SDKs.

    Exit codes: 0 every answer was parsed as recorded, 1 otherwise.
    """
    files = []
    for file in _played(cassette_paths(list(paths))):
        files.append(file)
        if not as_json:
            click.echo(line(file))
    found = sums(files)
    if as_json:
        click.echo(json.dumps({"files": [asdict(file) for file in files], "sums": found}, indent=2))
    else:
        click.echo("\n".join(_sum_lines(found)))
    sys.exit(1 if found["failed"] else 0)


if __name__ == "__main__":
    main()
