"""Which runs of a service are recorded, and how a run begins and ends without being its trouble."""

from __future__ import annotations

import functools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from replay.cassettes.routing import is_recorded, keep_patched, unrecorded, using
from replay.cassettes.tape import failure
from replay.config import Config, load_config, records
from replay.engine.background import Loss, RecordingStats, ServiceRun, Writer
from replay.engine.unrecorded import log_once, telling
from replay.model import Failure

Sample: TypeAlias = float | Callable[[Mapping[str, Any]], float | bool]
"""The share of runs that is recorded, 0 to 1, or what tells it from what is known of a run."""

Run = TypeVar("Run", bound=ServiceRun)

_chance = random.SystemRandom()
"""Draws nothing from the program's own generator, and differs in forked workers."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

WRITER = Writer()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=WRITER.forked)


def recording_stats() -> RecordingStats:
    """Tell what this process has recorded in the background, and lost, and why."""
    return WRITER.stats()


def flush_recordings(seconds: float | None = None) -> bool:
    """
    Write what has ended, and close the store; tell whether *seconds* were enough.

    By default they are the setting `exit_seconds`.
    For what ends without Python's exit handlers: a worker that is killed, a frozen function.
    """
    return WRITER.flush(seconds)


class Recorder:
    """
    Records runs of one kind in the background; nothing that goes wrong in it is raised.

    Settings are read once, with the first run. *sample* goes before the one of the settings.
    """

    def __init__(
        self, *, sample: Sample | None, store: Path | None, writer: Writer = WRITER
    ) -> None:
        self._sample = sample
        self._store = store
        self._writer = writer

    @property
    def is_off(self) -> bool:
        """Whether nothing is recorded here: by REPLAY_RECORD, or because something else does."""
        return not records(os.environ) or is_recorded()

    def prepare(self) -> None:
        """Do before the first run what takes long; what goes wrong will go wrong there too."""
        if not self.is_off:
            with suppress(Exception):
                _ = self._settings
                keep_patched()

    @contextmanager
    def run(
        self, kind: type[Run], name: Callable[[], str], facts: Mapping[str, Any]
    ) -> Iterator[Run | None]:
        """
        Record what this context does as an episode, to be called *name*; None if it is not.

        *facts* are what a sample that is a function decides by.
        """
        run = self._begun(kind, name, facts)
        if run is None:
            with unrecorded():
                yield None
            return
        error: Failure | None = None
        try:
            with using(run.tape, strays=False), telling(run.tape, log_once):
                run.begin()
                yield run
        except (Exception, SystemExit) as raised:
            error = failure(raised)
            raise
        except BaseException as raised:
            run.lose(Loss.CUT_SHORT, f"it was ended by {type(raised).__name__}")
            raise
        finally:
            run.end(error)

    def finish(self) -> None:
        """Write what has ended, as far as the settings give it time; say what is left."""
        self._writer.finish()

    def _begun(
        self, kind: type[Run], name: Callable[[], str], facts: Mapping[str, Any]
    ) -> Run | None:
        try:
            if not self._chosen(facts):
                self._writer.passes()
                return None
            config, path = self._settings
            keep_patched()
            run = kind(name(), config=config, path=path, writer=self._writer)
            self._writer.begin(run)
        except Exception as error:  # noqa: BLE001 - the service's own function, or a bad setting
            self._writer.lost(Loss.ERROR, f"{type(error).__name__}: {error}")
            return None
        return run

    def _chosen(self, facts: Mapping[str, Any]) -> bool:
        sample = self._sample
        if sample is None:
            sample = self._settings[0].service.sample
        share = sample(facts) if callable(sample) else sample
        return share >= 1 or _chance.random() < share

    @functools.cached_property
    def _settings(self) -> tuple[Config, Path]:
        config = load_config(environ=os.environ)
        path = self._store or config.path(config.store)
        return config, path.absolute()


def unique(name: str) -> str:
    """Add an ending that no other run has; sorted, they stand in the order of their beginning."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    digits = (_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{name}_{''.join(digits)}"
