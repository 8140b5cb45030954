"""Running the programs that are not ours: git, pip, uv."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from replay.errors import CommandFailed


def git(folder: Path, *arguments: str, timeout: float | None = None) -> bytes:
    """Run git in *folder*, as `output_of` does."""
    return output_of("git", "-C", str(folder), *arguments, timeout=timeout)


def having_back(path: Path | str) -> str:
    """Name the command that gives *path* back as it was committed, for a shell."""
    return f"git checkout -- {shlex.quote(str(path))}"


def output_of(*command: str, timeout: float | None = None) -> bytes:
    """
    Run *command*, for at most *timeout* seconds, and give what it wrote.

    Raises:
        CommandFailed: it is not there, took too long, or says no; with what it says.

    """
    try:
        done = subprocess.run(  # noqa: S603 - each caller's own words
            command, capture_output=True, check=False, timeout=timeout
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CommandFailed(" ".join(command), str(error)) from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise CommandFailed(" ".join(command), said)
    return done.stdout
