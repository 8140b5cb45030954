"""Which revision changed this? git's own bisection, asked by replays."""

from __future__ import annotations

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
        NotBisected: *good* does not agree, or *bad* does.
        CommandFailed: git says no; as it does when all that is left cannot tell.

    """
    with worktree(root, good) as folder:
        if not (replay := replay_in(folder)).outcome.agreed:
            raise NotBisected(good, f"it does not agree there: {replay.outcome.kind}")
    with worktree(root, bad) as folder:
        top = Path(git(folder, "rev-parse", "--show-toplevel"))
        if (replay := replay_in(folder)).outcome.agreed:
            raise NotBisected(bad, "it still agrees there")
        seen: dict[str, Replay | None] = {_head(top): replay}
        try:
            git(top, "bisect", "start", bad, good)
            while (head := _head(top)) not in seen:  # git's words differ by version and language
                # a project is not in every revision of its repository
                seen[head] = replay_in(folder) if folder.is_dir() else None
                git(top, "bisect", _verdict(seen[head]))
            found = git(top, "rev-parse", "refs/bisect/bad")
            subject = git(top, "log", "-1", "--format=%s", found)
        finally:
            git(top, "bisect", "reset")
    culprit = seen[found]
    assert culprit, "git calls bad what was called so"
    return Culprit(found, subject, culprit)


def _head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def _verdict(replay: Replay | None) -> str:
    if replay is None or replay.outcome.exit_code == 2:
        return "skip"
    return "good" if replay.outcome.agreed else "bad"
