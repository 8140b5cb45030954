"""May a golden be written? One pure answer, and the files that it means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from replay.atomic import accept_proposal, proposal


class Write(StrEnum):
    """Where a golden that differs goes: in its place, beside it for a person, or nowhere."""

    IN_PLACE = "in place"
    PENDING = "pending"
    NEVER = "never"


class Update(StrEnum):
    """What syrupy was asked for: `--snapshot-update`, `--snapshot-update-new-only`, or nothing."""

    ALL = "all"
    NEW = "new"
    NONE = "none"


_CI = (
    "CI",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "CIRCLECI",
    "BUILDKITE",
    "TF_BUILD",
    "TRAVIS",
    "APPVEYOR",
    "DRONE",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "BITBUCKET_BUILD_NUMBER",
    "CODEBUILD_BUILD_ID",
)
_NO = ("", "0", "false", "no")


def may_write(update: Update, *, ci: bool, is_new: bool = False) -> Write:
    """
    Answer where a golden goes that is not what is there; *is_new*, if nothing is.

    >>> [str(may_write(update, ci=False)) for update in Update]
    ['in place', 'pending', 'pending']
    >>> {str(may_write(update, ci=True)) for update in Update}
    {'never'}
    """
    if ci:
        return Write.NEVER
    if update is Update.ALL or (update is Update.NEW and is_new):
        return Write.IN_PLACE
    return Write.PENDING


def is_ci(environ: Mapping[str, str]) -> bool:
    """
    Tell whether this runs where nobody can approve anything; `CI=false` says that it does not.

    >>> is_ci({"GITHUB_ACTIONS": "true"}), is_ci({"CI": "false", "TRAVIS": "true"}), is_ci({})
    (True, False, False)
    """
    if environ.get("CI", "").lower() in _NO and "CI" in environ:
        return False
    return any(environ.get(name, "").lower() not in _NO for name in _CI)


def settle(path: Path, *, approved: bool) -> None:
    """
    Put what waits beside the golden *path* in its place, or leave it for a person.

    A rename: at any moment the old golden or the new one is there, whole.
    """
    if approved and proposal(path).exists():
        accept_proposal(path)
