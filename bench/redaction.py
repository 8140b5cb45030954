"""
Measure redaction and the scanner over a folder of real cassettes, and what redaction costs a call.

`python -m bench.redaction ../shared/corpus/dev` scans every cassette of the folder, redacts it, and
redacts the result again. Beside a `MANIFEST.json` that names the `leak_kinds` of each file, it
says which of them the scanner found; what it reports besides is listed by kind, with one place, to
be looked at by hand. Exit code 1 if a leak was missed, or redacting again changed something.

Without a folder it measures the speed alone.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import click

from replay.cassettes.check import cassette_paths
from replay.cassettes.cleaning import scan
from replay.cassettes.files import read_cassette
from replay.cassettes.redaction import Redactor
from replay.cassettes.scanner import Finding, Scanner
from replay.config import Redaction
from replay.errors import Damaged
from replay.model import Interaction, Request, Response

KINDS = {
    "cookie": "cookie",
    "openai proj_": "openai-project",
    "openai org-": "openai-organization",
    "home": "home",
}
"""How a manifest begins a kind of leak that is no header, and what we call it."""

HEADERS = (
    ("host", "api.openai.com"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate, br"),
    ("connection", "keep-alive"),
    ("content-type", "application/json"),
    ("user-agent", "OpenAI/Python 3.52.0"),
    ("x-stainless-lang", "python"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "CPython"),
    ("authorization", "Bearer sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"),
    ("content-length", "1955"),
)
PROMPT = "Answer as a patient expert would, step by step. " * 38


@dataclass
class Corpus:
    """What was found in a folder."""

    files: int = 0
    interactions: int = 0
    leaks: int = 0
    missed: list[str] = field(default_factory=list)
    unstable: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    besides: dict[str, str] = field(default_factory=dict)


def measured(folder: Path) -> Corpus:
    """Scan and redact every cassette in *folder*."""
    corpus, leaks = Corpus(), _leaks(folder)
    for path in cassette_paths([folder]):
        if path.name == "MANIFEST.json":
            continue
        findings = scan(path, Redaction()).findings
        named = leaks.get(path.resolve(), [])
        corpus.files += 1
        corpus.leaks += len(named)
        corpus.missed += [f"{path}: {leak}" for leak in named if not _found(leak, findings)]
        corpus.kinds.update(finding.kind for finding in findings)
        for finding in findings:
            if not any(_found(leak, [finding]) for leak in named):
                corpus.besides.setdefault(finding.kind, f"{path}: {finding}")
        _redact_twice(path, corpus)
    return corpus


def _leaks(folder: Path) -> dict[Path, list[str]]:
    manifest = folder / "MANIFEST.json"
    if not manifest.is_file():
        return {}
    listed = json.loads(manifest.read_text()).get("files", [])
    return {(folder.parent / item["file"]).resolve(): item["leak_kinds"] for item in listed}


def _found(leak: str, findings: Iterable[Finding]) -> bool:
    if leak.startswith("header "):
        part, _, name = leak.removeprefix("header ").partition(":")
        return any((f.part, f.place) == (part, f"header {name}") for f in findings)
    wanted = next(ours for theirs, ours in KINDS.items() if leak.startswith(theirs))
    return any(finding.kind == wanted for finding in findings)


def _redact_twice(path: Path, corpus: Corpus) -> None:
    try:
        interactions = read_cassette(path).interactions
    except Damaged:  # no cassette; the scanner has read it as text
        return
    once = list(map(Redactor().interaction, interactions))
    again = list(map(Redactor().interaction, once))
    corpus.interactions += len(once)
    if once != again or list(Scanner().findings(once)):
        corpus.unstable.append(str(path))


def chat(number: int) -> Interaction:
    """Build a usual chat call: 2 kB of JSON and 12 headers each way."""
    messages = [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": f"question {number}"},
    ]
    asked = json.dumps({"model": "gpt-4o", "temperature": 0.2, "messages": messages})
    answer = {"role": "assistant", "content": f"{number}: {PROMPT}"}
    told = json.dumps({"id": f"chatcmpl-{number}", "choices": [{"index": 0, "message": answer}]})
    url = "https://api.openai.com/v1/chat/completions"
    return Interaction(
        Request("POST", url, HEADERS, asked.encode()),
        Response(200, "OK", HEADERS[1:], told.encode()),
    )


def speed(count: int = 2_000) -> dict[str, float]:
    """Microseconds a call, the median."""
    redactor, scanner = Redactor(), Scanner()
    calls = [chat(number) for number in range(count)]
    redacted = list(map(redactor.interaction, calls))
    return {
        "request, as it is replayed": _median(lambda call: redactor.request(call.request), calls),
        "call, as it is recorded": _median(redactor.interaction, calls),
        "call, as it is written": _median(lambda call: list(scanner.findings([call])), redacted),
    }


def _median(do: Callable[[Interaction], Any], calls: list[Interaction]) -> float:
    taken = []
    for call in calls:
        began = time.perf_counter()
        do(call)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6


def show(corpus: Corpus) -> None:
    """Print what was found."""
    found = corpus.leaks - len(corpus.missed)
    click.echo(f"{corpus.files} files, {corpus.interactions} interactions")
    click.echo(f"leaks named by the manifest and found: {found} of {corpus.leaks}")
    click.echo(
        f"files that redacting again changes, or that still hold one: {len(corpus.unstable)}"
    )
    click.echo("\n".join([*corpus.missed, *corpus.unstable]))
    for kind, count in corpus.kinds.most_common():
        besides = corpus.besides.get(kind)
        click.echo(f"{count:6} {kind}{f', besides the manifest: {besides}' if besides else ''}")


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folders: tuple[Path, ...]) -> NoReturn:
    """Measure redaction over FOLDERS of cassettes, and its speed."""
    failed = False
    for folder in folders:
        corpus = measured(folder)
        show(corpus)
        failed = failed or bool(corpus.missed or corpus.unstable)
    for name, microseconds in speed().items():
        click.echo(f"{microseconds:6.1f} µs a {name}")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
