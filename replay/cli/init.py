"""The verb init: what a new project lacks is added, and nothing that is there is changed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import click

from replay.atomic import write_atomic
from replay.config import Config
from replay.errors import NotAdded, NotSaved

_SETTINGS = """\
[tool.replay]
# Variables whose values an episode keeps and a replay puts back. Never secrets: they are written
# down. All other settings have defaults.
environment = ["OPENAI_BASE_URL"]
"""

_CASSETTES = """\
# Cassettes

Recorded HTTP of the golden tests, one file a test. Commit them.

| | |
| --- | --- |
| written by | `pytest --record-mode=rewrite`, live |
| read by | `TEST_MODE=GOLDEN pytest`, offline |
| format | vcrpy's v1, owned by golden-replay; secrets are placeholders |
"""

_EPISODES = """\
# Episodes

Recorded runs of entrypoints, one text bundle an episode. Commit the bundles; the `.db` is derived.

| | |
| --- | --- |
| written by | `replay record package.module:function --input case.json --id NAME`, live |
| read by | `replay run NAME`, `replay batch --all`, offline |
| format | one JSON value a line, owned by golden-replay; secrets are placeholders |
"""

_GOLDEN = """\
# Goldens

Approved outputs of the golden tests, one file an output. Commit them.

| | |
| --- | --- |
| written by | `pytest --snapshot-update`, or `replay review` |
| read by | `TEST_MODE=GOLDEN pytest` |
| format | JSON, owned by golden-replay; ids and times are placeholders |
"""

_EXAMPLE = '''\
"""A first golden test, by `replay init`: put your own program in the place of `ask`."""

import os

import httpx
import pytest


def ask(question):
    """Stand for your program: whatever talks to a model, with whatever client."""
    answer = httpx.post(
        f"{os.environ.get('OPENAI_BASE_URL', 'https://api.openai.com/v1')}/chat/completions",
        headers={"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"},
        json={"model": "gpt-4o", "messages": [{"role": "user", "content": question}]},
        timeout=60,
    )
    answer.raise_for_status()
    return answer.json()["choices"][0]["message"]["content"]


@pytest.mark.golden
def test_answer(golden, mock_llm):
    """In MOCK, the default mode, the script answers; in GOLDEN the cassette does."""
    mock_llm.reply("Paris.")

    answer = ask("What is the capital of France? One word.")

    assert answer == golden
'''

_TEST = Path("tests/test_first_golden.py")

_NEXT = """
Next:
  pytest {0}
      passes as it is: in MOCK, the default mode, the test scripts its answers
  pytest {0} --record-mode=rewrite --snapshot-update
      asks the model (set OPENAI_API_KEY), and keeps what it said
  TEST_MODE=GOLDEN pytest {0}
      plays that again, offline"""


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added at the end of the file *path*; an empty *text* if it is there already."""

    path: Path
    text: str
    what: str = ""


@click.command("init")
@click.option("--dry-run", is_flag=True, help="Say what would be added, and add nothing.")
@click.pass_obj
def init(config: Config, dry_run: bool) -> None:
    """
    Set up the project in this folder: settings, folders, .gitignore, a first golden test.

    Adds what is not there and changes nothing that is; to be run again at any time.

    \b
      replay init
      replay init --dry-run
    """
    for addition in additions(config):
        if addition.text and not dry_run:
            _add(addition)
        verb = ("would add " if dry_run else "added     ") if addition.text else "there     "
        click.echo(f"{verb} {config.named(addition.path).as_posix()}{addition.what}")
    click.echo(_NEXT.format(_TEST.as_posix()))


def additions(config: Config) -> list[Addition]:
    """Work out what the project lacks, and what it has."""
    folders = {config.cassettes: _CASSETTES, config.episodes: _EPISODES, config.golden: _GOLDEN}
    files = {config.path(folder) / "README.md": text for folder, text in folders.items()}
    files[config.root / _TEST] = _EXAMPLE
    return [
        _settings(config.root / "pyproject.toml"),
        _ignored(config),
        *(Addition(path, "" if path.exists() else text) for path, text in files.items()),
    ]


def _settings(path: Path) -> Addition:
    found = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    there = "replay" in found.get("tool", {})
    return Addition(path, "" if there else _SETTINGS, ": [tool.replay]")


def _ignored(config: Config) -> Addition:
    path = config.root / ".gitignore"
    wanted = ["*.new", ".replay/", f"{config.episodes.as_posix()}/*.db*"]
    there = path.read_bytes().decode("utf-8", "replace").split() if path.is_file() else []
    lacking = [line for line in wanted if line not in there]
    text = "\n".join(["# golden-replay: proposals, caches, the derived store", *lacking, ""])
    return Addition(path, text if lacking else "", f": {'  '.join(lacking or wanted)}")


def _add(addition: Addition) -> None:
    """
    Put the text behind what the file holds, in bytes, so that nothing of that changes.

    Raises:
        NotAdded: it cannot be written, or a pyproject.toml would not be TOML any more.

    """
    path = addition.path.resolve()
    try:
        before = path.read_bytes() if path.exists() else b""
        gap = b"" if not before else b"\n" if before.endswith(b"\n") else b"\n\n"
        after = before + gap + addition.text.encode()
        if path.suffix == ".toml":
            tomllib.loads(after.decode())
        write_atomic(path, after)
    except NotSaved as error:
        raise NotAdded(str(addition.path), error.why) from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise NotAdded(str(addition.path), str(error)) from error


COMMANDS = (init,)
