"""What the documentation says to run, found in its fenced blocks; and a shell that runs it fast."""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Language, title and text of each fenced block of *page*."""
    return _BLOCK.findall(page.read_text("utf-8"))


def commands(block: str) -> list[str]:
    """Each command of a block, without comment, continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    return [bare for line in lines if (bare := re.split(r"(?:^|\s)# ", line)[0].strip())]


def words(command: str) -> list[str]:
    """Split *command*, up to a pipe and without the variables before it, as a shell does."""
    found = shlex.split(re.sub(r"^(\w+=\S*\s+)+", "", command).partition(" | ")[0])
    return [name for word in found for name in sorted(glob.glob(word)) or [word]]  # noqa: PTH207


class Shell:
    """
    Runs commands in *folder*, one after the other, each in a fork of one process.

    That process has imported *modules* already, which is most of what a command takes.
    """

    def __init__(self, folder: Path, env: dict[str, str], *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run *command* to its end: exit code, and what it said."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        code, said = json.loads(self._process.stdout.readline())
        return code, said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)


def _execute(command: str) -> int:
    variables = re.match(r"(\w+=\S*\s+)*", command)
    os.environ.update(pair.split("=", 1) for pair in (variables[0] if variables else "").split())
    program, *arguments = words(command)
    if program == "replay":
        from replay.cli import main

        main(arguments)
    if program == "pytest":
        import pytest

        return pytest.main(arguments)
    return subprocess.run(["bash", "-ec", command], check=False).returncode


def _forked(command: str) -> tuple[int, str]:
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            try:
                code = _execute(command)
            except SystemExit as exit_:
                code = int(exit_.code or 0)
            except BaseException:  # noqa: BLE001 - it is shown, whatever it is
                traceback.print_exc()
                code = -1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return code, said.read()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        import_module(name)
    sys.path[0] = ""  # as for `python -m`: not the folder of this file
    for line in sys.stdin:
        print(json.dumps(_forked(line.strip())), flush=True)
