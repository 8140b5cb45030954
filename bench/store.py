"""
Measure the store: its size against YAML, ingest, look-up: `python -m bench.store`.

The episode of 40 turns is made up of sentences from Python's own manual, so that its text is as
compressible as text is; `--corpus` runs over real cassettes too, and takes each on a round trip.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import click
from rich.console import Console

from bench.tables import Figure, Goal, Table, figure, medians, show, timed
from bench.traffic import interactions
from replay.canonical import json_body
from replay.cassettes.files import read_cassette, write_anew
from replay.cassettes.redaction import Redactor
from replay.config import Redaction
from replay.episodes.exports import export_cassette
from replay.episodes.imports import import_file
from replay.episodes.store import Store
from replay.errors import ReplayError
from replay.model import Chunk, Episode, Interaction, Manifest, Recording, Request, Response

MANIFEST = Manifest(clock="2026-01-01T00:00:00+00:00", pinned=False, seed=0)
_SENTENCES = [
    " ".join(sentence.split())
    for topic in sorted(topics)
    for sentence in re.split(r"(?<=[.:])\s", topics[topic])
    if 30 < len(sentence) < 300
]
_AGENT_CALLS = 4
"""Calls from which a cassette of the corpus counts as an agent's."""


def prose(chance: random.Random, length: int) -> str:
    """Put sentences together to a text of about *length* characters."""
    text = ""
    while len(text) < length:
        text += chance.choice(_SENTENCES) + " "
    return text


def agent_run(turns: int, seed: int = 0) -> Recording:
    """Make up an agent's run: every call sends the whole history, and six tools with it."""
    chance = random.Random(seed)
    tools = [_tool(chance, number) for number in range(6)]
    history = [
        {"role": "system", "content": prose(chance, 2_500)},
        {"role": "user", "content": prose(chance, 300)},
    ]
    calls = []
    for turn in range(turns):
        answer = _answer(chance)
        calls.append(_call(chance, turn, {"messages": history, "tools": tools}, answer))
        result = {"role": "tool", "tool_call_id": answer["tool_calls"][0]["id"]}
        history = [*history, answer, result | {"content": prose(chance, 2_000)}]
    return Recording(MANIFEST, tuple(calls), output={"done": True}, elapsed=float(turns))


def _tool(chance: random.Random, number: int) -> dict[str, Any]:
    order = {"type": "string", "description": prose(chance, 80)}
    parameters = {"type": "object", "properties": {"order": order}, "required": ["order"]}
    function = {"name": f"tool_{number}", "description": prose(chance, 300)}
    return {"type": "function", "function": function | {"parameters": parameters}}


def _answer(chance: random.Random) -> dict[str, Any]:
    arguments = json.dumps({"order": prose(chance, 60)})
    call = {"id": f"call_{chance.getrandbits(96):024x}", "type": "function"}
    call["function"] = {"name": "tool_1", "arguments": arguments}
    return {"role": "assistant", "content": prose(chance, 500), "tool_calls": [call]}


def _call(
    chance: random.Random, turn: int, said: dict[str, Any], answer: dict[str, Any]
) -> Interaction:
    sent = json.dumps({"model": "gpt-4o", "temperature": 0, **said}).encode()
    got = {
        "id": f"chatcmpl-{chance.getrandbits(116):029x}",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": answer, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": len(sent) // 4, "completion_tokens": 200},
    }
    body = json.dumps(got).encode()
    usual = tuple((f"x-header-{n}", f"value of header {n}, as it is always") for n in range(8))
    length = (("content-length", str(len(sent))), ("content-type", "application/json"))
    named = (
        ("date", f"Thu, 01 Jan 2026 00:00:{turn % 60:02} GMT"),
        ("x-request-id", f"req_{chance.getrandbits(128):032x}"),
        ("content-type", "application/json"),
    )
    return Interaction(
        Request("POST", "https://api.openai.com/v1/chat/completions", length + usual, sent),
        Response(200, "OK", named + usual, body, (Chunk(len(body), 0.5),)),
        started=float(turn),
        elapsed=0.5,
    )


def sizes(folder: Path, recording: Recording) -> dict[str, int]:
    """Bytes on the wire, as a YAML cassette, of the store with it, and by which that grew."""
    yaml, path = folder / "run.yaml", folder / "run.db"
    write_anew(yaml, recording.interactions, datetime.now(UTC))
    Store(path).close()
    empty = path.stat().st_size
    with Store(path) as store:
        store.add(Episode("run", "bench:run", {}, (recording,)))
    return {
        "wire": sum(len(body) for item in recording.interactions for body in _bodies(item)),
        "yaml": yaml.stat().st_size,
        "store": path.stat().st_size,
        "grown": path.stat().st_size - empty,
    }


def ingest(
    folder: Path, rounds: int, recordings: list[Recording], at_once: int = 1
) -> dict[str, Figure]:
    """
    Seconds an interaction: into the store, and its bodies alone into a table of two columns.

    *at_once* recordings are written in a transaction, as a busy service does. What is only `safe`
    is written as that service does while more is waiting; it is `read later`, as soon as none is.
    """
    episodes = [Episode(f"e{n}", "m:f", {}, (found,)) for n, found in enumerate(recordings)]
    parts = [episodes[start : start + at_once] for start in range(0, len(episodes), at_once)]
    bodies = [[b for e in part for b in map(_bodies, e.current.interactions)] for part in parts]
    count = sum(map(len, bodies))

    def ours() -> float:
        with Store(folder / f"{time.monotonic_ns()}.db") as store:
            return timed(lambda: [_add(store, part) for part in parts]) / count

    def safe() -> float:
        with Store(folder / f"{time.monotonic_ns()}.db") as store:
            taken = timed(lambda: [_add(store, part, read=False) for part in parts])
            later.append(timed(lambda: sum(store.catch_up())) / count)
            return taken / count

    def raw() -> float:
        db = sqlite3.connect(folder / f"{time.monotonic_ns()}.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("CREATE TABLE wire (sent BLOB, got BLOB)")
        try:
            return timed(lambda: [_insert(db, rows) for rows in bodies]) / count
        finally:
            db.close()

    later = list[float]()
    found = medians(rounds, {"executemany": raw, "safe": safe, "replay": ours})
    return found | {"read later": figure(later)}


def _add(store: Store, episodes: list[Episode], *, read: bool = True) -> None:
    with store.file.writing():
        for episode in episodes:
            store.add(episode, read=read)


def runs(each: int, count: int = 5_000) -> list[Recording]:
    """Make up *count* calls of 1.5 kB, so many *each* run."""
    made = interactions(count)
    return [Recording(MANIFEST, tuple(made[at : at + each])) for at in range(0, count, each)]


def _bodies(item: Interaction) -> tuple[bytes, bytes]:
    return item.request.body, item.response.body if item.response else b""


def _insert(db: sqlite3.Connection, rows: list[tuple[bytes, bytes]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO wire VALUES (?, ?)", rows)
    db.execute("COMMIT")


def lookup(folder: Path, sizes: tuple[int, ...], loads: int = 400) -> dict[str, Figure]:
    """Seconds to find and load one episode of two calls in stores of so many; they take turns."""
    chance = random.Random(0)
    with ExitStack() as stack:
        stores = {size: stack.enter_context(_filled(folder, size)) for size in sizes}
        chosen = {size: [f"e{chance.randrange(size)}" for _ in range(loads)] for size in sizes}
        taken: dict[int, list[float]] = {size: [] for size in sizes}
        for turn in range(loads):
            for size, store in stores.items():
                name = chosen[size][turn]
                taken[size].append(timed(lambda s=store, n=name: s.get(n)))
    return {f"of {size:,}": figure(found[loads // 10 :]) for size, found in taken.items()}


def _filled(folder: Path, episodes: int) -> Store:
    made = interactions(2 * episodes)
    store = Store(folder / f"{episodes}.db")
    with store.file.writing():
        for number in range(episodes):
            pair = tuple(made[2 * number : 2 * number + 2])
            store.add(Episode(f"e{number}", "m:f", {}, (Recording(MANIFEST, pair),)))
    return store


def round_trips(folder: Path, corpus: Path) -> dict[str, Any]:
    """Take every cassette of *corpus* into the store and out again; sizes of the agents' runs."""
    done = agents = yaml = grown = 0
    failed: list[str] = []
    for path in _cassettes(corpus):
        try:
            wanted = read_cassette(path).interactions
        except ReplayError:
            continue
        redactor = Redactor(Redaction())
        wanted = tuple(redactor.interaction(item) for item in wanted)
        with tempfile.TemporaryDirectory(dir=folder) as name, Store(Path(name) / "one.db") as store:
            episode = import_file(store, path, Redaction(), "one").episode
            out = export_cassette(store.get("one"), "", Path(name))
            same = store.get("one") == episode and read_cassette(out).interactions == wanted
        done += same
        failed += [] if same else [str(path)]
        llm = sum(isinstance(json_body(item.request.body), dict) for item in wanted)
        if llm >= _AGENT_CALLS:
            with tempfile.TemporaryDirectory(dir=folder) as name:
                found = sizes(Path(name), episode.current)
            agents, yaml, grown = agents + 1, yaml + found["yaml"], grown + found["grown"]
    return {"same": done, "failed": failed, "agents": agents, "yaml": yaml, "grown": grown}


def _cassettes(corpus: Path) -> Iterator[Path]:
    ends = (".yaml", ".yml", ".yaml.gz", ".json")
    for path in sorted(corpus.rglob("*")):
        if path.name.endswith(ends) and path.name != "MANIFEST.json":
            yield path


def tables(rounds: int, many: int = 100_000) -> Iterator[Table]:
    """Measure the store: its size, ingest, look-up among 100 and *many* episodes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = {k: Figure(v) for k, v in sizes(folder, agent_run(40)).items()}
        goals = (Goal("grown", 0.1, "yaml"),)
        yield Table(
            "size of an episode of 40 turns", "yaml", {"bytes": size}, unit="B", goals=goals
        )
        stored = {
            "100 a run": ingest(folder, rounds, runs(100)),
            "1 a run": ingest(folder, rounds, runs(1, 1_000)),
            "1 a run, 50 at once": ingest(folder, rounds, runs(1), 50),
            "an agent's 40 turns": ingest(folder, rounds, [agent_run(40, n) for n in range(4)]),
        }
        note = "interactions a second, safe and as they are read at once: " + ", ".join(
            f"{row['safe'].per_second:,.0f} and {row['replay'].per_second:,.0f} ({name})"
            for name, row in stored.items()
        )
        yield Table("store an interaction", "executemany", stored, note=note)
        loads = lookup(folder, (100, many))
        goals = (Goal(f"of {many:,}", 1.1, "of 100"),)
        yield Table("load an episode", "of 100", {"two calls": loads}, goals=goals)


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds; the median is shown.")
@click.option("--many", default=100_000, show_default=True, help="Episodes in the large store.")
@click.option("--corpus", type=Path, help="A folder of real cassettes, to take on a round trip.")
def main(rounds: int, many: int, corpus: Path | None) -> None:
    """Measure the store: size, ingest, look-up, and round trips of real cassettes."""
    out = Console(width=140)
    for table in tables(rounds, many):
        show(table, out)
    if corpus:
        with tempfile.TemporaryDirectory() as name:
            trips = round_trips(Path(name), corpus)
        out.print(f"round trips: {trips['same']} the same, not: {trips['failed']}")
        ratio = trips["yaml"] / trips["grown"]
        out.print(f"{trips['agents']} agents' cassettes: store 1 / {ratio:.1f} of their YAML")


if __name__ == "__main__":
    main()
