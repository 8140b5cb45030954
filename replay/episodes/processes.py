"""Whether the process that began a recording is still there to end it."""

from __future__ import annotations

import os
import socket
import sys
import time
from datetime import datetime
from pathlib import Path

_INEXACT = 1.0
"""Seconds by which the clock of a process and the time at which it started may disagree."""


def is_running(host: str, pid: int, since: str) -> bool:
    """
    Tell whether the process *pid* of *host*, which was there at *since*, is alive.

    Of another machine's, nobody here knows: it may be. A number is given again to another process,
    in a container at once; where the system says when a process started (Linux), that is seen.
    """
    if host not in ("", socket.gethostname()):
        return True
    if sys.platform == "win32":
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and another user's
    return not _is_another(pid, since)


def _is_another(pid: int, since: str) -> bool:
    """Whether *pid* started after *since*, by field 22 of proc(5), which counts ticks from boot."""
    if sys.platform == "win32":
        return False
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - age > datetime.fromisoformat(since).timestamp() + _INEXACT
    except (OSError, AttributeError, IndexError, ValueError):  # no Linux, or it has just ended
        return False
