"""
Plant secrets everywhere, let every command work on them, and look for them wherever we write.

`python -m bench.secrets ../shared/corpus/dev` takes the cassettes of a folder, plants keys of all
kinds in every part of each interaction, and does with them what people do: a program sends and gets
them over loopback while it is recorded, is replayed with other keys, and raises; cassettes of
another tool that hold them are checked, scanned, converted, compared and fixed. Then the bytes of
every file that was written are searched, the pages of the store, temporary files and compiled forms
among them, and all that was printed or logged. Exit code 1 if a secret is found.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import re
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click
import httpx
import yaml
from click.testing import CliRunner, Result
from rich.console import Console
from rich.table import Table

import replay
from replay.canonical import json_body
from replay.cassettes.check import cassette_paths
from replay.cassettes.files import read_cassette
from replay.cli import main as command
from replay.errors import Damaged, ReplayError
from replay.model import Headers, Interaction, Request, Response
from tests.planting import SHAPES, deltas

MARKS = ("Zq7Wv3Kd9Rt2", "7e3a9c5d1b80", "918273645546", "QZ7WV3KD9RT2")
"""What every planted secret holds, in the letters that its kind is made of."""

WHERE = "BENCH_SECRETS"
"""The variable that tells the recorded program where its requests are, and which keys it has."""

_LENGTH = {"content-length", "content-encoding", "transfer-encoding", "host", "connection"}
_LOUD = ("replay", "vcr", "pytest_recording")


class Planter:
    """Makes keys of all kinds in turn, which all hold a mark."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.made = 0

    def key(self) -> str:
        begin, core, end = list(SHAPES.values())[self.made % len(SHAPES)]
        self.made += 1
        random = core(self.random)
        mark = next(mark for mark in (*MARKS[1:], MARKS[0]) if _fits(mark, core))
        return f"{begin}{mark}{random[len(mark) :]}{end}"

    def plain(self) -> str:
        """Make a secret that only its name gives away."""
        self.made += 1
        return f"{MARKS[0]}{self.random.randrange(10**9)}"

    def headers(self) -> Headers:
        return (
            ("authorization", f"Bearer {self.key()}"),
            ("X-Api-Key", self.plain()),
            ("x-trace", f"sent with {self.key()} by hand"),
            ("cookie", f"session={self.plain()}"),
        )

    def answered(self) -> Headers:
        return (
            ("Set-Cookie", f"__cf_bm={self.plain()}; path=/"),
            ("location", f"https://x.example.com/?access_token={self.plain()}"),
            ("x-note", f"use {self.key()}"),
        )

    def body(self, body: bytes) -> bytes:
        """Plant into JSON, an event stream, or any other text."""
        note = {"note": f"a key: {self.key()}", "api_key": self.plain()}
        value = json_body(body)
        if isinstance(value, dict):
            inner = {"arguments": json.dumps(note), "list": [[note]], **note}
            return json.dumps(value | inner).encode()
        if body.startswith((b"data:", b"event:")):
            key = f"my key is {self.key()} ok"
            pieces = [key[n : n + 7] for n in range(0, len(key), 7)]
            told = "".join(f"data: {json.dumps(event)}\n\n" for event in deltas("chat", pieces))
            return told.encode() + body
        return body + f" {self.key()} ".encode() if not body.startswith(b"\0") else body

    def plant(self, interaction: Interaction) -> Interaction:
        request, response = interaction.request, interaction.response or Response(204)
        join = "&" if urlsplit(request.url).query else "?"
        return replace(
            interaction,
            request=Request(
                request.method,
                f"{request.url}{join}key={self.plain()}&q={self.key()}",
                (*_without(request.headers), *self.headers()),
                self.body(request.body),
            ),
            response=Response(
                response.status if response.status >= 200 else 200,
                response.reason,
                (*_without(response.headers), *self.answered()),
                self.body(response.body),
            ),
            failure=None,
        )


def _fits(mark: str, core: Callable[[Random], str]) -> bool:
    """Whether *core* makes texts of the letters of *mark*."""
    letters = set("".join(core(Random(n)) for n in range(40)))
    return set(mark) <= letters


def _without(headers: Headers) -> Headers:
    return tuple((k, v) for k, v in headers if k.lower() not in _LENGTH and v.isascii())


# The program that is recorded


def program(name: str) -> list[Any]:
    """Send the planted requests of one cassette; hand on what came back, and now and then raise."""
    told = json.loads(os.environ[WHERE])
    planter, answers = Planter(told["seed"]), []
    with httpx.Client() as client:
        for number, interaction in enumerate(_interactions(Path(told["folder"], name))):
            request = planter.plant(interaction).request
            url = urlsplit(request.url)
            headers = [(k, v) for k, v in request.headers if k.lower() != "accept-encoding"]
            address = f"{told['url']}{url.path or '/'}?{url.query}"
            headers.append(("x-number", f"{name}#{number}"))
            try:
                answer = client.request(
                    request.method, address, headers=headers, content=request.body
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                answers.append(f"{error} {planter.key()}")
                continue
            answers.append({"text": answer.text, "key": planter.key()})
    if len(name) % 5 == 0:
        raise ValueError(f"{answers[-1:]} with the key {planter.key()}")
    return answers


@lru_cache(maxsize=8)
def _interactions(path: Path) -> tuple[Interaction, ...]:
    with suppress(Damaged):
        return read_cassette(path).interactions
    return ()


def serve(folder: Path) -> ThreadingHTTPServer:
    """Answer on loopback what the planted cassettes of *folder* answer; some break off."""
    planter = Planter(99)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.handle_any
            raise AttributeError(name)

        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            name, _, number = self.headers["x-number"].rpartition("#")
            planted = planter.plant(_interactions(folder / name)[int(number)]).response
            assert planted
            if planter.made % 23 == 0:
                self.close_connection = True
                return
            body = gzip.compress(planted.body) if planter.made % 3 == 0 else planted.body
            self.send_response(planted.status if planted.status not in (204, 304) else 200)
            for key, value in planted.headers:
                self.send_header(key, value)
            if body is not planted.body:
                self.send_header("content-encoding", "gzip")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked with HEAD does not wait for it
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


# The work


class Bench:
    """A project in a folder of its own, and the outputs of the commands that were run in it."""

    def __init__(self, corpus: Path, work: Path) -> None:
        self.corpus, self.work = corpus.resolve(), work
        self.printed: dict[str, list[str]] = {}
        self.planted = 0
        self.agreed: list[bool] = []
        settings = '[tool.replay]\nentrypoints = ["bench.secrets"]\n'
        (work / "pyproject.toml").write_text(settings)
        self.names = [
            str(path.relative_to(self.corpus))
            for path in cassette_paths([self.corpus])
            if _interactions(path)
        ]

    def run(self, *arguments: str) -> Result:
        """Run the command, and keep what it prints."""
        done = CliRunner().invoke(command, arguments)
        said = [done.output]
        if done.exception and not isinstance(done.exception, SystemExit):
            said.append(repr(done.exception))
        verb = arguments[:2] if arguments[0] == "cassettes" else arguments[:1]
        self.printed.setdefault(f"replay {' '.join(verb)}", []).extend(said)
        return done

    def record(self, url: str) -> None:
        """Record the program, replay it with the same keys and with others."""
        for seed in (1, 2):
            told = {"folder": str(self.corpus), "url": url, "seed": seed}
            os.environ[WHERE] = json.dumps(told)
            for number, name in enumerate(self.names):
                episode = f"case_{number}"
                if seed == 1:
                    with suppress(ValueError, ReplayError), replay.record(episode) as run:
                        run.call(program, name=name)
                    self.run("export", episode)
                self.agreed.append(self.run("run", episode).exit_code == 0)
                self.run("run", episode, "--json")

    def old(self, folder: Path, seed: int) -> None:
        """Write cassettes as another tool does, secrets and all."""
        planter = Planter(seed)
        for number, name in enumerate(self.names):
            found = [planter.plant(i) for i in _interactions(self.corpus / name)]
            target = folder / f"old_{number}.yaml"
            target.parent.mkdir(parents=True, exist_ok=True)
            value = {"version": 1, "interactions": [_plain(item) for item in found]}
            target.write_text(yaml.dump(value, Dumper=yaml.CSafeDumper), "utf-8")
        self.planted += planter.made

    def rework(self) -> None:
        """Check, scan, convert, compare and fix the cassettes of another tool."""
        old, new = self.work / "old", self.work / "new"
        self.old(old, 3)
        self.old(new, 4)
        for verb in (("check", "-v"), ("check", "--json"), ("scan",), ("scan", "--json")):
            self.run("cassettes", *verb, "old")
        self.run("cassettes", "convert", *map(str, sorted(old.iterdir())), "--to", "converted")
        self.run(
            *("drift", "old", "new", "--html", "drift.html", "--markdown", "drift.md"),
            *("--junit", "drift.xml"),
        )
        self.run("drift", "old", "new", "--json")
        for folder in (old, new):
            self.run("cassettes", "scan", "--fix", str(folder))

    def places(self) -> Iterator[tuple[str, int, int, list[str]]]:
        """Search every place: what it is, how many there are, their bytes, where a secret is."""
        kinds: dict[str, list[Path]] = {}
        for path in sorted(self.work.rglob("*")):
            if path.is_file():
                kinds.setdefault(_kind(path.relative_to(self.work)), []).append(path)
        for kind, paths in sorted(kinds.items()):
            datas = {str(path.relative_to(self.work)): path.read_bytes() for path in paths}
            yield kind, len(datas), *_searched(datas)
        for kind, texts in sorted(self.printed.items()):
            datas = {
                f"{kind}, {n}": text.encode("utf-8", "replace") for n, text in enumerate(texts)
            }
            yield f"printed by {kind}", len(datas), *_searched(datas)


def _plain(interaction: Interaction) -> Any:
    request, response = interaction.request, interaction.response
    assert response

    def text(body: bytes) -> str | bytes:
        try:
            return body.decode()
        except UnicodeDecodeError:
            return body

    def headers(pairs: Headers) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in pairs:
            found.setdefault(name, []).append(value)
        return found

    return {
        "request": {
            "method": request.method,
            "uri": request.url,
            "headers": headers(request.headers),
            "body": text(request.body),
        },
        "response": {
            "status": {"code": response.status, "message": response.reason},
            "headers": headers(response.headers),
            "body": {"string": text(response.body)},
        },
    }


def _kind(path: Path) -> str:
    first = path.parts[0]
    names = {"episodes": "store" if ".db" in path.name else "bundles", "cache": "compiled forms"}
    names |= {"tmp": "temporary files", "old": "fixed cassettes", "new": "fixed cassettes"}
    names |= {"converted": "converted cassettes", "debug.log": "log at DEBUG"}
    return names.get(first, first)


def _spellings() -> re.Pattern[bytes]:
    """Match a mark as it is, and in base64 at each of its three offsets."""
    found = {mark.encode() for mark in MARKS}
    for mark in MARKS:
        for offset in range(3):
            coded = b64encode(b"\0" * offset + mark.encode())
            found.add(coded[4 if offset else 0 : -4])
    return re.compile(b"|".join(map(re.escape, sorted(found, key=len, reverse=True))))


_MARKED = _spellings()
_BETWEEN = re.compile(rb'\\*"\}\}\]\}(?:\s|\\+n)+data: \{[^\n]{0,70}?content\\*":\s?\\*"')
"""What stands between two pieces of a key in a stream, also in one that stands in JSON again."""


def _searched(datas: dict[str, bytes]) -> tuple[int, list[str]]:
    found = []
    for name, data in datas.items():
        joined = _BETWEEN.sub(b"", data)
        if match := _MARKED.search(joined):
            around = joined[max(match.start() - 60, 0) : match.end() + 20]
            found.append(f"{name}: …{around.decode('utf-8', 'replace')!r}…")
    return sum(map(len, datas.values())), found


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", default=0, help="Take so many cassettes; default: all.")
def main(folder: Path, limit: int) -> NoReturn:
    """Plant secrets into the cassettes of FOLDER, and look for them wherever we write."""
    folder = folder.resolve()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "tmp").mkdir()
        os.environ["XDG_CACHE_HOME"] = str(work / "cache")
        os.environ["TMPDIR"] = tempfile.tempdir = str(work / "tmp")
        os.chdir(work)
        log = logging.FileHandler(work / "debug.log")
        log.addFilter(lambda record: record.name.startswith(_LOUD))
        logging.basicConfig(level=logging.DEBUG, handlers=[log], force=True)
        logging.getLogger(_LOUD[0]).debug("what is logged comes here: looked at even if it is all")
        bench = Bench(folder, work)
        bench.names = bench.names[: limit or None]
        server = serve(folder)
        bench.record("http://{}:{}".format(*server.server_address[:2]))
        server.shutdown()
        bench.rework()
        table = Table("place", "looked at", "bytes", "secrets", box=None)
        every: list[str] = []
        for kind, count, size, found in bench.places():
            table.add_row(kind, str(count), f"{size:,}", str(len(found)))
            every += found[:3]
        out = Console(width=140)
        told = f"{len(bench.names)} cassettes, {len(SHAPES)} kinds of keys and names"
        out.print(f"{told}, {bench.planted:,} planted in cassettes of another tool")
        out.print(
            f"{sum(bench.agreed)} of {len(bench.agreed)} replays agreed, half with other keys"
        )
        out.print(table)
        for line in every:
            out.print(line, markup=False, soft_wrap=True)
    sys.exit(int(bool(every)))


if __name__ == "__main__":
    from bench.secrets import main as named  # what is recorded has to have a module's name

    named()
