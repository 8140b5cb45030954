"""Verbs on the store as a whole: verify, gc, backup, restore, merge."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from replay.config import Config


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print the list of problems for machines.")
@click.pass_obj
def verify(config: Config, as_json: bool) -> NoReturn:
    """
    Derive every hash in the store anew; exit 1 if anything is not what it was.

    \b
      replay verify
    """
    from replay.episodes.layers import open_local
    from replay.episodes.upkeep import verify as problems_of
    from replay.reports.episodes import show_problems
    from replay.reports.terminal import console

    with open_local(config) as store:
        found = list(problems_of(store))
    show_problems(store.path, found, console(), as_json=as_json)
    sys.exit(1 if found else 0)


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Say what would be cleared, and clear nothing.")
@click.pass_obj
def gc(config: Config, dry_run: bool) -> None:
    """
    Clear recordings whose process died, and what nothing refers to; never a recording.

    \b
      replay gc --dry-run
      replay gc
    """
    from replay.episodes.layers import open_local
    from replay.episodes.upkeep import gc as clear
    from replay.reports.episodes import garbage_line

    with open_local(config, writable=True) as store:
        click.echo(garbage_line(clear(store, dry_run=dry_run), dry_run=dry_run))


@click.command("backup")
@click.argument("file", type=Path)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.pass_obj
def backup(config: Config, file: Path, force: bool) -> None:
    """
    Copy the store to FILE, whole, while others may go on writing to it.

    \b
      replay backup /backups/episodes-2026-09-01.db
    """
    from replay.episodes.layers import open_local
    from replay.episodes.upkeep import backup as copy

    with open_local(config) as store:
        copy(store, file, force=force)
    click.echo(f"{file}: {file.stat().st_size:,} bytes. To put it back: replay restore {file}")


@click.command("restore")
@click.argument("file", type=Path)
@click.option("--force", is_flag=True, help="Replace the store even if it is whole.")
@click.pass_obj
def restore(config: Config, file: Path, force: bool) -> None:
    """
    Put the backup FILE in the place of the store; what was there stays beside it.

    In one transaction: whoever has the store open goes on in what was put back.

    \b
      replay restore /backups/episodes-2026-09-01.db
    """
    from replay.episodes.upkeep import restore as put_back

    path = config.path(config.store)
    aside = put_back(path, file, force=force)
    click.echo(f"{path} is what {file} is." + (f" What was there: {aside}" if aside else ""))


@click.command("merge")
@click.argument("others", nargs=-1, required=True, type=Path)
@click.pass_obj
def merge(config: Config, others: tuple[Path, ...]) -> NoReturn:
    """
    Add what the stores OTHERS hold, of all tenants; exit 2 if some of it cannot be.

    \b
      replay merge /mnt/ci/episodes.db
    """
    from replay.episodes.layers import open_local
    from replay.episodes.upkeep import merge as add

    refused = 0
    with open_local(config, writable=True) as store:
        for path in others:
            done = add(store, path)
            click.echo(f"{path}: {done.recordings} new recordings in {done.episodes} episodes")
            for why in done.refused:
                click.echo(why, err=True)
            refused += len(done.refused)
    sys.exit(2 if refused else 0)


COMMANDS = (verify, gc, backup, restore, merge)
