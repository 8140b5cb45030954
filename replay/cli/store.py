"""Verbs on what the store keeps: verify, gc, delete, backup, restore, merge."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from replay.cli.context import agree, complete_episode
from replay.config import Config
from replay.wording import counted


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
    from replay.episodes.upkeep import replaced
    from replay.reports.episodes import garbage_line

    with open_local(config, writable=True) as store:
        click.echo(garbage_line(clear(store, dry_run=dry_run), dry_run=dry_run))
    for path in replaced(config.path(config.store)):
        click.echo(f"{path}: what a restore has replaced; delete it when you are sure")


@click.command("delete")
@click.argument("episodes", nargs=-1, required=True, shell_complete=complete_episode)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(config: Config, episodes: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """
    Delete EPISODES, written in full, with all their recordings: in the store, and their bundles.

    What other episodes share with them stays as it is. A bundle that was committed is in git still.

    \b
      replay delete episode_12345 --dry-run
      replay delete episode_12345 episode_12346 --yes
    """
    from replay.episodes.deletion import delete as delete_episode
    from replay.episodes.deletion import doomed
    from replay.episodes.layers import open_store
    from replay.reports.episodes import doomed_line

    with open_store(config, writable=False) as store:
        bundles = config.path(config.episodes)
        found = [doomed(store, bundles, name) for name in dict.fromkeys(episodes)]
    for each in found:
        click.echo(doomed_line(each))
    if dry_run:
        return
    agree("Delete that?", yes=yes)
    with open_store(config) as store:
        for each in found:
            delete_episode(store, each)
            shared = ", the shared store still has it" if store.case(each.episode) else ""
            click.echo(f"Deleted {each.episode}{shared}")
    click.echo("The room that they took in the store is given back by: replay gc")


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

    Refused while another process has the store open: stop the service first.

    \b
      replay restore /backups/episodes-2026-09-01.db
    """
    from replay.episodes.upkeep import restore as put_back

    path = config.path(config.store)
    aside = put_back(path, file, force=force)
    click.echo(f"{path} is what {file} is.")
    if aside:
        click.echo(f"What was there is {aside}: delete it when you are sure; nothing else does.")


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
            new = counted(done.recordings, "new recording")
            click.echo(f"{path}: {new} in {counted(done.episodes, 'episode')}")
            for why in done.refused:
                click.echo(why, err=True)
            refused += len(done.refused)
    sys.exit(2 if refused else 0)


COMMANDS = (verify, gc, delete, backup, restore, merge)
