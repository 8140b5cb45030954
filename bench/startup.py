"""
Measure the start of the first replay from the command line, on a warm cache.

The goal is told against importing the SDK that the recorded program uses. The floor is the same
program without us: all that it does, answered from memory in its own process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.tables import Goal, Table, medians, timed
from replay.episodes.bundle import load

ROOT = Path(__file__).parent.parent
EPISODE = "episode_12345"
_SDK = "import openai"
_PROGRAM = """
import json, os, sys
import httpx, httpx2, requests
from examples.support_agent.agent import answer

inputs, environ, answers = json.load(open(sys.argv[1]))
os.environ |= environ | {"OPENAI_API_KEY": "not-a-key"}

def answered(http):
    def handle_request(_transport, _request):
        status, headers, body = answers.pop(0)
        return http.Response(status, headers=headers, content=body.encode())
    return handle_request

def send(_adapter, request, **_options):
    response = requests.Response()
    response.status_code, headers, body = answers.pop(0)
    response.headers.update(headers)
    response._content, response.url, response.request = body.encode(), request.url, request
    return response

for http in (httpx, httpx2):
    http.HTTPTransport.handle_request = answered(http)
requests.adapters.HTTPAdapter.send = send
answer(**inputs)
"""


def tables(rounds: int) -> Iterator[Table]:
    """Measure everything here."""
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "answers.json"
        answers.write_text(_answers(), "utf-8")
        contenders = {
            _SDK: _python("-c", _SDK),
            "the program alone": _python("-c", _PROGRAM, str(answers)),
            f"replay run {EPISODE}": _python("-m", "replay", "run", EPISODE),
        }
        for run in contenders.values():
            run()  # writes what is compiled
        goals = (Goal(f"replay run {EPISODE}", 1.5, _SDK),)
        row = medians(max(rounds, 10), contenders)
        yield Table("start", _SDK, {"seconds": row}, goals=goals)


def _answers() -> str:
    """Write down what the program is to be given: inputs, variables and answers, in order."""
    path = ROOT / "episodes" / f"{EPISODE}.jsonl"
    episode = load(path.read_text("utf-8"), str(path))
    recording = episode.current
    found = [call.response for call in recording.interactions if call.response]
    answers = [[r.status, r.headers, r.body.decode()] for r in found]
    return json.dumps([episode.inputs, recording.manifest.environment, answers])


def _python(*arguments: str) -> Callable[[], float]:
    command = [sys.executable, *arguments]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)

    return lambda: timed(run)
