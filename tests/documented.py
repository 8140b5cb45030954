"""What the documentation says to run, found in its fenced blocks."""

from __future__ import annotations

import glob
import re
import shlex
from pathlib import Path

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
