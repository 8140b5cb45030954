"""
Count for how many real LLM interactions the payload was read: `python -m bench.llm_coverage DIR`.

What an LLM interaction is, and what can be read from it, is told by patterns over the bytes, which
know nothing of the reader: a known path, status 200, and the words that providers use. So a column
reads "read / said": of those where the payload says it, the reader found it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.table import Table

from replay.cassettes.eventstream import messages
from replay.cassettes.files import read_cassette
from replay.errors import Damaged
from replay.llm.calls import read_call
from replay.llm.conversation import Call
from replay.model import Interaction

PATHS = re.compile(
    r"/(?:v\d+/chat|chat/completions|completions|complete|responses|messages|embeddings|embed|images/generations)$"
    r"|:(?:streamG|g)enerateContent$|/(?:converse|invoke)[a-z-]*$|/api/(?:chat|generate|embed)"
    r"|/(?:predictions|invocations|runs)$|/runs/[^/]+$|huggingface\.cloud/$"
)
PROVIDERS = {
    "openai.com": "openai",
    "openai.azure.com": "azure",
    "anthropic.com": "anthropic",
    "amazonaws.com": "bedrock",
    "googleapis.com": "gemini",
    "cohere.com": "cohere",
    "mistral.ai": "mistral",
}
SAID = {
    "model": re.compile(rb'"(?:model|modelVersion)": ?"[^"]'),
    "messages": re.compile(
        rb'"(?:messages|contents|input|prompt|message|inputText|texts)": ?["\[{]'
    ),
    "tool calls": re.compile(
        rb'"tool_calls": ?\[\s*\{|"type": ?"(?:tool_use|function_call)"'
        rb'|"(?:functionCall|toolUse)": ?\{'
    ),
    "usage": re.compile(rb'(?:_tokens|Tokens|okenCount|_eval_count|token_count)": ?[1-9]'),
    "text": re.compile(rb'"(?:text|content|outputText|response|completion|generation)": ?"(?!")'),
}


def is_llm(interaction: Interaction) -> bool:
    """Whether a person would say that a model was asked here, and answered."""
    url = urlsplit(interaction.request.url)
    thread = "/threads/" in url.path and url.path.endswith("/messages")
    return (
        bool(PATHS.search(f"{url.hostname}{url.path}"))
        and interaction.response is not None
        and interaction.response.status in (200, 201)
        and not thread
        and "telemetry" not in url.path
    )


def said(interaction: Interaction) -> dict[str, bool]:
    """What the payload says, as far as patterns over its bytes can tell."""
    request, response = interaction.request, interaction.response
    body = response.body if response else b""
    if framed := messages(body):
        body = "\n".join(message.says for message in framed).encode("utf-8", "surrogateescape")
    where = {"messages": request.body, "model": request.body + body + request.url.encode()}
    found = {name: bool(p.search(where.get(name, body))) for name, p in SAID.items()}
    vectors = re.search(rb'"(?:embedding|embeddings|values)": ?', body)
    model = re.search(r"/model/|/models/|/deployments/", request.url)
    spoken = b'"output_text"' in body if "/responses" in request.url else found["text"]
    return found | {"text": spoken and not vectors, "model": found["model"] or bool(model)}


def was_read(call: Call | None) -> dict[str, bool]:
    """What the reader found."""
    if call is None:
        return dict.fromkeys(SAID, False)
    return {
        "model": bool(call.requested or call.answered),
        "messages": bool(call.sent),
        "tool calls": any(answer.tool_calls for answer in call.answers),
        "usage": bool(call.tokens.sent or call.tokens.received),
        "text": any(answer.text or answer.refusal or answer.others for answer in call.answers),
    }


def interactions(folders: Iterable[Path]) -> Iterator[tuple[Path, int, Interaction]]:
    """Go through all cassettes under *folders*."""
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        try:
            found = read_cassette(path).interactions
        except Damaged:
            continue
        yield from ((path, number, item) for number, item in enumerate(found, 1))


def provider(interaction: Interaction) -> str:
    """Who was asked, by the name of the host alone."""
    url = urlsplit(interaction.request.url)
    host = url.hostname or ""
    if "/threads" in url.path:
        return "openai threads"
    known = (name for suffix, name in PROVIDERS.items() if host.endswith(suffix))
    return next(known, host if "." in host and not host[0].isdigit() else "local")


@dataclass
class Coverage:
    """How many interactions say a part, and in how many of those it was read; by provider."""

    interactions: Counter[str] = field(default_factory=Counter)
    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    read: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)

    def said_in_all(self, part: str) -> int:
        """Count over all providers."""
        return sum(count for (_, column), count in self.said.items() if column == part)

    def read_in_all(self, part: str) -> int:
        """Count over all providers."""
        return sum(count for (_, column), count in self.read.items() if column == part)


def covered(folders: Iterable[Path]) -> Coverage:
    """Read each LLM interaction in *folders*."""
    found = Coverage()
    for path, number, interaction in interactions(folders):
        call = read_call(interaction)
        where = f"{path} #{number} {interaction.request.url}"
        if not is_llm(interaction):
            if call and not call.error:
                found.missing.append(f"read, though not expected: {where}")
            continue
        name = provider(interaction)
        found.interactions[name] += 1
        says, reads = said(interaction), was_read(call)
        for column in SAID:
            found.said[name, column] += says[column]
            found.read[name, column] += says[column] and reads[column]
            if says[column] and not reads[column]:
                found.missing.append(f"{column}: {where}")
    return found


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--missing", is_flag=True, help="List each interaction that was not read in full.")
def main(folders: tuple[Path, ...], missing: bool) -> None:
    """Print, by provider, what was read of what the payloads of the cassettes say."""
    found = covered(folders)
    if missing:
        click.echo("\n".join(found.missing))
    table = Table("provider", "interactions", *SAID)
    totals = found.interactions
    for name in sorted(totals, key=lambda name: (-totals[name], name)):
        cells = [f"{found.read[name, c]} / {found.said[name, c]}" for c in SAID]
        table.add_row(name, str(totals[name]), *cells)
    sums = [f"{found.read_in_all(c)} / {found.said_in_all(c)}" for c in SAID]
    table.add_row("all", str(totals.total()), *sums, style="bold")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
