"""Verbs on goldens: normalize, review, goldens orphans."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replay.atomic import write_atomic
from replay.cli.context import end_with_orphans, summarize
from replay.config import Config

if TYPE_CHECKING:
    from replay.golden.changes import Cluster
    from replay.golden.pending import Decisions

_KEYS = "[a]ccept  [r]eject  [s]kip  [u]ndo  [q]uit"


@click.command("normalize")
@click.argument("file", type=Path)
@click.option("--explain", is_flag=True, help="Print which rule touched what, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print the result and every touch as JSON.")
@click.pass_obj
def normalize(config: Config, file: Path, explain: bool, as_json: bool) -> None:
    """
    Show FILE (JSON, JSON lines or text) as it would stand in a golden, by the project's rules.

    \b
      replay normalize out.json
      replay normalize out.json --explain
      replay normalize out.json --json | jq '.touched[].rule'
    """
    from replay.golden.samples import explain_file
    from replay.reports.normalization import show_normalized, show_normalized_json, show_touches
    from replay.reports.terminal import console

    value, touched = explain_file(file, config)
    if as_json:
        show_normalized_json(value, touched, console())
    elif explain:
        show_touches(touched, console())
    else:
        show_normalized(value, console())


@click.command("review")
@click.option(
    "--accept", multiple=True, metavar="NAME", help="Accept a test, file, glob, cluster; `all`."
)
@click.option("--reject", multiple=True, metavar="NAME", help="Reject, a cassette alone too.")
@click.option("--undo", is_flag=True, help="Take the last decision back.")
@click.option("--base", metavar="REV", help="Show what changed since a git revision instead.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it for a pull request.")
@click.option("--html", "page", type=Path, metavar="FILE", help="Write it to one HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
@click.pass_obj
def review(config: Config, /, **options: Any) -> NoReturn:
    """
    Decide on what differs from what is approved: goldens, and the cassettes recorded with them.

    Equal changes are one decision. With a terminal it asks; without one it prints the commands.
    Exit codes: 0 nothing waits (or all was decided), 1 something does, 2 could not tell.

    \b
      replay review
      replay review --accept 'test_refund*'
      replay review --accept all
      replay review --undo
      replay review --base origin/main --markdown
    """
    from replay.golden.changes import clustered
    from replay.golden.pending import Decisions, pending

    decisions = Decisions(config)
    if options["undo"]:
        verb, paths = decisions.undo()
        _say(f"Undid {verb}", paths)
        sys.exit(0)
    if options["accept"] or options["reject"]:
        _decide(config, decisions, options["accept"], options["reject"])
    if base := options["base"]:
        from replay.golden.revisions import changes_since

        clusters = clustered(changes_since(config, base))
    else:
        clusters = clustered(pending(config))
    _show(config, clusters, decisions, options)
    left = () if base else clustered(pending(config))
    sys.exit(1 if (clusters if base else left) else 0)


@click.group("goldens")
def goldens() -> None:
    """Work on approved outputs."""


@goldens.command("orphans")
@click.option("--delete", is_flag=True, help="Delete them.")
@click.pass_obj
def orphans(config: Config, delete: bool) -> NoReturn:
    """
    List the goldens whose test is gone; exit 1 if there are any.

    Asks pytest to collect all tests, and runs none. Outputs that a test which is still there does
    not look at any more are reported by its own run, and removed by --snapshot-update.

    \b
      replay goldens orphans
      replay goldens orphans --delete
    """
    from replay.golden.orphans import find_orphan_goldens

    end_with_orphans(partial(find_orphan_goldens, config), delete=delete)


def _decide(
    config: Config, decisions: Decisions, accept: tuple[str, ...], reject: tuple[str, ...]
) -> NoReturn:
    """Carry out what was asked for on the command line, once all of it is known to exist."""
    from replay.golden.pending import chosen, pending

    waiting = pending(config)
    taken = [change for glob in accept for change in chosen(waiting, glob)]
    refused = [change for glob in reject for change in chosen(waiting, glob, reject=True)]
    refused = [change for change in refused if change not in taken]
    if taken:
        _say("Accepted", decisions.accept(taken))
    if refused:
        _say("Rejected", decisions.reject(refused))
    sys.exit(0)


def _show(
    config: Config, clusters: tuple[Cluster, ...], decisions: Decisions, options: dict[str, Any]
) -> None:
    from replay.reports import review as report
    from replay.reports.terminal import console

    base = options["base"] or ""
    if options["page"]:
        write_atomic(options["page"], report.page(clusters, base=base))
        click.echo(f"Wrote {options['page']}")
    elif options["as_markdown"]:
        _publish(config, clusters, base)
    elif options["as_json"]:
        report.show_changes_json(clusters, console())
    elif not base and clusters and sys.stdin.isatty() and sys.stdout.isatty():
        _ask(clusters, decisions)
    else:
        report.show_clusters(clusters, console(), decide=not base)


def _publish(config: Config, clusters: tuple[Cluster, ...], base: str) -> None:
    """Print Markdown; in GitHub's CI annotate the files and write the step's summary too."""
    from replay.reports.review import markdown, workflow_commands

    text = markdown(clusters, base=base)
    click.echo(text)
    summarize(text)
    if os.environ.get("GITHUB_ACTIONS"):
        for line in workflow_commands(clusters, str(config.root)):
            click.echo(line, err=True)


def _ask(clusters: tuple[Cluster, ...], decisions: Decisions) -> None:
    """
    Go through the clusters, one key each; undo goes back to the one decided last.

    First come those that have a command of their own.
    """
    from replay.reports.review import show_cluster, show_clusters
    from replay.reports.terminal import console

    if others := [cluster for cluster in clusters if cluster.first.verb]:
        show_clusters(others, console())
    open_to = [cluster for cluster in clusters if not cluster.first.verb]
    decided: list[int] = []
    number = 0
    while number < len(open_to):
        show_cluster(open_to[number], number + 1, len(open_to), console())
        click.echo(_KEYS, nl=False)
        pressed = click.getchar().lower()
        click.echo()
        if pressed == "q":
            return
        if pressed == "u" and decided:
            decisions.undo()
            number = decided.pop()
            continue
        if pressed in ("a", "r"):
            verb = decisions.accept if pressed == "a" else decisions.reject
            _say("Accepted" if pressed == "a" else "Rejected", verb(open_to[number].changes))
            decided.append(number)
        number += pressed in ("a", "r", "s")


def _say(what: str, paths: list[Path]) -> None:
    for path in paths:
        click.echo(f"{what} {path}")


COMMANDS = (normalize, review, goldens)
