"""A shell that runs commands fast, and can let something befall them."""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import mmap
import os
import re
import runpy
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.documented import words

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate")
"""Audit events of what changes files; `open` only where it is to write."""

_LOOK = 0.002
_COUNT = struct.Struct("Q")


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What befalls a command.

    SIGKILL after so many *seconds*, or right before its *change*-th change of a file in its folder,
    from 1.
    """

    seconds: float = 0.0
    change: int = 0


class Done(NamedTuple):
    """How a command ended, what it said, how many *changes* of files it made, how long it took."""

    code: int
    said: str
    changes: int
    seconds: float


class Shell:
    """
    Runs commands in *folder*, one after the other, each in a fork of one process.

    That process has imported *modules* already, which is most of what a command takes.
    """

    def __init__(self, folder: Path, env: dict[str, str], *modules: str) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *modules],
            cwd=Path(__file__).parent.parent,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str, folder: Path | None = None, **fate: Any) -> Done:
        """Run *command* to its end, or to its `Fate`."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"command": command, "folder": str(folder or self._folder)}
        asked |= {"fate": asdict(Fate(**fate))}
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        return Done(*json.loads(self._process.stdout.readline()))

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
    if program == "python" and arguments[0].endswith(".py"):
        sys.argv = arguments
        sys.path.insert(0, "")
        runpy.run_path(arguments[0], run_name="__main__")
        atexit._run_exitfuncs()  # which the end of a fork leaves out
        return 0
    return subprocess.run(["bash", "-ec", command], check=False).returncode


def _forked(command: str, folder: str, fate: Fate) -> Done:
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said, mmap.mmap(-1, _COUNT.size) as changes:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os.chdir(folder)
            _doom(fate, changes)
            try:
                code = _execute(command)
            except SystemExit as exit_:
                code = int(exit_.code or 0)
            except BaseException:  # noqa: BLE001 - it is shown, whatever it is
                traceback.print_exc()
                code = -1
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(_end_of(child, fate.seconds))
        said.seek(0)
        seconds = time.perf_counter() - began
        return Done(code, said.read(), *_COUNT.unpack(changes[:]), seconds)


def _end_of(child: int, seconds: float) -> int:
    """Wait for the end of *child*, or make it after *seconds*."""
    end = time.monotonic() + seconds
    while seconds and time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(min(_LOOK, max(end - time.monotonic(), 0)))
    if seconds:
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _doom(fate: Fate, changes: mmap.mmap) -> None:
    """Arrange, in the process itself, for what is to befall it; count its changes of files."""
    folder = str(Path.cwd())

    def hook(event: str, told: tuple[Any, ...]) -> None:
        if event not in _CHANGES or (event == "open" and not _writes(told[1], told[2])):
            return
        if isinstance(told[0], int) or not _absolute(told[0]).startswith(folder):
            return
        count = _COUNT.unpack(changes[:])[0] + 1
        if count == fate.change:
            os.kill(os.getpid(), signal.SIGKILL)
        changes[:] = _COUNT.pack(count)

    sys.addaudithook(hook)


def _absolute(path: str | bytes | os.PathLike[str]) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - nothing that asks the disk


def _writes(mode: str | None, flags: int) -> bool:
    return not set(mode or "").isdisjoint("wax+") or bool(flags & (os.O_WRONLY | os.O_RDWR))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        import_module(name)
    sys.path[0] = ""  # as for `python -m`: the folder in which a command runs
    for name in ("tests", "tests.documented"):  # a project may have a `tests` of its own
        del sys.modules[name]
    gc.freeze()  # a collection in a fork would touch, and so copy, all of it
    for line in sys.stdin:
        asked = json.loads(line)
        done = _forked(asked["command"], asked["folder"], Fate(**asked["fate"]))
        print(json.dumps(done), flush=True)
