"""Cassette files: read in any known form, written in vcrpy's, so that nothing gets lost."""

from __future__ import annotations

import gzip
import os
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from replay.atomic import saving, write_atomic
from replay.cassettes.compiled import WORTH_IT, Compiled, cache_folder
from replay.cassettes.reading import OWN, CassetteFile, Source, read_bytes, read_source
from replay.cassettes.rewriting import New, Unwritable, rewritten
from replay.cassettes.scanner import guard
from replay.cassettes.yaml_v1 import MARK, silence
from replay.errors import Damaged, NotWritten
from replay.model import Interaction

__all__ = [
    "CassetteFile",
    "add_to_cassette",
    "is_own",
    "locked",
    "read_cassette",
    "write_anew",
    "write_cassette",
]

_LOCK_SECONDS = 120.0


def read_cassette(path: Path, *, cache: Path | None = None) -> CassetteFile:
    """
    Read a cassette of any known form.

    What takes long is kept in the folder *cache*, by default in the cache of this user.

    Raises:
        Damaged: it is not there, not text, cut off, too large, or not a cassette; with the line if
            known.

    """
    data = read_bytes(path)
    folder = (cache or cache_folder()) if len(data) >= WORTH_IT else None
    if folder is None:
        return read_source(path, data).file()
    compiled = Compiled(folder)
    found = compiled.load(data)
    if found is None:
        found = read_source(path, data).file()
        compiled.keep(data, found)
    return found


def is_own(path: Path) -> bool:
    """Tell whether it was golden-replay that began the cassette at *path*."""
    with path.open("rb") as file:
        return file.readline().rstrip() == MARK.rstrip().encode()


def write_cassette(path: Path, interactions: Iterable[Interaction], began: datetime | None) -> None:
    """
    Let the cassette at *path* hold *interactions*, in vcrpy's format v1, which stock vcrpy reads.

    The text of those that stand in it already stays as it is, byte for byte; when that is all of
    them, the file is not touched. A file that is no cassette, or a damaged one, is replaced.

    Raises:
        SecretFound: one that is new holds a secret, which came past redaction.
        NotWritten: what is there is a cassette of a form that we do not write.
        NotSaved: it could not be written; what it held before is untouched.

    """
    with locked(path):
        _write(path, tuple(interactions), began, _there(path))


def add_to_cassette(path: Path, recorded: Iterable[Interaction], began: datetime) -> None:
    """
    Add *recorded* to what the cassette at *path* holds by now, or begin one.

    Processes that record one cassette at the same time take turns here, and lose nothing.

    Raises:
        SecretFound: one of *recorded* holds a secret, which came past redaction.
        Damaged: what is there cannot be read.
        NotWritten: it is a cassette of a form that we do not write.
        NotSaved: it could not be written; what it held before is untouched.

    """
    with locked(path):
        there = read_source(path, read_bytes(path)) if path.exists() else None
        before = there.interactions if there else ()
        _write(path, (*before, *recorded), began, there)


def write_anew(path: Path, interactions: Iterable[Interaction], began: datetime | None) -> None:
    """
    Write a cassette of *interactions* in our own form, and keep nothing of what was at *path*.

    Raises:
        SecretFound: one of *interactions* holds a secret.
        NotSaved: it could not be written; what it held before is untouched.

    """
    with locked(path):
        _write(path, tuple(interactions), began, None)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time read and write *path*; the lock lies beside it while it is held."""
    from filelock import FileLock

    name = blake2b(path.name.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    beside = path.with_name(f".replay-{name}.lock")
    with saving(path), ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(beside, timeout=_LOCK_SECONDS))
        try:
            yield
        finally:
            if os.name == "posix":  # who waits for a lock that is gone asks for a new one
                beside.unlink(missing_ok=True)


def _there(path: Path) -> Source | None:
    try:
        return read_source(path, read_bytes(path))
    except Damaged:
        return None


def _write(
    path: Path, wanted: Sequence[Interaction], began: datetime | None, there: Source | None
) -> None:
    plan = _plan(wanted, began, there)
    guard(path, (entry.interaction for entry in plan if isinstance(entry, New)))
    if not plan and began and (there is None or there.form is OWN):
        write_atomic(path, silence(began))
        return
    if there and plan == list(range(len(there.interactions))):
        return
    try:
        text = rewritten(there, plan)
    except Unwritable as error:
        raise NotWritten(str(path), str(error)) from None
    packed = there.packed if there else path.name.endswith(".gz")
    write_atomic(path, gzip.compress(text.encode(), mtime=0) if packed else text)


def _plan(
    wanted: Sequence[Interaction], began: datetime | None, there: Source | None
) -> list[int | New]:
    """Find which of *wanted* stand in the file already; equal ones in their order there."""
    waiting: dict[Interaction, deque[int]] = defaultdict(deque)
    for index, interaction in enumerate(there.interactions if there else ()):
        waiting[interaction].append(index)
    plan = list[int | New]()
    for interaction in wanted:
        same = waiting.get(interaction)
        plan.append(same.popleft() if same else New(interaction))
    kept = [there.begins[entry] for entry in plan if there and isinstance(entry, int)]
    if began != next((begin for begin in reversed(kept) if begin), None):
        _begin(plan, began)
    return plan


def _begin(plan: list[int | New], began: datetime | None) -> None:
    """Note at the first new interaction when its session *began*."""
    for place, entry in enumerate(plan):
        if isinstance(entry, New):
            plan[place] = New(entry.interaction, began)
            return
