"""What verbs have in common: options, names that complete, questions, and how they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from replay.atomic import saving
from replay.config import load_config
from replay.errors import ReplayError

if TYPE_CHECKING:
    from replay.episodes.queries import Filter

F = TypeVar("F", bound=Callable[..., Any])


def _use_tenant(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.obj = replace(ctx.obj, tenant=value)


def of_tenant(command: click.Command) -> click.Command:
    """Let *command* be about the episodes of another tenant."""
    command.params.append(
        click.Option(
            ["--tenant"],
            metavar="NAME",
            expose_value=False,
            callback=_use_tenant,
            help="Whose episodes: --tenant acme. Default: `tenant` in [tool.replay].",
        )
    )
    return command


def complete_episode(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """List the names that begin so, for the shell, which no error would help."""
    from replay.episodes.folder import known
    from replay.episodes.layers import open_store

    try:
        config = load_config(environ=os.environ)
        with open_store(config, writable=False) as store:
            return known(store, config.path(config.episodes), incomplete)
    except ReplayError:
        return []


def agree(question: str, *, yes: bool) -> None:
    """Ask, unless *yes* was said before; without a terminal, nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is here to say yes; if it is meant: --yes")
    click.confirm(question, abort=True)


def end_with_orphans(find: Callable[[], Iterable[Path]], *, delete: bool) -> NoReturn:
    """List files that no test uses, or *delete* them; exit 1 where some are left."""
    left = False
    if sys.stderr.isatty():
        click.echo("pytest collects all tests …", err=True)
    for path in find():
        if delete:
            with saving(path):
                path.unlink()
        click.echo(f"{path}{': deleted' if delete else ''}")
        left = not delete
    sys.exit(1 if left else 0)


def _cost(_ctx: click.Context, _param: click.Parameter, value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is no number of dollars, as in 0.05") from None


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of *options* that several verbs have, in the order of their help."""

    def decorated(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorated


def summarize(text: str) -> None:
    """Add *text*, which is Markdown, to the summary of a GitHub job, where this runs in one."""
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)


filtered = together(
    click.option(
        "--tag",
        "tags",
        multiple=True,
        metavar="NAME",
        help="Only episodes with this tag; repeatable.",
    ),
    click.option(
        "--model", default="", metavar="GLOB", help="Only with this model: --model 'gpt-4o*'."
    ),
    click.option(
        "--entrypoint", default="", metavar="GLOB", help="Only of this one: --entrypoint 'shop.*'."
    ),
    click.option("--since", default="", metavar="DATE", help="Recorded since: --since 2026-09-01."),
    click.option("--until", default="", metavar="DATE", help="Recorded until, that day included."),
    click.option(
        "--outcome",
        default="",
        type=click.Choice(["", "returned", "raised"]),
        help="How the recorded run ended: returned, or raised.",
    ),
    click.option(
        "--cost",
        default="0",
        callback=_cost,
        metavar="DOLLARS",
        help="Cost at least this, in dollars: --cost 0.05.",
    ),
    click.option("--all-tenants", is_flag=True, help="Of every tenant in the store."),
)
"""The options that say which recordings are meant; `filter_of` reads them."""


def filter_of(options: dict[str, Any]) -> Filter:
    """Build the filter of the options that `filtered` gave a verb."""
    from replay.episodes.queries import Filter

    return Filter(**options)
