"""Whether the process that began a recording is still there to end it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path


def born(pid: int) -> str:
    """
    Tell when the process *pid* of this machine started, as no later one of that number has it.

    The boot, and the ticks from it: field 22 of `/proc/PID/stat`, proc(5). No clock that is set
    changes either. Empty where the system does not say, and when there is no such process.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return f"{boot}/{int(fields[19])}"
    except (OSError, IndexError, ValueError):
        return ""


def is_running(host: str, pid: int, since: str) -> bool:
    """
    Tell whether the process *pid* of *host*, which was `born` *since*, is alive.

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
    return "" in (since, born(pid)) or since == born(pid)
