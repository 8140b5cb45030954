"""Where faults are tried: a small project, a provider on loopback, and a shell that runs fast."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from replay.cassettes.files import read_cassette
from replay.episodes.folder import read_bundle
from replay.episodes.store import Store
from replay.episodes.upkeep import verify
from tests.conftest import ROOT, WITHOUT, surroundings
from tests.server import plain, scripted
from tests.shell import Done, Shell

CALLS = 6
"""How often the program asks the provider."""

PROGRAM = f"""
import os, httpx

BASE = os.environ.get("BASE", "")

def main(calls={CALLS}):
    if log := os.environ.get("RAN"):
        with open(log, "a") as file:
            file.write(f"{{calls}}\\n")
    said = []
    with httpx.Client(base_url=BASE, verify=False, timeout=20) as http:
        for number in range(calls):
            address = f"/{{os.environ.get('ROUND', 'old')}}/{{number}}"
            said.append(http.get(address).json()["said"])
    return said
"""

TESTS = """
import pytest, program

@pytest.mark.golden("case")
def test_it(golden):
    assert program.main() == golden
"""

SETTINGS = """
[tool.replay]
environment = ["BASE", "ROUND"]
"""

REWRITE = "pytest --record-mode=rewrite"
RECORD = "replay record program:main --input case.json --id case"

_WARM = (
    *("pytest", "vcr", "syrupy.extensions.single_file", "sqlite_utils", "rich.table", "filelock"),
    *("replay.engine.live", "replay.engine.replayer", "replay.episodes.layers", "replay.cli"),
    *("replay.reports.episodes", "replay.reports.terminal", "replay.reports.batch", "httpx"),
    *("replay.reports.batch_html", "replay.batch.local", "replay.batch.runner"),
    *("replay.cassettes.httpx_hook", "replay.cassettes.vcr_clients", "replay.cassettes.cleaning"),
    *("replay.golden.pending", "replay.golden.scene", "replay.golden.assertion"),
    *("replay.plugin", "replay.episodes.upkeep", "time_machine", "requests", "aiohttp"),
    *("httpcore", "anyio", "numpy.random", "vcr.stubs"),
)
"""What the commands import; of a process that is killed, only what comes after that is of use."""


class Broken(AssertionError):
    """What should hold after a fault does not."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One project in *folder*, whose commands run in *shell*."""

    folder: Path
    shell: Shell

    def run(self, command: str, **fate: float) -> Done:
        """Run a command in the project, to its end or its fate."""
        return self.shell.run(command, self.folder, **fate)

    def succeed(self, command: str) -> str:
        """Run a command that has to succeed; give what it said."""
        done = self.run(command)
        if done.code:
            raise Broken(f"{command}: exit {done.code}\n{done.said}")
        return done.said

    def copied(self, folder: Path) -> Ground:
        """Copy the project to *folder*, which may be there."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Ground(folder, self.shell)

    @property
    def store(self) -> Path:
        """Its store."""
        return self.folder / "episodes/episodes.db"

    @property
    def bundle(self) -> Path:
        """The bundle of its episode."""
        return self.folder / "episodes/case.jsonl"

    @property
    def cassette(self) -> Path:
        """The cassette of its test."""
        return self.folder / "cassettes/case.yaml"

    @property
    def golden(self) -> Path:
        """What its test was approved to give."""
        return self.folder / "golden/case.json"


def project(folder: Path, shell: Shell) -> Ground:
    """Make the project, with nothing recorded."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "program.py").write_text(PROGRAM)
    (folder / "test_program.py").write_text(TESTS)
    (folder / "case.json").write_text(json.dumps({"calls": CALLS}))
    return Ground(folder, shell)


@contextmanager
def shell(provider: str) -> Iterator[Shell]:
    """Give a shell whose commands know where the provider is."""
    env = surroundings() | {
        "BASE": provider,
        "PYTEST_ADDOPTS": " ".join(["-q", *WITHOUT, "-pno:xdist"]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if path)]),
        "COLUMNS": "400",
    }
    with Shell(ROOT, env, *_WARM) as found:
        yield found


@contextmanager
def provider() -> Iterator[str]:
    """Answer every request with what its path is: `/old/3` is said to be `old 3`."""
    with scripted(_echo) as address:
        yield address


def _echo(connection: socket.socket, request: bytes) -> None:
    _, generation, number = request.split()[1].decode().split("/")
    said = {"said": f"{generation} {number}", "filler": f"{generation} " * 700}
    headers = (b"content-type: application/json", b"connection: close")
    plain(json.dumps(said).encode(), *headers)(connection, request)


def whole_store(path: Path) -> None:
    """Demand that every hash in the store is what it was."""
    with Store(path, writable=False) as store:
        if found := list(verify(store)):
            raise Broken(f"{path}: {found}")


def generation(texts: list[str]) -> str:
    """Tell which recording this is, whole: `old` or `new`."""
    for name in ("old", "new"):
        if texts == [f"{name} {number}" for number in range(CALLS)]:
            return name
    raise Broken(f"neither the old nor the new, whole: {texts}")


def cassette_generation(path: Path) -> str:
    """Tell which recording the cassette holds, whole."""
    return generation(
        [
            json.loads(i.response.body)["said"]
            for i in read_cassette(path).interactions
            if i.response
        ]
    )


def bundle_generations(path: Path) -> list[str]:
    """Tell which recordings the bundle holds, each of them whole."""
    return [generation(recording.output) for recording in read_bundle(path)[0].recordings]


def store_generations(path: Path) -> list[str]:
    """Tell which recordings the store holds, each of them whole."""
    whole_store(path)
    with Store(path, writable=False) as store:
        return [generation(recording.output) for recording in store.get("case").recordings]


def told(said: str, wanted: str) -> None:
    """Demand that all sentences of *wanted* (… for anything) were said, and no traceback was."""
    if "Traceback (most recent call last)" in said:
        raise Broken(f"a traceback:\n{said}")
    place, line = 0, " ".join(said.split())
    for part in map(str.strip, wanted.split("…")):
        found = line.find(part, place)
        if found < 0:
            raise Broken(f"not said: {part!r}, but:\n{said}")
        place = found + len(part)


def told_one_of(said: str, sentences: Collection[str]) -> None:
    """Demand that one of *sentences* was said, or part of one."""
    missing = [why for sentence in sentences if (why := _not_told(said, sentence))]
    if len(missing) == len(sentences):
        raise Broken("\n".join(missing))


def _not_told(said: str, sentence: str) -> str:
    try:
        told(said, sentence)
    except Broken as why:
        return str(why)
    return ""


@contextmanager
def small(folder: Path, size: int) -> Iterator[None]:
    """Let *folder* be a disk of its own, of *size* bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _mount("mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", str(folder))
        stack.callback(_mount, "umount", "--lazy", str(folder))
        yield


def larger(folder: Path) -> None:
    """Give the disk that *folder* is room enough."""
    _mount("mount", "-o", "remount,size=256m", str(folder))


def protect(folder: Path) -> None:
    """Let nobody write to the disk that *folder* is."""
    _mount("mount", "-o", "remount,ro", str(folder))


def may_mount(folder: Path) -> bool:
    """Tell whether disks can be made here."""
    try:
        with small(folder, 4096):
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


def _mount(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
