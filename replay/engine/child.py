"""The runner's side of a worker: a child process that is started when needed, and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from replay.engine.replayer import Replay
from replay.engine.wire import Task, replay_from, stopped, task_json
from replay.engine.worker import end_group, ending, tail
from replay.errors import WorkerLost
from replay.model import Kind, Outcome

_STOP_SECONDS = 5.0
_CONFIRMED = (Kind.FAILED, Kind.STALE)


class Worker:
    """
    Replays tasks in child processes, one at a time; in *folder*, with the variables *environ*.

    Two processes at most: a warm one, and a cold one that is asked again where the warm one reports
    an exception, which might come of what is left in it. One that goes away is started anew.
    """

    def __init__(
        self, folder: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        environ = os.environ if environ is None else environ
        self._warm = _Process(("--warm",), folder, environ)
        self._cold = _Process((), folder, environ)
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def replay(self, task: Task) -> Replay:
        """
        Replay *task*, whatever comes of it.

        Raises:
            WorkerLost: no worker can be started.

        """
        replay = self._warm.replay(task)
        if replay.outcome.kind in _CONFIRMED and not self._is_closed:
            replay = self._cold.replay(task)
        return replay

    def close(self) -> None:
        """End the processes and what they are at; from any thread."""
        self._is_closed = True
        self._warm.close()
        self._cold.close()


class _Process:
    """A child process that is started when it is needed."""

    def __init__(
        self, options: tuple[str, ...], folder: Path | None, environ: Mapping[str, str]
    ) -> None:
        # -P: a worktree of our own repository must not shadow what runs here
        self._command = [sys.executable, "-P", "-m", "replay.engine.worker", *options]
        self._folder = folder
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None

    def replay(self, task: Task) -> Replay:
        process = self._process = self._process or self._started()
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(task_json(task)).encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = b""
        if answer.endswith(b"\n"):
            return replay_from(json.loads(answer))
        detail = f"{ending('Its worker', self._ended(process))}."
        return stopped(task.episode, Outcome(Kind.FAILED, what="crash", detail=detail))

    def close(self) -> None:
        if process := self._process:
            self._ended(process)

    def _started(self) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile("a+b") as errors:
            process = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is the runner's to handle
            )
            assert process.stdout
            if not process.stdout.readline():
                raise WorkerLost(ending("It", self._ended(process)), tail(errors.fileno()))
        return process

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        """Close its input, upon which it ends by itself; give its exit code."""
        self._process = None
        assert process.stdin
        assert process.stdout
        with suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            code = process.wait()
        process.stdout.close()
        return code
