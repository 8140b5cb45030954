"""Traffic with secrets in it: in every place, in every kind of body, however it is spelled."""

from __future__ import annotations

import binascii
import gzip
import json
import string
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

import brotli
import zstandard

from replay.model import Chunk, Interaction, Request, Response

WORDS = ("the", "model", "answers", "in", "words", "which", "nobody", "has", "to", "hide")
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits


def of(signs: str, count: int) -> Callable[[Random], str]:
    """Make *count* signs."""
    return lambda random: "".join(random.choices(signs, k=count))


SHAPES: dict[str, tuple[str, Callable[[Random], str], str]] = {
    "openai-key": ("sk-proj-", of(ALNUM + "_-", 60), ""),
    "anthropic-key": ("sk-ant-api03-", of(ALNUM + "_-", 60), ""),
    "openrouter-key": ("sk-or-v1-", of(HEX, 64), ""),
    "openai-project": ("proj_", of(ALNUM, 24), ""),
    "openai-organization": ("org-", of(ALNUM, 24), ""),
    "google-key": ("AIza", of(ALNUM + "_-", 35), ""),
    "aws-key-id": ("AKIA", of(string.ascii_uppercase + string.digits, 16), ""),
    "huggingface-token": ("hf_", of(ALNUM, 34), ""),
    "groq-key": ("gsk_", of(ALNUM, 52), ""),
    "xai-key": ("xai-", of(ALNUM, 80), ""),
    "replicate-token": ("r8_", of(ALNUM, 37), ""),
    "perplexity-key": ("pplx-", of(ALNUM, 48), ""),
    "google-token": ("ya29.", of(ALNUM + "_-", 60), ""),
    "google-secret": ("GOCSPX-", of(ALNUM + "_-", 28), ""),
    "azure-key": ("", of(ALNUM, 52), "JQQJ99BCACYeBjFXJ3w3AAABACOG"),
    "azure-client-secret": ("abc8Q~", of(ALNUM + "_-.~", 34), ""),
    "openai-session-key": ("ek_", of(ALNUM, 40), ""),
    "github-token": ("ghp_", of(ALNUM, 36), ""),
    "gitlab-token": ("glpat-", of(ALNUM, 20), ""),
    "slack-token": ("xoxb-", of(string.digits, 24), ""),
    "stripe-key": ("sk_live_", of(ALNUM, 24), ""),
    "twilio-key": ("SK", of(HEX, 32), ""),
    "npm-token": ("npm_", of(ALNUM, 36), ""),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJz", of(ALNUM, 30), ".c2lnbmF0dXJlLWhlcmU"),
}
"""What keys are made of: a beginning, what nobody can guess, an end."""

NAMES = (
    "api_key",
    "apiKey",
    "access_token",
    "refreshToken",
    "client_secret",
    "password",
    "X-Api-Key",
    "id_token",
    "authToken",
    "aws_secret_access_key",
    "AccountKey",
    "private_key",
)


class Planter:
    """Makes secrets, and remembers them."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.secrets: list[str] = []

    def shaped(self) -> str:
        """Make a key that its shape gives away; the part that nobody can guess is the secret."""
        begin, core, end = self.random.choice(list(SHAPES.values()))
        while not (set(secret := core(self.random)) & set(string.digits)):
            pass
        self.secrets.append(secret)
        return f"{begin}{secret}{end}"

    def plain(self) -> str:
        """Make a secret of no shape, which only a name gives away."""
        secret = "".join(self.random.choices(ALNUM + "+/!.", k=self.random.randint(9, 30)))
        self.secrets.append(secret)
        return secret

    def words(self) -> str:
        """Say something harmless."""
        return " ".join(self.random.choices(WORDS, k=self.random.randint(1, 4)))

    def pem(self) -> str:
        """Make a private key, as a file holds it."""
        secret = of(ALNUM + "+/", 64)(self.random)
        self.secrets.append(secret)
        lines = "\n".join([secret, "AoGBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf"])
        kind = self.random.choice(["", "RSA ", "EC ", "OPENSSH "])
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----\n"

    def sentence(self) -> str:
        """Say something with a key in it."""
        return f"{self.words()} {self.shaped()} {self.words()}"

    def value(self, depth: int = 2) -> Any:
        """Make a JSON value with secrets in it, by shape and by name, also as JSON in a string."""
        name = self.random.choice(NAMES)
        inner = {"note": self.sentence(), name: self.plain(), "max_tokens": 5, "token": "word"}
        if self.random.random() < 0.2:
            inner["file"] = self.pem()
        if depth:
            key = self.random.choice(["messages", "arguments", "list"])
            deeper = self.value(depth - 1)
            inner[key] = {
                "messages": [{"content": deeper}],
                "arguments": json.dumps(deeper),
                "list": [[deeper, 1], None],
            }[key]
        return inner

    def cut(self, text: str) -> list[str]:
        """Cut *text* at random places, or into single signs."""
        if self.random.random() < 0.2:
            return list(text)
        places = sorted(self.random.sample(range(len(text) + 1), min(len(text), 9)))
        return [text[a:b] for a, b in pairwise([0, *places, len(text)])]


Headers = dict[str, str]
Body = tuple[Headers, bytes, Callable[[bytes], str]]
"""Headers, the body, and how to read it."""


def spelled(value: Any, random: Random) -> str:
    """Spell JSON in one of the ways that clients and servers do, some of them odd."""
    odd = random.choice([0.0, 0.0, 0.05, 1.0])
    between, after = random.choice([(",", ":"), (", ", ": "), (" , ", " : ")])

    def sign(character: str) -> str:
        if character == "/" and random.random() < odd:
            return "\\/"
        if random.random() < odd:
            return f"\\u{ord(character):04x}"
        return json.dumps(character)[1:-1]

    def spell(value: Any) -> str:
        if isinstance(value, str):
            return '"' + "".join(map(sign, value)) + '"'
        if isinstance(value, dict):
            return (
                "{" + between.join(f"{spell(k)}{after}{spell(v)}" for k, v in value.items()) + "}"
            )
        if isinstance(value, list):
            return "[" + between.join(map(spell, value)) + "]"
        return json.dumps(value)

    return spell(value)


def told(value: Any) -> str:
    """Read a JSON value to its end: strings that are JSON again are read, too."""
    if isinstance(value, dict):
        return " ".join(f"{told(k)} {told(v)}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(map(told, value))
    if isinstance(value, str) and value[:1] in ("{", "["):
        return value + told(json.loads(value))
    return str(value)


def as_json(plant: Planter) -> Body:
    body = spelled(plant.value(), plant.random).encode()
    return {"content-type": "application/json"}, body, lambda b: told(json.loads(b))


def as_text(plant: Planter) -> Body:
    joint = plant.random.choice(["\n", "\t", " ", '"', "(", "=", "\\n"])
    body = joint.join(plant.sentence() for _ in range(4)).encode()
    return {"content-type": "text/plain"}, body, bytes.decode


def as_lines(plant: Planter) -> Body:
    body = "\n".join(spelled(plant.value(1), plant.random) for _ in range(3)).encode()
    media = {"content-type": "application/x-ndjson"}
    return media, body, lambda b: " ".join(told(json.loads(line)) for line in b.splitlines())


def as_form(plant: Planter) -> Body:
    def coded(text: str) -> str:
        return "".join(
            f"%{ord(c):02x}" if plant.random.random() < 0.2 else quote(c, safe="") for c in text
        )

    pairs = [(plant.random.choice((*NAMES, "token")), plant.plain()), ("text", plant.sentence())]
    pairs.append(("payload", json.dumps(plant.value(0))))
    body = "&".join(f"{name}={coded(value)}" for name, value in pairs).encode()
    return (
        {"content-type": "application/x-www-form-urlencoded"},
        body,
        lambda b: unquote_plus(b.decode()),
    )


def as_multipart(plant: Planter) -> Body:
    parts = [
        ('name="password"', plant.plain().rstrip("-")),
        ('name="file"; filename="a.txt"\r\nContent-Type: text/plain', plant.sentence()),
        ('name="json"', spelled(plant.value(1), plant.random)),
    ]
    lines = [f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}" for head, text in parts]
    body = "\r\n".join([*lines, "--b--\r\n"]).encode()

    def read(body: bytes) -> str:
        last = body.decode().split("\r\n\r\n")[-1].split("\r\n--b")[0]
        return body.decode() + told(json.loads(last))

    return {"content-type": 'multipart/form-data; boundary="b"'}, body, read


def as_xml(plant: Planter) -> Body:
    body = (
        f"<?xml version='1.0'?><Result><SecretKey>{plant.plain()}</SecretKey>"
        f"<Note>{plant.sentence()}</Note></Result>"
    ).encode()
    return {"content-type": "text/xml"}, body, bytes.decode


def deltas(kind: str, pieces: list[str]) -> list[dict[str, Any]]:
    """Send *pieces* as a provider does."""
    shapes: dict[str, Callable[[str], dict[str, Any]]] = {
        "chat": lambda p: {"id": "c", "choices": [{"index": 0, "delta": {"content": p}}]},
        "tool": lambda p: {
            "choices": [{"delta": {"tool_calls": [{"index": 1, "function": {"arguments": p}}]}}]
        },
        "responses": lambda p: {
            "type": "response.output_text.delta",
            "item_id": "m",
            "output_index": 0,
            "delta": p,
        },
        "anthropic": lambda p: {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "text_delta", "text": p},
        },
        "anthropic-tool": lambda p: {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": p},
        },
        "gemini": lambda p: {
            "candidates": [{"content": {"parts": [{"text": p}], "role": "model"}}]
        },
        "plain": lambda p: {"response": p, "done": False},
    }
    return [shapes[kind](piece) for piece in pieces]


def piece_of(event: Any) -> str:
    """Read what one event adds."""
    if "choices" in event:
        delta = event["choices"][0]["delta"]
        if "content" in delta:
            return delta["content"]
        return delta["tool_calls"][0]["function"]["arguments"]
    if "candidates" in event:
        return event["candidates"][0]["content"]["parts"][0]["text"]
    delta = event.get("delta", event.get("response"))
    return delta if isinstance(delta, str) else delta.get("text", delta.get("partial_json"))


PROVIDERS = ("chat", "tool", "responses", "anthropic", "anthropic-tool", "gemini", "plain")


def said(plant: Planter) -> str:
    """Say what a model says: prose, or the arguments of a call."""
    if plant.random.random() < 0.5:
        return " ".join(plant.sentence() for _ in range(2))
    return spelled(plant.value(1), plant.random)


def as_stream(plant: Planter) -> Body:
    kind = plant.random.choice(PROVIDERS)
    events = deltas(kind, plant.cut(said(plant)))
    feed = plant.random.choice(["\n", "\r\n"])
    lines = [f"data: {spelled(event, plant.random)}{feed}{feed}" for event in events]
    if kind != "plain":
        body = f"event: start{feed}{lines[0]}: ping{feed}{feed}{''.join(lines[1:])}data: [DONE]\n\n"
        return {"content-type": "text/event-stream"}, body.encode(), read_stream
    return (
        {"content-type": "application/x-ndjson"},
        "\n".join(json.dumps(event) for event in events).encode(),
        lambda b: "".join(piece_of(json.loads(line)) for line in b.splitlines()),
    )


def read_stream(body: bytes) -> str:
    """Put the events of a stream together."""
    datas = [line[6:] for line in body.decode().splitlines() if line.startswith("data: {")]
    text = "".join(piece_of(json.loads(data)) for data in datas)
    return text + (told(json.loads(text)) if text[:1] in "{[" else "")


def as_messages(plant: Planter) -> Body:
    """Stream as Bedrock does: in binary messages, of events in base64."""
    body = b""
    for event in deltas("anthropic", plant.cut(said(plant))):
        inner = b64encode(json.dumps(event).encode()).decode()
        body += message(f'{{"bytes":"{inner}","p":"abc"}}'.encode())
    return {"content-type": "application/vnd.amazon.eventstream"}, body, read_messages


def message(payload: bytes, **more: str) -> bytes:
    """Frame one message."""
    fields = {"event-type": "chunk"} | {key.replace("_", "-"): value for key, value in more.items()}
    headers = b"".join(
        struct.pack(">B", len(key) + 1)
        + f":{key}\x07".encode()
        + struct.pack(">H", len(value))
        + value.encode()
        for key, value in fields.items()
    )
    lengths = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    whole = lengths + struct.pack(">I", binascii.crc32(lengths)) + headers + payload
    return whole + struct.pack(">I", binascii.crc32(whole))


def read_messages(body: bytes) -> str:
    """Read as botocore does, and check as it does."""
    text, at = "", 0
    while at < len(body):
        size, headers, _ = struct.unpack_from(">III", body, at)
        whole = body[at : at + size]
        assert struct.unpack(">I", whole[-4:])[0] == binascii.crc32(whole[:-4])
        payload = json.loads(whole[12 + headers : -4])
        text += piece_of(json.loads(b64decode(payload["bytes"])))
        at += size
    return text + (told(json.loads(text)) if text[:1] in "{[" else "")


REQUESTS = (as_json, as_text, as_lines, as_form, as_multipart, as_xml)
RESPONSES = (as_json, as_text, as_lines, as_xml, as_stream, as_stream, as_messages)

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@dataclass(frozen=True)
class Planted:
    """An interaction full of *secrets*; what a reader could make out of it, `read` says."""

    interaction: Interaction
    secrets: tuple[str, ...]
    readers: tuple[Callable[[bytes], str], Callable[[bytes], str]]

    def read(self, interaction: Interaction) -> Iterator[str]:
        """Read all that *interaction* says, as far as anybody could."""
        request, response = interaction.request, interaction.response
        assert response
        yield from (request.url, unquote(request.url))
        for half, reader in zip((request, response), self.readers, strict=True):
            yield from (f"{name}: {unquote(unquote(value))}" for name, value in half.headers)
            yield half.body.decode("utf-8", "replace")
            yield reader(half.body)


def planted(random: Random) -> Planted:
    """Plant secrets everywhere."""
    plant = Planter(random)
    request = Request("POST", url(plant), headers(plant), b"")
    response = Response(200, "OK", headers(plant))
    request, read_request = with_body(plant, request, random.choice(REQUESTS))
    response, read_response = with_body(plant, response, random.choice(RESPONSES))
    response = replace(response, chunks=chunks(len(response.body), random))
    return Planted(
        Interaction(request, response), tuple(plant.secrets), (read_request, read_response)
    )


def url(plant: Planter) -> str:
    """Make a URL with credentials, a path and parameters."""
    key = quote(plant.plain(), safe="")
    text = quote(plant.sentence())
    path = plant.shaped() if plant.random.random() < 0.5 else "v1"
    who = f"ann:{quote(plant.plain(), safe='')}@" if plant.random.random() < 0.5 else ""
    return f"https://{who}api.example.com/{path}/x?key={key}&q={text}&access_token={plant.shaped()}"


def address(plant: Planter) -> str:
    """Make a URL as logins and redirects pass them on: with another one inside of it."""
    inner = f"https://x.example.com/cb?token={quote(plant.plain(), safe='')}&q={plant.words()}"
    return (
        f"https://ann:{quote(plant.plain(), safe='')}@x.example.com/in?next={quote(inner, safe='')}"
        f"&access_token={quote(plant.plain(), safe='')}#id_token={plant.shaped()}"
    )


def headers(plant: Planter) -> tuple[tuple[str, str], ...]:
    """Make headers, in any case, of which some hold secrets by name and some by shape."""

    def cased(name: str) -> str:
        return plant.random.choice([name, name.upper(), name.title()])

    return (
        (cased("authorization"), f"Bearer {plant.plain()}"),
        (cased("x-api-key"), plant.shaped()),
        (cased("cookie"), f"session={plant.plain()}; theme={plant.plain()}"),
        (cased("set-cookie"), f"__cf_bm={plant.plain()}; path=/; HttpOnly"),
        (cased("x-trace"), plant.sentence()),
        (cased("x-auth-token"), plant.plain()),
        (cased("location"), address(plant)),
        ("accept", "*/*"),
    )


def with_body(plant: Planter, half: Any, kind: Callable[[Planter], Body]) -> Any:
    """Give *half* a body of that kind, now and then compressed."""
    own, body, read = kind(plant)
    choice = plant.random.choice(["", "", *CODINGS, "file"])
    if choice == "file":
        return (
            replace(half, headers=(*half.headers, *own.items()), body=gzip.compress(body)),
            lambda packed: read(gzip.decompress(packed)),
        )
    if choice:
        own |= {"content-encoding": choice}
        body = CODINGS[choice](body)
    return replace(half, headers=(*half.headers, *own.items()), body=body), read


def chunks(size: int, random: Random) -> tuple[Chunk, ...]:
    """Cut *size* bytes anywhere."""
    places = sorted(random.choices(range(size + 1), k=random.randint(0, 8)))
    return tuple(Chunk(b - a, 0.1) for a, b in pairwise([0, *places, size]))
