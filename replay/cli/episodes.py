"""Verbs on episodes: record, run, list, import, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from replay.cli.context import open_store
from replay.config import Config
from replay.errors import ReplayError, shown


@click.command("run")
@click.argument("episode")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
@click.option("--pace", default=0.0, help="Gaps in streams: 0 none, 1 as recorded, 0.5 half.")
@click.pass_obj
def run(config: Config, episode: str, as_json: bool, pace: float) -> NoReturn:
    """
    Re-execute EPISODE with today's code against its recording, offline.

    \b
      replay run episode_12345
      replay run episode_12345 --json | jq .outcome
    """
    from replay.engine.replayer import replay_episode
    from replay.episodes.store import find

    with open_store(config) as store:
        found = find(store, config.path(config.episodes), episode)
    _show(replay_episode(found, config, pace=pace), as_json)


@click.command("record")
@click.argument("entrypoint", required=False)
@click.option("--input", "inputs", type=Path, help="JSON file with the keyword arguments.")
@click.option("--id", "episode", help="Name of the new episode.")
@click.option("--from", "source", metavar="EPISODE", help="Record this episode again.")
@click.option("--seed", default=0, show_default=True, help="Seed of random, numpy and uuid.")
@click.option("--allow-error", is_flag=True, help="Keep a run that raised as a recording.")
@click.pass_obj
def record(config: Config, /, entrypoint: str | None, **options: Any) -> None:
    """
    Run ENTRYPOINT live and record it as an episode: in the store, and as a bundle to commit.

    \b
      replay record examples.support_agent.agent:answer \\
          --input examples/support_agent/scenarios/episode_12345.json --id episode_12345
      replay record --from episode_12345
    """
    from replay.engine.live import record_entrypoint

    case = _case(config, entrypoint, options["inputs"], options["episode"], options["source"])
    with open_store(config) as store:
        done = record_entrypoint(
            store, config, case, seed=options["seed"], keep_errors=options["allow_error"]
        )
    click.echo(f"Recorded {done.episode}: {done.calls} calls, as {done.bundle}")
    click.echo(f"Replay it: replay run {done.episode}")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list for machines.")
@click.pass_obj
def list_(config: Config, as_json: bool) -> None:
    """List the episodes in the store and in the bundle folder, and incomplete recordings."""
    from replay.episodes.store import import_bundle
    from replay.reports.terminal import console, show_list, show_list_json

    damaged = 0
    with open_store(config) as store:
        for path in sorted(config.path(config.episodes).glob("*.jsonl")):
            try:
                import_bundle(store, path)
            except ReplayError as error:
                damaged = 2
                click.echo(shown(error), err=True)
        rows, incomplete = store.summaries(), store.incomplete()
    (show_list_json if as_json else show_list)(rows, incomplete, console())
    sys.exit(damaged)


@click.command("import")
@click.argument("bundles", nargs=-1, required=True, type=Path)
@click.pass_obj
def import_(config: Config, bundles: tuple[Path, ...]) -> None:
    """
    Import BUNDLES into the store; what is there already stays as it is.

    \b
      replay import episodes/*.jsonl
    """
    from replay.episodes.store import import_bundle

    with open_store(config) as store:
        for path in bundles:
            episode, new = import_bundle(store, path)
            click.echo(f"{episode}: {new} new recordings")


@click.command("export")
@click.argument("episodes", nargs=-1, required=True)
@click.option("--to", "folder", type=Path, help="Folder for the bundles; default: the project's.")
@click.pass_obj
def export(config: Config, episodes: tuple[str, ...], folder: Path | None) -> None:
    """
    Write EPISODES as text bundles, with all their recordings.

    \b
      replay export episode_12345
      replay export episode_12345 --to /tmp
    """
    from replay.episodes.store import export_bundle

    with open_store(config) as store:
        for episode in episodes:
            path = export_bundle(store, episode, folder or config.path(config.episodes))
            click.echo(str(path))


def _show(replay: Any, as_json: bool) -> NoReturn:
    from replay.reports.result import result_json
    from replay.reports.terminal import console, show_replay

    if as_json:
        click.echo(result_json(replay))
    else:
        show_replay(replay, console())
    sys.exit(replay.outcome.exit_code)


def _case(
    config: Config,
    entrypoint: str | None,
    inputs: Path | None,
    episode: str | None,
    source: str | None,
) -> Any:
    """Work out what to record: a new case from its parts, or an episode that is there."""
    from replay.engine.entrypoint import read_inputs
    from replay.episodes.store import find
    from replay.model import Episode

    if source and (entrypoint or inputs or episode):
        raise click.UsageError("--from EPISODE brings its own entrypoint, inputs and name")
    if source:
        with open_store(config) as store:
            return find(store, config.path(config.episodes), source)
    if not (entrypoint and inputs and episode):
        raise click.UsageError("give ENTRYPOINT, --input and --id, or --from EPISODE")
    return Episode(episode, entrypoint, read_inputs(inputs))


COMMANDS = (run, record, list_, import_, export)
