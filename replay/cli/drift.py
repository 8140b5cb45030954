"""Verbs on drift: what changed between two versions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replay.config import Config

if TYPE_CHECKING:
    from replay.drift.report import LeftOut, Pair, Report

_FILE = click.File("w", "utf-8", lazy=True)


@click.command("drift")
@click.argument("what", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Compare all episodes of the store.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="NAME",
    help="Compare episodes with this tag: --tag vip.",
)
@click.option("--from", "before", default="", metavar="A", help="The old version, or git revision.")
@click.option("--to", "after", default="", metavar="B", help="The new, likewise.")
@click.option(
    "--also-before",
    multiple=True,
    type=Path,
    metavar="PATH",
    help="Another recording of the old side.",
)
@click.option(
    "--also-after",
    multiple=True,
    type=Path,
    metavar="PATH",
    help="Another recording of the new side.",
)
@click.option(
    "--fail-on", "wanted", metavar="GATES", help="Gates, such as output,request.model,cost>10%."
)
@click.option("--text-distance", metavar="MODULE:FUNCTION", help="How far two texts are apart.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for machines.")
@click.option("--markdown", type=_FILE, metavar="FILE", help="Write it for a pull request.")
@click.option("--html", type=_FILE, metavar="FILE", help="Write it as one HTML file.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write the gates for a CI.")
@click.pass_obj
def drift(config: Config, /, what: tuple[str, ...], **options: Any) -> NoReturn:
    """
    Report what changed between two versions: requests, responses, outputs.

    WHAT is two cassettes or two folders of them; one of those, with git revisions; or episodes,
    with versions as `replay frozen` takes them: a model, a recording's id, @2026-09-01. Without
    those it is the newest version against the one before, or the last recording against the others.

    \b
      replay drift old/ new/
      replay drift old/ new/ --also-before old2/ --also-after new2/
      replay drift cassettes --from main
      replay drift episode_12345 --from gpt-4o-2024-08-06 --to gpt-4.1-2025-04-14
      replay drift --tag refunds
      replay drift --all --fail-on "output,cost>10%" --html drift.html

    Exit codes: 0 no drift or within noise, 1 drift, 2 could not tell. With --fail-on only the
    gates decide.
    """
    from replay.drift.gates import gates, passages
    from replay.drift.verdicts import worst

    wanted = gates(options["wanted"] or "")
    report = _report(config, what, options)
    passed = passages(report, wanted)
    _write(report, passed, options)
    verdict = worst(p.verdict for p in passed) if wanted else report.verdict
    sys.exit(verdict.exit_code)


def _report(config: Config, what: tuple[str, ...], options: dict[str, Any]) -> Report:
    from replay.cassettes.matching import Matcher
    from replay.drift.report import Reporter, report
    from replay.golden.chosen import rules_of

    reporter = Reporter(Matcher(config.match), rules_of(config), max_age_days=config.max_age_days)
    if named := options["text_distance"]:
        from replay.engine.entrypoint import load_entrypoint

        reporter.distance = load_entrypoint(named)
    old, new, pairs = _sides(config, what, options)
    return report(old, new, pairs, reporter)


def _sides(
    config: Config, what: tuple[str, ...], options: dict[str, Any]
) -> tuple[str, str, Iterator[Pair | LeftOut]]:
    """Work out what is compared with what."""
    from replay.drift.sources import paired, revisions

    before, after = options["before"], options["after"]
    paths = [Path(name) for name in what]
    if len(paths) == 2 and all(path.exists() for path in paths):
        if before or after:
            raise click.UsageError("two paths are the two sides: leave out --from and --to")
        more = options["also_before"], options["also_after"]
        return str(paths[0]), str(paths[1]), paired([paths[0], *more[0]], [paths[1], *more[1]])
    if len(paths) == 1 and paths[0].exists() and before:
        return before, after or "the files now", revisions(paths[0], before, after)
    if [bool(what), options["every"], bool(options["tags"])].count(True) != 1:
        raise click.UsageError("give two paths, a path and --from, episodes, --tag, or --all")
    return before or "the version before", after or "the newest", _episodes(config, what, options)


def _refuse_paths(names: list[str]) -> None:
    """Tell of *names*, which are no episodes, whether paths are meant: not there, or one side."""
    from replay.cassettes.check import SUFFIXES
    from replay.errors import NothingToCompare

    there = [name for name in names if Path(name).exists()]
    missing = [name for name in names if name not in there]
    if missing and (there or "/" in missing[0] or missing[0].endswith(SUFFIXES)):
        what = f"There is no file or folder {missing[0]}."
        raise NothingToCompare(what, "Episodes are named without a path: replay list")
    if there:
        hint = f"Name the other: replay drift {there[0]} --from HEAD, or two files or folders."
        raise NothingToCompare(f"{there[0]} is one side of a comparison.", hint)


def _episodes(
    config: Config, names: tuple[str, ...], options: dict[str, Any]
) -> Iterator[Pair | LeftOut]:
    from replay.drift.report import LeftOut
    from replay.drift.sources import sides
    from replay.episodes.folder import known
    from replay.episodes.layers import reading, resolve
    from replay.episodes.queries import Filter
    from replay.errors import AmbiguousVersion, NothingToCompare, UnknownVersion

    with reading(config) as (store, damaged):
        for error in damaged:
            yield LeftOut("a bundle", str(error), broken=True)
        if names:
            bundles = config.path(config.episodes)
            every = [resolve(store, bundles, name) for name in names]
            there = known(store, bundles)
            _refuse_paths([name for name in every if name not in there])
        else:
            every = [one.id for one in store.summaries(Filter(tags=options["tags"]))]
        compared = False
        for name in every:
            try:
                yield sides(store.get(name), options["before"], options["after"], config.versions)
                compared = True
            except (NothingToCompare, UnknownVersion, AmbiguousVersion) as error:
                if names:
                    raise
                yield LeftOut(name, str(error).splitlines()[0].rstrip("."))
        if not (compared or damaged):
            what = f"None of {len(every)} episodes has recordings of two versions to be compared."
            raise NothingToCompare(what, "Record one again: replay record --from EPISODE")


def _write(report: Report, passed: Iterable[Any], options: dict[str, Any]) -> None:
    from replay.reports.drift_html import drift_html
    from replay.reports.drift_json import drift_json
    from replay.reports.drift_markdown import drift_markdown
    from replay.reports.drift_terminal import show_drift
    from replay.reports.junit import drift_junit
    from replay.reports.terminal import console

    passed = tuple(passed)
    writers = {"markdown": drift_markdown, "html": drift_html, "junit": drift_junit}
    for name, write in writers.items():
        if file := options[name]:
            file.write(write(report, passed))
    if options["as_json"]:
        click.echo(drift_json(report, passed))
    else:
        show_drift(report, passed, console())


COMMANDS = (drift,)
