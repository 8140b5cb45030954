"""Verbs on episodes: record, run, list, show, search, tag, import, export."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replay.cli.context import agree, complete_episode, filter_of, filtered
from replay.config import Config
from replay.errors import ReplayError, ReplayStop, shown
from replay.model import Episode, Manifest
from replay.visible import inline

if TYPE_CHECKING:
    from replay.engine.live import Recorded
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


@click.command("record")
@click.argument("entrypoint", required=False)
@click.option(
    "--input", "inputs", type=Path, metavar="FILE", help="JSON, with the keyword arguments."
)
@click.option("--id", "episode", metavar="NAME", help="Name of the new episode.")
@click.option(
    "--from",
    "source",
    metavar="EPISODE",
    help="Record this episode again.",
    shell_complete=complete_episode,
)
@click.option(
    "--tag", "tags", multiple=True, metavar="NAME", help="A tag to find it by: --tag refunds."
)
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Seed of random, numpy and uuid.  [default: 0; with --from, as it was]",
)
@click.option("--allow-error", is_flag=True, help="Keep a run that raised as a recording.")
@click.option(
    "--model",
    metavar="MODEL",
    help="With --from: ask this model instead; tools answer as recorded.",
)
@click.option("--teacher-forced", is_flag=True, help="And ask it each recorded turn, no program.")
@click.option("--sampling", multiple=True, metavar="NAME=VALUE", help="And with this parameter.")
@click.option("--live-reads", is_flag=True, help="And send GET requests that are not recorded.")
@click.option(
    "--budget", type=float, metavar="DOLLARS", help="And stop when this many dollars are spent."
)
@click.option("--yes", is_flag=True, help="And do not ask whether to spend them.")
@click.pass_obj
def record(config: Config, /, entrypoint: str | None, **options: Any) -> None:
    """
    Run ENTRYPOINT live and record it as an episode: in the store, and as a bundle to commit.

    \b
      replay record examples.support_agent.agent:answer \\
          --input examples/support_agent/scenarios/episode_12345.json --id episode_12345
      replay record --from episode_12345
      replay record --from episode_12345 --model gpt-4.1 --sampling temperature=0 --budget 0.10
      replay record --from episode_12345 --model gpt-4.1 --teacher-forced --yes
    """
    from replay.engine.live import record_entrypoint
    from replay.episodes.layers import open_store

    case = _case(config, entrypoint, options["inputs"], options["episode"], options["source"])
    case = replace(case, tags=(*case.tags, *options["tags"]))
    if options["teacher_forced"] and not options["model"]:
        raise click.UsageError("--teacher-forced needs --model, the one to ask")
    if case.recordings and not options["teacher_forced"]:
        _say_changed(case.current.manifest, config)
    if options["model"]:
        _record_further(config, case, options)
        return
    seed = options["seed"]
    if seed is None:
        seed = case.current.manifest.seed if case.recordings else 0
    with open_store(config) as store:
        done = record_entrypoint(store, config, case, seed=seed, keep_errors=options["allow_error"])
    _say_recorded(done)
    click.echo(f"Replay it: replay run {done.episode}")


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
        hits = store.search(" ".join(words), filter_of(options))
    for error in damaged:
        click.echo(shown(error), err=True)
    (show_hits_json if as_json else show_hits)(hits, console())
    sys.exit(2 if damaged else 0 if hits else 1)


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
                click.echo(f"{done.episode.id}: {done.new} new recordings, from a {done.form}")
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
    from replay.reports.result import result_json
    from replay.reports.terminal import console, show_replay

    if as_json:
        click.echo(result_json(replay))
    else:
        show_replay(replay, console())
    sys.exit(replay.outcome.exit_code)


def _record_further(config: Config, case: Any, options: dict[str, Any]) -> None:
    """Say what it will call, ask, and record it."""
    from decimal import Decimal

    from replay.engine.further import record_further, record_teacher_forced
    from replay.episodes.layers import open_store
    from replay.errors import UnknownRecording
    from replay.llm.estimate import estimate

    model, budget = options["model"], options["budget"]
    if options["teacher_forced"] and options["live_reads"]:
        raise click.UsageError("--teacher-forced sends no reads: leave out --live-reads")
    if not options["source"]:
        raise click.UsageError("--model needs --from EPISODE, whose recording answers for tools")
    if not case.recordings:
        raise UnknownRecording(case.id, case.entrypoint)
    cost = estimate(case.current.interactions, model)
    click.echo(f"This will ask {model}: about {cost}.")
    agree("Go on?", yes=options["yes"])
    try:
        with open_store(config) as store:
            further = (
                partial(record_teacher_forced, environ=os.environ)
                if options["teacher_forced"]
                else partial(record_further, live_reads=options["live_reads"])
            )
            done = further(
                store,
                config,
                case,
                model,
                sampling=dict(map(_parameter, options["sampling"])),
                budget=None if budget is None else Decimal(str(budget)),
            )
    except ReplayStop as stop:
        click.echo(f"{stop}\nNo recording was added to {case.id}.", err=True)
        sys.exit(1)
    _say_recorded(done)


def _say_recorded(done: Recorded) -> None:
    from replay.cassettes.guard import not_recorded

    click.echo(f"Recorded {done.episode}: {done.calls} calls, as {done.bundle}")
    for address in done.unrecorded:
        click.echo(f"Warning: {not_recorded(address)}", err=True)


def _parameter(text: str) -> tuple[str, Any]:
    import json

    name, sign, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        if not (name and sign):
            raise click.UsageError(f"--sampling {text}: write NAME=VALUE") from None
        return name, value


def _case(
    config: Config,
    entrypoint: str | None,
    inputs: Path | None,
    episode: str | None,
    source: str | None,
) -> Episode:
    """Work out what to record: a new case from its parts, or an episode that is there."""
    from replay.engine.entrypoint import read_inputs
    from replay.episodes.layers import find_episode

    if source and (entrypoint or inputs or episode):
        raise click.UsageError("--from EPISODE brings its own entrypoint, inputs and name")
    if source:
        return find_episode(config, source)
    if not (entrypoint and inputs and episode):
        raise click.UsageError("give ENTRYPOINT, --input and --id, or --from EPISODE")
    return Episode(episode, entrypoint, read_inputs(inputs))


def _say_changed(manifest: Manifest, config: Config) -> None:
    """
    Tell which variables are not what they were: a live run obeys those that are set now.

    They are not put back: an address in a stranger's episode would be sent our keys.
    """
    from replay.engine.manifest import chosen_environment

    then = manifest.environment
    now = chosen_environment({*config.environment, *then})
    for name in sorted(then.keys() | now.keys()):
        was, is_now = then.get(name, "(not set)"), now.get(name, "(not set)")
        if was != is_now:
            line = f"{name} was {was} when it was recorded, and is {is_now} in this run."
            click.echo(inline(line), err=True)


COMMANDS = (run, record, list_, show, search, tag, import_, export)
