"""The `replay` command: each verb parses, calls one function of the library, prints, exits."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replay.config import Config, load_config
from replay.errors import ReplayError

if TYPE_CHECKING:
    from replay.episodes.store import Store


class _Group(click.Group):
    """Turns every error we know into its sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReplayError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo("Interrupted. What was complete is kept: replay list", err=True)
            ctx.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="golden-replay")
@click.pass_context
def main(ctx: click.Context) -> None:
    """
    Record live LLM and API traffic once, replay it deterministically for ever.

    \b
      replay run episode_12345          re-execute a recorded run, offline
      replay list                       what there is

    Exit codes: 0 agreed, 1 drifted, 2 could not tell.
    """
    config = load_config(environ=os.environ)
    sys.path.insert(0, str(config.root.resolve()))
    ctx.obj = config


@main.command("run")
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

    with _store(config) as store:
        found = find(store, config.path(config.episodes), episode)
    _show(replay_episode(found, config, pace=pace), as_json)


@main.command("record")
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
    with _store(config) as store:
        done = record_entrypoint(
            store, config, case, seed=options["seed"], keep_errors=options["allow_error"]
        )
    click.echo(f"Recorded {done.episode}: {done.calls} calls, as {done.bundle}")
    click.echo(f"Replay it: replay run {done.episode}")


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list for machines.")
@click.pass_obj
def list_(config: Config, as_json: bool) -> None:
    """List the episodes in the store and in the bundle folder, and incomplete recordings."""
    from replay.episodes.store import import_bundle
    from replay.reports.terminal import console, show_list, show_list_json

    damaged = 0
    with _store(config) as store:
        for path in sorted(config.path(config.episodes).glob("*.jsonl")):
            try:
                import_bundle(store, path)
            except ReplayError as error:
                damaged = 2
                click.echo(str(error), err=True)
        rows, incomplete = store.summaries(), store.incomplete()
    (show_list_json if as_json else show_list)(rows, incomplete, console())
    sys.exit(damaged)


@main.command("import")
@click.argument("bundles", nargs=-1, required=True, type=Path)
@click.pass_obj
def import_(config: Config, bundles: tuple[Path, ...]) -> None:
    """
    Import BUNDLES into the store; what is there already stays as it is.

    \b
      replay import episodes/*.jsonl
    """
    from replay.episodes.store import import_bundle

    with _store(config) as store:
        for path in bundles:
            episode, new = import_bundle(store, path)
            click.echo(f"{episode}: {new} new recordings")


@main.command("export")
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

    with _store(config) as store:
        for episode in episodes:
            path = export_bundle(store, episode, folder or config.path(config.episodes))
            click.echo(str(path))


@main.group("cassettes")
def cassettes() -> None:
    """Work on recorded HTTP."""


@cassettes.command("check")
@click.argument("paths", nargs=-1, required=True, type=Path)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.option("-v", "--verbose", is_flag=True, help="Print what was healed on reading, each.")
def check(paths: tuple[Path, ...], as_json: bool, verbose: bool) -> NoReturn:
    """
    Play every interaction of the cassettes in PATHS back through a real HTTP client.

    \b
      replay cassettes check cassettes
      replay cassettes check -v tests/cassettes/test_refund.yaml
    """
    from replay.cassettes.check import cassette_paths
    from replay.cassettes.check import check as check_file
    from replay.reports.terminal import console, show_checks, show_checks_json

    checks = (check_file(path) for path in cassette_paths(list(paths)))
    if as_json:
        whole = show_checks_json(checks, console())
    else:
        whole = show_checks(checks, console(), verbose=verbose)
    sys.exit(0 if whole else 1)


@cassettes.command("convert")
@click.argument("files", nargs=-1, required=True, type=Path)
@click.option("--to", "folder", type=Path, help="Folder for the new files; default: beside them.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def convert(files: tuple[Path, ...], folder: Path | None, force: bool) -> None:
    """
    Write FILES, cassettes of any known form, in vcrpy's format; they stay as they are.

    \b
      replay cassettes convert fixtures/vcr/refund.json --to cassettes
    """
    from replay.cassettes.conversion import convert as convert_file
    from replay.reports.terminal import console, show_converted

    for path in files:
        show_converted(convert_file(path, folder, force=force), console())


@cassettes.command("scan")
@click.argument("paths", nargs=-1, required=True, type=Path)
@click.option("--fix", is_flag=True, help="Replace what is found by placeholders, in the files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.pass_obj
def scan(config: Config, paths: tuple[Path, ...], fix: bool, as_json: bool) -> NoReturn:
    """
    Look for secrets in the cassettes in PATHS, which may be from before there was redaction.

    Says where each stands and of what kind it is, never what it is. Exit codes: 0 none (or all
    replaced), 1 found, 2 a file could not be read.

    \b
      replay cassettes scan cassettes tests/cassettes
      replay cassettes scan --fix tests/cassettes
    """
    from replay.cassettes.check import cassette_paths
    from replay.cassettes.cleaning import scan as scan_file
    from replay.reports.terminal import console, show_scans, show_scans_json

    scans = (scan_file(path, config.redact, fix=fix) for path in cassette_paths(list(paths)))
    sys.exit((show_scans_json if as_json else show_scans)(scans, console()))


@cassettes.command("adopt")
@click.argument("paths", nargs=-1, required=True, type=Path)
def adopt(paths: tuple[Path, ...]) -> None:
    """
    Take changed requests over into the cassettes PATHS, and keep the answers they got.

    For a change that is intended and does not change what is answered. First let the tests
    propose: what they send now waits beside the cassette as `….yaml.new`.

    \b
      pytest tests/test_refund.py --adopt
      replay cassettes adopt cassettes/refund.yaml
    """
    from replay.cassettes.adoption import adopt as adopt_requests
    from replay.reports.terminal import console, show_adopted

    for path in paths:
        show_adopted(path, adopt_requests(path), console())


@cassettes.command("orphans")
@click.option("--delete", is_flag=True, help="Delete them.")
@click.pass_obj
def orphans(config: Config, delete: bool) -> NoReturn:
    """
    List the cassettes that no golden test plays; exit 1 if there are any.

    Asks pytest to collect all tests, and runs none.

    \b
      replay cassettes orphans
      replay cassettes orphans --delete
    """
    from replay.golden.orphans import find_orphans

    found = find_orphans(config)
    for path in found:
        click.echo(f"{path}{': deleted' if delete else ''}")
        if delete:
            path.unlink()
    sys.exit(1 if found and not delete else 0)


def _store(config: Config) -> Store:
    from replay.episodes.store import Store

    return Store(config.path(config.store))


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
        with _store(config) as store:
            return find(store, config.path(config.episodes), source)
    if not (entrypoint and inputs and episode):
        raise click.UsageError("give ENTRYPOINT, --input and --id, or --from EPISODE")
    return Episode(episode, entrypoint, read_inputs(inputs))


if __name__ == "__main__":
    main()
