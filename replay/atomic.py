"""Writing files so that a crash at any moment leaves the old one or the new one, whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from replay.errors import NotSaved

_NEW = 0o644
"""Permissions of a file that was not there before."""

_ABANDONED = 3600.0
"""Seconds after which what was being written has been given up: its process was killed."""


def write_atomic(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """
    Replace what is in *path*, as `replacing` does.

    Raises:
        NotSaved: it could not be written; what *path* held before is untouched.

    """
    with replacing(path, durable=durable) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """
    Give a new file beside *path*; filled, it is synced to disk and renamed over it.

    A file keeps its permissions; a link is replaced, what it points to is left alone. What is not
    *durable* is not synced. What killed processes left in the folder is removed after an hour.

    Raises:
        NotSaved: it could not be written; what *path* held before is untouched.

    """
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode(path)
        # not by tempfile, whose names come of `random`: pinned, it would count them as drawn
        beside = path.with_name(f".replay-{os.urandom(6).hex()}.tmp")
        try:
            os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            _sweep(path.parent, int(beside.stat().st_mtime // _ABANDONED))
            yield beside
            if durable:
                _sync(beside)
            beside.chmod(mode)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        if durable:
            _sync(path.parent)


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turn what the system says of writing *path* into our words."""
    try:
        yield
    except OSError as error:
        raise NotSaved(str(path), error.strerror or str(error)) from error


def proposal(path: Path) -> Path:
    """Where a proposed new version of *path* waits for a person: `x.yaml.new` beside `x.yaml`."""
    return path.with_name(f"{path.name}.new")


def accept_proposal(path: Path) -> None:
    """Put what waits for *path* in its place; raise `NotSaved` if that cannot be."""
    with saving(path):
        proposal(path).replace(path)
        _sync(path.parent)


def drop_proposal(path: Path) -> None:
    """Remove what waits for *path*, if anything does; raise `NotSaved` if that cannot be."""
    with saving(proposal(path)):
        if proposal(path).exists():  # on a read-only disk, removing what is not there fails too
            proposal(path).unlink(missing_ok=True)


def _mode(path: Path) -> int:
    try:
        found = path.lstat().st_mode
    except OSError:
        return _NEW
    return stat.S_IMODE(found) if stat.S_ISREG(found) else _NEW


@lru_cache(maxsize=256)
def _sweep(folder: Path, _hour: int) -> None:
    """Remove what was abandoned in *folder*; once an hour, as looking takes long in a large one."""
    now = folder.stat().st_mtime  # the disk's clock: a file was just made there
    for left in folder.glob(".replay-*.tmp*"):
        with suppress(OSError):
            if now - left.stat().st_mtime > _ABANDONED:
                left.unlink()


def _sync(path: Path) -> None:
    """Have it on the disk; of a folder the renames in it, where the platform lets it be opened."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
