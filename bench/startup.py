"""
Measure the start of the first replay from the command line, on a warm cache.

The floor is importing the SDK that the recorded program uses. What the program needs besides, as
soon as it does anything, is no choice of ours: it is measured beside it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.tables import Table, medians, timed

ROOT = Path(__file__).parent.parent
EPISODE = "episode_12345"
_SDK = "import openai"
_PROGRAM = (
    "import examples.support_agent.agent, httpcore2, openai\n"
    "client = openai.OpenAI(api_key='none', base_url='http://127.0.0.1:1')\n"
    "client.responses, client.chat.completions, client.close()\n"
)


def tables(rounds: int) -> Iterator[Table]:
    """Measure everything here."""
    contenders = {
        _SDK: _python("-c", _SDK),
        "the program's imports": _python("-c", _PROGRAM),
        f"replay run {EPISODE}": _python("-m", "replay", "run", EPISODE),
    }
    for run in contenders.values():
        run()  # writes what is compiled
    yield Table("start", _SDK, {"seconds": medians(max(rounds, 10), contenders)})


def _python(*arguments: str) -> Callable[[], float]:
    command = [sys.executable, *arguments]
    return lambda: timed(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))
