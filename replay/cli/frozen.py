"""Verbs on one version of an episode: frozen, bisect."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replay.config import Config
from replay.errors import UnknownVersion

if TYPE_CHECKING:
    from replay.engine.replayer import Replay
    from replay.engine.wire import Task
    from replay.model import Episode, Recording


@click.command("frozen")
@click.argument("episode")
@click.option(
    "--model", "version", required=True, metavar="VERSION", help="Which recording; see above."
)
@click.option(
    "--policy",
    type=click.Choice(["pinned", "auto-upgrade"]),
    default="pinned",
    show_default=True,
    help="pinned: nothing may move. auto-upgrade: prompts and tools may.",
)
@click.option(
    "--acknowledged",
    type=Path,
    metavar="FILE",
    help="File of acknowledged changes; default: acknowledged.json beside the bundles.",
)
@click.option("--acknowledge", is_flag=True, help="Write what moved into that file.")
@click.option("--code", metavar="REV", help="Run the code of this git revision instead.")
@click.option("--with", "packages", multiple=True, metavar="PACKAGE", help="With these packages.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
@click.pass_obj
def frozen(config: Config, /, episode: str, **options: Any) -> NoReturn:
    """
    Re-execute EPISODE, offline, against the recording of one model version.

    A version is the id of a recording, an answered model id, a name from [tool.replay.versions], a
    requested model (if that is not ambiguous), or @2026-09-01 for what was current that day.

    \b
      replay frozen episode_12345 --model gpt-4o-2024-08-06
      replay frozen episode_12345 --model @2026-09-01 --policy auto-upgrade
      replay frozen episode_12345 --model baseline --code v1.2 --with openai==3.40
    """
    from replay.engine.frozen import Acknowledged, held, judged
    from replay.engine.manifest import code_version
    from replay.engine.replayer import replay_episode
    from replay.engine.wire import Task
    from replay.reports.frozen import show_frozen
    from replay.reports.terminal import console

    found, recording = _resolved(config, episode, options["version"])
    path = options["acknowledged"] or config.path(config.episodes) / "acknowledged.json"
    acknowledged = Acknowledged(path)
    adopts = options["policy"] == "auto-upgrade"
    with ExitStack() as stack:
        folder = _folder(stack, config, options["code"])
        if options["code"] or options["packages"]:
            task = Task(episode, _id(recording), _shipped(found, recording), adopts=adopts)
            replay = _elsewhere(config, folder, options["packages"], task)
        else:
            replay = replay_episode(found, config, recording=recording, adopts=adopts)
        code = code_version(folder, config.recorded)
    if options["acknowledge"]:
        acknowledged.add(episode, replay.moved)
    replay = judged(replay, acknowledged)
    show_frozen(replay, held(recording.manifest, replay, code), console(), options["as_json"])
    sys.exit(replay.outcome.exit_code)


@click.command("bisect")
@click.argument("episode")
@click.option("--good", required=True, metavar="REV", help="A revision at which it agrees.")
@click.option("--bad", default="HEAD", show_default=True, metavar="REV", help="One where not.")
@click.option(
    "--model",
    "version",
    default="",
    metavar="VERSION",
    help="Which recording; default: the current one.",
)
@click.pass_obj
def bisect(config: Config, /, episode: str, good: str, bad: str, version: str) -> None:
    """
    Find the revision after which EPISODE does not agree with its recording any more.

    git bisects, in a worktree of its own; your files stay as they are.

    \b
      replay bisect episode_12345 --good v1.2 --bad HEAD
    """
    from replay.engine.bisect import bisect as bisect_revisions
    from replay.engine.child import Worker
    from replay.engine.wire import Task
    from replay.reports.result import show_replay
    from replay.reports.terminal import console

    found, recording = _resolved(config, episode, version)
    task = Task(episode, _id(recording), _shipped(found, recording))

    def replay_in(folder: Path) -> Replay:
        with Worker(folder, _environ(config)) as worker:
            return worker.replay(task)

    culprit = bisect_revisions(config.root, good, bad, replay_in)
    show_replay(culprit.replay, console())
    click.echo(f"\n{culprit.revision[:12]} is the first revision that does not agree:")
    click.echo(f"  {culprit.subject}")


def _resolved(config: Config, episode: str, version: str) -> tuple[Episode, Recording]:
    """Find the recording; where there is none, say what it would take to make it."""
    from replay.episodes.layers import find_episode
    from replay.episodes.versions import resolve
    from replay.llm.estimate import estimate

    found = find_episode(config, episode)
    try:
        return found, resolve(found, version, config.versions)
    except UnknownVersion as error:
        if version.startswith(("@", "b2:")):
            raise
        command = f"replay record --from {episode} --model {version}"
        cost = f"about {estimate(found.current.interactions, version)}"
        raise UnknownVersion(episode, version, error.there, f"{command}  ({cost})") from error


def _folder(stack: ExitStack, config: Config, revision: str | None) -> Path:
    from replay.engine.elsewhere import worktree

    return stack.enter_context(worktree(config.root, revision)) if revision else config.root


def _elsewhere(config: Config, folder: Path, packages: tuple[str, ...], task: Task) -> Replay:
    """Replay in a process of its own, which sees other code or other packages."""
    from replay.engine.child import Worker
    from replay.engine.elsewhere import overlay, with_overlay

    environ = _environ(config)
    if packages:
        environ |= with_overlay(overlay(config.root / ".replay" / "with", packages))
    with Worker(folder, environ) as worker:
        return worker.replay(task)


def _environ(config: Config) -> dict[str, str]:
    # What is compiled of one revision must not be taken for another of the same size and second.
    return os.environ | {
        "REPLAY_STORE": str(config.path(config.store).resolve()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _shipped(episode: Episode, recording: Recording) -> str:
    from dataclasses import replace

    from replay.episodes import bundle

    return bundle.dump(replace(episode, recordings=(recording,)))


def _id(recording: Recording) -> str:
    from replay.episodes.bundle import recording_id

    return recording_id(recording)


COMMANDS = (frozen, bisect)
