"""The verb record: a new episode, or a further recording, by the program or by another model."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.context import agree, complete_episode
from replay.config import Config
from replay.errors import ReplayStop, UnknownRecording
from replay.model import Episode, Manifest
from replay.visible import inline
from replay.wording import counted

if TYPE_CHECKING:
    from replay.engine.live import Recorded


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


def _record_further(config: Config, case: Any, options: dict[str, Any]) -> None:
    """Say what it will call, ask, and record it."""
    from replay.engine.further import record_further, record_teacher_forced
    from replay.episodes.layers import open_store
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


def _parameter(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        if not (name and sign):
            raise click.UsageError(f"--sampling {text}: write NAME=VALUE") from None
        return name, value


def _say_recorded(done: Recorded) -> None:
    from replay.cassettes.guard import not_recorded

    click.echo(f"Recorded {done.episode}: {counted(done.calls, 'call')}, as {done.bundle}")
    for address in done.unrecorded:
        click.echo(f"Warning: {not_recorded(address)}", err=True)


COMMANDS = (record,)
