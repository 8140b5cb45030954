"""
Open a cassette of 1,000 interactions, ready to answer, with us and the peers.

Three cassettes of the same traffic, all to one URL: ours with bodies as OpenAI's SDK sends and its
API answers them, ours with compact bodies both ways, and one as stock vcrpy writes it. Everybody
starts from the file and ends ready to answer; ours reads bodies back byte for byte, undoes content
codings, corrects lengths, keeps to its limits, and has the interactions indexed by request.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from bench.tables import Goal, Table, installed, medians, timed
from replay.cassettes.files import read_cassette, write_cassette
from replay.cassettes.reading import read_bytes, read_source
from replay.cassettes.tape import Tape
from replay.model import Interaction, Request, Response
from replay.spelling import respelled

URL = "https://api.openai.com/v1/chat/completions"
COUNT = 1_000
TEXT = "Please tell me where the order is, and whether the café can still refund it. " * 9
_DUMPER: Any = getattr(yaml, "CDumper", yaml.Dumper)
"""The one that vcrpy takes."""

BEGAN = datetime(2026, 11, 21, tzinfo=UTC)

ASKED = (
    ("host", "api.openai.com"),
    ("accept-encoding", "gzip, deflate, br"),
    ("connection", "keep-alive"),
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("user-agent", "OpenAI/Python 3.52.0"),
    ("x-stainless-lang", "python"),
    ("x-stainless-package-version", "3.52.0"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "CPython"),
    ("x-stainless-runtime-version", "3.11.7"),
    ("x-stainless-async", "false"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-read-timeout", "600"),
)
"""What OpenAI's SDK sends beside the length and the key."""

TOLD = (
    ("date", "Sat, 21 Nov 2026 08:14:30 GMT"),
    ("content-type", "application/json"),
    ("connection", "keep-alive"),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-limit-requests", "500"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-requests", "499"),
    ("x-ratelimit-reset-requests", "120ms"),
    ("x-ratelimit-reset-tokens", "80ms"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("x-content-type-options", "nosniff"),
    ("server", "cloudflare"),
    ("alt-svc", 'h3=":443"; ma=86400'),
)
"""What its API answers with, beside what differs from call to call."""


def tables(rounds: int) -> Iterator[Table]:
    """Measure everything here."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = {
            title: medians(rounds, contenders(file, folder / "cache"))
            for title, file in cassettes(folder).items()
        }
    goals = (
        Goal("cold", 1 / 3, "vcrpy"),
        Goal("cold", 1, "cassetter"),
        Goal("compiled", 1 / 50, "vcrpy"),
    )
    yield Table(f"open a cassette of {COUNT:,} interactions", "vcrpy", rows, goals=goals)


def interaction(n: int, answered: str) -> Interaction:
    """Build one call of about 1 kB each way, its answer spelled as *answered* says."""
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": f"{n} {TEXT}"},
    ]
    sent = respelled({"messages": messages, "model": "gpt-4o", "temperature": 0}, "compact")
    message = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []}
    value = {
        "id": f"chatcmpl-{n}",
        "object": "chat.completion",
        "created": 1_795_248_870 + n,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 54, "completion_tokens": 2, "total_tokens": 56},
    }
    body = respelled(value, answered)
    asked = *ASKED, ("content-length", str(len(sent)))
    told = (
        *TOLD,
        ("openai-processing-ms", str(400 + n)),
        ("x-ratelimit-remaining-tokens", str(200_000 - n)),
        ("x-request-id", f"req_{n:032x}"),
        ("content-length", str(len(body))),
    )
    request, response = Request("POST", URL, asked, sent), Response(200, "OK", told, body)
    return Interaction(request, response, None, n, 1)


def cassettes(folder: Path) -> dict[str, Path]:
    """Write the files that are opened."""
    paths = {name: folder / f"{name}.yaml" for name in ("openai", "compact", "stock")}
    recorded = tuple(interaction(n, "indented") for n in range(COUNT))
    write_cassette(paths["openai"], recorded, BEGAN)
    write_cassette(paths["compact"], [interaction(n, "compact") for n in range(COUNT)], BEGAN)
    items = [_stock(one) for one in recorded]
    paths["stock"].write_text(
        yaml.dump({"interactions": items, "version": 1}, Dumper=_DUMPER), "utf-8"
    )
    return paths


def _stock(one: Interaction) -> dict[str, Any]:
    response = one.response or Response(0)
    return {
        "request": {
            "body": one.request.body.decode(),
            "headers": {name: [value] for name, value in one.request.headers},
            "method": one.request.method,
            "uri": one.request.url,
        },
        "response": {
            "body": {"string": response.body.decode()},
            "headers": {name: [value] for name, value in response.headers},
            "status": {"code": response.status, "message": response.reason},
        },
    }


def contenders(path: Path, cache: Path) -> dict[str, Callable[[], float]]:
    """List who opens *path*: without a cache, in *cache*, and the peers."""
    read_cassette(path, cache=cache)
    found: dict[str, Callable[[], Any]] = {
        "cold": lambda: Tape(read_source(path, read_bytes(path)).file().interactions),
        "compiled": lambda: Tape(read_cassette(path, cache=cache).interactions),
    }
    if installed("vcrpy"):
        from vcr.persisters.filesystem import FilesystemPersister
        from vcr.serializers import yamlserializer

        found["vcrpy"] = lambda: FilesystemPersister.load_cassette(path, yamlserializer)
    if installed("cassetter"):
        from cassetter import Cassette, RecordMode

        found["cassetter"] = lambda: Cassette(path, record_mode=RecordMode.NONE).load()
    return {name: lambda run=run: timed(run) for name, run in found.items()}
