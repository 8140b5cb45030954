"""Stems: one name per scenario, shared by its cassette, its episode and its golden."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from replay.filenames import is_device

_LONGEST = 150
"""Bytes: most file systems take 255, and a name and suffixes are added."""


def stem_of(item: Any) -> str:
    """
    Name the scenario of a pytest item: what its `golden` mark says, else its folder below the
    tests, its module and its name.

    A named stem may hold parameters, as in `golden("refund_{currency}")`. Characters that some
    file system refuses become a dash, and what Windows keeps for a device gets a `_` in front.
    """
    mark = item.get_closest_marker("golden")
    if mark and mark.args:
        callspec = getattr(item, "callspec", None)
        name = str(mark.args[0]).format(**(callspec.params if callspec else {}))
    else:
        owner = f"{item.cls.__name__}." if item.cls else ""
        name = f"{_module(item)}.{owner}{item.name}"
    stem = re.sub(r"[^\w.\-\[\]]+", "-", name)
    stem = f"_{stem}" if is_device(stem) else stem
    return stem if len(stem.encode()) <= _LONGEST else _shortened(stem)


def _shortened(stem: str) -> str:
    """Cut a name that no file could have, with what else is added to it; another stays another."""
    digest = hashlib.blake2b(stem.encode(), digest_size=5).hexdigest()
    kept = stem.encode()[: _LONGEST - len(digest) - 1].decode("utf-8", "ignore")
    return f"{kept}-{digest}"


def _module(item: Any) -> str:
    path, root = item.path, item.config.rootpath
    below = path.relative_to(root) if path.is_relative_to(root) else path
    parts = [part for part in below.with_suffix("").parts if part not in ("tests", "test", "/")]
    return ".".join(parts)


def shared_stem(items: Iterable[Any]) -> tuple[str, str, str] | None:
    """Find two items that would write to the same files: both node ids, and the stem."""
    seen: dict[str, str] = {}
    for item in items:
        stem = stem_of(item)
        other = seen.setdefault(stem.casefold(), item.nodeid)
        if other != item.nodeid:
            return other, item.nodeid, stem
    return None
