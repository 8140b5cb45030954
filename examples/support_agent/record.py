"""
Record the committed episodes, cassettes and goldens anew, against the stand-in.

    python -m examples.support_agent.record

Starts the stand-in on its usual port, so that the addresses in the recordings stay the same.
"""

import os
import subprocess
import sys
from pathlib import Path

from .standin import serve

PORT = 8377
HERE = Path(__file__).parent
SCENARIOS = {
    "episode_12345": "answer",
    "episode_12346": "answer_async",
    "episode_12347": "answer",
}


def main() -> None:
    """Run every scenario through `replay record`, then the golden tests in record mode."""
    os.environ.setdefault("OPENAI_API_KEY", "not-a-key-the-stand-in-takes-any")
    with serve(port=PORT):
        for episode, function in SCENARIOS.items():
            entrypoint = f"examples.support_agent.agent:{function}"
            inputs = HERE / "scenarios" / f"{episode}.json"
            run("replay", "record", entrypoint, "--input", str(inputs), "--id", episode)
        further = ("--from", "episode_12346", "--model", "gpt-4.1-2025-04-14", "--yes")
        run("replay", "record", *further)
        run("pytest", "-q", "-m", "golden", "--record-mode=rewrite", "--snapshot-update")


def run(module: str, *arguments: str) -> None:
    """Run a module of this environment; stop when it fails."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
