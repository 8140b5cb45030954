"""Verbs on many episodes at once: batch, batch merge."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replay.atomic import write_atomic
from replay.canonical import parsed_json
from replay.cli.context import summarize, together
from replay.config import Config
from replay.errors import BadShards, MissingExtra
from replay.model import Kind

if TYPE_CHECKING:
    from replay.batch.executor import Executor
    from replay.batch.report import Report
    from replay.batch.runner import Plan
    from replay.batch.runs import Run
    from replay.episodes.store import Store

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class _Batch(click.Group):
    """`replay batch FILE` is `replay batch run FILE`, whose options its help shows."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Command.format_options(self.commands["run"], ctx, formatter)
        self.format_commands(ctx, formatter)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([kmg]?)b?", text.lower())
    if not found:
        raise click.BadParameter(f"{text!r} is not a size such as 800M or 2G")
    return int(found[1]) * _UNITS[found[2]]


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"{text!r} is not a shard such as 1/4")
    return int(found[1]), int(found[2])


def _kinds(text: str) -> tuple[Kind, ...]:
    names = [] if text == "never" else text.upper().split(",")
    if unknown := sorted(set(names) - set(Kind)):
        raise click.BadParameter(f"{unknown[0]} is none of {', '.join(Kind)}, nor `never`")
    return tuple(map(Kind, names))


_reporting = together(
    click.option("--junit", type=Path, metavar="FILE", help="Write JUnit's XML to this file."),
    click.option(
        "--html", type=Path, metavar="FILE", help="Write the report as one page to this file."
    ),
    click.option(
        "--json",
        "as_json",
        type=Path,
        metavar="FILE",
        help="Write the report as JSON to this file.",
    ),
    click.option(
        "--fail-on",
        type=_kinds,
        metavar="OUTCOMES",
        help="Outcomes that make this fail, such as FAILED,UNHERMETIC; or `never`.",
    ),
)
"""The options of a verb that ends in a report."""


@click.group("batch", cls=_Batch, subcommand_metavar="[FILE] | merge REPORTS…")
def batch() -> None:
    """
    Replay many episodes, each in a process of its own.

    FILE holds a run a line: `id`, `id version`, or JSON with tags and expectation.

    \b
      replay batch episodes.txt --workers 8 --timeout 30 --memory 2G
      replay batch episodes.txt --resume
      replay batch episodes.txt --shard 2/4 --json shard-2.json
      replay batch --all --junit replays.xml --html replays.html
      replay batch --model gpt-4o-2024-08-06
      replay batch --tag refunds
      replay batch episodes.txt --executor dask --scheduler tcp://10.0.0.5:8786
      replay batch merge shard-*.json

    Exit code: that of the worst run; 0 agreed, 1 drifted, 2 could not tell.
    """


@batch.command("run", hidden=True)
@click.argument("file", required=False, type=Path)
@click.option("--all", "every", is_flag=True, help="Every episode there is, instead of FILE.")
@click.option(
    "--model",
    default="",
    metavar="VERSION",
    help="Replay this version; without FILE, all that have it.",
)
@click.option(
    "--tag", "tags", multiple=True, metavar="NAME", help="Only lines, or episodes, with this tag."
)
@click.option(
    "--workers", default=os.cpu_count(), show_default="the cores", metavar="N", help="At once."
)
@click.option(
    "--executor", type=click.Choice(["local", "dask"]), default="local", show_default=True
)
@click.option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster: tcp://HOST:8786.")
@click.option("--ship", is_flag=True, help="Send episodes along; workers need no store.")
@click.option(
    "--timeout", default=60.0, show_default=True, metavar="SECONDS", help="A replay; 0: no limit."
)
@click.option(
    "--memory", type=_size, default="0", metavar="SIZE", help="Address space a replay, such as 2G."
)
@click.option("--resume", is_flag=True, help="Go on where the same batch ended.")
@click.option(
    "--shard", type=_shard, default="1/1", metavar="I/N", help="Run only this part, such as 2/4."
)
@_reporting
@click.pass_obj
def run(config: Config, /, file: Path | None, **options: Any) -> NoReturn:
    """Replay the runs in FILE, or those that are chosen by what they are."""
    from replay.batch.runner import Plan
    from replay.episodes.layers import open_store

    part, parts = options["shard"]
    with open_store(config) as store:
        plan = Plan(
            runs=_runs(store, config, file, options),
            part=part,
            parts=parts,
            timeout=options["timeout"],
            memory=options["memory"],
            resume=options["resume"],
            fail_on=tuple(Kind) if options["fail_on"] is None else options["fail_on"],
            **({"bundle_of": _bundles(store)} if options["ship"] else {}),
        )
        report = _run(config, plan, _executor(config, options))
    _end(report, options)


@batch.command("merge")
@click.argument("files", nargs=-1, required=True, type=Path)
@_reporting
def merge(files: tuple[Path, ...], **options: Any) -> NoReturn:
    """
    Put the reports of the shards of a batch together, as if it had been run as a whole.

    \b
      replay batch merge shard-1.json shard-2.json --junit replays.xml
    """
    from replay.batch.report import merged

    _end(merged([_read(path) for path in files]), options)


def _runs(store: Store, config: Config, file: Path | None, options: dict[str, Any]) -> list[Run]:
    from dataclasses import replace

    from replay.batch.runs import check_runs, every_run, read_runs

    every, model, tags = options["every"], options["model"], set(options["tags"])
    if bool(file) == every and not ((model or tags) and not file):
        raise click.UsageError("give FILE, or --all, --tag TAG, or --model VERSION")
    if not file:
        return check_runs(every_run(store, config, model, tags), store, config, "the store")
    lines = [(n, run) for n, run in read_runs(file) if not tags or tags & set(run.tags)]
    lines = [(n, replace(run, version=run.version or model)) for n, run in lines]
    return check_runs(lines, store, config, str(file))


def _bundles(store: Store) -> Callable[[str], str]:
    from replay.episodes import bundle

    return lambda episode: bundle.dump(store.get(episode))


def _executor(config: Config, options: dict[str, Any]) -> Executor:
    store = config.path(config.store).resolve()
    if options["executor"] == "dask":
        if not options["scheduler"]:
            raise click.UsageError("--executor dask needs --scheduler tcp://HOST:PORT")
        try:
            from replay.batch.dask import Dask
        except ImportError as error:
            raise MissingExtra("Dask", "dask") from error
        return Dask(options["scheduler"], config.root.resolve(), store)
    from replay.batch.local import Local
    from replay.engine.child import Worker

    environ = os.environ | {"REPLAY_STORE": str(store)}
    return Local(lambda: Worker(environ=environ), options["workers"])


def _run(config: Config, plan: Plan, executor: Executor) -> Report:
    from replay.batch.runner import run_batch
    from replay.episodes.batches import Batches
    from replay.reports.batch import BatchProgress
    from replay.reports.terminal import console

    with closing(Batches(config.path(config.store))) as batches:
        done = len(batches.done(plan.batch)) if plan.resume else 0
        try:
            with BatchProgress(console(sys.stderr), len(plan.chosen), done) as progress:
                return run_batch(plan, executor, batches, progress.heard)
        except KeyboardInterrupt:
            click.echo("To go on where this ends: the same command with --resume", err=True)
            raise


def _read(path: Path) -> Report:
    from replay.batch.report import report_from

    try:
        return report_from(parsed_json(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise BadShards(f"{path} cannot be read: {error}") from error


def _end(report: Report, options: dict[str, Any]) -> NoReturn:
    """Show the report, write what was asked for, and leave."""
    from dataclasses import replace

    from replay.reports.batch import batch_json, show_batch, summary
    from replay.reports.batch_html import batch_html
    from replay.reports.junit import batch_junit
    from replay.reports.terminal import console

    if options["fail_on"] is not None:
        report = replace(report, fail_on=options["fail_on"])
    show_batch(report, console())
    if options["as_json"]:
        write_atomic(options["as_json"], batch_json(report))
    if options["html"]:
        write_atomic(options["html"], batch_html(report))
    if options["junit"]:
        write_atomic(options["junit"], batch_junit(report))
    summarize(summary(report))
    sys.exit(report.exit_code)


COMMANDS = (batch,)
