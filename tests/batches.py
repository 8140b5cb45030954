"""Projects with many small episodes, for the tests of batches: no server, no recorder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from replay.episodes.store import Store
from replay.model import Episode, Interaction, Manifest, Recording, Request, Response
from tests.conftest import InProcess, surroundings

PROGRAM = """
import os, threading, httpx

def main(n, does="answer"):
    if log := os.environ.get("RAN"):
        with open(log, "a") as file:
            file.write(f"{n} {os.getpid()}\\n")
    if does == "abort":
        os.abort()
    if does == "hang":
        threading.Event().wait()
    if does == "hog":
        return len(bytearray(64 << 30))
    if does == "leave":
        os._exit(7)
    return {"n": n, "said": httpx.get(f"http://api.test/{n}").json()}
"""


def project_of(root: Path, episodes: Iterable[Episode]) -> InProcess:
    """
    A project with `program.py` and a store that holds *episodes*.

    Its replays run in child processes all the same: those of the workers.
    """
    (root / "pyproject.toml").write_text("[tool.replay]\n")
    (root / "program.py").write_text(PROGRAM)
    with Store(root / "episodes/episodes.db") as store:
        for episode in episodes:
            store.add(episode)
    path = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return InProcess(root, surroundings() | path)


def episode(n: int, *, model: str = "", **inputs: str) -> Episode:
    """An episode that asks for `/n` once, and returns what it was told."""
    return Episode(f"e{n:04}", "program:main", {"n": n, **inputs}, (recording(n, model=model),))


def recording(
    n: int, *, model: str = "", alias: str = "", day: str = "2026-09-01", said: str = "fine"
) -> Recording:
    """What `main(n)` did, made on *day* under *model*, which was asked for as *alias*."""
    body = json.dumps({"is": said, "n": n}).encode()
    return Recording(
        manifest=Manifest(
            clock=f"{day}T12:00:00+00:00",
            pinned=True,
            seed=0,
            models_requested=(alias or model,) if model else (),
            models_answered=(model,) if model else (),
        ),
        interactions=(
            Interaction(
                Request("GET", f"http://api.test/{n}"),
                Response(200, "OK", (("content-type", "application/json"),), body),
                elapsed=0.1,
            ),
        ),
        output={"n": n, "said": json.loads(body)},
        elapsed=0.2,
    )
