"""Stems: one name per scenario, shared by its cassette, its episode and its golden."""

from __future__ import annotations

import re
from typing import Any


def stem_of(item: Any) -> str:
    """
    Name the scenario of a pytest item: what its `golden` mark says, else its module and name.

    A named stem may hold parameters, as in `golden("refund_{currency}")`. Characters that some
    file system refuses become a dash.
    """
    mark = item.get_closest_marker("golden")
    if mark and mark.args:
        callspec = getattr(item, "callspec", None)
        name = str(mark.args[0]).format(**(callspec.params if callspec else {}))
    else:
        owner = f"{item.cls.__name__}." if item.cls else ""
        name = f"{item.path.stem}.{owner}{item.name}"
    return re.sub(r"[^\w.\-\[\]]+", "-", name)
