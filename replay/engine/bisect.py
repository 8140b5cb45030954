"""Which revision changed this? git's own bisection, asked by replays."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from replay.engine.elsewhere import git, worktree
from replay.engine.replayer import Replay
from replay.errors import NotBisected

ReplayIn = Callable[[Path], Replay]


@dataclass(frozen=True, slots=True)
class Culprit:
    """The first revision at which the replay does not agree any more, and that replay."""

    revision: str
    subject: str
    replay: Replay


def bisect(root: Path, good: str, bad: str, replay_in: ReplayIn) -> Culprit:
    """
    Find the first revision after *good*, up to *bad*, that does not agree.

    *replay_in* replays with the code in a folder. A revision that cannot tell is skipped, as git
    does it.

    Raises:
        NotBisected: *good* does not agree, *bad* does, or all that is left cannot tell.
        CommandFailed: git says no.

    """
    with worktree(root, good) as folder:
        if not (replay := replay_in(folder)).outcome.agreed:
            raise NotBisected(good, f"it does not agree there: {replay.outcome.kind}")
    with worktree(root, bad) as folder:
        top = Path(git(folder, "rev-parse", "--show-toplevel"))
        seen = {_head(top): replay_in(folder)}
        if seen[_head(top)].outcome.agreed:
            raise NotBisected(bad, "it still agrees there")
        said = git(top, "bisect", "start", bad, good)
        try:
            while not (found := re.search(r"^([0-9a-f]{40,}) is the first bad commit", said, re.M)):
                if "first bad commit could be any of" in said:
                    raise NotBisected(_head(top), "what is left cannot be replayed")
                verdict = "skip"
                if folder.is_dir():  # a project is not in every revision of its repository
                    replay = seen[_head(top)] = replay_in(folder)
                    verdict = _verdict(replay)
                said = git(top, "bisect", verdict)
            subject = git(top, "log", "-1", "--format=%s", found[1])
        finally:
            git(top, "bisect", "reset")
    return Culprit(found[1], subject, seen[found[1]])


def _head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def _verdict(replay: Replay) -> str:
    if replay.outcome.agreed:
        return "good"
    return "skip" if replay.outcome.exit_code == 2 else "bad"
