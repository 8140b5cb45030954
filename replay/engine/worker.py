"""
A worker: `python -m replay.engine.worker`, one task a line in, one replay a line out.

It forks for each replay: whatever that leaves behind (a frozen clock, patches, threads, leaks, a
changed module) goes with its process, and a crash, a hang or a memory hog is that replay's outcome
and nobody else's. Project code is imported in the fork, under the pinned clock, as `replay run`
does.

With `--warm`, it also replays one episode of each entrypoint itself and forgets the project's
modules again, so that later forks find libraries imported and their caches filled: for the example
agent, 80 ms a replay instead of 1,000. A library may then refuse to be set up twice, which shows as
an exception; `Worker` lets a cold one confirm those.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, NoReturn

from replay.config import Config, load_config
from replay.engine.own import is_library
from replay.engine.replayer import replay_episode
from replay.engine.wire import Task, replay_json, stopped
from replay.episodes import bundle
from replay.episodes.store import Store
from replay.episodes.versions import resolve
from replay.errors import BadEntrypoint, NoFork, ReplayError
from replay.model import Episode, Json, Kind, Outcome, Recording

if sys.platform == "win32" or not hasattr(os, "fork"):
    raise NoFork(sys.platform)

_USED_BY_EVERY_REPLAY = (
    "genai_prices",
    "pydantic_core",
    "replay.cassettes.httpx_hook",
)
_TAIL = 2_000
_LOOK = 0.5


@dataclass(slots=True)
class _Fork:
    """A replay in its own process: its *pid*, and the pipe from which its answer is read."""

    pid: int
    pipe: int

    def answer(self, timeout: float, requests: BinaryIO) -> bytes:
        """
        Wait for the answer, which ends in a line break unless the process went away first.

        Raises:
            TimeoutError: *timeout* seconds have passed.
            EOFError: the runner has gone, so that nobody waits for this.

        """
        end = time.monotonic() + timeout if timeout else float("inf")
        data = b""
        while not data.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            runner = requests.fileno()
            ready, _, _ = select.select([self.pipe, runner], [], [], min(left, _LOOK))
            if runner in ready:  # the runner sends nothing before it has its answer
                raise EOFError
            if self.pipe not in ready:
                continue
            if not (more := os.read(self.pipe, 1 << 16)):
                break
            data += more
        return data

    def end(self) -> int:
        """Leave nothing of it behind, nor of what it started; give its exit code."""
        os.close(self.pipe)
        status = self._status_if_ended()
        end_group(self.pid)
        if status is None:
            _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _status_if_ended(self) -> int | None:
        """Tell how it ended, if it did; one that has closed its pipe is given a moment to."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else None


class _Server:
    """Answers tasks, one after the other."""

    def __init__(
        self, config: Config, requests: BinaryIO, answers: BinaryIO, *, warms: bool
    ) -> None:
        self._config = config
        self._requests, self._answers = requests, answers
        self._warms = warms
        self._warm: set[str] = set()
        self._store: Store | None = None
        for name in _USED_BY_EVERY_REPLAY:
            import_module(name)

    def serve(self) -> None:
        """Say that it is ready, then answer until the runner closes its end."""
        self._say({"ready": os.getpid()})
        for line in iter(self._requests.readline, b""):
            self._serve_one(Task(**json.loads(line)))

    def _serve_one(self, task: Task) -> None:
        try:
            episode = self._episode(task)
            recording = resolve(episode, task.version, self._config.versions)
        except ReplayError as error:
            outcome = Outcome(Kind.MISSING, detail=str(error))
            self._say(replay_json(stopped(task.episode, outcome)))
            return
        answer = self._replayed(task, episode, recording)
        self._say(answer["replay"])
        if self._warms and answer["is_clean"] and episode.entrypoint not in self._warm:
            self._warm.add(episode.entrypoint)
            with _in_time(task.timeout):
                _warm_up(episode, recording, self._config)

    def _say(self, value: Json) -> None:
        self._answers.write(json.dumps(value).encode() + b"\n")
        self._answers.flush()

    def _episode(self, task: Task) -> Episode:
        if task.bundle:
            return bundle.load(task.bundle, f"the bundle of {task.episode}")
        if self._store is None:
            self._store = Store(self._config.path(self._config.store))
        return self._store.get(task.episode)

    def _replayed(self, task: Task, episode: Episode, recording: Recording) -> dict[str, Any]:
        fork = self._forked(task, episode, recording)
        data, late = b"", False
        try:
            data = fork.answer(task.timeout, self._requests)
        except TimeoutError:
            late = True
        finally:
            code = fork.end()
        if data.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(data)
            return answer
        why = f"It did not end within {task.timeout:g} s" if late else ending("Its process", code)
        what = "timeout" if late else "crash"
        outcome = Outcome(Kind.FAILED, what=what, detail=f"{why}.{tail(2)}")
        ended = stopped(episode.id, outcome, bundle.recording_id(recording))
        return {"replay": replay_json(ended), "is_clean": False}

    def _forked(self, task: Task, episode: Episode, recording: Recording) -> _Fork:
        with suppress(OSError):
            os.ftruncate(2, 0)  # what the last one printed is of no use any more
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            for pipe in (reading, self._requests.fileno(), self._answers.fileno()):
                os.close(pipe)
            _replay_and_exit(task, episode, recording, self._config, writing)
        os.close(writing)
        with suppress(OSError):
            os.setpgid(pid, pid)
        return _Fork(pid, reading)


def _replay_and_exit(
    task: Task, episode: Episode, recording: Recording, config: Config, pipe: int
) -> NoReturn:
    """Replay in this process, which is a fork made for it."""
    os.setpgid(0, 0)
    try:
        with _limited(task.memory):
            replay = replay_episode(episode, config, recording=recording, adopts=task.adopts)
    except ReplayError as error:
        kind = Kind.STALE if isinstance(error, BadEntrypoint) else Kind.MISSING
        outcome = Outcome(kind, detail=str(error))
        replay = stopped(episode.id, outcome, bundle.recording_id(recording))
    except BaseException as error:  # noqa: BLE001 - the process ends here, whatever it is
        detail = f"Its process ended in {type(error).__name__}: {error}"
        outcome = Outcome(Kind.FAILED, what="crash", detail=detail)
        replay = stopped(episode.id, outcome, bundle.recording_id(recording))
    answer = {"replay": replay_json(replay), "is_clean": threading.active_count() == 1}
    with os.fdopen(pipe, "wb") as out:
        out.write(json.dumps(answer).encode() + b"\n")
    os._exit(0)


def _warm_up(episode: Episode, recording: Recording, config: Config) -> None:
    """Replay here what has just gone well in a fork, and forget what is the project's of it."""
    before, path, environ = set(sys.modules), list(sys.path), dict(os.environ)
    with suppress(Exception):
        replay_episode(episode, config, recording=recording)
    for name in set(sys.modules) - before:
        if not _is_library(name):
            del sys.modules[name]
    sys.path[:] = path
    os.environ.clear()
    os.environ.update(environ)
    gc.collect()
    gc.freeze()  # a collection in a fork would touch, and so copy, every page


@contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    """Let SIGALRM end this process if the block takes longer; 0 for never."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _limited(size: int) -> Iterator[None]:
    """Limit the address space of this process to so many bytes; 0 for no limit."""
    if not size:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _is_library(name: str) -> bool:
    """Whether a module is Python's, was installed, or is of this package; not the project's own."""
    spec = getattr(sys.modules[name], "__spec__", None)
    if spec is None or name.partition(".")[0] == "replay":
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return all(map(is_library, places))


def ending(who: str, code: int) -> str:
    """Put an exit code into words; a negative one is a signal's."""
    if code >= 0:
        return f"{who} ended with exit code {code} before the program did"
    return f"{who} was killed by {signal.Signals(-code).name}"


def end_group(process: int) -> None:
    """Kill a process that leads its group, with all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def tail(file: int) -> str:
    """Quote the last that was written to *file*, if it can be read."""
    try:
        size = os.fstat(file).st_size
        text = os.pread(file, _TAIL, max(size - _TAIL, 0)).decode("utf-8", "replace")
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in text.splitlines()[-5:])


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep standard input and output to ourselves; a program gets nothing, and standard error."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, answers


def main() -> None:
    """Serve until the runner goes away."""
    parser = argparse.ArgumentParser(prog="python -m replay.engine.worker")
    parser.add_argument("--warm", action="store_true")
    warms = parser.parse_args().warm
    requests, answers = _own_pipes()
    config = load_config(environ=os.environ)
    sys.path[:0] = config.sources
    with suppress(EOFError):
        _Server(config, requests, answers, warms=warms).serve()


if __name__ == "__main__":
    main()
