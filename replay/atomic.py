"""Writing files so that a crash at any moment leaves the old one or the new one, whole."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

_NEW = 0o644
"""Permissions of a file that was not there before."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """
    Replace what is in *path*: written beside it, synced to disk, renamed over it.

    A file keeps its permissions; a link is replaced, what it points to is left alone.

    Raises:
        OSError: it could not be written; what *path* held before is untouched.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    mode = _mode(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".replay-", suffix=".tmp")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _mode(path: Path) -> int:
    try:
        found = path.lstat().st_mode
    except OSError:
        return _NEW
    return stat.S_IMODE(found) if stat.S_ISREG(found) else _NEW


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the platform lets a folder be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def proposal(path: Path) -> Path:
    """Where a proposed new version of *path* waits for a person: `x.yaml.new` beside `x.yaml`."""
    return path.with_name(f"{path.name}.new")
