"""Verbs on episodes: run, list, show, search, tag, import, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replay.cli.context import complete_episode, filter_of, filtered
from replay.config import Config
from replay.errors import ReplayError, shown
from replay.wording import counted

if TYPE_CHECKING:
    from replay.episodes.store import Store


@click.command("run")
@click.argument("episode", shell_complete=complete_episode)
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
@click.option(
    "--pace", default=0.0, metavar="N", help="Gaps in streams: 0 none, 1 as recorded, 0.5 half."
)
@click.pass_obj
def run(config: Config, episode: str, as_json: bool, pace: float) -> NoReturn:
    """
    Re-execute EPISODE with today's code against its recording, offline.

    \b
      replay run episode_12345
      replay run episode_12345 --json | jq .outcome
    """
    from replay.engine.replayer import replay_episode
    from replay.episodes.layers import find_episode

    _show(replay_episode(find_episode(config, episode), config, pace=pace), as_json)


@click.command("list")
@filtered
@click.option("--json", "as_json", is_flag=True, help="Print the list for machines.")
@click.pass_obj
def list_(config: Config, /, as_json: bool, **options: Any) -> None:
    """
    List the episodes in the store and in the bundle folder, and incomplete recordings.

    \b
      replay list
      replay list --tag refunds --since 2026-09-01 --cost 0.05 --json
    """
    from replay.episodes.layers import reading
    from replay.episodes.queries import Filter
    from replay.reports.episodes import show_list, show_list_json
    from replay.reports.terminal import console

    with reading(config) as (store, damaged):
        _catch_up(config, store)
        wanted = filter_of(options)
        rows, incomplete = store.summaries(wanted), store.incomplete()
    if as_json:
        show_list_json(rows, incomplete, console())
    else:
        show_list(rows, incomplete, console(), filtered=wanted != Filter())
    for error in damaged:
        click.echo(shown(error), err=True)
    sys.exit(2 if damaged else 0)


@click.command("show")
@click.argument("episode", shell_complete=complete_episode)
@click.option(
    "--recording", default="", metavar="ID", help="Not the newest, but the one that begins so."
)
@click.option("--json", "as_json", is_flag=True, help="Print it all for machines.")
@click.pass_obj
def show(config: Config, episode: str, recording: str, as_json: bool) -> None:
    """
    Show a recording of EPISODE: what was pinned, and what was said, with tokens and dollars.

    \b
      replay show episode_12345
      replay show episode_12345 --recording b2:2d63 --json
    """
    from replay.episodes.layers import find_episode, recording_of
    from replay.reports.episodes import show_episode, show_episode_json
    from replay.reports.terminal import console

    found = find_episode(config, episode)
    chosen = recording_of(found, recording)
    (show_episode_json if as_json else show_episode)(found, chosen, console())


@click.command("search")
@click.argument("words", nargs=-1, required=True)
@filtered
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a message.")
@click.pass_obj
def search(config: Config, /, words: tuple[str, ...], as_json: bool, **options: Any) -> NoReturn:
    """
    Find prompts and answers with all of WORDS in them; exit 1 if there are none.

    \b
      replay search refund
      replay search '"order 1042"' --model 'gpt-4o*' --json
    """
    from replay.episodes.layers import reading
    from replay.reports.episodes import show_hits, show_hits_json
    from replay.reports.terminal import console

    with reading(config) as (store, damaged):
        _catch_up(config, store)
        hits = store.search(" ".join(words), filter_of(options))
    for error in damaged:
        click.echo(shown(error), err=True)
    (show_hits_json if as_json else show_hits)(hits, console())
    sys.exit(2 if damaged else 0 if hits else 1)


def _catch_up(config: Config, store: Store) -> None:
    """Have what is unread read; say what stays so for want of leave to write, of time, of bytes."""
    from replay.episodes.layers import catch_up

    if store.unread():
        catch_up(config)
    if count := store.unread():
        click.echo(
            f"Recordings that are not read yet: {count}. Their models, tokens and dollars are not "
            "known, and they are not searched. More are read whenever one lists who may write to "
            "the store; of what is damaged: replay verify",
            err=True,
        )


@click.command("tag")
@click.argument("episode", shell_complete=complete_episode)
@click.argument("tags", nargs=-1)
@click.option("--remove", multiple=True, metavar="TAG", help="Take this tag away: --remove flaky.")
@click.pass_obj
def tag(config: Config, episode: str, tags: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """
    Add TAGS to an EPISODE, in the store; `replay export` takes them over into its bundle.

    \b
      replay tag episode_12345 refunds nightly --remove flaky
    """
    from replay.episodes.layers import open_store

    with open_store(config) as store:
        name = _imported(store, config, episode)
        store.tag(name, tags, remove)
        click.echo(f"{name}: {', '.join(store.get(name).tags) or 'no tags'}")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=Path)
@click.option(
    "--id", "name", default="", metavar="NAME", help="Name of the episode; default: the file's."
)
@click.pass_obj
def import_(config: Config, files: tuple[Path, ...], name: str) -> NoReturn:
    """
    Import FILES into the store; what is there already stays as it is.

    Bundles, cassettes of any tool, HAR files, request logs of OpenAI and Anthropic in JSON lines,
    and OpenTelemetry spans, each known by what it holds. Secrets are replaced.

    \b
      replay import episodes/*.jsonl
      replay import session.har --id checkout
    """
    from replay.episodes.imports import import_file
    from replay.episodes.layers import open_store

    if name and len(files) > 1:
        raise click.UsageError("--id names one episode: give one file")
    refused = 0
    with open_store(config) as store:
        for path in files:
            try:
                done = import_file(store, path, config.redact, name)
            except ReplayError as error:
                refused = 2
                click.echo(shown(error), err=True)
            else:
                new = counted(done.new, "new recording")
                click.echo(f"{done.episode.id}: {new}, from a {done.form}")
    sys.exit(refused)


@click.command("export")
@click.argument("episodes", nargs=-1, required=True, shell_complete=complete_episode)
@click.option(
    "--format",
    "form",
    type=click.Choice(["bundle", "cassette", "har"]),
    default="bundle",
    show_default=True,
    help="A bundle has all recordings; a cassette or HAR file has one, without its output.",
)
@click.option(
    "--recording", default="", metavar="ID", help="Not the newest, but the one that begins so."
)
@click.option(
    "--to", "folder", type=Path, metavar="FOLDER", help="Default: of bundles the project's, else ."
)
@click.option("--force", is_flag=True, help="Replace a cassette or HAR file that is there.")
@click.pass_obj
def export(config: Config, /, episodes: tuple[str, ...], form: str, **options: Any) -> None:
    """
    Write EPISODES as text bundles, cassettes or HAR files.

    \b
      replay export episode_12345
      replay export episode_12345 --format har --to /tmp
    """
    from replay.episodes.exports import export_cassette, export_har
    from replay.episodes.folder import export_bundle
    from replay.episodes.layers import open_store

    folder, chosen, force = options["folder"], options["recording"], options["force"]
    with open_store(config) as store:
        for episode in episodes:
            name = _imported(store, config, episode)
            if form == "bundle":
                path = export_bundle(store, name, folder or config.path(config.episodes))
            else:
                write = export_cassette if form == "cassette" else export_har
                path = write(store.get(name), chosen, folder or Path(), force=force)
            click.echo(str(path))


def _imported(store: Store, config: Config, episode: str) -> str:
    """Tell which episode is meant, and have what its bundle holds in the store."""
    from replay.episodes.folder import bundle_path, import_bundle
    from replay.episodes.layers import resolve

    bundles = config.path(config.episodes)
    name = resolve(store, bundles, episode)
    if (path := bundle_path(store, bundles, name)).is_file():
        import_bundle(store, path)
    return name


def _show(replay: Any, as_json: bool) -> NoReturn:
    from replay.reports.result import result_json, show_replay
    from replay.reports.terminal import console

    if as_json:
        click.echo(result_json(replay))
    else:
        show_replay(replay, console())
    sys.exit(replay.outcome.exit_code)


COMMANDS = (run, list_, show, search, tag, import_, export)
