"""
Measure how long a cassette of 1,000 interactions takes to open, side by side in one run.

`python -m bench.open_cassette` opens three cassettes of the same traffic, all to one URL: ours with
bodies as OpenAI's SDK sends and its API answers them, ours with compact bodies both ways, and one
that stock vcrpy wrote. Each contender opens the same file; vcrpy and cassetter take part where they
are installed. Every figure is the median over rounds in which they take turns.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from replay.cassettes.files import read_cassette, write_cassette
from replay.model import Interaction, Request, Response
from replay.spelling import respelled

URL = "https://api.openai.com/v1/chat/completions"
COUNT = 1_000
TEXT = "Please tell me where the order is, and whether the café can still refund it. " * 9
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

Contenders = dict[str, Callable[[], Any]]


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
    paths["stock"].write_text(yaml.dump({"interactions": items, "version": 1}), "utf-8")
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


def contenders(path: Path, cache: Path) -> Contenders:
    """List who opens *path*: without a cache, in *cache*, and the peers."""
    read_cassette(path, cache=cache)
    found: Contenders = {
        "cold": lambda: read_cassette(path),
        "compiled": lambda: read_cassette(path, cache=cache),
    }
    if find_spec("vcr"):
        from vcr.persisters.filesystem import FilesystemPersister
        from vcr.serializers import yamlserializer

        found["vcrpy"] = lambda: FilesystemPersister.load_cassette(path, yamlserializer)
    if find_spec("cassetter"):
        from cassetter import Cassette, RecordMode

        found["cassetter"] = lambda: Cassette(path, record_mode=RecordMode.NONE).load()
    return found


def medians(work: Contenders, rounds: int) -> dict[str, float]:
    """Seconds of each, the median of *rounds* in which they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            began = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in taken.items()}


def show(figures: dict[str, dict[str, float]], out: Console) -> None:
    """Print milliseconds, and how many times as fast as each peer we are."""
    for name, row in figures.items():
        table = Table(
            "", "ms", "vcrpy / this", "cassetter / this", title=name, title_justify="left"
        )
        for contender, seconds in row.items():
            ratios = [
                f"{row[p] / seconds:.1f}" if p in row else "-" for p in ("vcrpy", "cassetter")
            ]
            table.add_row(contender, f"{seconds * 1000:.1f}", *ratios)
        out.print(table)


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Rounds; the median is shown.")
@click.option("--json", "path", type=Path, help="Write the figures, in seconds, to this file.")
def main(rounds: int, path: Path | None) -> None:
    """Measure how long cassettes of 1,000 interactions take to open."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {
            title: medians(contenders(file, folder / "cache"), rounds)
            for title, file in cassettes(folder).items()
        }
    show(figures, Console(width=100))
    if path:
        path.write_text(json.dumps(figures, indent=2), "utf-8")


if __name__ == "__main__":
    main()
